#include "zabbix/interval.h"

#include <algorithm>
#include <bit>
#include <ctime>
#include <limits>
#include <utility>

namespace bakusoku::zabbix {
namespace {

constexpr int kMinute = 60;
constexpr int kHour = 3600;
constexpr int kDay = 86400;
constexpr int64_t kYear = int64_t{366} * kDay;
constexpr int64_t kLatest = int64_t{1} << 36;  // the year 4147: calendars work until there
// Clocks change at multiples of this many seconds of Unix time, everywhere in the world.
constexpr int64_t kClockChangeStep = 900;

struct LocalTime {
  int month_day = 0;
  int week_day = 0;  // Monday is 1
  int seconds = 0;   // of the day, by its clock
  long offset = 0;
};

LocalTime local_time(int64_t time) {
  const auto seconds = static_cast<time_t>(time);
  std::tm tm{};
  ::localtime_r(&seconds, &tm);
  return {tm.tm_mday, tm.tm_wday == 0 ? 7 : tm.tm_wday,
          tm.tm_hour * kHour + tm.tm_min * kMinute + std::min(tm.tm_sec, 59), tm.tm_gmtoff};
}

// `seconds` after `time` by the local clock, or, when clocks change before that, the next moment at which
// they may: no moment in between has another reading than the clock's at `time` plus the time passed.
int64_t advance(int64_t time, const LocalTime& local, int seconds) {
  const int64_t there = time + seconds;
  if (local_time(there).offset == local.offset) return there;
  return std::min(there, (time / kClockChangeStep + 1) * kClockChangeStep);
}

// The reading position in a text; every take_...() moves it only when it succeeds.
struct Cursor {
  std::string_view rest;

