#include "base/time_text.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <ctime>

namespace bakusoku {

std::string utc_text(int64_t time, const char* format) {
  const auto seconds = static_cast<std::time_t>(time);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &utc)};
}

std::string duration_text(int64_t seconds) {
  if (seconds < 0) seconds = -seconds;
  const auto two = [](int64_t large, const char* unit, int64_t small, const char* small_unit) {
    return small == 0 ? fmt::format("{} {}", large, unit)
                      : fmt::format("{} {} {} {}", large, unit, small, small_unit);
  };
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return two(seconds / 60, "min", seconds % 60, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds % 3600 / 60, "min");
  return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

std::string clock_text(int64_t time, int64_t now) {
  const auto local = [](int64_t at) {
    const auto seconds = static_cast<std::time_t>(at);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    return parts;
  };
  const std::tm then = local(time);
  const std::tm today = local(now);
  const bool is_today = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;
  std::array<char, 40> text{};
  const size_t size =
      std::strftime(text.data(), text.size(), is_today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then);
  const std::string clock(text.data(), size);
  if (then.tm_gmtoff == 0) return clock + " UTC";
  const auto minutes = std::abs(then.tm_gmtoff) / 60;
  return fmt::format("{} {}{:02}:{:02}", clock, then.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

std::string moment_text(int64_t time, int64_t now) {
  const std::string clock = clock_text(time, now);
  if (time == now) return clock + " (now)";
  return time < now ? fmt::format("{} ({} ago)", clock, duration_text(now - time))
                    : fmt::format("{} (in {})", clock, duration_text(time - now));
}

}  // namespace bakusoku
