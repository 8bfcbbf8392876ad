#include "aws/timestamp.h"

#include <algorithm>
#include <array>
#include <optional>

namespace bakusoku::aws {
namespace {

// The number that the digits text[at, at + count) are.
std::optional<int> digits(std::string_view text, size_t at, size_t count) {
  if (text.size() < at + count) return std::nullopt;
  int value = 0;
  for (const char ch : text.substr(at, count)) {
    if (ch < '0' || ch > '9') return std::nullopt;
    value = value * 10 + (ch - '0');
  }
  return value;
}

std::optional<WallTime> make_time(std::optional<int> year, std::optional<int> month, std::optional<int> day,
                                  std::optional<int> hour, std::optional<int> minute,
                                  std::optional<int> second) {
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  // system_clock counts nanoseconds in 64 bits and ends in 2262.
  if (!date.ok() || *year < 1970 || *year > 2199 || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

}  // namespace

Result<WallTime> parse_iso8601(std::string_view text) {
  const auto bad = [] { return fail(ErrorKind::invalid, "not an ISO 8601 time"); };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') ||
      text[13] != ':' || text[16] != ':') {
    return bad();
  }
  const std::optional<WallTime> time =
      make_time(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2), digits(text, 11, 2),
                digits(text, 14, 2), digits(text, 17, 2));
  if (!time) return bad();
  std::string_view zone = text.substr(19);
  if (zone.front() == '.') {
    zone.remove_prefix(1);
    const size_t end = zone.find_first_not_of("0123456789");
    if (end == std::string_view::npos || end == 0) return bad();
    zone.remove_prefix(end);
  }
  if (zone == "Z") return *time;
  if (zone.size() < 3 || (zone[0] != '+' && zone[0] != '-')) return bad();
  const std::optional<int> hours = digits(zone, 1, 2);
  const bool colon = zone.size() == 6 && zone[3] == ':';
  if (zone.size() != 3 && zone.size() != 5 && !colon) return bad();
  const std::optional<int> minutes = zone.size() == 3 ? 0 : digits(zone, colon ? 4 : 3, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return bad();
  const auto offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return zone[0] == '+' ? *time - offset : *time + offset;
}

Result<WallTime> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto bad = [] { return fail(ErrorKind::invalid, "not an HTTP date"); };
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
    return bad();
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  if (month == kMonths.end()) return bad();
  const std::optional<WallTime> time =
      make_time(digits(text, 12, 4), static_cast<int>(month - kMonths.begin()) + 1, digits(text, 5, 2),
                digits(text, 17, 2), digits(text, 20, 2), digits(text, 23, 2));
  if (!time) return bad();
  return *time;
}

}  // namespace bakusoku::aws
