#include "cli/causes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace bakusoku::cli {
namespace {

using ::testing::HasSubstr;

Error denied(const std::string& message, const std::string& code = {}) {
  return Error{ErrorKind::denied, message, code};
}

TEST(Causes, AKeyThatAwsDoesNotTakeIsOneCauseInTheWordsOfTheFirst) {
  Causes causes;
  causes.add({"", "eu-west-1", "identity"},
             denied("sts:GetCallerIdentity in eu-west-1 denied (InvalidClientTokenId): no such token",
                    "InvalidClientTokenId"),
             {}, {2, ""});
  causes.add(
      {"", "eu-west-1", "ec2:DescribeInstances"},
      denied("ec2:DescribeInstances in eu-west-1 denied (AuthFailure): could not validate", "AuthFailure"),
      {}, {2, " (needed)"});
  causes.add({"", "us-east-1", "cloudwatch:GetMetricData"},
             denied("cloudwatch:GetMetricData in us-east-1 denied (UnrecognizedClientException): invalid",
                    "UnrecognizedClientException"),
             {}, {2, " (needed)"});
  ASSERT_EQ(causes.all().size(), 1U);
  const Cause& cause = causes.all().front();
  EXPECT_THAT(cause.message, HasSubstr("no such token"));
  EXPECT_EQ(cause.places.front().what, "identity");
  EXPECT_EQ(cause.others(),
            " (the same: ec2:DescribeInstances, cloudwatch:GetMetricData, in eu-west-1, us-east-1)");
}

TEST(Causes, WhatDiffersInPermissionAndRegionAloneIsOneCause) {
  Causes causes;
  const auto add = [&](const std::string& region, const std::string& permission, int rank) {
    causes.add({"", region, permission},
               Error{ErrorKind::unavailable, permission + " in " + region + ": cannot connect to the proxy"},
               {}, {rank, rank == 2 ? " (needed for aws.metric)" : " (not needed yet)"});
  };
  add("eu-west-1", "cloudwatch:ListMetrics", 1);
  add("eu-west-1", "cloudwatch:GetMetricData", 2);
  add("us-east-1", "ec2:DescribeInstances", 1);
  ASSERT_EQ(causes.all().size(), 1U);
  const Cause& cause = causes.all().front();
  EXPECT_EQ(cause.weight.rank, 2) << "the worst stands for all";
  EXPECT_EQ(cause.places.front().what, "cloudwatch:GetMetricData");
  EXPECT_EQ(cause.message + cause.weight.remark,
            "cloudwatch:GetMetricData in eu-west-1: cannot connect to the proxy (needed for aws.metric)");
  EXPECT_EQ(cause.others(),
            " (the same: cloudwatch:ListMetrics, ec2:DescribeInstances, in eu-west-1, us-east-1)");
}

TEST(Causes, OtherWordsAreAnotherCause) {
  Causes causes;
  causes.add({"", "eu-west-1", "ec2:DescribeInstances"},
             denied("ec2:DescribeInstances in eu-west-1 denied (UnauthorizedOperation): no policy",
                    "UnauthorizedOperation"),
             {}, {});
  causes.add({"", "us-east-1", "region us-east-1"},
             denied("ec2:DescribeInstances in us-east-1 denied (UnauthorizedOperation): an explicit deny",
                    "UnauthorizedOperation"),
             {}, {});
  EXPECT_EQ(causes.all().size(), 2U);
  EXPECT_EQ(causes.all()[0].others(), "");
}

TEST(Causes, WhatStopsOneAccountOnTheWayToOthersIsOneCause) {
  Causes causes;
  causes.add({"", "", "credentials"}, denied("no credentials were found: set some"), {}, {2, ""});
  for (const char* name : {"a", "b"}) {
    const std::string role = std::string("arn:aws:iam::1:role/") + name;
    causes.add({name, "", "credentials"},
               denied("to assume " + role + " credentials are needed: no credentials were found: set some"),
               {role}, {2, ""});
  }
  ASSERT_EQ(causes.all().size(), 1U);
  EXPECT_EQ(causes.all()[0].others(), " (the same: of accounts default, a, b)");
}

TEST(Causes, ManyNamesAreCounted) {
  EXPECT_EQ(named({"a", "b"}), "a, b");
  EXPECT_THAT(named(std::vector<std::string>(40, "x")), HasSubstr("and 28 more"));
}

TEST(Causes, AHostsNameIsTakenOutOfZabbixsWordsAndPutBack) {
  const std::string words = without("host [i-1] not found", "i-1");
  EXPECT_EQ(words, without("host [web] not found", "web"));
  EXPECT_EQ(with_name(words, "web"), "host [web] not found");
}

}  // namespace
}  // namespace bakusoku::cli