  bool take(std::string_view text) {
    if (!rest.starts_with(text)) return false;
    rest.remove_prefix(text.size());
    return true;
  }
  // A number of one to `most_digits` digits, all there are, from `low` to `high`.
  std::optional<int> take_number(size_t most_digits, int low, int high) {
    size_t size = 0;
    int64_t value = 0;
    while (size < rest.size() && rest[size] >= '0' && rest[size] <= '9') {
      if (size == most_digits) return std::nullopt;
      value = value * 10 + (rest[size++] - '0');
    }
    if (size == 0 || value < low || value > high) return std::nullopt;
    rest.remove_prefix(size);
    return static_cast<int>(value);
  }
};

// "90", "90s", "15m", ...: Zabbix's time suffixes, up to what its 32 bits hold.
std::optional<int64_t> parse_delay(std::string_view text) {
  Cursor cursor{text};
  const auto number = cursor.take_number(10, 0, std::numeric_limits<int>::max());
  if (!number) return std::nullopt;
  int64_t unit = 1;
  if (cursor.take("m")) {
    unit = kMinute;
  } else if (cursor.take("h")) {
    unit = kHour;
  } else if (cursor.take("d")) {
    unit = kDay;
  } else if (cursor.take("w")) {
    unit = int64_t{7} * kDay;
  } else {
    cursor.take("s");
  }
  const int64_t delay = *number * unit;
  if (!cursor.rest.empty() || delay > std::numeric_limits<int>::max()) return std::nullopt;
  return delay;
}

// "9:00", "24:00" in seconds.
std::optional<int> take_clock(Cursor& cursor) {
  const auto hour = cursor.take_number(2, 0, 24);
  if (!hour || !cursor.take(":") || cursor.rest.size() < 2 || cursor.rest[1] < '0' || cursor.rest[1] > '9') {
    return std::nullopt;
  }
  const auto minute = cursor.take_number(2, 0, *hour == 24 ? 0 : 59);
  if (!minute) return std::nullopt;
  return *hour * kHour + *minute * kMinute;
}

// One F of the grammar as a set of bits.
std::optional<uint64_t> take_filter(Cursor& cursor, size_t most_digits, int low, int high) {
  uint64_t bits = 0;
  do {
    int first = low;
    int last = high;
    const bool any = cursor.rest.starts_with('/');
    bool range = any;
    if (!any) {
      const auto from = cursor.take_number(most_digits, low, high);
      if (!from) return std::nullopt;
      first = last = *from;
      if (cursor.take("-")) {
        const auto to = cursor.take_number(most_digits, first, high);
        if (!to) return std::nullopt;
        last = *to;
        range = true;
      }
    }
    int step = 1;
    if (cursor.take("/")) {
      const auto given = range ? cursor.take_number(most_digits, 1, last - first) : std::nullopt;
      if (!given) return std::nullopt;
      step = *given;
    }
    for (int value = first; value <= last; value += step) bits |= uint64_t{1} << value;
  } while (cursor.take(","));
  return bits;
}

// The smallest member of `bits` that is at least `from`; nothing when there is none.
std::optional<int> next_member(uint64_t bits, int from) {
  const uint64_t rest = bits >> from << from;
  if (rest == 0) return std::nullopt;
  return std::countr_zero(rest);
}

bool holds(uint64_t bits, int value) { return (bits >> value & 1) != 0; }

}  // namespace

std::optional<Interval::Flexible> Interval::parse_flexible(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto delay = parse_delay(text.substr(0, slash));
  if (!delay) return std::nullopt;
  Flexible flexible;
  flexible.delay = *delay;
  Cursor cursor{text.substr(slash + 1)};
  const auto first = cursor.take_number(1, 1, 7);
  if (!first) return std::nullopt;
  flexible.first_day = flexible.last_day = *first;
  if (cursor.take("-")) {
    const auto last = cursor.take_number(1, *first, 7);
    if (!last) return std::nullopt;
    flexible.last_day = *last;
  }
  if (!cursor.take(",")) return std::nullopt;
  const auto from = take_clock(cursor);
  if (!from || !cursor.take("-")) return std::nullopt;
  const auto till = take_clock(cursor);
  if (!till || *till <= *from || !cursor.rest.empty()) return std::nullopt;
  flexible.from = *from;
  flexible.till = *till;
  return flexible;
}

std::optional<Interval::Scheduling> Interval::parse_scheduling(std::string_view text) {
  enum Level { none, day, hour, minute, second };
  Scheduling scheduling;
  Level level = none;
  Cursor cursor{text};
  const auto take = [&](uint64_t& bits, Level of, size_t most_digits, int low, int high) {
    if (level > of || bits != 0) return false;
    level = of;
    const auto filter = take_filter(cursor, most_digits, low, high);
    if (filter) bits = *filter;
    return filter.has_value();
  };
  while (!cursor.rest.empty()) {
    bool taken = false;
    if (cursor.take("md")) {
      taken = take(scheduling.month_days, day, 2, 1, 31);
    } else if (cursor.take("wd")) {
      taken = take(scheduling.week_days, day, 1, 1, 7);
    } else if (cursor.take("h")) {
      taken = take(scheduling.hours, hour, 2, 0, 23);
    } else if (cursor.take("m")) {
      taken = take(scheduling.minutes, minute, 2, 0, 59);
    } else if (cursor.take("s")) {
      taken = take(scheduling.seconds, second, 2, 0, 59);
    }
    if (!taken) return std::nullopt;
  }
  if (level == none) return std::nullopt;
  // What is not named: any, above the finest unit that is; zero, below it.
  const auto complete = [&](uint64_t& bits, Level of) {
    if (bits == 0) bits = of < level ? ~uint64_t{0} : 1;
  };
  if (scheduling.month_days == 0) scheduling.month_days = ~uint64_t{0};
  if (scheduling.week_days == 0) scheduling.week_days = ~uint64_t{0};
  complete(scheduling.hours, hour);
  complete(scheduling.minutes, minute);
  complete(scheduling.seconds, second);
  return scheduling;
}

Result<Interval> Interval::parse(std::string_view text) {
  Interval interval;
  const std::string_view whole = text;
  const auto next_part = [&text] {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end);
    return part;
  };
  const std::string_view simple = next_part();
  const auto delay = parse_delay(simple);
  if (!delay) {
    return fail(ErrorKind::invalid,
                "update interval \"{}\": \"{}\" is no number of seconds, such as 90 or 15m", whole, simple);
  }
  interval.simple_ = *delay;
  bool has_delay = *delay != 0;
  while (!text.empty()) {
    text.remove_prefix(1);
    const std::string_view part = next_part();
    if (!part.empty() && part.front() >= '0' && part.front() <= '9') {
      const auto flexible = parse_flexible(part);
      if (!flexible) {
        return fail(ErrorKind::invalid,
                    "update interval \"{}\": \"{}\" is no flexible interval, such as 10s/1-5,09:00-18:00",
                    whole, part);
      }
      has_delay = has_delay || flexible->delay != 0;
      interval.flexible_.push_back(*flexible);
    } else {
      const auto scheduling = parse_scheduling(part);
      if (!scheduling) {
        return fail(ErrorKind::invalid,
                    "update interval \"{}\": \"{}\" is no scheduling interval, such as wd1-5h9-18m/15", whole,
                    part);
      }
      interval.scheduling_.push_back(*scheduling);
    }
  }
  if (!has_delay && interval.scheduling_.empty()) {
    return fail(ErrorKind::invalid, "update interval \"{}\": the item would never be checked", whole);
  }
  return interval;
}

