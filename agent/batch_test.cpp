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

constexpr int64_t kAlways = int64_t{1000} * 86400;

TEST(CatchingUpWindow, ReachesBackAsFarAsAskedWithinAWholeCall) {
  constexpr int64_t kNow = 1'700'000'123;
  const Window usual = reading_window(kNow, 300, 120);
  const Window hour = catching_up_window(usual.end - 3600, kNow, 300, 120, kAlways);
  EXPECT_EQ(hour.start, usual.end - 15 * 300) << "twelve periods, in steps of the usual look-back";
  EXPECT_EQ(hour.end, usual.end);
  const Window month = catching_up_window(usual.end - 30 * 86400, kNow, 300, 120, kAlways);
  EXPECT_LE(month.start, usual.end - 30 * 86400);
  EXPECT_GT(month.start, usual.end - 30 * 86400 - 40 * 300);
  EXPECT_EQ((month.end - month.start) / 300 * 500, 100'500);
  EXPECT_EQ(catching_up_window(usual.end, kNow, 300, 120, kAlways).start, usual.start)
      << "never less than the usual look-back";
}

TEST(CatchingUpWindow, EndsWhereCloudWatchKeepsNoDatapointsOfThePeriod) {
  constexpr int64_t kNow = 1'700'000'123;
  for (const auto& [period, kept] :
       {std::pair{1, 3 * 3600}, {60, 15 * 86400}, {300, 63 * 86400}, {3600, 455 * 86400}}) {
    const Window window = catching_up_window(1, kNow, period, 120, kAlways);
    EXPECT_GE(window.start, kNow - kept) << period;
    EXPECT_LT(window.start, kNow - kept + 2 * period) << period;
    EXPECT_EQ(window.start % period, 0);
  }
}

TEST(CatchingUpWindow, ReachesNoFurtherThanWanted) {
  constexpr int64_t kNow = 1'700'000'123;
  const Window usual = reading_window(kNow, 60, 120);
  const Window hour = catching_up_window(usual.end - 7200, kNow, 60, 120, 3600);
  EXPECT_LE(hour.start, kNow - 3600);
  EXPECT_GT(hour.start, kNow - 3600 - 60);
  EXPECT_EQ(catching_up_window(usual.end - 7200, kNow, 60, 120, 0).start, usual.start);
}

TEST(CatchingUp, IsWhatWasMissedAndNotAnIntervalOfSomePeriods) {
  EXPECT_FALSE(is_catching_up(reading_window(1'700'000'123, 60, 120), 60));
  EXPECT_FALSE(is_catching_up(Window{0, 20 * 60}, 60));
  EXPECT_TRUE(is_catching_up(Window{0, 21 * 60}, 60));
}

}  // namespace
}  // namespace bakusoku::agent
