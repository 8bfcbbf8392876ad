#include "agent/plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

PlannedSeries series(const std::string& metric, const std::string& statistic = "Average",
                     int64_t interval = 300) {
  return PlannedSeries{.region = "eu-west-1",
                       .namespace_ = "AWS/EC2",
                       .metric = metric,
                       .dimensions = "InstanceId=i-1",
                       .statistic = statistic,
                       .interval = interval};
}

Plan plan(const std::vector<PlannedSeries>& wanted, const PlanTerms& terms = {}) {
  return make_plan(wanted, Prices::built_in(), terms);
}

// 23 metrics of the instance and 11 of its volume, each as one metric requested every five minutes: 34 x
// 8,766 readings a month x US$ 0.00001.
TEST(Plan, TheOfficialTemplatesOwnSum) {
  std::vector<PlannedSeries> wanted;
  for (int at = 0; at < 34; ++at) wanted.push_back(series(fmt::format("Metric{}", at)));
  const Plan made = plan(wanted);
  EXPECT_NEAR(made.usd_per_month, 2.98, 0.005);
  EXPECT_NEAR(made.calls_per_minute, 0.2, 1e-9) << "one call in five minutes";
  ASSERT_EQ(made.at_intervals.size(), 4u);
  EXPECT_NEAR(made.at_intervals[0].usd_per_month, 2.98, 0.005) << "nothing new within a period of 5 min";
  EXPECT_NEAR(made.at_intervals[2].usd_per_month, 2.98 / 3, 0.005);
  EXPECT_NEAR(made.at_intervals[3].usd_per_month, 2.98 / 12, 0.005);
}

