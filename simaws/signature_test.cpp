#include "simaws/signature.h"

#include <gtest/gtest.h>

namespace bakusoku::simaws {
namespace {

// AWS's published test suite (aws-sig-v4-test-suite).
constexpr const char* kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr const char* kDate = "20150830T123600Z";

std::string sign(const Request& request, const std::string& signed_headers) {
  const auto authorization = parse_authorization(
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" +
      signed_headers + ", Signature=00");
  EXPECT_TRUE(authorization);
  const auto canonical = canonical_request(request, *authorization);
  EXPECT_TRUE(canonical);
  return expected_signature(kSecret, kDate, *authorization, *canonical);
}

TEST(Signature, EqualsAwsVectors) {
  const std::vector<Header> headers{{"Host", "example.amazonaws.com"}, {"X-Amz-Date", kDate}};
  EXPECT_EQ(sign({"GET", "/", headers}, "host;x-amz-date"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(sign({"POST", "/", headers}, "host;x-amz-date"),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  EXPECT_EQ(sign({"GET", "/?Param2=value2&Param1=value1", headers}, "host;x-amz-date"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(Signature, EverythingSignedChangesIt) {
  const std::vector<Header> headers{{"Host", "example.amazonaws.com"}, {"X-Amz-Date", kDate}};
  const std::string original = sign({"POST", "/?a=1", headers, "body"}, "host;x-amz-date");
  EXPECT_NE(original, sign({"GET", "/?a=1", headers, "body"}, "host;x-amz-date"));
  EXPECT_NE(original, sign({"POST", "/x?a=1", headers, "body"}, "host;x-amz-date"));
  EXPECT_NE(original, sign({"POST", "/?a=2", headers, "body"}, "host;x-amz-date"));
  EXPECT_NE(original, sign({"POST", "/?a=1", headers, "Body"}, "host;x-amz-date"));
  EXPECT_NE(original,
            sign({"POST", "/?a=1", {{"Host", "other"}, {"X-Amz-Date", kDate}}, "body"}, "host;x-amz-date"));
  EXPECT_NE(original, sign({"POST", "/?a=1", headers, "body"}, "x-amz-date"));
}

TEST(Signature, BlanksInHeadersAreJoinedAndRepeatedHeadersToo) {
  const Authorization authorization{"K", "20150830", "us-east-1", "service", {"host", "my-header"}, "0"};
  const auto canonical = canonical_request(
      {"GET", "/a/./b/../c//", {{"Host", "h"}, {"My-Header", "a   b"}, {"My-Header", "c"}}}, authorization);
  ASSERT_TRUE(canonical);
  EXPECT_EQ(*canonical, "GET\n/a/c/\n\nhost:h\nmy-header:a b,c\n\nhost;my-header\n" + sha256_hex(""));
}

TEST(Signature, AMalformedHeaderIsRefusedWherever) {
  const std::string good =
      "AWS4-HMAC-SHA256 Credential=K/20150830/r/s/aws4_request, SignedHeaders=host, Signature=00";
  EXPECT_TRUE(parse_authorization(good));
  for (size_t at = 0; at + 2 < good.size(); ++at) EXPECT_FALSE(parse_authorization(good.substr(0, at))) << at;
  EXPECT_FALSE(parse_authorization("Bearer x"));
  EXPECT_FALSE(parse_authorization(
      "AWS4-HMAC-SHA256 Credential=K/r/s/aws4_request, SignedHeaders=host, Signature=00"));
  EXPECT_FALSE(
      canonical_request({"GET", "/", {{"Host", "h"}}}, {"K", "d", "r", "s", {"host", "x-missing"}, "0"}));
  EXPECT_FALSE(
      canonical_request({"GET", "/", {{"Host", "h"}, {"A", "h"}}}, {"K", "d", "r", "s", {"host", "a"}, "0"}));
}

TEST(Signature, DatesAreReadStrictly) {
  EXPECT_EQ(parse_amz_date(kDate), 1440938160);
  EXPECT_EQ(format_amz_date(1440938160), kDate);
  for (const char* bad : {"", "20150830", "20150830T123600", "20150230T123600Z", "20151330T123600Z",
                          "20150830T243600Z", "2015-830T123600Z", "20150830 123600Z"}) {
    EXPECT_FALSE(parse_amz_date(bad)) << bad;
  }
}

}  // namespace
}  // namespace bakusoku::simaws
