#include "aws/denial.h"

#include <gtest/gtest.h>

namespace bakusoku::aws {
namespace {

constexpr std::string_view kUser =
    "User: arn:aws:iam::1:user/x is not authorized to perform: ec2:DescribeInstances";

std::string words(std::string_view why) { return std::string(kUser) + " " + std::string(why); }

TEST(Denial, is_told_by_the_kind_of_policy) {
  const auto kind = [](std::string_view why) { return denial_of("AccessDenied", words(why)); };
  EXPECT_EQ(kind("because no identity-based policy allows the ec2:DescribeInstances action"),
            Denial::permission);
  EXPECT_EQ(kind(""), Denial::permission);
  EXPECT_EQ(kind("with an explicit deny in an identity-based policy"), Denial::explicit_deny);
  EXPECT_EQ(kind("with an explicit deny in a service control policy"), Denial::organization);
  EXPECT_EQ(kind("because no service control policy allows the ec2:DescribeInstances action"),
            Denial::organization);
  EXPECT_EQ(kind("with an explicit deny in a permissions boundary"), Denial::permissions_boundary);
  EXPECT_EQ(kind("because no permissions boundary allows the action"), Denial::permissions_boundary);
  EXPECT_EQ(kind("because no session policy allows the action"), Denial::session_policy);
  EXPECT_EQ(kind("because no VPC endpoint policy allows the action"), Denial::vpc_endpoint);
  EXPECT_EQ(kind("because no resource-based policy allows the action"), Denial::resource_policy);
  EXPECT_EQ(denial_of("AuthFailure", "AWS was not able to validate the provided access credentials"),
            Denial::credentials);
  EXPECT_EQ(denial_of("RegionDisabledException", "STS is not activated in this region"), Denial::region_off);
}

TEST(Denial, advice_to_allow_is_given_only_where_it_helps) {
  const DeniedCall call{"ec2:DescribeInstances", "role x", "eu-west-1", ""};
  EXPECT_EQ(advice_for(Denial::permission, "AccessDenied", call), "Allow ec2:DescribeInstances for role x");
  for (const Denial denial :
       {Denial::explicit_deny, Denial::organization, Denial::permissions_boundary, Denial::vpc_endpoint}) {
    const std::string advice = advice_for(denial, "AccessDenied", call);
    EXPECT_NE(advice.find("does not help"), std::string::npos) << advice;
    EXPECT_FALSE(advice.starts_with("Allow")) << advice;
  }
  EXPECT_NE(advice_for(Denial::region_off, "RegionDisabledException", call).find("sts_region"),
            std::string::npos);
}

TEST(Denial, a_region_that_may_be_off_is_named) {
  const DeniedCall known{"ec2:DescribeInstances", "role x", "eu-west-1", "us-east-1"};
  EXPECT_EQ(advice_for(Denial::credentials, "AuthFailure", known), "Check role x");
  DeniedCall call{"ec2:DescribeInstances", "role x", "me-central-1", ""};
  EXPECT_EQ(advice_for(Denial::credentials, "AuthFailure", call),
            "Check role x, and whether me-central-1 is enabled for the account");
  call.works_in = "eu-west-1";
  EXPECT_TRUE(advice_for(Denial::credentials, "AuthFailure", call)
                  .starts_with("The region is probably not enabled: eu-west-1 has taken these credentials."));
  EXPECT_TRUE(is_always_enabled("us-gov-west-1"));
  EXPECT_FALSE(is_always_enabled("af-south-1"));
}

TEST(Denial, of_the_organization_and_of_a_region_that_is_off_closes_the_region) {
  const auto closes = [](const char* code, std::string message, ErrorKind kind = ErrorKind::denied) {
    return closes_region(Error{kind, std::move(message), code});
  };
  EXPECT_TRUE(closes("UnauthorizedOperation", words("with an explicit deny in a service control policy")));
  EXPECT_TRUE(closes("OptInRequired", "You are not subscribed to this service"));
  EXPECT_FALSE(closes("UnauthorizedOperation", words("because no identity-based policy allows the action")));
  EXPECT_FALSE(closes("AuthFailure", "not able to validate the provided access credentials"));
  EXPECT_FALSE(closes("", "no AWS credentials"));
  EXPECT_FALSE(closes("Throttling", "in a service control policy", ErrorKind::throttled));
}

TEST(Denial, tells_credentials_from_permissions) {
  EXPECT_TRUE(blames_credentials(Error{ErrorKind::denied, "no AWS credentials: ...", {}}));
  EXPECT_TRUE(blames_credentials(Error{ErrorKind::denied, "not valid", "InvalidClientTokenId"}));
  EXPECT_FALSE(blames_credentials(Error{ErrorKind::denied, "no", "UnauthorizedOperation"}));
  EXPECT_FALSE(blames_credentials(Error{ErrorKind::timeout, "late", {}}));
}

}  // namespace
}  // namespace bakusoku::aws
