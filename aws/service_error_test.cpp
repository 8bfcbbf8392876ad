#include "aws/service_error.h"

#include <gtest/gtest.h>

#include <string>

#include "aws/cbor_fixture.h"

namespace bakusoku::aws {
namespace {

TEST(ServiceError, reads_the_error_of_each_xml_protocol) {
  const std::string ec2 =
      "<?xml version=\"1.0\" "
      "encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>UnauthorizedOperation</Code>"
      "<Message>You are not authorized &amp; so "
      "on.</Message></Error></Errors><RequestID>ea966190</RequestID></Response>";
  EXPECT_EQ(decode_xml_error(ec2).code, "UnauthorizedOperation");
  EXPECT_EQ(decode_xml_error(ec2).message, "You are not authorized & so on.");
  const std::string query =
      "<ErrorResponse "
      "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>ExpiredToken"
      "</Code><Message>expired</Message></Error><RequestId>1</RequestId></ErrorResponse>";
  EXPECT_EQ(decode_xml_error(query).code, "ExpiredToken");
  EXPECT_EQ(decode_xml_error("<Error><Code>SlowDown</Code></Error>").code, "SlowDown");
}

TEST(ServiceError, reads_the_json_errors_of_either_spelling) {
  const auto coral = decode_json_error(
      R"({"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: x is not authorized"})",
      "", "");
  EXPECT_EQ(coral.code, "AccessDeniedException");
  EXPECT_EQ(coral.message, "User: x is not authorized");
  EXPECT_EQ(decode_json_error(R"({"message":"m","__type":"Plain"})", "", "").code, "Plain");
  EXPECT_EQ(decode_json_error(R"({"__type":"A#B"})", "Throttling;Sender", "").code, "Throttling");
  EXPECT_EQ(decode_json_error(R"({"__type":"A#B"})", ";Sender", "").code, "B");
  EXPECT_EQ(decode_json_error(R"({"message":"m"})", "", "NotFound:http://internal.amazon.com/x").code,
            "NotFound");
  EXPECT_EQ(decode_json_error(R"({"code":"FromBody"})", "", "").code, "FromBody");
  EXPECT_EQ(decode_json_error("", "", "FromHeader").code, "FromHeader");
}

TEST(ServiceError, reads_the_errors_of_the_rpc_protocol) {
  const std::string denied =
      R"({"__type":"com.amazonaws.cloudwatch#AccessDenied","message":"User: x is not authorized","n":[1,{"a":2}]})";
  for (const bool indefinite : {false, true}) {
    const ServiceError error = decode_cbor_error(cbor_of(denied, indefinite), "", "");
    EXPECT_EQ(error.code, "AccessDenied");
    EXPECT_EQ(error.message, "User: x is not authorized");
    EXPECT_EQ(decode_cbor_error(cbor_of(denied, indefinite), "Throttling;Sender", "").code, "Throttling");
  }
  EXPECT_EQ(decode_cbor_error(cbor_of(R"({"Message":"m"})"), "", "A#NotFound:http://x").code, "NotFound");
  EXPECT_EQ(decode_cbor_error(cbor_of(R"({"Message":"m"})"), "", "A#NotFound:http://x").message, "m");
  EXPECT_EQ(decode_cbor_error(cbor_of(R"({"__type":5,"message":["m"],"code":"c"})"), "", "").code, "c");
  // Whoever answers in front of the service may speak something else.
  EXPECT_EQ(decode_cbor_error(denied, "", "").code, "AccessDenied");
  EXPECT_EQ(decode_cbor_error("<Error><Code>SlowDown</Code></Error>", "", "").code, "SlowDown");
  const std::string whole = cbor_of(denied);
  for (size_t cut = 0; cut < whole.size(); ++cut)
    EXPECT_EQ(decode_cbor_error(std::string_view(whole).substr(0, cut), "", "").code, "") << cut;
}

TEST(ServiceError, what_is_not_an_error_of_awss_has_no_code) {
  for (const char* body :
       {"", "Bad gateway", "<html><body>502</body></html>", "<a", "{}", "{\"message\":", "[]"}) {
    EXPECT_EQ(decode_xml_error(body).code, "") << body;
    EXPECT_EQ(decode_json_error(body, "", "").code, "") << body;
    EXPECT_EQ(decode_cbor_error(body, "", "").code, "") << body;
  }
  EXPECT_EQ(decode_json_error(R"({"__type":5,"message":{"a":1}})", "", "").code, "");
}

TEST(ServiceError, long_words_are_cut_and_made_valid) {
  std::string words;
  for (int i = 0; i < 1000; ++i) words += "é";
  const auto error = decode_xml_error("<E><Error><Code>C</Code><Message>" + words + "</Message></Error></E>");
  EXPECT_LE(error.message.size(), kMaxServiceErrorBytes + 3);
  EXPECT_TRUE(error.message.ends_with("é..."));
  const auto broken = decode_xml_error("<E><Error><Code>C\xff</Code><Message>a\xfe</Message></Error></E>");
  EXPECT_EQ(broken.code, "C\xEF\xBF\xBD");
}

}  // namespace
}  // namespace bakusoku::aws
