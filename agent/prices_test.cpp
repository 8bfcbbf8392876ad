#include "agent/prices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

TEST(Prices, TheBuiltInOnes) {
  const Prices prices = Prices::built_in();
  EXPECT_DOUBLE_EQ(prices.usd_per_unit("GetMetricData", "eu-west-1"), 0.00001);
  EXPECT_DOUBLE_EQ(prices.usd_per_unit("ListMetrics", "eu-west-1"), 0.00001);
  EXPECT_THAT(prices.date(), testing::MatchesRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2}"));
}

TEST(Prices, FreeRequestsAreThoseOfAllAccountsTogether) {
  const Prices prices = Prices::built_in();
  const Charges month{{{"a", "eu-west-1", "ListMetrics", ""}, 900'000},
                      {{"b", "us-east-1", "DescribeAlarms", ""}, 600'000},
                      {{"a", "eu-west-1", "GetMetricData", "AWS/EC2"}, 100'000}};
  EXPECT_NEAR(prices.usd_of_month(month), 1 + 5, 1e-9) << "half a million of them is paid";
  const auto by_namespace = prices.usd_by_namespace(month);
  EXPECT_NEAR(by_namespace.at("AWS/EC2"), 1, 1e-9);
  EXPECT_NEAR(by_namespace.at("ListMetrics"), 3, 1e-9);
  EXPECT_NEAR(by_namespace.at("DescribeAlarms"), 2, 1e-9);
}

TEST(Prices, ARegionMayHaveItsOwn) {
  const auto prices = Prices::parse(R"(
[[price]]
actions = ["GetMetricData"]
units = 1000
usd = 0.01
[price.regions]
sa-east-1 = 0.02
)",
                                    "p.toml");
  ASSERT_TRUE(prices) << prices.error().message;
  EXPECT_DOUBLE_EQ(prices->usd_per_unit("GetMetricData", "sa-east-1"), 0.00002);
  EXPECT_DOUBLE_EQ(prices->usd_per_unit("GetMetricData", "eu-west-1"), 0.00001);
  EXPECT_EQ(prices->usd_per_unit("ListMetrics", "eu-west-1"), 0) << "there is no other entry";
}

TEST(Prices, WhatIsWrongIsSaidWithItsLine) {
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "no [[price]]"},
           {"[[price]\n", "p.toml:1"},
           {"[[price]]\nactions = [\"A\"]\nunits = 0\nusd = 1\n", "p.toml:1: [[price]] needs"},
           {"[[price]]\nactions = []\nunits = 1\nusd = 1\n", "needs actions"},
           {"[[price]]\nactions = [\"A\"]\nunits = 1\nusd = -1\n", "needs actions"},
           {"[[price]]\nactions = [\"A\"]\nunits = 1\nusd = 1\n[price.regions]\nx = \"y\"\n",
            "p.toml:6: the price of region x"}}) {
    const auto prices = Prices::parse(text, "p.toml");
    ASSERT_FALSE(prices) << text;
    EXPECT_THAT(prices.error().message, testing::HasSubstr(words)) << text;
  }
}

TEST(Prices, AFileThatIsNotThere) {
  const auto prices = Prices::load("/nonexistent/prices.toml");
  ASSERT_FALSE(prices);
  EXPECT_THAT(prices.error().message, testing::HasSubstr("/nonexistent/prices.toml"));
}

}  // namespace
}  // namespace bakusoku::agent
