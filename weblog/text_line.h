// Lines of the common and combined formats, with what stands behind them. For format.cpp only. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "weblog/format.h"

namespace bakusoku::weblog {

/// `wanted`: the line has to be of this shape; nothing: of any. `unit`: nanoseconds, of the time; nothing:
/// not known.
[[nodiscard]] std::optional<Request> read_text_line(std::string_view line, std::optional<Shape> wanted,
                                                    std::optional<uint64_t> unit);

}  // namespace bakusoku::weblog
