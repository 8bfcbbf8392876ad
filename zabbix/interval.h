// Update intervals of items, in Zabbix's whole syntax:
//
//   interval    simple ( ';' custom )*
//   simple      number with an optional suffix s, m, h, d or w; 0: only the custom ones count
//   custom      simple '/' days ',' from '-' till       flexible: "10s/1-5,09:00-18:00", 1 is Monday, till is
//                                                       exclusive and at most 24:00
//             | [md F][wd F][h F][m F][s F]             scheduling, in this order (md and wd in either)
//   F           ( n | n-n | n-n/step | /step ) ( ',' ... )*
//
// A moment is due when it fits a scheduling interval, or when the delay that holds then (the shortest of the
// flexible intervals around it, else the simple one; 0: none) divides it, shifted by the item's seed so that
// items of one delay do not all come at once. All this is as in Zabbix's server and agent 2. Days and hours
// are those of the process's time zone. Pure values; the clock is the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::zabbix {

class Interval {
 public:
  /// Fails (`invalid`) with a sentence that names the part that cannot be read, or when there is no moment at
  /// all to check ("0" alone).
  [[nodiscard]] static Result<Interval> parse(std::string_view text);

  /// The first due moment later than `now`, both in Unix seconds; nothing when there is none within a year
  /// (five for scheduling intervals). `seed` is the item's own and stays the same (Zabbix's agent takes the
  /// item's id). When clocks go back, moments of the repeated hour are due in both; hours that are left out
  /// never are.
  [[nodiscard]] std::optional<int64_t> next_check(int64_t now, uint64_t seed) const;

  /// The delay outside all flexible intervals, in seconds; 0: none.
  [[nodiscard]] int64_t simple_seconds() const { return simple_; }

  friend bool operator==(const Interval&, const Interval&) = default;

 private:
  struct Flexible {
    int64_t delay = 0;
    int first_day = 1;  // Monday is 1
    int last_day = 7;
    int from = 0;  // seconds of the day
    int till = 0;
    friend bool operator==(const Flexible&, const Flexible&) = default;
  };
  struct Scheduling {  // one bit a value
    uint64_t month_days = 0;
    uint64_t week_days = 0;
    uint64_t hours = 0;
    uint64_t minutes = 0;
    uint64_t seconds = 0;
    friend bool operator==(const Scheduling&, const Scheduling&) = default;
  };

  [[nodiscard]] static std::optional<Flexible> parse_flexible(std::string_view text);
  [[nodiscard]] static std::optional<Scheduling> parse_scheduling(std::string_view text);
  [[nodiscard]] static std::optional<int64_t> next_scheduled(const Scheduling& scheduling, int64_t now);
  [[nodiscard]] std::optional<int64_t> next_by_delay(int64_t now, uint64_t seed) const;

  int64_t simple_ = 0;
  std::vector<Flexible> flexible_{};
  std::vector<Scheduling> scheduling_{};
};

}  // namespace bakusoku::zabbix
