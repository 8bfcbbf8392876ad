// Lines of JSON: nginx's with escape=json, Caddy's, Traefik's, Apache's as somebody has written them. For
// format.cpp only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "weblog/format.h"

namespace bakusoku::weblog {

/// Members that the options do not name are looked for under the names that web servers and examples use.
/// `unit`: nanoseconds, of the time. The stamp is good until the next line is read.
[[nodiscard]] std::optional<Request> read_json_line(std::string_view line, const FormatOptions& options,
                                                    std::optional<uint64_t> unit);

/// The name of the member that a time is read from, with its unit in words, for people; empty: none is known.
[[nodiscard]] std::string_view known_time_members();

}  // namespace bakusoku::weblog
