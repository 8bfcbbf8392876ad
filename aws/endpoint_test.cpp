#include "aws/endpoint.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

namespace bakusoku::aws {
namespace {

std::string url(std::string_view service, std::string_view region, const EndpointSettings& settings = {}) {
  const auto endpoint = resolve_endpoint(service, region, settings);
  return endpoint ? endpoint->url : "error: " + endpoint.error().message;
}

TEST(Endpoint, IsRegionalInEachPartition) {
  EXPECT_EQ(url("ec2", "eu-west-1"), "https://ec2.eu-west-1.amazonaws.com");
  EXPECT_EQ(url("cloudwatch", "cn-north-1"), "https://monitoring.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(url("sts", "us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(url("sts", "us-east-1"), "https://sts.us-east-1.amazonaws.com");
  EXPECT_EQ(url("ec2", "eusc-de-east-1"), "https://ec2.eusc-de-east-1.amazonaws.eu");
  EXPECT_EQ(url("tagging", "eu-west-1"), "https://tagging.eu-west-1.amazonaws.com");
}

// As botocore's rules of August 2026 have them; those of 2023 know no dual-stack in the isolated partitions.
TEST(Endpoint, OfGovCloudAndOfIsolatedPartitions) {
  const auto both = [](bool fips, bool dualstack) {
    EndpointSettings settings;
    settings.use_fips = fips;
    settings.use_dualstack = dualstack;
    return settings;
  };
  EXPECT_EQ(url("cloudwatch", "us-gov-west-1", both(true, true)), "https://monitoring.us-gov-west-1.api.aws");
  EXPECT_EQ(url("cloudwatch", "us-gov-west-1", both(true, false)),
            "https://monitoring.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(url("ec2", "us-gov-west-1", both(true, true)), "https://ec2-fips.us-gov-west-1.api.aws");
  EXPECT_EQ(url("sts", "us-gov-west-1", both(true, true)), "https://sts-fips.us-gov-west-1.api.aws");
  EXPECT_EQ(url("organizations", "us-gov-west-1", both(true, false)),
            "https://organizations.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(url("organizations", "us-east-1", both(true, false)),
            "https://organizations-fips.us-east-1.amazonaws.com");
  EXPECT_EQ(url("cloudwatch", "us-iso-east-1", both(false, true)),
            "https://monitoring.us-iso-east-1.api.aws.ic.gov");
  EXPECT_EQ(url("ec2", "us-isob-east-1", both(true, true)), "https://ec2-fips.us-isob-east-1.api.aws.scloud");
  EXPECT_EQ(url("sts", "eu-isoe-west-1", both(false, true)),
            "https://sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk");
  EXPECT_EQ(url("ec2", "us-isof-south-1", both(false, true)),
            "https://ec2.us-isof-south-1.api.aws.hci.ic.gov");
}

TEST(Endpoint, EqualsBotocoresRulesForEveryRegionAndVariant) {
  FILE* oracle = ::popen("/usr/bin/python3 " BAKUSOKU_SOURCE_DIR "/aws/endpoint_oracle.py 2>&1", "r");
  ASSERT_NE(oracle, nullptr);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), oracle))
    text.append(buffer.data(), got);
  const int status = ::pclose(oracle);
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && text.find("Traceback") == std::string::npos) {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "python3-botocore is not installed";
    GTEST_SKIP() << "python3-botocore is not installed";
  }
  ASSERT_EQ(status, 0) << text;
  std::istringstream lines(text);
  std::string service;
  std::string region;
  bool fips = false;
  bool dualstack = false;
  std::string expected;
  std::string signing;
  int compared = 0;
  while (lines >> service >> region >> fips >> dualstack >> expected >> signing) {
    EndpointSettings settings;
    settings.use_fips = fips;
    settings.use_dualstack = dualstack;
    const auto endpoint = resolve_endpoint(service, region, settings);
    // What has come since the rules of Debian 12's botocore; the test above has it.
    const bool newer = dualstack && ((expected == "error" && partition_of(region).starts_with("aws-iso")) ||
                                     (fips && service == "cloudwatch" && region.starts_with("us-gov-")));
    if (newer) continue;
    const std::string at = service + " " + region + (fips ? " fips" : "") + (dualstack ? " dualstack" : "");
    ASSERT_EQ(endpoint.has_value(), expected != "error") << at;
    if (!endpoint) continue;
    EXPECT_EQ(endpoint->url, expected) << at;
    EXPECT_EQ(endpoint->signing_region, signing) << at;
    ++compared;
  }
  EXPECT_GT(compared, 300);
}

