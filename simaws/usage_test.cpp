#include "simaws/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::simaws {
namespace {

using testing::HasSubstr;

constexpr double kNow = 1'763'800'800.25;

Call call(const std::string& action, const std::string& service = "monitoring") {
  Call out;
  out.service = service;
  out.action = action;
  out.region = "eu-west-1";
  out.precise_now = kNow;
  return out;
}

int admitted(Usage& usage, const Call& of, int tries) {
  int out = 0;
  for (int at = 0; at < tries; ++at) out += usage.admit_call(of).has_value();
  return out;
}

TEST(Usage, CallsAreLimitedByAccountRegionAndAction) {
  Usage usage(1);
  Call data = call("GetMetricData");
  EXPECT_EQ(admitted(usage, data, 100), 50);
  EXPECT_EQ(admitted(usage, call("ListMetrics"), 100), 25);
  EXPECT_EQ(admitted(usage, call("DescribeAlarms"), 100), 9);
  data.precise_now += 0.5;
  EXPECT_EQ(admitted(usage, data, 100), 25);
  data.account = "111111111111";
  EXPECT_EQ(admitted(usage, data, 100), 50);
  data.region = "us-east-1";
  EXPECT_EQ(admitted(usage, data, 100), 50);
  EXPECT_EQ(usage.admit_call(data).error().code, "Throttling");
  Usage half(0.5);
  EXPECT_EQ(admitted(half, data, 100), 25);
  Usage none(0);
  EXPECT_EQ(admitted(none, data, 1000), 1000);
}

TEST(Usage, PagedDescribeCallsHaveTheLargerBucket) {
  Usage usage(1);
  Call describe = call("DescribeInstances", "ec2");
  EXPECT_EQ(admitted(usage, describe, 200), 50);
  describe.parameters.emplace_back("MaxResults", "1000");
  EXPECT_EQ(admitted(usage, describe, 200), 100);
  describe.precise_now += 1;
  EXPECT_EQ(admitted(usage, describe, 200), 20);
}

TEST(Usage, DatapointsOfRecentAndOlderWindowsAreApart) {
  Usage usage(1);
  Call data = call("GetMetricData");
  EXPECT_TRUE(usage.admit_datapoints(data, 100'000, true));
  EXPECT_FALSE(usage.admit_datapoints(data, 100'000, true));
  EXPECT_TRUE(usage.admit_datapoints(data, 80'000, true));
  EXPECT_TRUE(usage.admit_datapoints(data, 396'000, false));
  EXPECT_FALSE(usage.admit_datapoints(data, 1, false));
  data.precise_now += 1;
  EXPECT_TRUE(usage.admit_datapoints(data, 500'000, false)) << "more than the bucket holds, and it is full";
  data.precise_now += 0.25;
  EXPECT_FALSE(usage.admit_datapoints(data, 1, false)) << "the next waits for the rest";
}

TEST(Usage, ThePeakIsTheLargestSumOfAnySecond) {
  Peak peak;
  peak.add(5, 10.9);
  peak.add(4, 11.0);
  peak.add(4, 11.9);
  peak.add(1, 12.1);
  EXPECT_EQ(peak.largest(), 8u);
}

TEST(Usage, JsonIsByAccountAndRegion) {
  Usage usage(0);
  usage.of("111111111111", "eu-west-1").billed = 3;
  usage.of("111111111111", "us-east-1").violations["queries"] = 1;
  usage.of("000000000000", "eu-west-1").calls["monitoring.GetMetricData"] = 2;
  const std::string json = usage.json();
  EXPECT_THAT(json, HasSubstr(R"("000000000000":{"eu-west-1":{"calls":{"monitoring.GetMetricData":2})"));
  EXPECT_THAT(json,
              HasSubstr(R"("111111111111":{"eu-west-1":{"calls":{},"throttled":0,"requested":0,"billed":3)"));
  EXPECT_THAT(json, HasSubstr(R"("violations":{"queries":1}})"));
}

}  // namespace
}  // namespace bakusoku::simaws
