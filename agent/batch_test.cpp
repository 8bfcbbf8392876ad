#include "agent/batch.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

namespace bakusoku::agent {
namespace {

// Series of one group, with names that live as long as they.
class BatchTest : public testing::Test {
 protected:
  BatchTest() { group_.period = 300; }

  Due add(int metric, int statistic, Window window = {0, 300}) {
    const auto name = [this](const std::string& text) { return &*names_.insert(text).first; };
    series_.emplace_back();
    Series& series = series_.back();
    series.group = &group_;
    metrics_.push_back(
        {name("AWS/EC2"), name("M" + std::to_string(metric)), name("p" + std::to_string(statistic))});
    series.name = &metrics_.back();
    series.dimensions = dimensions_;
    return Due{&series, window};
  }

  Target target_;
  Group group_;
  std::set<std::string> names_;
  std::deque<MetricName> metrics_;
  std::deque<Series> series_;
  std::shared_ptr<const Dimensions> dimensions_ = std::make_shared<const Dimensions>();
};

TEST_F(BatchTest, FillsCallsWithFiveHundred) {
  std::vector<Due> wanted;
  for (int metric = 0; metric < 1001; ++metric) wanted.push_back(add(metric, 0));
  const auto batches = plan_batches(target_, wanted);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].due.size(), 500u);
  EXPECT_EQ(batches[1].due.size(), 500u);
  EXPECT_EQ(batches[2].due.size(), 1u);
}

TEST_F(BatchTest, KeepsTheStatisticsOfAMetricTogether) {
  std::vector<Due> wanted;
  for (int metric = 0; metric < 167; ++metric) {
    for (int statistic = 0; statistic < 3; ++statistic) wanted.push_back(add(metric, statistic));
  }
  const auto batches = plan_batches(target_, wanted);  // 501 series: 166 metrics fit whole
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].due.size(), 498u);
  EXPECT_EQ(batches[1].due.size(), 3u);
  EXPECT_EQ(billed_metrics(batches[0]), 166u);
  EXPECT_EQ(billed_metrics(batches[1]), 1u);
}

TEST_F(BatchTest, SplitsAMetricWithMoreStatisticsThanFitACall) {
  std::vector<Due> wanted;
  for (int statistic = 0; statistic < 600; ++statistic) wanted.push_back(add(0, statistic));
  const auto batches = plan_batches(target_, wanted);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].due.size(), 500u);
  EXPECT_EQ(billed_metrics(batches[0]), 100u);
}

TEST_F(BatchTest, HoldsNoMoreDatapointsThanACallMayBring) {
  std::vector<Due> wanted;
  for (int metric = 0; metric < 100; ++metric) wanted.push_back(add(metric, 0, Window{0, 300 * 3000}));
  const auto batches = plan_batches(target_, wanted);
  ASSERT_EQ(batches.size(), 4u);
  for (const Batch& batch : batches) EXPECT_LE(batch.due.size() * 3000, 100'800u);
}

}  // namespace
}  // namespace bakusoku::agent
