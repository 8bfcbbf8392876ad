#include "zabbix/interval.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace bakusoku::zabbix {
namespace {

constexpr int64_t kDay = 86400;

// Written out, so that no time zone database is needed.
constexpr const char* kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3";
constexpr const char* kNewYork = "EST5EDT,M3.2.0,M11.1.0";
constexpr const char* kLordHowe = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

// Sets the process's time zone for one test.
class InZone {
 public:
  explicit InZone(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~InZone() {
    ::unsetenv("TZ");
    ::tzset();
  }
  InZone(const InZone&) = delete;
  InZone& operator=(const InZone&) = delete;
};

int64_t local(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  std::tm tm{};
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  tm.tm_mday = day;
  tm.tm_hour = hour;
  tm.tm_min = minute;
  tm.tm_sec = second;
  tm.tm_isdst = -1;
  return ::mktime(&tm);
}

std::string written(std::optional<int64_t> time) {
  if (!time) return "never";
  const time_t seconds = *time;
  std::tm tm{};
  ::localtime_r(&seconds, &tm);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
  return text;
}

std::string next(const std::string& interval, int64_t now, uint64_t seed = 0) {
  const auto parsed = Interval::parse(interval);
  return parsed ? written(parsed->next_check(now, seed)) : parsed.error().message;
}

TEST(Interval, IsReadAsZabbixWritesIt) {
  for (const char* text : {"1",
                           "90",
                           "90s",
                           "15m",
                           "1h",
                           "1d",
                           "1w",
                           "00030",
                           "2147483647",
                           "0;10s/1-5,09:00-18:00",
                           "1m;0/6-7,00:00-24:00",
                           "30s;wd1-5h9-18",
                           "0;m/5",
                           "0;md1h0",
                           "0;h9m0-59/10s0",
                           "0;md1,15wd1-5h/2m0s1-59/2",
                           "0;wd1md1",
                           "0;s0",
                           "0;md01h09",
                           "1m;10s/1,9:00-10:00;h9;m30",
                           "0;0/1,0:00-1:00;m/59",
                           "0;wd7",
                           "60;50s/1-7,00:00-24:00"}) {
    const auto interval = Interval::parse(text);
    EXPECT_TRUE(interval) << text << ": " << interval.error().message;
  }
  EXPECT_EQ(Interval::parse("15m;m/5")->simple_seconds(), 900);
}

TEST(Interval, ThatIsNoneIsRefusedInWords) {
  const struct {
    const char* text;
    const char* part;
  } bad[] = {
      {"", "\"\" is no number"},
      {"0", "never be checked"},
      {"0s", "never be checked"},
      {"0;0/1-7,00:00-24:00", "never be checked"},
      {"{$INTERVAL}", "\"{$INTERVAL}\" is no number"},
      {"-1", "is no number"},
      {" 1", "is no number"},
      {"1 m", "is no number"},
      {"1M", "is no number"},
      {"1ms", "is no number"},
      {"m", "is no number"},
      {"2147483648", "is no number"},
      {"3551w", "is no number"},
      {"99999999999999999999999", "is no number"},
      {"1m;", "\"\" is no scheduling"},
      {"1m;;h9", "\"\" is no scheduling"},
      {"1m;10s", "\"10s\" is no flexible"},
      {"1m;10s/", "is no flexible"},
      {"1m;10x/1,00:00-01:00", "is no flexible"},
      {"1m;10s/0,00:00-01:00", "is no flexible"},
      {"1m;10s/8,00:00-01:00", "is no flexible"},
      {"1m;10s/5-1,00:00-01:00", "is no flexible"},
      {"1m;10s/1-5", "is no flexible"},
      {"1m;10s/1-5,9-18", "is no flexible"},
      {"1m;10s/1-5,09:0-18:00", "is no flexible"},
      {"1m;10s/1-5,09:000-18:00", "is no flexible"},
      {"1m;10s/1-5,009:00-18:00", "is no flexible"},
      {"1m;10s/1-5,18:00-09:00", "is no flexible"},
      {"1m;10s/1-5,09:00-09:00", "is no flexible"},
      {"1m;10s/1-5,09:00-24:01", "is no flexible"},
      {"1m;10s/1-5,09:60-18:00", "is no flexible"},
      {"1m;10s/1-5,09:00-18:00 ", "is no flexible"},
      {"1m;h", "is no scheduling"},
      {"1m;h24", "is no scheduling"},
      {"1m;h9/2", "is no scheduling"},
      {"1m;h9-9/1", "is no scheduling"},
      {"1m;h18-9", "is no scheduling"},
      {"1m;h9,", "is no scheduling"},
      {"1m;h/0", "is no scheduling"},
      {"1m;h/24", "is no scheduling"},
      {"1m;h009", "is no scheduling"},
      {"1m;h*", "is no scheduling"},
      {"1m;md0", "is no scheduling"},
      {"1m;md32", "is no scheduling"},
      {"1m;wd0", "is no scheduling"},
      {"1m;wd8", "is no scheduling"},
      {"1m;wd01", "is no scheduling"},
      {"1m;m60", "is no scheduling"},
      {"1m;s60", "is no scheduling"},
      {"1m;s0m0", "is no scheduling"},
      {"1m;h9md1", "is no scheduling"},
      {"1m;h9h10", "is no scheduling"},
      {"1m;m5md1", "is no scheduling"},
      {"1m;wx", "is no scheduling"},
  };
  for (const auto& [text, part] : bad) {
    const auto interval = Interval::parse(text);
    ASSERT_FALSE(interval) << text;
    EXPECT_EQ(interval.error().kind, ErrorKind::invalid);
    EXPECT_NE(interval.error().message.find(part), std::string::npos) << interval.error().message;
  }
}

TEST(Interval, ASimpleOneIsSpreadByTheSeed) {
  const auto minute = Interval::parse("1m").value();
  EXPECT_EQ(minute.next_check(600, 0), 660);
  EXPECT_EQ(minute.next_check(659, 0), 660);
  EXPECT_EQ(minute.next_check(600, 20005), 625);  // 20005 % 60 == 25
  EXPECT_EQ(minute.next_check(624, 20005), 625);
  EXPECT_EQ(minute.next_check(625, 20005), 685);
  EXPECT_EQ(minute.next_check(0, 20005), 25);
  EXPECT_EQ(minute.next_check(600, ~uint64_t{0}), 615);
  EXPECT_EQ(minute.next_check(-1, 0), std::nullopt);
  EXPECT_EQ(minute.next_check(INT64_MAX, 0), std::nullopt);
}

TEST(Interval, SchedulesByTheCalendar) {
  const InZone zone("UTC");
  EXPECT_EQ(next("0;h9", local(2023, 11, 14, 9, 0, 0)), "2023-11-15 09:00:00");
  EXPECT_EQ(next("0;h9", local(2023, 11, 14, 8, 59, 59)), "2023-11-14 09:00:00");
  EXPECT_EQ(next("0;m/5", local(2023, 11, 14, 9, 58)), "2023-11-14 10:00:00");
  EXPECT_EQ(next("0;wd1-5h9-18", local(2023, 11, 17, 18)), "2023-11-20 09:00:00");  // Friday to Monday
  EXPECT_EQ(next("0;md31", local(2023, 8, 31)), "2023-10-31 00:00:00");
  EXPECT_EQ(next("0;md29", local(2023, 1, 29)), "2023-03-29 00:00:00");
  EXPECT_EQ(next("0;md29", local(2024, 1, 29)), "2024-02-29 00:00:00");
  EXPECT_EQ(next("0;md31wd1", local(2023, 8, 1)), "2025-03-31 00:00:00");
  EXPECT_EQ(next("0;h9m0-59/10s0", local(2023, 11, 14, 9, 50)), "2023-11-15 09:00:00");
  EXPECT_EQ(next("0;h9s/20", local(2023, 11, 14, 9, 59, 40)), "2023-11-15 09:00:00");
  EXPECT_EQ(next("0;h9s/20", local(2023, 11, 14, 9, 30, 41)), "2023-11-14 09:31:00");
  EXPECT_EQ(next("1h;h9m59", local(2023, 11, 14, 9, 30)), "2023-11-14 09:59:00");
  EXPECT_EQ(next("1h;h9m59", local(2023, 11, 14, 9, 59)), "2023-11-14 10:00:00");
}

TEST(Interval, AFlexibleOneHoldsInItsHours) {
  const InZone zone("UTC");
  EXPECT_EQ(next("0;10m/1-5,09:00-18:00", local(2023, 11, 17, 17, 50)), "2023-11-20 09:00:00");
  EXPECT_EQ(next("1h;10m/1-5,09:00-18:00", local(2023, 11, 17, 17, 50)), "2023-11-17 18:00:00");
  EXPECT_EQ(next("1h;10m/1-5,09:00-18:00", local(2023, 11, 17, 18)), "2023-11-17 19:00:00");
  EXPECT_EQ(next("1m;0/1-7,00:00-12:00", local(2023, 11, 17, 3)), "2023-11-17 12:00:00");
  // The shortest of several holds; none where it is 0.
  EXPECT_EQ(next("1h;10m/5,00:00-24:00;5m/5,09:00-10:00", local(2023, 11, 17, 9)), "2023-11-17 09:05:00");
  EXPECT_EQ(next("1h;10m/5,00:00-24:00;0/5,09:00-10:00", local(2023, 11, 17, 9)), "2023-11-17 10:00:00");
  // Never within its hours, with this seed.
  EXPECT_EQ(next("0;1d/1-7,09:00-09:05", local(2023, 11, 17), 0), "never");
  EXPECT_EQ(next("0;1d/1-7,09:00-09:05", local(2023, 11, 17), 9 * 3600 + 60), "2023-11-17 09:01:00");
}

// What the grammar says, read a second time and as plainly as can be: which moments are due.
struct Naive {
  struct Period {
    int64_t delay;
    int first_day, last_day, from, till;  // seconds of the day
  };
  int64_t simple = 0;
  std::vector<Period> periods{};
  std::vector<std::function<bool(const std::tm&)>> schedules{};

