#include "agent/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>

namespace bakusoku::agent {
namespace {

// Series of one target, with names that live as long as they.
class BatchTest : public testing::Test {
 protected:
  Group& group(int32_t period) {
    auto& known = groups_[period];
    if (!known) {
      known = std::make_unique<Group>();
      known->target = &target_;
      known->period = period;
    }
    return *known;
  }

  const std::string* name(const std::string& text) { return &*names_.insert(text).first; }

  Series* add(int metric, int statistic, int32_t period = 300) {
    series_.emplace_back();
    Series& series = series_.back();
    series.group = &group(period);
    metrics_.push_back(
        {name("AWS/EC2"), name("M" + std::to_string(metric)), name("p" + std::to_string(statistic))});
    series.name = &metrics_.back();
    series.dimensions = dimensions_;
    return &series;
  }

  Series* add_math(int number, const std::vector<std::pair<int, int>>& inputs, int32_t period = 300) {
    Series* series = add(-1, number, period);
    MetricName& math = metrics_.back();
    math.metric = name("e" + std::to_string(number));
    math.statistic = name("");
    inputs_.emplace_back();
    for (const auto& [metric, statistic] : inputs)
      inputs_.back().push_back({"i" + std::to_string(inputs_.back().size()),
                                "AWS/EC2",
                                "M" + std::to_string(metric),
                                {},
                                "p" + std::to_string(statistic)});
    math.inputs = &inputs_.back();
    return series;
  }

  static std::vector<Due> due(const std::vector<Series*>& series, Window window) {
    std::vector<Due> all;
    for (Series* one : series) all.push_back(Due{one, window, false});
    return all;
  }

  [[nodiscard]] std::vector<Batch> plan(std::vector<Due> due) const {
    return plan_batches(target_, std::move(due));
  }

  static size_t queries(const Batch& batch) {
    size_t count = 0;
    for (const Due& one : batch.due)
      count += 1 + (one.series->name->inputs == nullptr ? 0 : one.series->name->inputs->size());
    return count;
  }

  Target target_;
  std::map<int32_t, std::unique_ptr<Group>> groups_;
  std::set<std::string> names_;
  std::deque<MetricName> metrics_;
  std::deque<std::vector<aws::cloudwatch::NamedQuery>> inputs_;
  std::deque<Series> series_;
  DimensionsPtr dimensions_{new SharedDimensions()};
};

TEST_F(BatchTest, FillsCallsWithFiveHundred) {
  std::vector<Series*> wanted;
  for (int metric = 0; metric < 1001; ++metric) wanted.push_back(add(metric, 0));
  const auto batches = plan(due(wanted, Window{0, 300}));
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].due.size(), 500u);
  EXPECT_EQ(batches[1].due.size(), 500u);
  EXPECT_EQ(batches[2].due.size(), 1u);
  EXPECT_EQ(batches[0].target, &target_);
  for (size_t at = 0; at < 500; ++at) ASSERT_EQ(batches[0].due[at].series, wanted[at]) << "the order is kept";
}

TEST_F(BatchTest, KeepsTheStatisticsOfAMetricTogether) {
  std::vector<Series*> wanted;
  for (int statistic = 0; statistic < 3; ++statistic) {
    for (int metric = 0; metric < 167; ++metric) wanted.push_back(add(metric, statistic));
  }
  const auto batches = plan(due(wanted, Window{0, 300}));  // 501 series: 166 metrics fit whole
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].due.size(), 498u);
  EXPECT_EQ(batches[1].due.size(), 3u);
  EXPECT_EQ(billed_metrics(shares_of(batches[0])), 166u);
  EXPECT_EQ(billed_metrics(shares_of(batches[1])), 1u);
}

