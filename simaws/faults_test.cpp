#include "simaws/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::simaws {
namespace {

TEST(Faults, ASpecificationIsReadRuleByRule) {
  const auto rules = parse_faults("GetMetricData:throttle:0.25,ec2:503:2,*:slow=300,sts:skew=-600:1,*:hang");
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 5u);
  EXPECT_EQ((*rules)[0].probability, 0.25);
  EXPECT_EQ((*rules)[1].kind, FaultKind::unavailable_503);
  EXPECT_EQ((*rules)[1].remaining, 2u);
  EXPECT_EQ((*rules)[2].value, 300);
  EXPECT_EQ((*rules)[3].value, -600);
  EXPECT_FALSE((*rules)[4].remaining);
  EXPECT_TRUE(parse_faults("")->empty());
}

TEST(Faults, AMistakeIsNamed) {
  for (const char* bad : {"x", ":throttle", "a:", "a:nonsense", "a:throttle:", "a:throttle:0",
                          "a:throttle:-1", "a:throttle:1.5", "a:throttle:x", "a:throttle=3", "a:slow=x",
                          "a:slow=-1", "a:slow=", ",", "a:hang,,b:hang"}) {
    const auto rules = parse_faults(bad);
    ASSERT_FALSE(rules) << bad;
    EXPECT_EQ(rules.error().kind, ErrorKind::invalid);
  }
  EXPECT_THAT(parse_faults("a:nonsense").error().message, testing::HasSubstr("throttle"));
}

TEST(Faults, ACountRunsOut) {
  Faults faults(1);
  faults.replace(*parse_faults("DescribeInstances:throttle:2"));
  EXPECT_TRUE(faults.decide("sts", "GetCallerIdentity", "", "").empty());
  EXPECT_TRUE(faults.decide("ec2", "DescribeInstances", "", "").contains(FaultKind::throttle));
  EXPECT_TRUE(faults.decide("ec2", "DescribeInstances", "", "").contains(FaultKind::throttle));
  EXPECT_TRUE(faults.decide("ec2", "DescribeInstances", "", "").empty());
}

TEST(Faults, AProbabilityIsKeptRoughly) {
  Faults faults(1);
  faults.replace(*parse_faults("ec2:500:0.25"));
  int happened = 0;
  for (int i = 0; i < 4000; ++i) happened += faults.decide("ec2", "DescribeRegions", "", "").empty() ? 0 : 1;
  EXPECT_THAT(happened, testing::AllOf(testing::Gt(850), testing::Lt(1150)));
}

}  // namespace
}  // namespace bakusoku::simaws