std::optional<int64_t> Interval::next_by_delay(int64_t now, uint64_t seed) const {
  const auto due = [seed](int64_t from, int64_t delay) {
    const auto shift = static_cast<int64_t>(seed % static_cast<uint64_t>(delay));
    const int64_t found = from / delay * delay + shift;
    return found < from ? found + delay : found;
  };
  int64_t time = now + 1;
  if (flexible_.empty()) return simple_ == 0 ? std::nullopt : std::optional(due(time, simple_));
  while (time <= now + kYear) {
    const LocalTime local = local_time(time);
    std::optional<int64_t> delay;
    int end = kDay;  // of what holds now
    for (const Flexible& flexible : flexible_) {
      if (local.week_day < flexible.first_day || local.week_day > flexible.last_day) continue;
      if (local.seconds < flexible.from) {
        end = std::min(end, flexible.from);
      } else if (local.seconds < flexible.till) {
        end = std::min(end, flexible.till);
        delay = std::min(delay.value_or(flexible.delay), flexible.delay);
      }
    }
    const int64_t then = advance(time, local, end - local.seconds);
    if (delay.value_or(simple_) != 0) {
      const int64_t found = due(time, delay.value_or(simple_));
      if (found < then) return found;
    }
    time = then;
  }
  return std::nullopt;
}

std::optional<int64_t> Interval::next_scheduled(const Scheduling& scheduling, int64_t now) {
  int64_t time = now + 1;
  while (time <= now + 5 * kYear) {
    const LocalTime local = local_time(time);
    const int hour = local.seconds / kHour;
    const int minute = local.seconds / kMinute % 60;
    const int second = local.seconds % kMinute;
    int target = kDay;  // where to look next, in seconds of the day
    if (!holds(scheduling.month_days, local.month_day) || !holds(scheduling.week_days, local.week_day)) {
    } else if (!holds(scheduling.hours, hour)) {
      const auto next = next_member(scheduling.hours, hour);
      if (next) target = std::min(kDay, *next * kHour);
    } else if (!holds(scheduling.minutes, minute)) {
      const auto next = next_member(scheduling.minutes, minute);
      target = hour * kHour + std::min(60, next.value_or(60)) * kMinute;
    } else if (const auto next = next_member(scheduling.seconds, second); next == second) {
      return time;
    } else {
      target = hour * kHour + minute * kMinute + std::min(60, next.value_or(60));
    }
    time = advance(time, local, target - local.seconds);
  }
  return std::nullopt;
}

std::optional<int64_t> Interval::next_check(int64_t now, uint64_t seed) const {
  if (now < 0 || now > kLatest) return std::nullopt;
  std::optional<int64_t> next = next_by_delay(now, seed);
  for (const Scheduling& scheduling : scheduling_) {
    const auto scheduled = next_scheduled(scheduling, now);
    if (scheduled && (!next || *scheduled < *next)) next = scheduled;
  }
  return next;
}

}  // namespace bakusoku::zabbix
