#include <gtest/gtest.h>

#include "agent/rate.h"
#include "agent/stats.h"

namespace bakusoku::agent {
namespace {

TEST(Rate, IsGrowthPerSecondSinceTheFirstSample) {
  Rate rate;
  EXPECT_EQ(rate.per_second(), 0);
  rate.sample(100);
  EXPECT_EQ(rate.per_second(), 0);
  rate.sample(110);
  EXPECT_EQ(rate.per_second(), 10);
  rate.sample(110);
  EXPECT_EQ(rate.per_second(), 5);
}

TEST(Rate, ForgetsWhatIsOlderThanAMinute) {
  Rate rate;
  rate.sample(0);
  rate.sample(1'000'000);
  for (int second = 0; second < 60; ++second) rate.sample(1'000'000 + second);
  EXPECT_NEAR(rate.per_second(), 59.0 / 60, 1e-9);
  for (int second = 0; second < 60; ++second) rate.sample(1'000'059);
  EXPECT_EQ(rate.per_second(), 0);
}

TEST(Lag, IsTheWorstOfTheLastMinutes) {
  Lag lag;
  EXPECT_EQ(lag.worst(1000), 0);
  lag.note(1000, 7);
  lag.note(1010, 3);
  EXPECT_EQ(lag.worst(1010), 7);
  lag.note(1200, 4);
  EXPECT_EQ(lag.worst(1200), 7);
  EXPECT_EQ(lag.worst(1500), 4) << "five minutes later";
  EXPECT_EQ(lag.worst(2000), 0);
  EXPECT_EQ(lag.worst(500), 0) << "a clock that was set back";
}

}  // namespace
}  // namespace bakusoku::agent
