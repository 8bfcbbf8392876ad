#include "aws/sigv4.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bakusoku::aws::sigv4 {
namespace {

// The published test suite's credentials, time and scope (AWS Signature Version 4 Test Suite).
const Secret kSecret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
constexpr std::string_view kDate = "20150830T123600Z";
const Scope kScope{"20150830", "us-east-1", "service"};
constexpr std::string_view kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Vector {
  const char* name;
  const char* method;
  const char* path;
  const char* query;
  std::vector<HttpHeader> headers;  // besides Host and X-Amz-Date
  std::vector<std::string> names;   // besides host and x-amz-date
  const char* body;
  const char* signature;
};

std::string sign_vector(const Vector& vector) {
  std::vector<HttpHeader> headers = vector.headers;
  headers.push_back({"Host", "example.amazonaws.com"});
  headers.push_back({"X-Amz-Date", std::string(kDate)});
  std::vector<std::string> names = vector.names;
  names.push_back("host");
  names.push_back("x-amz-date");
  const std::string canonical =
      canonical_request(vector.method, vector.path, vector.query, headers, names, sha256_hex(vector.body));
  return signature(kSecret, kScope, string_to_sign(kDate, kScope, canonical));
}

TEST(SigV4, equals_the_published_vectors) {
  const std::vector<Vector> vectors = {
      {"get-vanilla",
       "GET",
       "/",
       "",
       {},
       {},
       "",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       "Param2=value2&Param1=value1",
       {},
       {},
       "",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/",
       "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
       "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
       {},
       {},
       "",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query",
       "GET",
       "/",
       "\u1234=bar",
       {},
       {},
       "",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-header-value-trim",
       "GET",
       "/",
       "",
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       {"my-header1", "my-header2"},
       "",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"get-slashes",
       "GET",
       "//example//",
       "",
       {},
       {},
       "",
       "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
      {"get-relative-relative",
       "GET",
       "/example1/example2/../..",
       "",
       {},
       {},
       "",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"post-vanilla",
       "POST",
       "/",
       "",
       {},
       {},
       "",
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-header-key-case",
       "POST",
       "/",
       "",
       {{"My-Header1", "VALUE1"}},
       {"my-header1"},
       "",
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       "",
       {{"Content-Type", "application/x-www-form-urlencoded"}},
       {"content-type"},
       "Param1=value1",
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
  };
  for (const Vector& vector : vectors) EXPECT_EQ(sign_vector(vector), vector.signature) << vector.name;
}

TEST(SigV4, has_the_stages_of_awss_own_example) {
  // AWS General Reference, "Signature Version 4 signing process": IAM ListUsers.
  const std::vector<HttpHeader> headers = {
      {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
      {"Host", "iam.amazonaws.com"},
      {"X-Amz-Date", std::string(kDate)}};
  const std::vector<std::string> names = {"content-type", "host", "x-amz-date"};
  const std::string canonical =
      canonical_request("GET", "/", "Action=ListUsers&Version=2010-05-08", headers, names, kEmptyHash);
  EXPECT_EQ(canonical,
            "GET\n/\nAction=ListUsers&Version=2010-05-08\n"
            "content-type:application/x-www-form-urlencoded; charset=utf-8\nhost:iam.amazonaws.com\n"
            "x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\n"
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const Scope scope{"20150830", "us-east-1", "iam"};
  const std::string text = string_to_sign(kDate, scope, canonical);
  EXPECT_EQ(text,
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
            "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
  EXPECT_EQ(signature(kSecret, scope, text),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

HttpRequest request() {
  HttpRequest out;
  out.method = "POST";
  out.url = "https://ec2.eu-west-1.amazonaws.com/";
  out.headers.push_back({"Content-Type", "text/plain"});
  out.headers.push_back({"User-Agent", "me"});
  out.body = "body";
  return out;
}

Credentials credentials(std::string token) {
  Credentials out;
  out.access_key_id = "AKIDEXAMPLE";
  out.secret_access_key = kSecret;
  out.session_token = Secret(std::move(token));
  return out;
}

const WallTime kTime{std::chrono::seconds(1440938160)};

TEST(SigV4, sign_adds_what_the_signature_covers) {
  HttpRequest signed_request = request();
  ASSERT_TRUE(sign(signed_request, credentials("token"), "eu-west-1", "ec2", kTime));
  const auto authorization = parse_authorization(signed_request.headers.back().value);
  ASSERT_TRUE(authorization);
  EXPECT_EQ(authorization->access_key_id, "AKIDEXAMPLE");
  EXPECT_EQ(authorization->signed_headers,
            (std::vector<std::string>{"content-type", "host", "x-amz-date", "x-amz-security-token"}));
  EXPECT_EQ(authorization->scope, (Scope{"20150830", "eu-west-1", "ec2"}));
}

TEST(SigV4, signing_again_replaces_the_first_signature) {
  HttpRequest once = request();
  HttpRequest twice = request();
  ASSERT_TRUE(sign(twice, credentials("old"), "us-east-1", "sts", kTime + std::chrono::hours(5)));
  ASSERT_TRUE(sign(twice, credentials(""), "eu-west-1", "ec2", kTime));
  ASSERT_TRUE(sign(once, credentials(""), "eu-west-1", "ec2", kTime));
  EXPECT_EQ(once.headers, twice.headers);
}

TEST(SigV4, the_signature_changes_with_every_part_of_the_request) {
  const auto signed_with = [](auto change) {
    HttpRequest changed = request();
    Credentials with = credentials("token");
    change(changed, with);
    EXPECT_TRUE(sign(changed, with, "eu-west-1", "ec2", kTime));
    return changed.headers.back().value.substr(changed.headers.back().value.find("Signature="));
  };
  const std::string plain = signed_with([](HttpRequest&, Credentials&) {});
  EXPECT_NE(plain, signed_with([](HttpRequest& r, Credentials&) { r.body += "x"; }));
  EXPECT_NE(plain, signed_with([](HttpRequest& r, Credentials&) { r.method = "PUT"; }));
  EXPECT_NE(plain, signed_with([](HttpRequest& r, Credentials&) { r.url += "x"; }));
  EXPECT_NE(plain, signed_with([](HttpRequest& r, Credentials&) { r.url += "?x"; }));
  EXPECT_NE(plain, signed_with([](HttpRequest& r, Credentials&) { r.headers[0].value += "x"; }));
  EXPECT_NE(plain, signed_with([](HttpRequest&, Credentials& c) { c.session_token = Secret("other"); }));
  EXPECT_NE(plain, signed_with([](HttpRequest&, Credentials& c) { c.secret_access_key = Secret("other"); }));
  EXPECT_EQ(plain, signed_with([](HttpRequest& r, Credentials&) { r.headers[1].value = "another agent"; }));
}

TEST(SigV4, refuses_to_sign_for_what_is_not_a_url) {
  HttpRequest bad = request();
  bad.url = "ec2.eu-west-1.amazonaws.com";
  EXPECT_EQ(sign(bad, credentials(""), "eu-west-1", "ec2", kTime).error().kind, ErrorKind::invalid);
}

TEST(SigV4, dates_go_there_and_back) {
  EXPECT_EQ(amz_date(kTime), kDate);
  EXPECT_EQ(parse_amz_date(kDate), kTime);
  for (const char* bad : {"", "20150830T123600", "20150830 123600Z", "20151330T123600Z", "20150231T123600Z",
                          "20150830T243600Z", "2015083xT123600Z", "99990830T123600Z", "20150830T123600Z "}) {
    EXPECT_FALSE(parse_amz_date(bad)) << bad;
  }
}

TEST(SigV4, takes_an_authorization_apart_whatever_its_order_and_blanks) {
  const auto got = parse_authorization(
      "AWS4-HMAC-SHA256 Signature=ab,SignedHeaders=host;x-amz-date,  "
      "Credential=AKID/20150830/eu-west-1/ec2/aws4_request");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->access_key_id, "AKID");
  EXPECT_EQ(got->signature, "ab");
  EXPECT_EQ(got->signed_headers, (std::vector<std::string>{"host", "x-amz-date"}));
  for (const char* bad :
       {"", "Basic abc", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b/c/aws4_request, SignedHeaders=host, Signature=ab",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/other, SignedHeaders=host, Signature=ab",
        "AWS4-HMAC-SHA256 Credential=/b/c/d/aws4_request, SignedHeaders=host, Signature=ab",
        "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=ab"}) {
    EXPECT_FALSE(parse_authorization(bad)) << bad;
  }
}

}  // namespace
}  // namespace bakusoku::aws::sigv4
