#include "aws/call_rate.h"

#include <gtest/gtest.h>

#include <vector>

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

const Moment kStart{1h};

// What goes out when `wanted` calls are taken at once, second by second.
std::vector<int> sent_per_second(CallRate& rate, int wanted, int seconds) {
  std::vector<int> sent(static_cast<size_t>(seconds), 0);
  for (int call = 0; call < wanted; ++call) {
    const auto wait = rate.take(1, kStart);
    const auto second = static_cast<size_t>(wait / 1s);
    if (second < sent.size()) ++sent[second];
  }
  return sent;
}

TEST(CallRate, a_crowd_goes_out_at_the_share_of_the_quota) {
  CallRate rate({50, 50}, 0.5, kStart);
  const std::vector<int> sent = sent_per_second(rate, 300, 6);
  EXPECT_NEAR(sent[0], 25 + 25, 1);  // the burst, and the first second's own
  for (size_t second = 1; second < 6; ++second) EXPECT_NEAR(sent[second], 25, 1) << second;
}

TEST(CallRate, no_second_ever_exceeds_burst_and_rate) {
  CallRate rate({20, 100}, 1, kStart);
  std::vector<double> times;
  unsigned random = 1;
  Moment now = kStart;
  for (int call = 0; call < 5000; ++call) {
    random = random * 1103515245 + 12345;
    now += std::chrono::milliseconds(random >> 16 & 63);
    times.push_back(std::chrono::duration<double>(now - kStart + rate.take(1, now)).count());
  }
  size_t from = 0;
  for (size_t at = 0; at < times.size(); ++at) {
    if (at > 0) {
      EXPECT_GE(times[at], times[at - 1] - 0.002) << "whoever comes later waits longer";
    }
    while (times[from] < times[at] - 1) ++from;
    ASSERT_LE(at - from, 121u);
  }
}

TEST(CallRate, a_rest_fills_the_bucket_but_no_further) {
  CallRate rate({10, 10}, 1, kStart);
  EXPECT_EQ(rate.take(10, kStart), 0ms);
  EXPECT_EQ(rate.take(1, kStart), 100ms);
  EXPECT_EQ(rate.take(10, kStart + 1h), 0ms);
  EXPECT_EQ(rate.take(1, kStart + 1h), 100ms);
}

TEST(CallRate, more_than_a_burst_goes_when_the_bucket_is_full_and_the_next_pays) {
  CallRate rate({1000, 1000}, 1, kStart);
  EXPECT_EQ(rate.take(3000, kStart), 0ms);
  EXPECT_EQ(rate.take(1000, kStart), 3000ms);
  EXPECT_EQ(rate.take(1, kStart + 10s), 0ms);
}

TEST(CallRate, throttling_halves_once_a_burst_and_is_forgotten_slowly) {
  CallRate rate({50, 50}, 1, kStart);
  rate.throttled(kStart);
  EXPECT_EQ(rate.take(1, kStart), 40ms) << "the bucket is taken for empty";
  for (int call = 0; call < 5; ++call) rate.throttled(kStart + std::chrono::milliseconds(call * 100));
  EXPECT_NEAR(rate.per_second(), 25, 0.5);
  rate.throttled(kStart + 2s);
  EXPECT_NEAR(rate.per_second(), 13, 0.5);
  (void)rate.take(1, kStart + 32s);
  EXPECT_NEAR(rate.per_second(), 28, 1);
  (void)rate.take(1, kStart + 10min);
  EXPECT_DOUBLE_EQ(rate.per_second(), 50);
}

TEST(CallRate, never_stops_altogether) {
  CallRate rate({50, 50}, 1, kStart);
  Moment now = kStart;
  for (int cut = 0; cut < 100; ++cut) rate.throttled(now += 1s);
  EXPECT_GE(rate.per_second(), 0.5);
  EXPECT_LE(rate.take(1, now), 2s);
}

TEST(CallRate, a_clock_that_stands_still_or_goes_back_gives_nothing) {
  CallRate rate({10, 10}, 1, kStart);
  EXPECT_EQ(rate.take(10, kStart), 0ms);
  EXPECT_EQ(rate.take(1, kStart - 1h), 100ms);
  EXPECT_EQ(rate.take(1, kStart), 200ms);
}

TEST(CallRate, knows_the_quotas) {
  EXPECT_EQ(call_quota("cloudwatch", "GetMetricData")->per_second, 50);
  EXPECT_EQ(call_quota("ec2", "DescribeInstances")->burst, 100);
  EXPECT_FALSE(call_quota("sts", "AssumeRole").has_value());
  EXPECT_LT(datapoint_quota(true).per_second, datapoint_quota(false).per_second);
}

}  // namespace
}  // namespace bakusoku::aws