TEST_F(BatchTest, ALargePlanIsMadeInPartsThatSplitNoMetric) {
  constexpr int kMetrics = 20'000;
  std::vector<Series*> wanted;
  for (int statistic = 0; statistic < 3; ++statistic) {
    for (int metric = 0; metric < kMetrics; ++metric) {
      wanted.push_back(add(metric, statistic));
      wanted.back()->place = static_cast<uint32_t>(metric) * 2'654'435'761U;
    }
  }
  std::set<const Series*> asked;
  uint64_t billed = 0;
  const auto batches = plan(due(wanted, Window{0, 300}));
  for (const Batch& batch : batches) {
    ASSERT_LE(batch.due.size(), 500u);
    for (const Due& one : batch.due) ASSERT_TRUE(asked.insert(one.series).second);
    billed += billed_metrics(shares_of(batch));
  }
  EXPECT_EQ(asked.size(), wanted.size());
  EXPECT_EQ(billed, uint64_t{kMetrics});
  EXPECT_LE(batches.size(), 126u) << "five hundredths above 120";
}

TEST_F(BatchTest, SplitsAMetricWithMoreStatisticsThanFitACall) {
  std::vector<Series*> wanted;
  for (int statistic = 0; statistic < 603; ++statistic) wanted.push_back(add(0, statistic));
  const auto batches = plan(due(wanted, Window{0, 300}));
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].due.size(), 500u);
  EXPECT_EQ(billed_metrics(shares_of(batches[0])), 100u);
  EXPECT_EQ(billed_metrics(shares_of(batches[1])), 21u);
}

