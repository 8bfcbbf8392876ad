#include "aws/retry.h"

#include <gtest/gtest.h>

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

TEST(Retry, the_code_decides_before_the_status) {
  EXPECT_EQ(classify("Throttling", 400), RetryClass::throttled);
  EXPECT_EQ(classify("ThrottlingException", 400), RetryClass::throttled);
  EXPECT_EQ(classify("RequestLimitExceeded", 503), RetryClass::throttled);
  EXPECT_EQ(classify("RequestTimeout", 400), RetryClass::transient);
  EXPECT_EQ(classify("", 503), RetryClass::transient);
  EXPECT_EQ(classify("SomethingNew", 500), RetryClass::transient);
  EXPECT_EQ(classify("", 429), RetryClass::throttled);
  EXPECT_EQ(classify("", 501), RetryClass::never);
  EXPECT_EQ(classify("UnauthorizedOperation", 403), RetryClass::never);
  EXPECT_EQ(classify("InvalidParameterValue", 400), RetryClass::never);
  EXPECT_EQ(classify("RequestTimeTooSkewed", 403), RetryClass::clock_skew);
  EXPECT_EQ(classify("SignatureDoesNotMatch", 403), RetryClass::clock_skew);
  EXPECT_EQ(classify("SignatureExpired", 400), RetryClass::clock_skew);
  EXPECT_EQ(kind_of("SignatureExpired", 400), ErrorKind::denied);
  for (const char* code : {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId",
                           "UnrecognizedClientException", "UnrecognizedClient", "InvalidAccessKeyId"}) {
    EXPECT_EQ(classify(code, 400), RetryClass::refused_credentials) << code;
    EXPECT_EQ(kind_of(code, 400), ErrorKind::denied) << code;
  }
}

TEST(Retry, says_what_the_user_can_do) {
  EXPECT_EQ(kind_of("Throttling", 400), ErrorKind::throttled);
  EXPECT_EQ(kind_of("InternalError", 500), ErrorKind::unavailable);
  EXPECT_EQ(kind_of("", 502), ErrorKind::unavailable);
  EXPECT_EQ(kind_of("UnauthorizedOperation", 403), ErrorKind::denied);
  EXPECT_EQ(kind_of("AccessDeniedException", 400), ErrorKind::denied);
  EXPECT_EQ(kind_of("", 403), ErrorKind::denied);
  EXPECT_EQ(kind_of("ResourceNotFoundException", 400), ErrorKind::not_found);
  EXPECT_EQ(kind_of("InvalidParameterValue", 400), ErrorKind::invalid);
  EXPECT_EQ(kind_of("", 301), ErrorKind::corrupt);
  EXPECT_TRUE(is_missing_permission("AccessDenied"));
  EXPECT_FALSE(is_missing_permission("InvalidClientTokenId"));
}

TEST(Retry, waits_longer_each_time_up_to_a_limit_and_by_chance) {
  const RetrySettings settings;
  EXPECT_EQ(backoff(settings, 1, 0.5), 500ms);
  EXPECT_EQ(backoff(settings, 2, 0.5), 1000ms);
  EXPECT_EQ(backoff(settings, 5, 0.5), 8000ms);
  EXPECT_EQ(backoff(settings, 6, 0.5), 10000ms);
  EXPECT_EQ(backoff(settings, 1000000, 0.5), 10000ms);
  EXPECT_EQ(backoff(settings, 3, 0.0), 0ms);
}

TEST(Retry, the_purse_pays_for_a_hundred_retries_and_is_refilled_by_successes) {
  RetryQuota quota;
  int paid = 0;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(quota.take(false, paid));
  EXPECT_FALSE(quota.take(false, paid));
  EXPECT_EQ(quota.left(), 0);
  quota.give_back(RetryQuota::kRetryCost);
  EXPECT_TRUE(quota.take(false, paid));
  for (int i = 0; i < 9; ++i) quota.give_back(0);
  EXPECT_FALSE(quota.take(true, paid));
  quota.give_back(0);
  EXPECT_TRUE(quota.take(true, paid));
  EXPECT_EQ(paid, RetryQuota::kTimeoutCost);
  for (int i = 0; i < 1000; ++i) quota.give_back(0);
  EXPECT_EQ(quota.left(), RetryQuota::kCapacity);
}

}  // namespace
}  // namespace bakusoku::aws
