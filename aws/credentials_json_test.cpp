#include "aws/credentials_json.h"

#include <gtest/gtest.h>

namespace bakusoku::aws {
namespace {

constexpr std::string_view kMetadata =
    R"({"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAX","SecretAccessKey":"s3cr3t/+=","Token":"t0k3n==","Expiration":"2026-01-01T06:30:00Z"})";
constexpr std::string_view kProcess =
    R"({"Version":1,"AccessKeyId":"AKIAX","SecretAccessKey":"s3cr3t/+=","SessionToken":"t0k3n==","Expiration":"2026-01-01T07:30:00+01:00"})";

Error metadata_error(std::string_view json) {
  const auto decoded = decode_credentials_json(json, CredentialsDialect::metadata, "here");
  return decoded ? Error{ErrorKind::io, "no error", {}} : decoded.error();
}

TEST(CredentialsJson, IsReadInBothDialects) {
  const auto metadata = decode_credentials_json(kMetadata, CredentialsDialect::metadata, "role web");
  ASSERT_TRUE(metadata.has_value()) << metadata.error().message;
  EXPECT_EQ(metadata->access_key_id, "ASIAX");
  EXPECT_EQ(metadata->secret_access_key.reveal(), "s3cr3t/+=");
  EXPECT_EQ(metadata->session_token.reveal(), "t0k3n==");
  EXPECT_EQ(format_timestamp(*metadata->expires), "2026-01-01T06:30:00Z");
  EXPECT_EQ(metadata->source, "role web");
  const auto process = decode_credentials_json(kProcess, CredentialsDialect::process, "p");
  ASSERT_TRUE(process.has_value()) << process.error().message;
  EXPECT_EQ(process->expires, metadata->expires);
}

TEST(CredentialsJson, OfAProcessMayBeLongLived) {
  for (const char* json :
       {R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"b"})",
        R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"b","SessionToken":"","Expiration":""})",
        R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"b","SessionToken":null,"Expiration":null})"}) {
    const auto decoded = decode_credentials_json(json, CredentialsDialect::process, "p");
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_FALSE(decoded->expires.has_value());
    EXPECT_TRUE(decoded->session_token.empty());
  }
}

TEST(CredentialsJson, MayBeWithoutATimeOrWithAnyOffset) {
  for (const char* end : {"", R"(,"Expiration":"")", R"(,"Expiration":null)"}) {
    const auto decoded = decode_credentials_json(
        std::string(R"({"AccessKeyId":"A","SecretAccessKey":"b","Token":"t")") + end + "}",
        CredentialsDialect::metadata, "here");
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_FALSE(decoded->expires.has_value());
  }
  const auto decoded = decode_credentials_json(
      R"({"AccessKeyId":"A","SecretAccessKey":"b","Token":"t","Expiration":"2026-01-01T06:30:00+0000"})",
      CredentialsDialect::metadata, "here");
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(format_timestamp(*decoded->expires), "2026-01-01T06:30:00Z");
}

TEST(CredentialsJson, InQuotesSayThatTheQuotesGo) {
  for (const char* quoted : {"\"AKID\"", "'AKID'", "\u201CAKID\u201D"}) {
    Credentials credentials;
    credentials.access_key_id = quoted;
    credentials.secret_access_key = Secret("b");
    const auto checked = check_credentials(credentials, "profile x in y");
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().message,
              "profile x in y: the access key id stands in quotes, which belong to the value there: write it "
              "without quotes");
    credentials.access_key_id = "AKID";
    credentials.secret_access_key = Secret(quoted);
    const std::string words = check_credentials(credentials, "here").error().message;
    EXPECT_NE(words.find("secret access key stands in quotes"), std::string::npos) << words;
    EXPECT_EQ(words.find("AKID"), std::string::npos) << words;
  }
}

TEST(CredentialsJson, SaysWhatIsMissing) {
  EXPECT_EQ(metadata_error("").kind, ErrorKind::corrupt);
  EXPECT_EQ(metadata_error("[1]").kind, ErrorKind::corrupt);
  EXPECT_EQ(metadata_error(R"({"AccessKeyId":"A"})").message, "here: the answer has no SecretAccessKey");
  EXPECT_EQ(metadata_error(R"({"AccessKeyId":"A","SecretAccessKey":"b"})").message,
            "here: the answer has no Token");
  EXPECT_NE(metadata_error(R"({"AccessKeyId":"A","SecretAccessKey":"b","Token":"t","Expiration":"soon"})")
                .message.find("Expiration"),
            std::string::npos);
  EXPECT_NE(decode_credentials_json(R"({"Version":2,"AccessKeyId":"A","SecretAccessKey":"b"})",
                                    CredentialsDialect::process, "p")
                .error()
                .message.find("\"Version\": 1"),
            std::string::npos);
  EXPECT_FALSE(
      decode_credentials_json(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"b","Expiration":7})",
                              CredentialsDialect::process, "p")
          .has_value());
}

TEST(CredentialsJson, PassesOnTheOtherSidesReason) {
  const Error error =
      metadata_error(R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume\nthe role"})");
  EXPECT_EQ(error.kind, ErrorKind::denied);
  EXPECT_EQ(error.code, "AssumeRoleUnauthorizedAccess");
  EXPECT_EQ(error.message, "here: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role");
}

TEST(CredentialsJson, RefusesKeysThatWouldBreakAHeader) {
  const Error error = metadata_error(
      R"({"AccessKeyId":"A","SecretAccessKey":"hunter2\r\nX: y","Token":"t","Expiration":"2026-01-01T06:30:00Z"})");
  EXPECT_EQ(error.kind, ErrorKind::corrupt);
  EXPECT_EQ(error.message.find("hunter2"), std::string::npos);
}

TEST(CredentialsJson, SurvivesCutsAndFlipsWithoutShowingSecrets) {
  for (const auto& [text, dialect] :
       {std::pair{kMetadata, CredentialsDialect::metadata}, {kProcess, CredentialsDialect::process}}) {
    for (size_t at = 0; at < text.size(); ++at) {
      const auto cut = decode_credentials_json(text.substr(0, at), dialect, "here");
      ASSERT_FALSE(cut.has_value());
      EXPECT_EQ(cut.error().message.find("s3cr3t"), std::string::npos);
      std::string flipped(text);
      flipped[at] = static_cast<char>(~static_cast<unsigned char>(flipped[at]));
      const auto decoded = decode_credentials_json(flipped, dialect, "here");
      if (!decoded) {
        EXPECT_EQ(decoded.error().message.find("s3cr3t"), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace bakusoku::aws