  [[nodiscard]] bool is_due(int64_t time, uint64_t seed) const {
    const time_t seconds = time;
    std::tm tm{};
    ::localtime_r(&seconds, &tm);
    const int day = tm.tm_wday == 0 ? 7 : tm.tm_wday;
    const int clock = tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    int64_t delay = -1;
    for (const Period& period : periods) {
      if (day >= period.first_day && day <= period.last_day && clock >= period.from && clock < period.till &&
          (delay < 0 || period.delay < delay)) {
        delay = period.delay;
      }
    }
    if (delay < 0) delay = simple;
    if (delay > 0 && time % delay == static_cast<int64_t>(seed % static_cast<uint64_t>(delay))) return true;
    for (const auto& schedule : schedules) {
      if (schedule(tm)) return true;
    }
    return false;
  }
};

struct Case {
  const char* text;
  Naive naive;
};

std::vector<Case> cases() {
  const auto weekday = [](const std::tm& tm) { return tm.tm_wday == 0 ? 7 : tm.tm_wday; };
  return {
      {"7m", {.simple = 420}},
      {"0;10m/1-5,09:00-18:00", {.periods = {{600, 1, 5, 9 * 3600, 18 * 3600}}}},
      {"1h;7m/7,01:30-03:30;0/6-7,02:15-02:45;1000/1-7,00:00-24:00",
       {.simple = 3600,
        .periods = {{420, 7, 7, 5400, 12600}, {0, 6, 7, 8100, 9900}, {1000, 1, 7, 0, 86400}}}},
      {"11m;wd1-5h9-18", {.simple = 660, .schedules = {[=](const std::tm& tm) {
                                           return weekday(tm) <= 5 && tm.tm_hour >= 9 && tm.tm_hour <= 18 &&
                                                  tm.tm_min == 0 && tm.tm_sec == 0;
                                         }}}},
      {"0;h2m30", {.schedules = {[](const std::tm& tm) {
                     return tm.tm_hour == 2 && tm.tm_min == 30 && tm.tm_sec == 0;
                   }}}},
      {"0;m/5", {.schedules = {[](const std::tm& tm) { return tm.tm_min % 5 == 0 && tm.tm_sec == 0; }}}},
      {"0;md1,15,28-31h0", {.schedules = {[](const std::tm& tm) {
                              return (tm.tm_mday == 1 || tm.tm_mday == 15 || tm.tm_mday >= 28) &&
                                     tm.tm_hour == 0 && tm.tm_min == 0 && tm.tm_sec == 0;
                            }}}},
      {"0;wd7h1-3/2m/20s15,45;h12",
       {.schedules = {
            [=](const std::tm& tm) {
              return weekday(tm) == 7 && (tm.tm_hour == 1 || tm.tm_hour == 3) && tm.tm_min % 20 == 0 &&
                     (tm.tm_sec == 15 || tm.tm_sec == 45);
            },
            [](const std::tm& tm) { return tm.tm_hour == 12 && tm.tm_min == 0 && tm.tm_sec == 0; }}}},
  };
}

// Every due moment of the days around `from`, by next_check() and by asking each second.
void expect_the_same_moments(int64_t from, int days) {
  for (const Case& each : cases()) {
    const auto interval = Interval::parse(each.text);
    ASSERT_TRUE(interval) << each.text;
    const uint64_t seed = 20005;
    int64_t found = interval->next_check(from, seed).value_or(INT64_MAX);
    for (int64_t time = from + 1; time <= from + days * kDay; ++time) {
      const bool due = each.naive.is_due(time, seed);
      ASSERT_EQ(found == time, due) << each.text << " at " << written(time) << " (" << time << ")";
      if (due) found = interval->next_check(time, seed).value_or(INT64_MAX);
    }
  }
}

TEST(IntervalBruteForce, BerlinForThreeWeeksInWhichClocksGoForward) {
  const InZone zone(kBerlin);
  ASSERT_EQ(written(local(2023, 3, 26, 1, 59, 59) + 1), "2023-03-26 03:00:00");
  expect_the_same_moments(local(2023, 3, 15), 21);
}

TEST(IntervalBruteForce, BerlinWhenClocksGoBack) {
  const InZone zone(kBerlin);
  expect_the_same_moments(local(2023, 10, 28), 3);
}

TEST(IntervalBruteForce, NewYorkWhenClocksGoForward) {
  const InZone zone(kNewYork);
  expect_the_same_moments(local(2024, 3, 9, 12), 2);
}

TEST(IntervalBruteForce, NewYorkWhenClocksGoBack) {
  const InZone zone(kNewYork);
  expect_the_same_moments(local(2024, 11, 2, 12), 2);
}

TEST(IntervalBruteForce, LordHoweChangesByHalfAnHour) {
  const InZone zone(kLordHowe);
  expect_the_same_moments(local(2024, 4, 6, 12), 1);
  expect_the_same_moments(local(2024, 10, 5, 12), 1);
}

TEST(IntervalBruteForce, MonthsAndALeapDayEnd) {
  const InZone zone("UTC");
  expect_the_same_moments(local(2024, 2, 27), 4);
  expect_the_same_moments(local(2023, 12, 30), 3);
}

TEST(Interval, IsNeverStuckNorInThePastOverAYear) {
  const InZone zone(kBerlin);
  for (const Case& each : cases()) {
    const auto interval = Interval::parse(each.text).value();
    // From any moment, the answer is later, due, and the same as from the moment before it.
    for (int64_t now = local(2023, 1, 1); now < local(2024, 1, 1); now += 7919) {
      const auto due = interval.next_check(now, 7);
      ASSERT_TRUE(due) << each.text;
      ASSERT_GT(*due, now) << each.text;
      ASSERT_TRUE(each.naive.is_due(*due, 7)) << each.text << " at " << written(due);
      ASSERT_EQ(interval.next_check(*due - 1, 7), due) << each.text;
    }
  }
}

}  // namespace
}  // namespace bakusoku::zabbix