TEST_F(BatchTest, SplitsLongWindowsAfterFiveStatistics) {
  std::vector<Series*> wanted;
  for (int statistic = 0; statistic < 10; ++statistic) wanted.push_back(add(0, statistic));
  // 14,400 datapoints each: seven would fit.
  const auto batches = plan(due(wanted, Window{0, 14'400 * 300}));
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].due.size(), 5u);
  EXPECT_EQ(batches[1].due.size(), 5u);
  EXPECT_FALSE(batches[0].due[0].cut);
}

TEST_F(BatchTest, CutsAWindowThatNoCallBrings) {
  const auto batches = plan(due({add(0, 0, 60)}, Window{600, 600 + 200'000 * 60}));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_TRUE(batches[0].due[0].cut);
  EXPECT_EQ(batches[0].due[0].window.start, 600);
  EXPECT_EQ(batches[0].due[0].window.end, 600 + 100'800 * 60);
  const auto math = plan(due({add_math(0, {{0, 0}, {1, 0}}, 60)}, Window{600, 600 + 200'000 * 60}));
  EXPECT_EQ(math[0].due[0].window.end, 600 + 33'600 * 60) << "its inputs are datapoints too";
}

TEST_F(BatchTest, PutsPeriodsAndWindowsTogetherWhereThatSavesCalls) {
  std::vector<Due> wanted = due({add(0, 0, 60), add(1, 0, 60)}, Window{6'000 + 60, 6'300 + 60});
  for (const Due& one : due({add(2, 0, 300)}, Window{4'500, 6'000})) wanted.push_back(one);
  for (const Due& one : due({add(3, 0, 3600)}, Window{0, 3'600})) wanted.push_back(one);
  const auto batches = plan(wanted);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].window.start, 0) << "a multiple of each period";
  EXPECT_EQ(batches[0].window.end, 6'360);
  ASSERT_EQ(batches[0].due.size(), 4u);
  EXPECT_EQ(batches[0].due[3].window.start, 0) << "each keeps its own";
  EXPECT_EQ(batches[0].due[3].window.end, 3'600);
}

TEST_F(BatchTest, LeavesApartWhatWouldMakeCallsLarge) {
  std::vector<Series*> many;
  for (int metric = 0; metric < 400; ++metric) many.push_back(add(metric, 0, 60));
  std::vector<Due> wanted = due(many, Window{86'400, 86'700});
  for (const Due& one : due({add(400, 0, 60)}, Window{85'800, 86'100})) wanted.push_back(one);
  EXPECT_EQ(plan(wanted).size(), 2u) << "400 series would be read over ten more minutes: 4,000 datapoints";
  wanted.resize(300);
  for (const Due& one : due({add(400, 0, 60)}, Window{85'800, 86'100})) wanted.push_back(one);
  EXPECT_EQ(plan(wanted).size(), 1u) << "300 series: 3,000";
}

TEST_F(BatchTest, StartsWhereCloudWatchStarts) {
  EXPECT_EQ(plan(due({add(0, 0, 1)}, Window{119, 130}))[0].window.start, 60) << "whole minutes";
  EXPECT_EQ(plan(due({add(0, 0, 10)}, Window{110, 130}))[0].window.start, 110)
      << "or high-resolution periods";
  EXPECT_EQ(plan(due({add(0, 0, 420)}, Window{420, 840}))[0].window.start, 0) << "whole five minutes";
  EXPECT_EQ(plan(due({add(0, 0, 5400)}, Window{16'200, 21'600}))[0].window.start, 10'800) << "whole hours";
}

TEST_F(BatchTest, MetricMathIsBilledByItsInputs) {
  Batch batch;
  for (Series* series : {add_math(0, {{0, 0}, {1, 0}}), add_math(1, {{0, 0}, {0, 1}}), add(0, 2), add(0, 3),
                         add(0, 4), add(0, 5)})
    batch.due.push_back(Due{series, {}, false});
  // M0 with p0 to p5 is two, M1 one; p0 of M0 is asked twice and is one statistic.
  EXPECT_EQ(billed_metrics(shares_of(batch)), 3u);
  batch.due.pop_back();
  EXPECT_EQ(billed_metrics(shares_of(batch)), 2u);
  metrics_.back().account_id = name("111111111111");
  batch.due.push_back(Due{&series_.back(), {}, false});
  EXPECT_EQ(billed_metrics(shares_of(batch)), 3u) << "another account's metric is another metric";
}

TEST_F(BatchTest, ARequestAsksForWhatIsDueInItsOrder) {
  std::vector<Due> wanted = due({add(0, 0), add_math(1, {{5, 0}, {6, 0}})}, Window{300, 600});
  metrics_[0].account_id = name("111111111111");
  const auto batches = plan(wanted);
  ASSERT_EQ(batches.size(), 1u);
  const auto request = request_of(batches[0]);
  EXPECT_EQ(request.start, 300);
  EXPECT_EQ(request.end, 600);
  ASSERT_EQ(request.queries.size(), 2u);
  EXPECT_EQ(request.queries[0].metric, "M0");
  EXPECT_EQ(request.queries[0].account_id, "111111111111");
  EXPECT_EQ(request.queries[1].expression, "e1");
  EXPECT_EQ(request.queries[1].inputs.size(), 2u);
  EXPECT_TRUE(aws::cloudwatch::encode_get_metric_data(request));
}

// Any mix: the limits hold, each is due once, the statistics of a metric over a window are together, and the
// number of calls is what the header says.
class AnyMix : public BatchTest {
 protected:
  void judge(const std::vector<Due>& wanted, bool may_share) {
    const auto batches = plan(wanted);
    size_t all = 0;
    size_t seen = 0;
    std::set<const Series*> once;
    using Metric = std::tuple<std::string, int32_t, int64_t>;
    std::map<Metric, size_t> calls_of;
    std::map<Metric, size_t> statistics_of;
    std::map<const Series*, Window> asked;
    std::set<std::tuple<int32_t, int64_t, int64_t>> distinct;
    for (const Due& one : wanted) {
      asked[one.series] = one.window;
      all += 1 + (one.series->name->inputs == nullptr ? 0 : one.series->name->inputs->size());
      distinct.insert({one.series->group->period, one.window.start, one.window.end});
      ++statistics_of[{*one.series->name->metric, one.series->group->period, one.window.start}];
    }
    for (const Batch& batch : batches) {
      ASSERT_FALSE(batch.due.empty());
      ASSERT_LE(queries(batch), 500u);
      ASSERT_LE(aws::cloudwatch::estimated_datapoints(request_of(batch)), 100'800u);
      std::set<Metric> metrics;
      for (const Due& one : batch.due) {
        ++seen;
        ASSERT_TRUE(once.insert(one.series).second);
        const int64_t period = one.series->group->period;
        ASSERT_EQ(batch.window.start % period, 0);
        ASSERT_LE(batch.window.start, one.window.start);
        ASSERT_GE(batch.window.end, one.window.end);
        ASSERT_EQ(one.window.start, asked[one.series].start);
        ASSERT_EQ(one.window.end, asked[one.series].end);
        ASSERT_FALSE(one.cut);
        metrics.insert({*one.series->name->metric, one.series->group->period, one.window.start});
      }
      for (const Metric& metric : metrics) ++calls_of[metric];
    }
    ASSERT_EQ(seen, wanted.size());
    for (const auto& [metric, calls] : calls_of) {
      ASSERT_LE(calls, (statistics_of[metric] + 499) / 500) << std::get<0>(metric);
    }
    const size_t more = may_share ? 1 : distinct.size();
    ASSERT_LE(static_cast<double>(batches.size()),
              1.05 * static_cast<double>((all + 499) / 500) + static_cast<double>(more))
        << all << " queries, " << distinct.size() << " windows";
  }

  size_t upto(size_t most) { return std::uniform_int_distribution<size_t>(0, most)(random_); }

  std::mt19937 random_{20'251'124};
};

TEST_F(AnyMix, KeepsEveryLimit) {
  constexpr int32_t kPeriods[] = {1, 5, 10, 20, 30, 60, 120, 300, 420, 900, 3600, 5400, 86'400};
  constexpr int64_t kNow = 1'700'000'000;
  for (int round = 0; round < 150; ++round) {
    std::vector<Due> wanted;
    const size_t parts = 1 + upto(6);
    int number = 0;
    for (size_t part = 0; part < parts; ++part) {
      const int32_t period = kPeriods[upto(std::size(kPeriods) - 1)];
      const int64_t end = kNow - kNow % period - static_cast<int64_t>(upto(3)) * period;
      const auto length = static_cast<int64_t>(upto(9) == 0 ? 1 + upto(140) : 1 + upto(9));
      const Window window{end - length * period, end};
      std::vector<Series*> series;
      const size_t metrics = upto(upto(3) == 0 ? 1500 : 200);
      for (size_t metric = 0; metric < metrics; ++metric, ++number) {
        if (upto(9) == 0) {
          std::vector<std::pair<int, int>> inputs(1 + upto(22), {number, 0});
          series.push_back(add_math(number, inputs, period));
          continue;
        }
        const size_t statistics = 1 + (upto(4) == 0 ? upto(23) : upto(4));
        for (size_t one = 0; one < statistics; ++one)
          series.push_back(add(number, static_cast<int>(one), period));
      }
      for (const Due& one : due(series, window)) wanted.push_back(one);
    }
    std::shuffle(wanted.begin(), wanted.end(), random_);
    ASSERT_NO_FATAL_FAILURE(judge(wanted, false)) << "round " << round;
  }
}

TEST_F(AnyMix, OfWindowsThatMayShareCallsTakesNoMoreThanItMust) {
  constexpr int64_t kNow = 1'700'000'100;
  for (int round = 0; round < 100; ++round) {
    std::vector<Due> wanted;
    // Of one period, apart by up to seven periods: 500 such queries ask for no more than 3,500 datapoints
    // more.
    const int32_t period = upto(1) == 0 ? 60 : 300;
    const int64_t end = kNow - kNow % period;
    const size_t metrics = upto(3000);
    for (size_t metric = 0; metric < metrics; ++metric) {
      const auto later = static_cast<int64_t>(upto(3));
      const auto longer = static_cast<int64_t>(upto(4));
      const Window window{end - (5 + longer) * period, end - later * period};
      const size_t statistics = 1 + upto(4);
      for (size_t one = 0; one < statistics; ++one)
        wanted.push_back(Due{add(static_cast<int>(metric), static_cast<int>(one), period), window, false});
    }
    std::shuffle(wanted.begin(), wanted.end(), random_);
    ASSERT_NO_FATAL_FAILURE(judge(wanted, true)) << "round " << round;
  }
}

}  // namespace
}  // namespace bakusoku::agent
