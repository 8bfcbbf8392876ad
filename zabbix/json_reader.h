// Reading JSON of Zabbix's protocols with simdjson: members that may be missing, numbers that may be strings.
// For the codecs of this folder only.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "zabbix/reply.h"

namespace bakusoku::zabbix {

/// The document's root. Fails with `kind` when `payload` is no JSON object. The parser owns what is returned.
[[nodiscard]] Result<simdjson::dom::object> read_object(simdjson::dom::parser& parser,
                                                        std::string_view payload, ErrorKind kind);

/// Nothing when missing or of another type.
[[nodiscard]] std::optional<std::string_view> read_string(simdjson::dom::element element);
[[nodiscard]] std::optional<std::string_view> read_string(simdjson::dom::object object,
                                                          std::string_view name);

/// A number without sign and fraction, or a string of its digits; nothing otherwise.
[[nodiscard]] std::optional<uint64_t> read_unsigned(simdjson::dom::element element);
[[nodiscard]] std::optional<uint64_t> read_unsigned(simdjson::dom::object object, std::string_view name);

/// The common part of an answer. Fails (`corrupt`) when "response" is missing or unknown, or a redirect
/// leads nowhere.
[[nodiscard]] Result<ReplyHead> read_reply_head(simdjson::dom::object root);

}  // namespace bakusoku::zabbix