// The fleet of facts that is often cited: 500 instances with 13 metrics and 500 volumes with 8.
TEST(Plan, AFleetsCallsAreOfFiveHundred) {
  std::vector<PlannedSeries> wanted;
  for (int host = 0; host < 500; ++host) {
    for (int at = 0; at < 21; ++at) {
      wanted.push_back(series(fmt::format("Metric{}", at)));
      wanted.back().dimensions = fmt::format("Id={}", host);
    }
  }
  const Plan made = plan(wanted);
  EXPECT_NEAR(made.calls_per_minute, 21.0 / 5, 1e-9);
  EXPECT_NEAR(made.usd_per_month, 10'500 * 8766 * 0.00001, 0.01);  // 920.43
  ASSERT_EQ(made.places.size(), 1u);
  // 21 calls in 300 s of half of 50 a second; five periods a query of half of 180,000 a second.
  EXPECT_NEAR(made.places[0].of_calls, 21.0 / 300 / 25, 1e-9);
  EXPECT_NEAR(made.places[0].datapoints_per_second, 10'500 * 5 / 300.0, 1e-6);
  EXPECT_NEAR(made.places[0].of_datapoints, 175.0 / 90'000, 1e-9);
}

TEST(Plan, FiveStatisticsReadTogetherAreOneMetric) {
  std::vector<PlannedSeries> wanted;
  for (const char* statistic : {"Average", "Minimum", "Maximum", "Sum", "SampleCount"})
    wanted.push_back(series("CPUUtilization", statistic));
  EXPECT_NEAR(plan(wanted).usd_per_month, 0.08766, 1e-5);
  wanted.push_back(series("CPUUtilization", "p99"));
  EXPECT_NEAR(plan(wanted).usd_per_month, 2 * 0.08766, 1e-5) << "the sixth is a second one";
  wanted.back() = series("CPUUtilization", "p99", 900);
  EXPECT_NEAR(plan(wanted).usd_per_month, 0.08766 + 0.02922, 1e-5);
}

TEST(Plan, ItemsOfOneSeriesAreOneReadingAtTheShortestInterval) {
  const Plan made = plan({series("CPUUtilization", "Average", 3600), series("CPUUtilization")});
  EXPECT_EQ(made.items, 2u);
  EXPECT_EQ(made.series, 1u);
  EXPECT_NEAR(made.usd_per_month, 0.08766, 1e-5);
}

TEST(Plan, WhatDoesNotExistIsNotPaidFor) {
  std::vector<PlannedSeries> wanted{series("CPUUtilization"), series("CPUCreditBalance")};
  wanted[0].exists = Exists::there;
  wanted[1].exists = Exists::absent;
  const Plan made = plan(wanted);
  EXPECT_EQ(made.there, 1u);
  EXPECT_EQ(made.absent, 1u);
  EXPECT_EQ(made.zero, 0u);
  EXPECT_NEAR(made.usd_per_month, 0.08766, 1e-5);
  EXPECT_NEAR(made.usd_of_absent, 0.08766, 1e-5);
  ASSERT_EQ(made.rows.size(), 1u);
  EXPECT_EQ(made.rows[0].absent, 1u);
  // Two statistics of one metric, and one that is there, count as 0 where they are missing.
  for (PlannedSeries& one : wanted) one.zero = true;
  wanted.push_back(wanted[1]);
  wanted.back().statistic = "Maximum";
  EXPECT_EQ(plan(wanted).zero, 1u) << "a metric that CloudWatch does not list";
}

TEST(Plan, NamesTheLargestSavingsFirst) {
  std::vector<PlannedSeries> wanted;
  for (int host = 0; host < 10; ++host) {
    wanted.push_back(series("CPUUtilization"));
    wanted.back().dimensions = fmt::format("Id={}", host);
  }
  wanted.push_back(series("NetworkIn"));
  wanted.push_back(series("StatusCheckFailed", "Maximum", 900));
  wanted.push_back(series("Rare", "Maximum", 3600));
  const Plan made = plan(wanted);
  ASSERT_EQ(made.savings.size(), 3u) << "hourly is rare enough";
  EXPECT_EQ(made.savings[0].what, "AWS/EC2 CPUUtilization, 10 series every 5 min");
  EXPECT_EQ(made.savings[0].change, "every 15 min");
  EXPECT_NEAR(made.savings[0].usd_per_month, 10 * 0.08766 * 2 / 3, 1e-5);
  EXPECT_EQ(made.savings[1].what, "AWS/EC2 NetworkIn, 1 series every 5 min");
  EXPECT_EQ(made.savings[2].change, "every 1 h");
  EXPECT_NEAR(made.savings[2].usd_per_month, 0.02922 * 3 / 4, 1e-5);
}

TEST(Plan, ListingIsFreeUpToAMillionRequests) {
  PlanTerms terms;
  terms.requests["ListMetrics"] = 1'000'000;
  EXPECT_NEAR(plan({series("CPUUtilization")}, terms).usd_per_month, 0.08766, 1e-5);
  terms.requests["ListMetrics"] = 1'500'000;
  EXPECT_NEAR(plan({series("CPUUtilization")}, terms).usd_per_month, 5.08766, 1e-5);
}

TEST(Plan, AlarmsAreOfTheSameMillionRequests) {
  PlanTerms terms;
  terms.requests = {{"ListMetrics", 300'000}, {"DescribeAlarms", 1'200'000}};
  const Plan made = plan({series("CPUUtilization")}, terms);
  EXPECT_NEAR(made.usd_per_month, 5.08766, 1e-5);
  const auto row = std::find_if(made.rows.begin(), made.rows.end(),
                                [](const Plan::Row& one) { return one.namespace_ == "DescribeAlarms"; });
  ASSERT_NE(row, made.rows.end());
  EXPECT_NEAR(row->usd_per_month, 4, 1e-9) << "their share of what is not free";
  EXPECT_NEAR(made.at_intervals[3].usd_per_month, 5 + 0.08766 / 12, 1e-4) << "whatever the metrics' interval";
}

TEST(Plan, TellsWhatWaitsForTheBudget) {
  std::vector<PlannedSeries> wanted = {series("CPUUtilization"), series("NetworkIn"), series("NetworkOut")};
  const Plan without = plan(wanted);
  EXPECT_EQ(without.waiting, 0u);
  EXPECT_EQ(without.usd_of_waiting, 0);
  EXPECT_THAT(plan_json(without, "", 10, ""), testing::Not(testing::HasSubstr("waiting")));
  wanted[1].waits = wanted[2].waits = true;
  const Plan made = plan(wanted);
  EXPECT_EQ(made.waiting, 2u);
  EXPECT_NEAR(made.usd_per_month, without.usd_per_month, 1e-9) << "as if they were read";
  EXPECT_NEAR(made.usd_of_waiting, made.usd_per_month * 2 / 3, 1e-4);
  EXPECT_THAT(plan_json(made, "", 10, ""),
              testing::HasSubstr(fmt::format(R"("budget":10.0000,"waiting":2,"usd_of_waiting":{:.4f},)",
                                             made.usd_of_waiting)));
  // What does not exist is not read, with a budget or without.
  wanted[2].exists = Exists::absent;
  EXPECT_EQ(plan(wanted).waiting, 1u);
}

TEST(Plan, AsJson) {
  const std::string json = plan_json(plan({series("CPUUtilization")}), "a \"list\"", 10, "2026-11-24");
  EXPECT_THAT(json, testing::HasSubstr(R"("source":"a \"list\"")"));
  EXPECT_THAT(json, testing::HasSubstr(R"("usd_per_month":0.0877,"usd_of_absent":0.0000,"budget":10.0000)"));
  EXPECT_THAT(json, testing::HasSubstr(R"({"interval":3600,)"));
}

TEST(Plan, OfNothing) {
  const Plan made = plan({});
  EXPECT_EQ(made.series, 0u);
  EXPECT_EQ(made.usd_per_month, 0);
  EXPECT_TRUE(made.savings.empty());
}

}  // namespace
}  // namespace bakusoku::agent
