// Times as text: in words, for messages to people, and in formats of one's own. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace bakusoku {

/// "0 s", "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"; without a sign.
[[nodiscard]] std::string duration_text(int64_t seconds);

/// As strftime() writes it, in UTC; 39 bytes at most. Unix seconds.
[[nodiscard]] std::string utc_text(int64_t time, const char* format);

/// For people: "12:26:49 +09:00" in the time zone of this process ("12:26:49 UTC" where that is UTC), with
/// the date in front where it is not that of `now`. Unix seconds.
[[nodiscard]] std::string clock_text(int64_t time, int64_t now);

/// "12:26:49 +09:00 (3 min ago)", "12:30:00 +09:00 (in 20 s)".
[[nodiscard]] std::string moment_text(int64_t time, int64_t now);

}  // namespace bakusoku
