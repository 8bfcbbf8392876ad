#include "agent/status.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace bakusoku::agent
