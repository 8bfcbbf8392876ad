#include "agent/budget.h"

#include <gtest/gtest.h>

#include <vector>

namespace bakusoku::agent {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kMonth = 30 * kDay;
constexpr double kPrice = 0.00001;

TEST(Stretched, NeverBeyondTheLongestAndNeverShorter) {
  EXPECT_EQ(stretched(300, 1, 3600), 300);
  EXPECT_EQ(stretched(300, 3, 3600), 900);
  EXPECT_EQ(stretched(300, 12, 3600), 3600);
  EXPECT_EQ(stretched(900, 12, 3600), 3600);
  EXPECT_EQ(stretched(60, 100, 3600), 720) << "twelve times at most";
  EXPECT_EQ(stretched(7200, 12, 3600), 7200) << "its own interval is longer already";
  EXPECT_EQ(stretched(300, 0.5, 3600), 300) << "nor more often than it is asked for";
}

// 30 s up to ten minutes, a minute up to an hour, five minutes up to a day, an hour beyond.
TEST(Spending, QuestionsAtAboutTheSameIntervalAreOfOneClass) {
  const std::vector<std::pair<int64_t, int64_t>> classes = {
      {1, 30},      {44, 30},     {45, 60},       {299, 300},     {314, 300},
      {315, 330},   {599, 600},   {629, 600},     {630, 660},     {3599, 3600},
      {3749, 3600}, {3750, 3900}, {86399, 86400}, {88199, 86400}, {88200, 90000}};
  for (const auto& [interval, of] : classes) {
    Spending spending(0);
    spending.add(1, interval, interval, 1, 0);
    const auto rates = spending.rates(0);
    ASSERT_EQ(rates.size(), 1u);
    EXPECT_EQ(rates[0].interval, of) << interval;
  }
}

// As when a stretch has just ended, or two ask for it by turns.
TEST(Spending, WhatIsReadSoonerThanItsIntervalIsSpreadOverItAllTheSame) {
  for (const int64_t actual : {0, 60, 100, 299, 300}) {
    Spending spending(0);
    spending.add(1, 300, actual, 1, 0);
    EXPECT_NEAR(spending.rates(30)[0].usd_per_second, 1 / 300.0, 1e-9) << actual;
  }
}

TEST(Spending, AClockThatSlipsByAMinuteForgetsNothing) {
  Spending spending(0);
  spending.add(1, 300, 300, 1, 1060);
  spending.set_back(1000);
  EXPECT_EQ(spending.rates(1000).size(), 1u);
  spending.set_back(999);
  EXPECT_TRUE(spending.rates(999).empty());
}

TEST(Spending, LearnsTheRateFromTheFirstReading) {
  Spending spending(0);
  for (int64_t now = 0; now <= kDay; now += 300) {
    spending.add(1, 300, 300, 1000 * kPrice, now);
    const auto rates = spending.rates(now + 299);
    ASSERT_EQ(rates.size(), 1u);
    EXPECT_EQ(rates[0].interval, 300);
    EXPECT_NEAR(rates[0].usd_per_second * 300, 1000 * kPrice, 1000 * kPrice * 0.01) << now;
  }
}

TEST(Spending, AnHourlyReadingIsNotTakenForAFrequentOne) {
  Spending spending(0);
  spending.add(1, 3600, 3600, 1, 0);
  EXPECT_NEAR(spending.rates(60)[0].usd_per_second, 1 / 3600.0, 1e-5);
  for (int64_t now = 3600; now <= kDay; now += 3600) spending.add(1, 3600, 3600, 1, now);
  EXPECT_NEAR(spending.rates(kDay + 1800)[0].usd_per_second, 1 / 3600.0, 0.01 / 3600);
}

TEST(Spending, StretchedReadingsSayWhatTheyWouldCostUnstretched) {
  Spending spending(0);
  for (int64_t now = 0; now <= kDay; now += 900) spending.add(2, 300, 900, 1, now);
  EXPECT_NEAR(spending.rates(kDay + 450)[0].usd_per_second, 1 / 300.0, 0.01 / 300);
}

// What began later is not spread over the time before it.
TEST(Spending, AClassThatBeginsLaterHasItsRateAtOnce) {
  Spending spending(0);
  for (int64_t now = 20'000 * kDay; now < 20'000 * kDay + 3600; now += 300) spending.add(1, 300, 300, 1, now);
  EXPECT_NEAR(spending.rates(20'000 * kDay + 3600)[0].usd_per_second, 1 / 300.0, 0.02 / 300);
}

TEST(Spending, MetricsOfOneClassAreDueAtSecondsOfTheirOwn) {
  Spending spending(0);
  for (int64_t now = 0; now < 4 * 3600; ++now) {
    if (now % 5 == 0) spending.add(1, 300, 300, 1, now);  // sixty of them, each every 300 s
  }
  const auto rates = spending.rates(4 * 3600);
  ASSERT_EQ(rates.size(), 1u);
  EXPECT_NEAR(rates[0].usd_per_second, 60 / 300.0, 0.01 * 60 / 300);
}

// Hours, a day, ten years, both ways, for some minutes.
TEST(Spending, AClockThatWasWrongTeachesNothing) {
  for (const int64_t jump : {int64_t{7200}, kDay, 3653 * kDay, -int64_t{7200}, -kDay, -3653 * kDay}) {
    constexpr int64_t kStart = 20'000 * kDay;
    Spending spending(kStart);
    int64_t now = kStart;
    const auto pass = [&](int64_t seconds) {
      for (const int64_t end = now + seconds; now < end; now += 300) spending.add(1, 300, 300, 1, now);
    };
    pass(3600);
    now += jump;
    pass(600);
    spending.add(2, 300, 300, 1, now);  // what nobody asks for again
    now -= jump;
    spending.set_back(now);
    pass(7200);
    EXPECT_GE(spending.learnt(now), 0) << jump;
    double sum = 0;
    for (const auto& rate : spending.rates(now)) sum += rate.usd_per_second;
    EXPECT_NEAR(sum, 1 / 300.0, 0.25 / 300) << jump;
  }
}

TEST(Spending, OneThatBeganWithAClockAheadLearnsFromThen) {
  Spending spending(3653 * kDay);
  spending.set_back(1000);
  EXPECT_EQ(spending.learnt(1600), 600);
}

TEST(Spending, FollowsWhatIsNoLongerAskedFor) {
  Spending spending(0);
  for (int64_t now = 0; now <= kDay; now += 300) spending.add(1, 300, 300, 1, now);
  EXPECT_LT(spending.rates(kDay + 8 * 3600)[0].usd_per_second, 0.02 / 300);
}

// A month of readings: what is billed, second by second as the agent would, at the factors of a budget.
class MonthOfReadings {
 public:
  struct Metrics {
    int priority = 1;
    int64_t interval = 300;
    double count = 0;
  };
  MonthOfReadings(Budget::Limits limits, std::vector<Metrics> metrics)
      : budget_(limits), metrics_(std::move(metrics)), due_(metrics_.size(), 0) {}

  void run(int64_t from, int64_t until, int64_t month_start, int64_t month) {
    for (int64_t now = from; now < until; now += 60) {
      for (size_t at = 0; at < metrics_.size(); ++at) {
        if (now < due_[at]) continue;
        const Metrics& of = metrics_[at];
        const double factor = budget_.factors()[static_cast<size_t>(of.priority)];
        const int64_t actual = stretched(of.interval, factor, budget_.limits().longest_interval);
        due_[at] = now + actual;
        spent_ += of.count * kPrice;
        spending_.add(of.priority, of.interval, actual, of.count * kPrice, now);
      }
      if (now % 300 != 0 || spending_.learnt(now) < 600) continue;
      facts_ = {now, month, spent_, month_start + kMonth - now, spending_.rates(now)};
      if (budget_.decide(facts_)) ++changes_;
      for (size_t priority = 0; priority < kBudgetPriorities; ++priority) {
        EXPECT_GE(budget_.factors()[priority], 1);
        EXPECT_LE(budget_.factors()[priority], kMostStretch);
      }
      EXPECT_LE(budget_.factors()[0], budget_.factors()[1]);
      EXPECT_LE(budget_.factors()[1], budget_.factors()[2]);
    }
  }

  Budget budget_;
  std::vector<Metrics> metrics_;
  std::vector<int64_t> due_;
  Spending spending_{0};
  Budget::Facts facts_;
  double spent_ = 0;
  int changes_ = 0;
};

// 1000 metrics every five minutes are US$ 86.40 in thirty days.
TEST(Budget, AMonthThatFitsIsLeftAlone) {
  MonthOfReadings month({100, 3600}, {{1, 300, 1000}});
  month.run(0, kMonth, 0, 1);
  EXPECT_EQ(month.changes_, 0);
  EXPECT_NEAR(month.spent_, 86.4, 0.1);
}

TEST(Budget, TheMonthEndsWithinItAndTheLeastImportantPay) {
  MonthOfReadings month({100, 3600}, {{0, 300, 500}, {1, 300, 500}, {2, 300, 1000}});
  month.run(0, kMonth / 2, 0, 1);
  EXPECT_EQ(month.budget_.factors()[0], 1) << "important ones are read as they should";
  EXPECT_GT(month.budget_.factors()[2], 1);
  month.run(kMonth / 2, kMonth, 0, 1);
  EXPECT_LE(month.spent_, 100);
  EXPECT_GE(month.spent_, 90) << "no more than needed";
  EXPECT_LE(month.changes_, 6) << "no flapping";
  EXPECT_FALSE(month.budget_.exceeded());
}

TEST(Budget, TheMoreImportantFollowWhenTheOthersAreAtTheBound) {
  MonthOfReadings month({60, 3600}, {{0, 300, 500}, {1, 300, 500}, {2, 300, 200}});
  month.run(0, kMonth / 2, 0, 1);
  EXPECT_GT(month.budget_.factors()[1], 1);
  EXPECT_EQ(month.budget_.factors()[2], kMostStretch);
  month.run(kMonth / 2, kMonth, 0, 1);
  EXPECT_LE(month.spent_, 60);
  EXPECT_GE(month.spent_, 54);
  EXPECT_LE(month.changes_, 6);
}

TEST(Budget, BeyondTheBoundItGoesOnAndIsSaid) {
  MonthOfReadings month({5, 3600}, {{1, 300, 1000}});
  month.run(0, kMonth, 0, 1);
  EXPECT_TRUE(month.budget_.exceeded());
  EXPECT_EQ(month.budget_.factors()[1], kMostStretch);
  EXPECT_NEAR(month.spent_, 86.4 / 12, 0.3) << "every hour, and not more rarely";
}

// At the longest intervals, and within it: nothing to complain of. So again after it was passed.
TEST(Budget, TheLongestIntervalsMayJustKeepIt) {
  Budget budget({100, 3600});
  budget.resume(18, 7);
  const auto facts = [](double usd) {
    return Budget::Facts{1000, 7, 0, kMonth, {{0, 300, usd * 12 / static_cast<double>(kMonth)}}};
  };
  EXPECT_FALSE(budget.decide(facts(98)));
  EXPECT_EQ(budget.level(), 18);
  EXPECT_FALSE(budget.exceeded());
  EXPECT_FALSE(budget.decide(facts(101)));
  EXPECT_TRUE(budget.exceeded());
  EXPECT_FALSE(budget.decide(facts(98)));
  EXPECT_FALSE(budget.exceeded());
}

TEST(Budget, NewMetricsInTheMiddleOfTheMonth) {
  MonthOfReadings month({100, 3600}, {{1, 300, 1000}});
  month.run(0, kMonth / 2, 0, 1);
  EXPECT_EQ(month.changes_, 0);
  month.metrics_.push_back({2, 300, 2000});
  month.due_.push_back(0);
  month.run(kMonth / 2, kMonth / 2 + kDay, 0, 1);
  EXPECT_GT(month.budget_.factors()[2], 1);
  EXPECT_EQ(month.budget_.factors()[1], 1);
  month.run(kMonth / 2 + kDay, kMonth, 0, 1);
  EXPECT_LE(month.spent_, 100);
  EXPECT_LE(month.changes_, 8);
}

TEST(Budget, BackToNormalWhenItFitsAgain) {
  MonthOfReadings month({100, 3600}, {{1, 300, 1000}, {2, 300, 2000}});
  month.run(0, 3 * kDay, 0, 1);
  EXPECT_GT(month.budget_.factors()[2], 1);
  month.metrics_.pop_back();
  month.run(3 * kDay, 5 * kDay, 0, 1);
  EXPECT_EQ(month.budget_.factors()[2], 1);
}

TEST(Budget, ANewMonthBeginsAnew) {
  MonthOfReadings month({100, 3600}, {{1, 300, 1000}});
  month.spent_ = 60;  // something else has used it up
  month.run(0, kMonth - kDay, 0, 1);
  EXPECT_GT(month.budget_.factors()[1], 1);
  month.run(kMonth - kDay, kMonth, 0, 1);
  month.spent_ = 0;
  month.run(kMonth, kMonth + 600, kMonth, 2);
  EXPECT_EQ(month.budget_.factors()[1], 1) << "at once, not after an hour";
  EXPECT_NEAR(month.budget_.forecast_usd(month.facts_), 86.4, 5);
}

TEST(Budget, GoesOnWhereItWasAfterARestart) {
  Budget budget({100, 3600});
  budget.resume(3, 7);
  EXPECT_EQ(budget.factors()[2], 4);
  EXPECT_FALSE(budget.decide({1000, 7, 90, kMonth / 2, {{2, 300, 7.2 / kMonth}}}));
  EXPECT_EQ(budget.level(), 3);
  EXPECT_TRUE(budget.decide({1000, 8, 0, kMonth, {{2, 300, 28.8 / kMonth}}})) << "another month";
  EXPECT_EQ(budget.level(), 0);
}

// A lower level has to do for an hour, and not for an hour of a clock that was ahead.
TEST(Budget, CalmIsAnHourByOneClock) {
  for (const int64_t jump : {int64_t{7200}, kDay, 3653 * kDay}) {
    Budget budget({100, 3600});
    budget.resume(3, 7);
    Budget::Facts facts{1'000'000'000 + jump, 7, 0, kMonth, {{2, 300, 28.8 / kMonth}}};
    EXPECT_FALSE(budget.decide(facts)) << "calm begins";
    facts.now = 1'000'000'000;  // set back
    EXPECT_FALSE(budget.decide(facts));
    facts.now += 3599;
    EXPECT_FALSE(budget.decide(facts)) << jump;
    facts.now += 1;
    EXPECT_TRUE(budget.decide(facts)) << jump;
    EXPECT_EQ(budget.level(), 0);
  }
}

// What makes it restless again begins the hour anew.
TEST(Budget, CalmIsAWholeHour) {
  Budget budget({100, 3600});
  budget.resume(3, 7);
  Budget::Facts calm{1000, 7, 0, kMonth, {{2, 300, 28.8 / kMonth}}};
  Budget::Facts fits = calm;
  fits.rates[0].usd_per_second = 380 / static_cast<double>(kMonth);  // as it is now, and no lower
  EXPECT_FALSE(budget.decide(calm));
  fits.now = 3000;
  EXPECT_FALSE(budget.decide(fits));
  calm.now = 4700;
  EXPECT_FALSE(budget.decide(calm));
  calm.now = 4700 + 3600;
  EXPECT_TRUE(budget.decide(calm));
}

TEST(Budget, LeastIsWithEverythingAsRarelyAsAllowed) {
  const Budget budget({100, 3600});
  const Budget::Facts facts{
      0, 1, 5, kMonth, {{0, 300, 12.0 / kMonth}, {2, 1800, 4.0 / kMonth}, {3, 3600, 1.0 / kMonth}}};
  EXPECT_NEAR(budget.least_usd(facts), 5 + 1 + 2 + 1, 0.001);
}

TEST(Budget, TurnsAtNinetyNineHundredths) {
  const auto facts = [](double usd) {
    return Budget::Facts{1000, 7, 0, kMonth, {{2, 300, usd / static_cast<double>(kMonth)}}};
  };
  Budget below({100, 3600});
  below.resume(0, 7);
  EXPECT_FALSE(below.decide(facts(98.9)));
  Budget above({100, 3600});
  above.resume(0, 7);
  EXPECT_TRUE(above.decide(facts(99.1)));
}

TEST(Budget, WithoutOneNothingIsStretched) {
  Budget budget({0, 3600});
  EXPECT_FALSE(budget.decide({0, 1, 1e9, kMonth, {{1, 300, 1}}}));
  EXPECT_EQ(budget.factors()[2], 1);
}

}  // namespace
}  // namespace bakusoku::agent
