#include "aws/spoken.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku::aws {
namespace {

using Wire = Spoken::Wire;

constexpr int64_t kNow = 1'700'000'000;
constexpr int64_t kDay = 86400;

TEST(Spoken, cbor_is_tried_where_nothing_is_known) {
  Spoken spoken;
  EXPECT_EQ(spoken.next("a", kNow), Wire::cbor);
  EXPECT_EQ(spoken.of("a"), std::nullopt);
  EXPECT_TRUE(spoken.note("a", Wire::json, kNow));
  EXPECT_FALSE(spoken.note("a", Wire::json, kNow)) << "that was known";
  EXPECT_EQ(spoken.next("a", kNow), Wire::json);
  EXPECT_EQ(spoken.next("b", kNow), Wire::cbor) << "of another endpoint it says nothing";
  spoken.forget();
  EXPECT_EQ(spoken.next("a", kNow), Wire::cbor);
}

TEST(Spoken, after_a_day_one_call_tries_cbor_again) {
  Spoken spoken;
  (void)spoken.note("a", Wire::json, kNow);
  EXPECT_EQ(spoken.next("a", kNow + kDay - 1), Wire::json);
  EXPECT_EQ(spoken.next("a", kNow + kDay), Wire::cbor);
  EXPECT_EQ(spoken.next("a", kNow + kDay), Wire::json) << "the others go on";
  EXPECT_EQ(spoken.next("a", kNow + kDay + 60), Wire::cbor) << "the one that tried came to nothing";
  EXPECT_FALSE(spoken.note("a", Wire::json, kNow + kDay + 61));
  EXPECT_EQ(spoken.next("a", kNow + 2 * kDay), Wire::json);
  EXPECT_EQ(spoken.next("a", kNow + 2 * kDay + 61), Wire::cbor);
  EXPECT_TRUE(spoken.note("a", Wire::cbor, kNow + 2 * kDay + 61));
  EXPECT_EQ(spoken.next("a", kNow + 9 * kDay), Wire::cbor);
}

TEST(Spoken, a_clock_that_was_ahead_does_not_put_that_off) {
  for (const int64_t ahead : {int64_t{3600}, kDay, 3650 * kDay}) {
    Spoken spoken;
    (void)spoken.note("a", Wire::json, kNow + ahead);
    spoken.note_no_log_alarms("a", kNow + ahead);
    EXPECT_EQ(spoken.next("a", kNow), Wire::cbor) << ahead;
    EXPECT_EQ(spoken.next("a", kNow), Wire::json) << ahead;
    EXPECT_TRUE(spoken.log_alarms("a", kNow)) << ahead;
  }
}

TEST(Spoken, what_is_configured_is_spoken) {
  Spoken spoken;
  (void)spoken.note("a", Wire::cbor, kNow);
  spoken.fix(Wire::json);
  EXPECT_EQ(spoken.next("a", kNow), Wire::json);
  EXPECT_EQ(spoken.of("b"), Wire::json);
  spoken.fix(std::nullopt);
  EXPECT_EQ(spoken.next("a", kNow), Wire::cbor);
}

TEST(Spoken, log_alarms_are_left_out_for_a_day_where_they_are_refused) {
  Spoken spoken;
  EXPECT_TRUE(spoken.log_alarms("a", kNow));
  spoken.note_no_log_alarms("a", kNow);
  EXPECT_FALSE(spoken.log_alarms("a", kNow + kDay - 1));
  EXPECT_TRUE(spoken.log_alarms("b", kNow));
  EXPECT_TRUE(spoken.log_alarms("a", kNow + kDay));
}

TEST(Spoken, answers_of_what_knows_no_cbor) {
  const std::string html = "<!doctype html><html></html>";
  const std::string json = R"({"message":"x"})";
  for (const int status : {400, 404, 405, 415, 500, 501}) {
    EXPECT_EQ(heard(status, html, "text/html", "", ""), Heard::other) << status;
    EXPECT_EQ(heard(status, json, "application/json", "", ""), Heard::other) << status;
    EXPECT_EQ(heard(status, "", "", "", ""), Heard::other) << status;
  }
  EXPECT_EQ(heard(500, "<ErrorResponse/>", "text/xml", "", "InternalFailure"), Heard::other) << "LocalStack";
  EXPECT_EQ(heard(404, json, "", "", "UnknownOperationException"), Heard::other);
  EXPECT_EQ(heard(400, "\xA1", "application/cbor", "rpc-v2-cbor", "UnknownOperationException"), Heard::other);
  EXPECT_EQ(heard(400, "<ErrorResponse/>", "text/xml", "", "InvalidAction"), Heard::other);
  for (const std::string& body : {html, json, std::string("<a/>"), std::string()}) {
    EXPECT_EQ(heard(200, body, "application/cbor", "", ""), Heard::other)
        << "whatever it is called: " << body;
  }
  EXPECT_EQ(heard(204, "", "", "", ""), Heard::other);
}

TEST(Spoken, answers_in_cbor) {
  EXPECT_EQ(heard(200, "\xA0", "application/cbor", "rpc-v2-cbor", ""), Heard::cbor);
  EXPECT_EQ(heard(200, "\xBF\xFF", "", "", ""), Heard::cbor) << "of unknown length";
  EXPECT_EQ(heard(400, "\xA0", "", "", "ValidationError"), Heard::cbor);
  EXPECT_EQ(heard(500, "\xA0", "", "", "InternalServiceFault"), Heard::cbor);
  EXPECT_EQ(heard(503, "", "application/cbor", "", ""), Heard::cbor);
  EXPECT_EQ(heard(500, "", "", "rpc-v2-cbor", ""), Heard::cbor);
}

TEST(Spoken, what_says_nothing_of_the_protocol) {
  for (const int status : {302, 401, 403, 407, 408, 429, 502, 503, 504})
    EXPECT_EQ(heard(status, "<html/>", "text/html", "", ""), Heard::nothing) << status;
  for (const char* code : {"Throttling", "ThrottlingException", "AccessDenied", "AccessDeniedException",
                           "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "RequestExpired",
                           "RequestTimeTooSkewed", "UnrecognizedClientException"}) {
    EXPECT_EQ(heard(400, R"({"__type":"x"})", "application/x-amz-json-1.0", "", code), Heard::nothing)
        << code;
    EXPECT_EQ(heard(400, "<ErrorResponse/>", "text/xml", "", code), Heard::nothing) << code;
  }
}

}  // namespace
}  // namespace bakusoku::aws