TEST(Endpoint, TakesTheServicesOwnUrlBeforeTheCommonOne) {
  EndpointSettings settings;
  settings.endpoint_url = "http://127.0.0.1:4566/";
  settings.service_urls["ec2"] = "https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com";
  EXPECT_EQ(url("ec2", "eu-west-1", settings), "https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com");
  EXPECT_EQ(url("sts", "eu-west-1", settings), "http://127.0.0.1:4566");
  EXPECT_EQ(resolve_endpoint("sts", "eu-west-1", settings)->signing_region, "eu-west-1");
  settings.ignore_configured = true;
  EXPECT_EQ(url("ec2", "eu-west-1", settings), "https://ec2.eu-west-1.amazonaws.com");
}

TEST(Endpoint, RefusesAConfiguredUrlTogetherWithFipsOrDualStack) {
  EndpointSettings settings;
  settings.endpoint_url = "https://proxy.example";
  settings.use_fips = true;
  EXPECT_NE(url("ec2", "eu-west-1", settings).find("AWS_USE_FIPS_ENDPOINT"), std::string::npos);
  settings.use_fips = false;
  settings.use_dualstack = true;
  EXPECT_NE(url("ec2", "eu-west-1", settings).find("AWS_USE_DUALSTACK_ENDPOINT"), std::string::npos);
}

TEST(Endpoint, SaysWhichRegionWasProbablyMeant) {
  const auto words = [](std::string_view text) { return check_region(text).error().message; };
  EXPECT_EQ(
      words("eu-west-1a"),
      "'eu-west-1a' is not an AWS region: a region is written like eu-west-1; it is a zone of the region "
      "eu-west-1");
  EXPECT_TRUE(words("us-east-1-bos-1a").ends_with("it is a zone of the region us-east-1"));
  for (const char* written : {"eu-west1", "EU-WEST-1", "eu_west_1", " eu-west-1", "\"eu-west-1\""}) {
    EXPECT_TRUE(words(written).ends_with("; write eu-west-1")) << words(written);
  }
  EXPECT_TRUE(words("Ireland").ends_with("like eu-west-1"));
  EXPECT_TRUE(words("use1-az1").ends_with("like eu-west-1"));
  for (const char* good : {"eu-west-1", "us-gov-east-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-7",
                           "aws-global", "mx-central-1"}) {
    EXPECT_TRUE(check_region(good).has_value()) << good;
  }
}

TEST(Endpoint, RefusesWhatIsNoRegion) {
  for (const char* region : {"", "-eu", "eu-", "eu", "eu-west", "eu-west-1a", "EU-WEST-1", "eu west",
                             "eu-west-1/..", "evil.example", "a@b", "eu\n"}) {
    EXPECT_EQ(resolve_endpoint("ec2", region, {}).error().kind, ErrorKind::invalid) << region;
  }
  EXPECT_FALSE(resolve_endpoint("ec2", std::string(64, 'a'), {}).has_value());
}

TEST(Endpoint, ChecksUrls) {
  for (const char* good :
       {"http://localhost", "https://a.example:8443/base/path", "http://[::1]:8000", "http://127.0.0.1:1"}) {
    EXPECT_TRUE(check_endpoint_url(good).has_value()) << good;
  }
  EXPECT_EQ(*check_endpoint_url("http://a/b//"), "http://a/b");
  for (const char* bad :
       {"", "ftp://a", "a.example", "https://", "https:///x", "https://a b", "https://a?x=1", "https://a#x",
        "https://a:0", "https://a:65536", "https://a:8x", "https://[::1", "https://[]", "https://a\n"}) {
    EXPECT_EQ(check_endpoint_url(bad).error().kind, ErrorKind::invalid) << bad;
  }
}

TEST(Endpoint, NeverRepeatsAPasswordInAUrl) {
  const auto checked = check_endpoint_url("https://user:hunter2@a.example");
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().message.find("hunter2"), std::string::npos);
  EXPECT_EQ(check_endpoint_url("user:hunter2@a").error().message.find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace bakusoku::aws
