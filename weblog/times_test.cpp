#include "weblog/times.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace bakusoku::weblog {
namespace {

constexpr int64_t kNow = 1'795'523'100;

TEST(Buckets, AreOffByAtMostOnePercent) {
  uint64_t value = 1;
  size_t last = 0;
  while (value < uint64_t{1} << 41) {
    const size_t bucket = bucket_of(value);
    ASSERT_LT(bucket, kBuckets);
    ASSERT_GE(bucket, last);
    last = bucket;
    const auto exact = static_cast<double>(value);
    ASSERT_LE(std::fabs(static_cast<double>(value_of(bucket)) - exact), exact * 0.01) << value;
    value = std::max(value + 1, value + value / 1000);
  }
  EXPECT_EQ(bucket_of(0), 0u);
  EXPECT_LT(bucket_of(UINT64_MAX), kBuckets);
}

TEST(Times, StatisticsAreExactButForPercentiles) {
  std::mt19937_64 random(20170401);
  std::lognormal_distribution<double> seconds(-3, 1.5);
  std::vector<uint64_t> all;
  Times times;
  for (int i = 0; i < 100'000; ++i) {
    all.push_back(static_cast<uint64_t>(seconds(random) * 1e6));
    times.add(kNow - i % 60, all.back(), kNow);
  }
  std::sort(all.begin(), all.end());
  const Distribution window = times.of(kNow, 60);
  EXPECT_EQ(window.count, all.size());
  EXPECT_EQ(window.min, all.front());
  EXPECT_EQ(window.max, all.back());
  uint64_t sum = 0;
  for (const uint64_t value : all) sum += value;
  EXPECT_EQ(window.sum, sum);
  for (const double percent : {0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(all.size())));
    const auto exact = static_cast<double>(all[rank - 1]);
    EXPECT_NEAR(static_cast<double>(window.percentile(percent)), exact, exact * 0.01) << percent;
  }
  EXPECT_EQ(window.percentile(100), all.back());
}

// A bucket is told by its middle, which may lie beyond all that is in it.
TEST(Times, PercentilesAreWithinMinimumAndMaximum) {
  for (uint64_t value = 1; value < 100'000'000; value += value / 7 + 1) {
    Times times;
    for (const uint64_t micros : {value, value, value + value / 200}) times.add(kNow, micros, kNow);
    const Distribution window = times.of(kNow, 60);
    for (const double percent : {0.1, 33.0, 50.0, 66.0, 99.9, 100.0}) {
      EXPECT_GE(window.percentile(percent), window.min) << value << " p" << percent;
      EXPECT_LE(window.percentile(percent), window.max) << value << " p" << percent;
    }
    EXPECT_EQ(window.min, value);
    EXPECT_EQ(window.max, value + value / 200);
  }
}

TEST(Times, TheWindowSlides) {
  Times times;
  times.add(kNow, 1000, kNow);
  EXPECT_EQ(times.of(kNow, 60).count, 1u);
  EXPECT_EQ(times.of(kNow + 60, 60).count, 1u) << "it reaches back at least as far as asked";
  EXPECT_EQ(times.of(kNow + 60 + kSlotSeconds, 60).count, 0u) << "and by less than a slot more";
  EXPECT_EQ(times.of(kNow + 3600, 3600).count, 1u);
  EXPECT_EQ(times.of(kNow - 1000, 60).count, 0u);
  times.add(kNow + 4000, 2000, kNow + 4000);
  EXPECT_EQ(times.of(kNow, 60).count, 0u) << "more than an hour ago: forgotten";
  times.add(kNow, 1000, kNow + 4000);
  EXPECT_EQ(times.of(kNow, 60).count, 0u) << "and not taken any more";
}

TEST(Times, ASlotThatIsComeBackToGoesOn) {
  Times times;
  for (int i = 0; i < 10; ++i) {
    times.add(kNow - 100, 500, kNow);
    times.add(kNow, 700, kNow);
  }
  const Distribution before = times.of(kNow - 100, 10);
  EXPECT_EQ(before.count, 10u);
  EXPECT_EQ(before.sum, 5000u);
  EXPECT_EQ(times.of(kNow, 3600).count, 20u);
  EXPECT_EQ(times.of(kNow, 3600).buckets[bucket_of(500)], 10u);
}

TEST(Times, AClockThatIsSetBackForgetsWhatIsNotYet) {
  Times times;
  times.add(kNow + 100'000, 9, kNow + 100'000);
  times.add(kNow, 5, kNow);
  times.add(kNow + 20, 5, kNow + 20);
  EXPECT_EQ(times.of(kNow + 20, 3600).count, 2u);
  EXPECT_EQ(times.of(kNow + 100'000, 3600).count, 0u);
}

TEST(Times, WithoutRequestsThereIsNoMean) {
  const Distribution none = Times().of(kNow, 60);
  EXPECT_EQ(*none.statistic("count"), 0);
  EXPECT_EQ(*none.statistic("sum"), 0);
  for (const char* name : {"avg", "min", "max", "p99"}) EXPECT_EQ(*none.statistic(name), std::nullopt);
}

TEST(Times, StatisticsByName) {
  Times times;
  for (const uint64_t micros : {100'000, 200'000, 600'000}) times.add(kNow, micros, kNow);
  const Distribution window = times.of(kNow, 60);
  EXPECT_DOUBLE_EQ(**window.statistic("avg"), 0.3);
  EXPECT_DOUBLE_EQ(**window.statistic("min"), 0.1);
  EXPECT_DOUBLE_EQ(**window.statistic("max"), 0.6);
  EXPECT_DOUBLE_EQ(**window.statistic("sum"), 0.9);
  EXPECT_DOUBLE_EQ(**window.statistic("count"), 3);
  EXPECT_NEAR(**window.statistic("p50"), 0.2, 0.002);
  EXPECT_DOUBLE_EQ(**window.statistic("p99.9"), 0.6);
  for (const char* wrong : {"", "p", "p0", "p101", "px", "p5x", "pnan", "mean", "p-1"}) {
    EXPECT_FALSE(window.statistic(wrong)) << wrong;
  }
}

TEST(Times, WhatIsWrittenIsReadAgain) {
  std::mt19937 random(7);
  Times times;
  for (int i = 0; i < 5000; ++i) times.add(kNow - random() % 4000, random() % 10'000'000, kNow);
  std::string bytes;
  times.write(bytes);
  std::string_view rest = bytes;
  auto again = Times::read(rest);
  ASSERT_TRUE(again);
  EXPECT_TRUE(rest.empty());
  std::string twice;
  again->write(twice);
  for (const int64_t window : {10, 60, 600, 3600}) {
    const Distribution one = times.of(kNow, window);
    const Distribution other = again->of(kNow, window);
    EXPECT_EQ(one.count, other.count);
    EXPECT_EQ(one.sum, other.sum);
    EXPECT_EQ(one.buckets, other.buckets);
  }
  again->add(kNow, 3, kNow);
  EXPECT_EQ(again->of(kNow, 3600).count, times.of(kNow, 3600).count + 1);
  for (size_t cut = 0; cut < bytes.size(); cut += 97) {
    std::string_view part = std::string_view(bytes).substr(0, cut);
    EXPECT_FALSE(Times::read(part)) << cut;
  }
}

}  // namespace
}  // namespace bakusoku::weblog
