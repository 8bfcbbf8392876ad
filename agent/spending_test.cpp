// What the bill makes of readings, without a network: days, shares, accounts, and the budget.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "agent/bill.h"
#include "agent/config.h"
#include "agent/demand.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using std::chrono::seconds;

constexpr int64_t kDay = 86400;
constexpr int64_t kHour = 3600;
constexpr double kPrice = 0.00001;
constexpr int64_t kJuly = 20'635 * kDay;  // 2026-07-01

class SpendingTest : public testing::Test {
 protected:
  SpendingTest() {
    EXPECT_TRUE(set_up_log("off", false));
    auto config = parse_config("[aws]\nregion = \"eu-west-1\"\n", "");
    EXPECT_TRUE(config);
    Environment environment;
    environment.variables = {{"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto targets = Targets::create(io_, *config, environment, clock());
    EXPECT_TRUE(targets);
    targets_ = std::move(*targets);
    demand_ = std::make_unique<Demand>(*targets_);
    start({});
  }
  Clock clock() {
    return [this] { return WallTime(seconds(now_)); };
  }
  void start(BudgetConfig config) {
    auto prices = Prices::load("");
    ASSERT_TRUE(prices);
    bill_ = std::make_unique<Bill>(*targets_, std::move(config), std::move(*prices), clock());
    factors_ = {1, 1, 1};
    bill_->stretch = [this](Priority priority, double factor) {
      factors_.at(static_cast<size_t>(priority)) = factor;
    };
    bill_->items_of = [this](const Series& series, const Bill::UseItem& use) {
      const auto [from, to] = items_.equal_range(&series);
      for (auto at = from; at != to; ++at) use("host", at->second);
    };
  }
  Series& series(const std::string& metric, const std::string& account = {},
                 const std::string& statistic = "Sum") {
    MetricKey key;
    key.namespace_ = "AWS/EC2";
    key.metric = metric;
    key.statistic = statistic;
    key.period_seconds = 300;
    key.account = account;
    const auto wanted = demand_->add(key);
    EXPECT_TRUE(wanted);
    return *wanted->series;
  }
  // One call, as Collect tells of it.
  void read(const std::vector<Series*>& all) {
    Batch batch{all.front()->group->target, {}, {}};
    for (Series* one : all) {
      Demand::note_asked(*one, now_);
      ++one->readings;
      batch.due.push_back(Due{one, {now_ - 300, now_}, false});
    }
    bill_->note_billed(batch, shares_of(batch));
  }
  uint64_t billed() {
    uint64_t units = 0;
    for (const auto& [charge, count] : bill_->ledger().month()) units += count;
    return units;
  }
  std::map<std::string, uint64_t> items() {
    std::map<std::string, uint64_t> all;
    const auto lines = bill_->ledger().items(0, 100'000, 1000);
    EXPECT_TRUE(lines);
    for (const auto& line : *lines) all[line.key] += line.sixtieths;
    return all;
  }

  int64_t now_ = kJuly;
  asio::io_context io_;
  std::unique_ptr<Targets> targets_;
  std::unique_ptr<Demand> demand_;
  std::multimap<const Series*, std::string> items_;
  std::array<double, kPriorities> factors_{1, 1, 1};
  std::unique_ptr<Bill> bill_;
};

TEST_F(SpendingTest, SevenItemsOfAMetricShareItEvenly) {
  Series& one = series("M");
  for (int item = 0; item < 7; ++item) items_.emplace(&one, "k" + std::to_string(item));
  for (int reading = 0; reading < 7; ++reading) {
    read({&one});
    uint64_t sum = 0;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (const auto& [key, sixtieths] : items()) {
      sum += sixtieths;
      least = std::min(least, sixtieths);
      most = std::max(most, sixtieths);
    }
    EXPECT_EQ(sum, 60u * static_cast<uint64_t>(reading + 1)) << "nothing is lost by dividing";
    EXPECT_LE(most - least, 4u) << "60 is no multiple of 7: in turn, one gets more";
  }
  const auto shares = items();
  ASSERT_EQ(shares.size(), 7u);
  for (const auto& [key, sixtieths] : shares) EXPECT_EQ(sixtieths, 60u) << key;
}

TEST_F(SpendingTest, TheSameMetricOfTwoLinkedAccountsIsTwo) {
  Series& a = series("M", "111111111111");
  Series& b = series("M", "222222222222");
  ASSERT_NE(&a, &b);
  read({&a, &b});
  EXPECT_EQ(billed(), 2u);
  const auto shares = items();
  ASSERT_EQ(shares.size(), 2u) << "each by its own key";
  for (const auto& [key, sixtieths] : shares) {
    EXPECT_EQ(sixtieths, 60u);
    EXPECT_THAT(key,
                testing::AnyOf(testing::HasSubstr(",111111111111]"), testing::HasSubstr(",222222222222]")));
  }
}

TEST_F(SpendingTest, WhatIsForgottenAndAskedAgainIsTheSameItem) {
  Series& one = series("M");
  read({&one});
  bill_->forget(one);
  Series& other = series("Other");
  read({&other});
  read({&one});
  const auto shares = items();
  ASSERT_EQ(shares.size(), 2u);
  for (const auto& [key, sixtieths] : shares)
    EXPECT_EQ(sixtieths, key.find("Other") == std::string::npos ? 120u : 60u) << key;
}

// An hour before midnight of the month's last day an hour is left, and after it a month.
TEST_F(SpendingTest, TheMonthsLastDayIsTheMonths) {
  Series& one = series("M");
  now_ = kJuly + 31 * kDay - 25 * kHour;
  start({});
  for (; now_ < kJuly + 31 * kDay - kHour; now_ += 300) read({&one});
  const double spent = 24 * 12 * kPrice;
  EXPECT_NEAR(bill_->seen().month_usd, spent, kPrice / 10);
  EXPECT_NEAR(bill_->seen().forecast_usd, spent + 12 * kPrice, kPrice);
  for (; now_ < kJuly + 31 * kDay + kHour; now_ += 300) read({&one});
  EXPECT_NEAR(bill_->seen().month_usd, 12 * kPrice, kPrice / 10) << "August";
  EXPECT_NEAR(bill_->seen().forecast_usd, 31 * 24 * 12 * kPrice, 31 * kPrice);
}

TEST_F(SpendingTest, MetricsOfOneClassMayBeDueAtAnySecond) {
  std::vector<Series*> all;
  for (int number = 0; number < 60; ++number) {
    all.push_back(&series("M" + std::to_string(number)));
    all.back()->paced = 1;
    all.back()->ask_gap = 300;
  }
  // Each every 300 s, at a second of its own; an hour is learnt.
  for (int64_t second = 0; second < 2 * kHour; ++second, ++now_) {
    for (size_t number = 0; number < all.size(); ++number) {
      if (second % 300 == static_cast<int64_t>(number) * 5) read({all[number]});
    }
  }
  const double left = static_cast<double>(kJuly + 31 * kDay - now_);
  const double wanted = bill_->seen().month_usd + 60 * kPrice * left / 300;
  EXPECT_NEAR(bill_->seen().forecast_usd, wanted, wanted * 0.02);
}

TEST_F(SpendingTest, AReloadKeepsTheBudgetsLevel) {
  BudgetConfig config;
  config.usd_per_month = 0.05;
  start(config);
  Series& one = series("M");
  for (int time = 0; time < 5; ++time, now_ += 300) {
    read({&one});
    bill_->tick();
  }
  const Budget::Factors before = bill_->seen().factors;
  ASSERT_GT(before[1], 1);
  ASSERT_EQ(factors_[1], before[1]);
  factors_ = {1, 1, 1};
  auto prices = Prices::load("");
  ASSERT_TRUE(prices);
  bill_->configure(config, std::move(*prices));
  EXPECT_EQ(bill_->seen().factors, before);
  EXPECT_EQ(factors_[1], before[1]) << "and collection is told so";
  bill_->tick();
  EXPECT_GE(bill_->seen().factors[1], before[1]) << "it is the same month";
  // Without a budget nothing is stretched.
  auto again = Prices::load("");
  ASSERT_TRUE(again);
  bill_->configure({}, std::move(*again));
  EXPECT_EQ(factors_[1], 1);
}

TEST_F(SpendingTest, WhatIsAskedForRarelyIsForecastSo) {
  Series& hourly = series("Hourly");
  hourly.paced = 1;
  hourly.ask_gap = kHour;
  read({&hourly});
  const double left = static_cast<double>(kJuly + 31 * kDay - now_);
  EXPECT_NEAR(bill_->seen().forecast_usd, kPrice * (1 + left / kHour), kPrice);
  // More often than once per period nothing is read.
  start({});
  Series& eager = series("Eager");
  eager.paced = 1;
  eager.ask_gap = 60;
  read({&eager});
  EXPECT_NEAR(bill_->seen().forecast_usd, kPrice * (1 + left / 300), kPrice);
}

// A ledger on disk, as of an agent that is started again.
class KeptSpending : public SpendingTest {
 protected:
  KeptSpending()
      : folder_(std::filesystem::temp_directory_path() / ("spending-" + std::to_string(::getpid()))) {}
  ~KeptSpending() override {
    bill_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open() { ASSERT_TRUE(bill_->open((folder_ / "state").string())); }
  // What the log says of it.
  static uint64_t complaints() {
    uint64_t times = 0;
    for (const Problem& problem : recent_problems()) {
      if (problem.text.find("ledger") != std::string::npos) times += problem.times;
    }
    return times;
  }
  // A new one, which has begun with what the last one noted.
  void restart_with(const std::string& note) {
    bill_.reset();
    start({});
    open();
    ASSERT_TRUE(bill_->keep("stretch", note));
    bill_.reset();
    BudgetConfig config;
    config.usd_per_month = 1;
    start(config);
    open();
  }

  std::filesystem::path folder_;
};

TEST_F(KeptSpending, WithoutAFolderItIsInMemory) {
  ASSERT_TRUE(bill_->open(""));
  EXPECT_FALSE(bill_->seen().on_disk);
  read({&series("M")});
  EXPECT_EQ(billed(), 1u);
}

TEST_F(KeptSpending, TheFolderIsMadeAndItsLedgerStaysInUse) {
  open();
  EXPECT_TRUE(bill_->seen().on_disk);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "state/ledger.sqlite"));
  const uint64_t before = complaints();
  const Ledger* const ledger = &bill_->ledger();
  for (int tick = 0; tick < 3; ++tick, ++now_) {
    read({&series("M")});
    bill_->tick();
    EXPECT_EQ(&bill_->ledger(), ledger);
  }
  EXPECT_EQ(complaints(), before);
  bill_.reset();
  start({});
  open();
  EXPECT_EQ(billed(), 3u);
}

TEST_F(KeptSpending, ARestartGoesOnAtEachLevelOfTheSameMonth) {
  for (const auto& [level, low] : std::vector<std::pair<int, double>>{{0, 1}, {1, 2}, {2, 3}, {6, 12}}) {
    restart_with(fmt::format("{} {}", level, kJuly / kDay));
    EXPECT_EQ(bill_->seen().factors[2], low) << level;
    EXPECT_EQ(factors_[2], low) << "collection is told so";
    EXPECT_EQ(factors_[1], 1);
  }
  restart_with(fmt::format("1 {}", kJuly / kDay - 30));
  EXPECT_EQ(bill_->seen().factors[2], 1) << "of June";
  EXPECT_EQ(factors_[2], 1);
  for (const char* note : {"", "1", "x", "1 x", "-3 20635"}) {
    restart_with(note);
    EXPECT_EQ(bill_->seen().factors[2], 1) << note;
  }
  restart_with(fmt::format("99 {}", kJuly / kDay));
  EXPECT_EQ(bill_->seen().factors, (Budget::Factors{12, 12, 12})) << "no further than there is";
}

class NewMetrics : public SpendingTest {
 protected:
  // US$ of a metric from now to the month's end, read each hour.
  [[nodiscard]] double hourly() const {
    return kPrice * (1 + static_cast<double>(kJuly + 31 * kDay - now_) / kHour);
  }
  void use_budget(double usd) {
    BudgetConfig config;
    config.usd_per_month = usd;
    start(config);
  }
  size_t begin(const std::string& name, int count) {
    size_t begun = 0;
    for (int number = 0; number < count; ++number) {
      Series& one = series(name + std::to_string(number));
      Demand::note_asked(one, now_);
      if (!bill_->may_begin(one)) ++begun;
    }
    return begun;
  }
};

TEST_F(NewMetrics, WithoutABudgetAllBegin) { EXPECT_EQ(begin("M", 1000), 1000u); }

TEST_F(NewMetrics, BeginAsFarAsTheBudgetGoes) {
  use_budget(10.5 * hourly());
  EXPECT_EQ(begin("M", 1000), 10u);
  EXPECT_EQ(begin("M", 1000), 10u) << "asked again, they are the same";
  EXPECT_EQ(bill_->waiting(), 990u);
  EXPECT_EQ(bill_->seen().waiting, 990u);
  const auto why = bill_->may_begin(series("M500"));
  ASSERT_NE(why, nullptr);
  EXPECT_EQ(why->code, kWaitsForBudget);
  EXPECT_TRUE(bill_->waits(series("M500")));
  EXPECT_FALSE(bill_->waits(series("M5")));
}

TEST_F(NewMetrics, FiveStatisticsOfAMetricAreOne) {
  use_budget(1.5 * hourly());
  for (const char* statistic : {"Average", "Sum", "Minimum", "Maximum", "SampleCount"})
    EXPECT_EQ(bill_->may_begin(series("M", "", statistic)), nullptr) << statistic;
  EXPECT_NE(bill_->may_begin(series("M", "", "p99")), nullptr) << "the sixth is another billed metric";
}

TEST_F(NewMetrics, OneMetricOfTwoLinkedAccountsIsTwo) {
  use_budget(1.5 * hourly());
  EXPECT_EQ(bill_->may_begin(series("M", "111111111111")), nullptr);
  EXPECT_NE(bill_->may_begin(series("M", "222222222222")), nullptr);
  EXPECT_EQ(bill_->may_begin(series("M", "111111111111", "Average")), nullptr)
      << "its other statistics cost no more";
}

TEST_F(NewMetrics, WhatWasReadBeforeIsNotNew) {
  Series& one = series("Known");
  items_.emplace(&one, "known");
  read({&one});
  auto prices = Prices::load("");
  ASSERT_TRUE(prices);
  BudgetConfig config;
  config.usd_per_month = kPrice;  // all of it is spent
  bill_->configure(config, std::move(*prices));
  one.readings = 0;  // as after a restart
  EXPECT_EQ(bill_->may_begin(one), nullptr);
  EXPECT_NE(bill_->may_begin(series("New")), nullptr);
}

TEST_F(NewMetrics, OnesThatNobodyAsksForAnyMoreMakeRoom) {
  use_budget(10.5 * hourly());
  EXPECT_EQ(begin("Strange", 100), 10u);
  now_ += 4 * 300;
  EXPECT_EQ(begin("M", 5), 5u) << "nobody asked for the others in three of their intervals";
  for (int number = 0; number < 100; ++number) bill_->forget(series("Strange" + std::to_string(number)));
  EXPECT_EQ(bill_->waiting(), 0u);
}

TEST_F(NewMetrics, WhatIsReadCountsAgainAtEachLook) {
  use_budget(2.5 * hourly());
  for (const char* statistic : {"Average", "Sum", "Minimum", "Maximum", "SampleCount"}) {
    Series& one = series("M", "", statistic);
    Demand::note_asked(one, now_);
    EXPECT_EQ(bill_->may_begin(one), nullptr) << statistic;
  }
  now_ += 20;  // the month is looked at anew
  EXPECT_EQ(begin("Second", 1), 1u) << "the five are one";
  now_ += 20;
  EXPECT_EQ(begin("Third", 1), 0u);
}

TEST_F(NewMetrics, WhatZabbixWantsCountsHoweverLongNobodyAsksForItHere) {
  use_budget(1.5 * hourly());
  Series& one = series("M");
  one.fed = 1;
  EXPECT_EQ(bill_->may_begin(one), nullptr);
  now_ += 4 * 300;
  EXPECT_EQ(begin("Other", 1), 0u);
  one.fed = 0;
  now_ += 20;
  EXPECT_EQ(begin("Other", 1), 1u) << "its item is gone";
}

TEST_F(NewMetrics, OneThatIsAskedForRarelyHasThreeOfItsOwnIntervals) {
  use_budget(1.5 * hourly());
  Series& one = series("M");
  one.paced = 1;
  one.ask_gap = 900;
  Demand::note_asked(one, now_);
  EXPECT_EQ(bill_->may_begin(one), nullptr);
  now_ += 3 * 900;
  EXPECT_EQ(begin("Other", 1), 0u);
  now_ += 20;
  EXPECT_EQ(begin("Other", 1), 1u);
}

TEST_F(NewMetrics, WhatIsSpentCounts) {
  use_budget(10.5 * hourly());
  Series& one = series("M");
  for (int reading = 0; reading < 8 * static_cast<int>(hourly() / kPrice); ++reading) read({&one});
  EXPECT_LE(begin("N", 100), 2u);
}

}  // namespace
}  // namespace bakusoku::agent
