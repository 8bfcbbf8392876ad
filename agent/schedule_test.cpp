#include "agent/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

namespace bakusoku::agent {
namespace {

constexpr int64_t kNoon = 1'700'006'400;  // a multiple of 300
constexpr int64_t kAlways = int64_t{1000} * 86400;

TEST(Schedule, APeriodIsFinalWhenItHasEndedAndItsDelayHasPassed) {
  EXPECT_EQ(newest_final(kNoon + 119, 300, 120), kNoon - 300);
  EXPECT_EQ(newest_final(kNoon + 120, 300, 120), kNoon);
}

TEST(Schedule, AnIntervalUpToThePeriodIsEachPeriod) {
  for (const int64_t interval : {1, 60, 299, 300, 310}) {
    const Pace pace = pace_of(300, interval, 1, 12345);
    EXPECT_EQ(pace.every, 1) << interval;
    EXPECT_EQ(next_end(pace, kNoon), kNoon + 300);
  }
}

TEST(Schedule, ALongerIntervalIsOneOfThePeriodsMomentsByPlace) {
  std::map<int64_t, int> load;
  for (uint32_t place = 0; place < 1200; ++place) {
    const Pace pace = pace_of(300, 3600, 1, place * 2654435761u);
    ASSERT_EQ(pace.every, 12);
    const int64_t first = next_end(pace, kNoon);
    EXPECT_GT(first, kNoon);
    EXPECT_LE(first, kNoon + 3600);
    EXPECT_EQ(next_end(pace, first), first + 3600);
    EXPECT_EQ(next_end(pace, first - 300), first) << "an early reading moves nothing";
    ++load[first];
  }
  EXPECT_EQ(load.size(), 12u);
  for (const auto& [moment, series] : load) EXPECT_NEAR(series, 100, 40) << "each moment has its share";
}

TEST(Schedule, StretchedIntervalsAreLongerByThatMuch) {
  EXPECT_EQ(pace_of(60, 60, 3, 0).every, 3);
  EXPECT_EQ(pace_of(300, 60, 3, 0).every, 3) << "what was read each period is read each third one";
  EXPECT_EQ(pace_of(60, 60, 0.1, 0).every, 1) << "never below its own";
}

TEST(Schedule, ADayThatIsNotThereYetIsLookedForEachHour) {
  constexpr int64_t kDay = 86400;
  const int64_t midnight = kNoon - kNoon % kDay;
  const Pace pace = pace_of(kDay, kDay, 1, 7);
  const int64_t read = midnight + 7200;
  EXPECT_EQ(due_at(pace, {midnight, read, true}, 7200, read), read + 3600);
  EXPECT_EQ(due_at(pace, {midnight, read, false}, 7200, read), midnight + kDay + 7200);
  EXPECT_EQ(due_at(pace, {midnight, midnight + kDay + 7000, true}, 7200, midnight + kDay + 7000),
            midnight + kDay + 7200)
      << "the next day has come";
  EXPECT_EQ(due_at(pace_of(300, 300, 1, 7), {kNoon, kNoon + 120, true}, 120, kNoon + 120), kNoon + 420)
      << "only of days";
}

TEST(Schedule, ADayIsLookedForEachHourAlsoAfterAClockThatWasAhead) {
  constexpr int64_t kDay = 86400;
  const int64_t now = 20'000 * kDay + 3 * 3600;
  const Pace pace{kDay, 1, 0};
  for (const int64_t ahead : {int64_t{3600}, kDay, 3653 * kDay}) {
    EXPECT_EQ(due_at(pace, {20'000 * kDay, now + ahead, true}, 7200, now), now + 3600) << ahead;
    EXPECT_EQ(due_at(pace, {20'000 * kDay + ahead, now + ahead, false}, 7200, now),
              ahead < 3 * 3600 ? 20'001 * kDay + 7200 : 0)
        << "what is read to the end of a time to come is read at once: " << ahead;
  }
}

TEST(ReadingWindow, LooksBackAndCoversWhatCameSince) {
  EXPECT_EQ(reading_window(kNoon, 300, 5, 0, kNoon + 120).start, kNoon - 1500);
  EXPECT_EQ(reading_window(kNoon, 300, 5, kNoon - 300, kNoon + 120).start, kNoon - 1500);
  EXPECT_EQ(reading_window(kNoon, 300, 5, kNoon - 3600, kNoon + 120).start, kNoon - 3600 - 1200);
  EXPECT_EQ(reading_window(kNoon, 300, 1, kNoon - 300, kNoon + 120).start, kNoon - 300);
  const Window seconds = reading_window(kNoon, 1, 5, kNoon - 20'000, kNoon + 10);
  EXPECT_GE(seconds.start, kNoon + 10 - 3 * 3600) << "older ones are no longer kept";
}

TEST(CatchingUp, IsWhatWasMissedAndNotAnInterval) {
  const Pace each = pace_of(60, 60, 1, 0);
  const Pace hourly = pace_of(60, 3600, 1, 0);
  EXPECT_FALSE(is_catching_up(0, kNoon, each, 5));
  EXPECT_FALSE(is_catching_up(kNoon - 21 * 60, kNoon, each, 5));
  EXPECT_TRUE(is_catching_up(kNoon - 22 * 60, kNoon, each, 5));
  EXPECT_FALSE(is_catching_up(kNoon - 3600, kNoon, hourly, 5));
  EXPECT_TRUE(is_catching_up(kNoon - 7200, kNoon, hourly, 5));
}

TEST(CatchingUpWindow, ReachesBackAsFarAsAskedWithinAWholeCall) {
  constexpr int64_t kNow = 1'700'000'123;
  const int64_t end = newest_final(kNow, 300, 120);
  const Window hour = catching_up_window(end - 3600, end, 300, 5, kAlways, kNow);
  EXPECT_EQ(hour.start, end - 15 * 300) << "twelve periods, in steps of the usual look-back";
  EXPECT_EQ(hour.end, end);
  const Window month = catching_up_window(end - 30 * 86400, end, 300, 5, kAlways, kNow);
  EXPECT_LE(month.start, end - 30 * 86400);
  EXPECT_GT(month.start, end - 30 * 86400 - 40 * 300);
  EXPECT_EQ((month.end - month.start) / 300 * 500, 100'500);
  EXPECT_EQ(catching_up_window(end, end, 300, 5, kAlways, kNow).start, end - 1500)
      << "never less than the usual look-back";
}

TEST(CatchingUpWindow, EndsWhereCloudWatchKeepsNoDatapointsOfThePeriod) {
  constexpr int64_t kNow = 1'700'000'123;
  for (const auto& [period, kept] :
       {std::pair{1, 3 * 3600}, {60, 15 * 86400}, {300, 63 * 86400}, {3600, 455 * 86400}}) {
    const Window window = catching_up_window(1, newest_final(kNow, period, 120), period, 5, kAlways, kNow);
    EXPECT_GE(window.start, kNow - kept) << period;
    EXPECT_LT(window.start, kNow - kept + 2 * period) << period;
    EXPECT_EQ(window.start % period, 0);
  }
}

TEST(CatchingUpWindow, ReachesNoFurtherThanWanted) {
  constexpr int64_t kNow = 1'700'000'123;
  const int64_t end = newest_final(kNow, 60, 120);
  const Window hour = catching_up_window(end - 7200, end, 60, 5, 3600, kNow);
  EXPECT_LE(hour.start, kNow - 3600);
  EXPECT_GT(hour.start, kNow - 3600 - 60);
  EXPECT_EQ(catching_up_window(end - 7200, end, 60, 5, 0, kNow).start, end - 300);
}

TEST(Spread, IsAFifthOfThePeriodAndSevenSecondsAtMost) {
  EXPECT_EQ(spread(0, 1, 300).count(), 0);
  EXPECT_EQ(spread(1, 2, 300).count(), 3500);
  EXPECT_EQ(spread(9, 10, 10).count(), 1800);
  for (size_t call = 1; call < 200; ++call) {
    EXPECT_GE(spread(call, 200, 300), spread(call - 1, 200, 300));
    EXPECT_LT(spread(call, 200, 300).count(), 7'000);
  }
}

// One series as the agent reads it, with a clock that is the test's.
class Life {
 public:
  Life(int64_t period, int64_t interval, uint32_t place, int64_t delay, int64_t now)
      : pace_(pace_of(period, interval, 1, place)), delay_(delay) {
    read(now);
    first_ = until_ - period;
  }

  void tick(int64_t now) {
    if (due_at(pace_, {until_, last_read_, false}, delay_, now) <= now) read(now);
  }
  void read(int64_t now) {
    const int64_t end = newest_final(now, pace_.period, delay_);
    const Window window = reading_window(end, pace_.period, 5, from_, now);
    EXPECT_LE(window.end + delay_, now) << "asked before it is final";
    EXPECT_EQ(window.start % pace_.period, 0);
    if (from_ != 0 && end > from_) {
      EXPECT_LE(window.start, from_) << "a gap";
    }
    // First looks: what no reading has covered yet.
    for (int64_t clock = from_ == 0 ? end - pace_.period : from_; clock < window.end; clock += pace_.period) {
      ++covered_[clock];
    }
    from_ = std::max(from_, end);
    until_ = end;
    last_read_ = now;
    ++readings_;
  }
  void delayed_by(int64_t delay) { delay_ = delay; }

  void expect_each_once(int64_t now) const {
    const int64_t end = newest_final(now, pace_.period, delay_) - (pace_.every - 1) * pace_.period;
    for (int64_t clock = first_; clock < end; clock += pace_.period) {
      const auto found = covered_.find(clock);
      ASSERT_TRUE(found != covered_.end()) << "not covered: " << clock;
      ASSERT_EQ(found->second, 1) << "twice: " << clock;
    }
  }
  [[nodiscard]] int64_t readings() const { return readings_; }
  [[nodiscard]] const Pace& pace() const { return pace_; }

 private:
  Pace pace_;
  int64_t delay_;
  int64_t until_ = 0;
  int64_t last_read_ = 0;
  int64_t from_ = 0;
  int64_t first_ = 0;
  int64_t readings_ = 0;
  std::map<int64_t, int> covered_;
};

constexpr std::array<int64_t, 9> kPeriods{1, 5, 10, 20, 30, 60, 300, 900, 3600};
// What CloudWatch keeps for longer than a machine sleeps here.
constexpr std::array<int64_t, 4> kKeptLong{60, 300, 900, 3600};

TEST(ScheduleProperty, EachPeriodOnceAndNothingBeforeItIsFinal) {
  std::mt19937 random(20261124);
  // The end of a February and of a month, and a change of daylight saving: seconds of the year know none.
  for (const int64_t start : {1'709'161'200, 1'711'825'200, 1'714'500'000}) {
    for (int round = 0; round < 60; ++round) {
      const int64_t period = kPeriods.at(random() % kPeriods.size());
      const int64_t interval =
          1 + static_cast<int64_t>(random() % 4) * period * static_cast<int64_t>(random() % 8);
      const int64_t delay = period < 60 ? 10 : 120;
      int64_t now = start + static_cast<int64_t>(random() % 3600);
      Life life(period, interval, static_cast<uint32_t>(random()), delay, now);
      const int64_t begin = now;
      for (int step = 0; step < 6000; ++step) {
        now += period < 60 ? 1 : 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(period / 10));
        life.tick(now);
      }
      life.expect_each_once(now);
      const int64_t most = (now - begin) / (life.pace().every * period) + 2;
      EXPECT_LE(life.readings(), most) << period << " " << interval;
      EXPECT_GE(life.readings(), most - 3) << period << " " << interval;
    }
  }
}

TEST(ScheduleProperty, ASleepOfTheMachineIsOneReadingOverTheGap) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const int64_t period = kKeptLong.at(random() % 4);
    int64_t now = kNoon + static_cast<int64_t>(random() % 1000);
    Life life(period, static_cast<int64_t>(random() % 7200), static_cast<uint32_t>(random()), 120, now);
    for (int step = 0; step < 2000; ++step) life.tick(now += 5);
    const int64_t before = life.readings();
    now += 86400 + static_cast<int64_t>(random() % 86400);
    life.tick(now);
    EXPECT_EQ(life.readings(), before + 1);
    life.tick(now + 1);
    EXPECT_EQ(life.readings(), before + 1);
    life.expect_each_once(now);
  }
}

TEST(ScheduleProperty, AClockThatIsSetBackCostsOneReadingAndSkipsNothing) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const int64_t period = kKeptLong.at(random() % 4);
    int64_t now = kNoon + static_cast<int64_t>(random() % 1000);
    Life life(period, static_cast<int64_t>(random() % 7200), static_cast<uint32_t>(random()), 120, now);
    for (int step = 0; step < 2000; ++step) life.tick(now += 5);
    const int64_t before = life.readings();
    const int64_t back = 1 + static_cast<int64_t>(random() % (2 * 86400));
    now -= back;
    life.tick(now);
    EXPECT_LE(life.readings(), before + 1);
    const int64_t after = life.readings();
    const int64_t begin = now;
    for (int step = 0; step < 20'000; ++step) life.tick(now += 10);
    life.expect_each_once(now);
    EXPECT_LE(life.readings() - after, (now - begin) / (life.pace().every * period) + 2);
  }
}

TEST(ScheduleProperty, ADelayThatChangesSkipsNothing) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    const int64_t period = kKeptLong.at(random() % 3);
    int64_t now = kNoon + static_cast<int64_t>(random() % 1000);
    Life life(period, period, static_cast<uint32_t>(random()), 120, now);
    for (int step = 0; step < 5000; ++step) {
      if (random() % 100 == 0) life.delayed_by(30 + static_cast<int64_t>(random() % 870));
      life.tick(now += 5);
    }
    life.delayed_by(120);
    for (int step = 0; step < 1000; ++step) life.tick(now += 5);
    life.expect_each_once(now);
  }
}

}  // namespace
}  // namespace bakusoku::agent
