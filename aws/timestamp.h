// The time formats of AWS's answers. Pure.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::aws {

/// "2011-11-09T13:34:41Z", also with a blank for the T, a fraction (dropped), or an offset such as +02:00,
/// +0200 or +02. Errors: invalid.
[[nodiscard]] Result<WallTime> parse_iso8601(std::string_view text);

/// The Date header: "Sun, 06 Nov 1994 08:49:37 GMT". Errors: invalid.
[[nodiscard]] Result<WallTime> parse_http_date(std::string_view text);

}  // namespace bakusoku::aws
