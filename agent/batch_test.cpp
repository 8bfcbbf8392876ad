#include "agent/batch.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

namespace bakusoku::agent {
namespace {

// Series of one group, with names that live as long as they.
class BatchTest : public testing::Test {
 protected:
  BatchTest() { group_.period = 300; }

  Series* add(int metric, int statistic) {
    const auto name = [this](const std::string& text) { return &*names_.insert(text).first; };
    series_.emplace_back();
    Series& series = series_.back();
    series.group = &group_;
    metrics_.push_back(
        {name("AWS/EC2"), name("M" + std::to_string(metric)), name("p" + std::to_string(statistic))});
    series.name = &metrics_.back();
    series.dimensions = dimensions_;
    return &series;
  }

  Group group_;
  std::set<std::string> names_;
  std::deque<MetricName> metrics_;
  std::deque<Series> series_;
  std::shared_ptr<const Dimensions> dimensions_ = std::make_shared<const Dimensions>();
};

TEST_F(BatchTest, FillsCallsWithFiveHundred) {
  std::vector<Series*> wanted;
  for (int metric = 0; metric < 1001; ++metric) wanted.push_back(add(metric, 0));
  const auto batches = plan_batches(group_, wanted, Window{0, 300});
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].series.size(), 500u);
  EXPECT_EQ(batches[1].series.size(), 500u);
  EXPECT_EQ(batches[2].series.size(), 1u);
}

TEST_F(BatchTest, KeepsTheStatisticsOfAMetricTogether) {
  std::vector<Series*> wanted;
  for (int metric = 0; metric < 167; ++metric) {
    for (int statistic = 0; statistic < 3; ++statistic) wanted.push_back(add(metric, statistic));
  }
  const auto batches = plan_batches(group_, wanted, Window{0, 300});  // 501 series: 166 metrics fit whole
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].series.size(), 498u);
  EXPECT_EQ(batches[1].series.size(), 3u);
  EXPECT_EQ(billed_metrics(batches[0]), 166u);
  EXPECT_EQ(billed_metrics(batches[1]), 1u);
}

TEST_F(BatchTest, SplitsAMetricWithMoreStatisticsThanFitACall) {
  std::vector<Series*> wanted;
  for (int statistic = 0; statistic < 600; ++statistic) wanted.push_back(add(0, statistic));
  const auto batches = plan_batches(group_, wanted, Window{0, 300});
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].series.size(), 500u);
  EXPECT_EQ(billed_metrics(batches[0]), 100u);
}

TEST(Window, EndsWithTheNewestPeriodThatIsFinal) {
  constexpr int64_t kNoon = 1'700'006'400;  // a multiple of 300
  EXPECT_EQ(newest_final(kNoon + 119, 300, 120), kNoon - 300);
  EXPECT_EQ(newest_final(kNoon + 120, 300, 120), kNoon);
  const Window window = reading_window(kNoon + 120, 300, 120);
  EXPECT_EQ(window.end, kNoon);
  EXPECT_EQ(window.start, kNoon - kLookBackPeriods * 300);
}

}  // namespace
}  // namespace bakusoku::agent
