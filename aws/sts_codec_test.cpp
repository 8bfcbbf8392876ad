#include "aws/sts_codec.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku::aws::sts {
namespace {

const std::string kIdentity =
    R"(<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>)"
    R"(<Arn>arn:aws:iam::123456789012:user/Alice</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId>)"
    R"(<Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>01234567</RequestId>)"
    R"(</ResponseMetadata></GetCallerIdentityResponse>)";

const std::string kAssumed =
    R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>)"
    R"(<Arn>arn:aws:sts::123456789012:assumed-role/demo/s</Arn></AssumedRoleUser><Credentials>)"
    R"(<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>wJalr+/KEY</SecretAccessKey>)"
    R"(<SessionToken>AQoDYXdzEPT//////////wEX=</SessionToken><Expiration>2019-11-09T13:34:41Z</Expiration>)"
    R"(</Credentials></AssumeRoleResult></AssumeRoleResponse>)";

TEST(StsCodec, writes_its_forms) {
  EXPECT_EQ(encode_get_caller_identity(), "Action=GetCallerIdentity&Version=2011-06-15");
  EXPECT_EQ(encode_assume_role({"arn:aws:iam::1:role/a b", "bakusoku", "", 900}),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b"
            "&RoleSessionName=bakusoku&DurationSeconds=900");
  EXPECT_NE(encode_assume_role({"r", "s", "x+y", 900}).find("&ExternalId=x%2By"), std::string::npos);
  EXPECT_EQ(encode_assume_role_with_web_identity({"r", "s", Secret("a.b+c="), 3600}),
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&RoleSessionName=s"
            "&WebIdentityToken=a.b%2Bc%3D&DurationSeconds=3600");
}

TEST(StsCodec, reads_who_we_are) {
  const auto identity = decode_get_caller_identity(kIdentity);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->account, "123456789012");
  EXPECT_EQ(identity->arn, "arn:aws:iam::123456789012:user/Alice");
  EXPECT_EQ(identity->user_id, "AIDACKCEVSQ6C2EXAMPLE");
}

TEST(StsCodec, reads_a_roles_credentials) {
  const auto credentials = decode_assume_role(kAssumed, "AssumeRole");
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "ASIAIOSFODNN7EXAMPLE");
  EXPECT_EQ(credentials->secret_access_key.reveal(), "wJalr+/KEY");
  EXPECT_EQ(credentials->session_token.reveal(), "AQoDYXdzEPT//////////wEX=");
  EXPECT_EQ(credentials->expires, WallTime(std::chrono::seconds(1573306481)));
  EXPECT_FALSE(decode_assume_role(kAssumed, "AssumeRoleWithWebIdentity"));
}

TEST(StsCodec, answers_cut_at_any_byte_are_corrupt_and_show_no_secret) {
  for (size_t cut = 0; cut < kAssumed.size(); ++cut) {
    const auto got = decode_assume_role(kAssumed.substr(0, cut), "AssumeRole");
    ASSERT_FALSE(got) << cut;
    ASSERT_EQ(got.error().kind, ErrorKind::corrupt);
    ASSERT_EQ(got.error().message.find("wJalr"), std::string::npos);
  }
  for (size_t cut = 0; cut < kIdentity.size(); ++cut) {
    ASSERT_FALSE(decode_get_caller_identity(kIdentity.substr(0, cut))) << cut;
  }
}

TEST(StsCodec, flipped_bytes_are_read_or_refused) {
  for (size_t at = 0; at < kAssumed.size(); ++at) {
    std::string flipped = kAssumed;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto got = decode_assume_role(flipped, "AssumeRole");
    if (got) {
      ASSERT_FALSE(got->access_key_id.empty());
    }
  }
}

TEST(StsCodec, incomplete_credentials_are_corrupt) {
  for (const std::string missing : {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}) {
    std::string xml = kAssumed;
    xml.replace(xml.find("<" + missing + ">") + 1, 1, "X");
    xml.replace(xml.find("</" + missing + ">") + 2, 1, "X");
    EXPECT_FALSE(decode_assume_role(xml, "AssumeRole")) << missing;
  }
}

}  // namespace
}  // namespace bakusoku::aws::sts
