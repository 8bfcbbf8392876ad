#include "aws/regions.h"

#include <gtest/gtest.h>

namespace bakusoku::aws {
namespace {

TEST(Regions, KnowsThoseOfEveryPartition) {
  for (const char* name : {"af-south-1", "ap-northeast-1", "cn-northwest-1", "eu-isoe-west-1", "eu-west-1",
                           "eusc-de-east-1", "us-east-1", "us-gov-west-1", "us-isob-east-1", "us-west-2"}) {
    EXPECT_TRUE(is_known_region(name)) << name;
    EXPECT_TRUE(looks_like_region(name)) << name;
  }
  for (const char* name : {"", "eu", "eu-west-9", "eu-west-1a", "us-east-11", "zz-west-1"})
    EXPECT_FALSE(is_known_region(name)) << name;
}

TEST(Regions, ANewOneLooksLikeTheOthers) {
  for (const char* name :
       {"eu-west-4", "nz-north-1", "us-gov-central-1", "ap-southeast-12", "eusc-fr-west-1"})
    EXPECT_TRUE(looks_like_region(name)) << name;
  for (const char* name : {"",
                           "-",
                           "--",
                           "eu",
                           "eu-1",
                           "eu-west",
                           "eu-west1",
                           "eu-west-1a",
                           "eu-west-123",
                           "eu-west-",
                           "-west-1",
                           "EU-west-1",
                           "e-west-1",
                           "europe-west-1",
                           "eu-west-1-2",
                           "eu--west-1",
                           "eu-west-1-lax-1a",
                           "eu-w est-1",
                           "eu-wéé-1",
                           "us-a-b-c-1",
                           "*"})
    EXPECT_FALSE(looks_like_region(name)) << name;
}

}  // namespace
}  // namespace bakusoku::aws
