#include "aws/retry.h"

#include <algorithm>
#include <array>

namespace bakusoku::aws {
namespace {

template <size_t N>
bool one_of(std::string_view code, const std::array<std::string_view, N>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

constexpr std::array<std::string_view, 14> kThrottled = {"Throttling",
                                                         "ThrottlingException",
                                                         "ThrottledException",
                                                         "RequestThrottledException",
                                                         "TooManyRequestsException",
                                                         "ProvisionedThroughputExceededException",
                                                         "TransactionInProgressException",
                                                         "RequestLimitExceeded",
                                                         "BandwidthLimitExceeded",
                                                         "LimitExceededException",
                                                         "RequestThrottled",
                                                         "SlowDown",
                                                         "PriorRequestNotComplete",
                                                         "EC2ThrottledException"};

// The last ones are what EC2, CloudWatch and STS call a fault of their own.
constexpr std::array<std::string_view, 10> kTransient = {
    "RequestTimeout",       "RequestTimeoutException", "InternalError",        "InternalFailure",
    "InternalServiceError", "InternalServerError",     "InternalServiceFault", "ServiceUnavailable",
    "Unavailable",          "IDPCommunicationError"};

// Codes that AWS gives when our date is wrong, among other reasons.
constexpr std::array<std::string_view, 6> kSkew = {"RequestTimeTooSkewed",  "RequestExpired",
                                                   "SignatureExpired",      "InvalidSignatureException",
                                                   "SignatureDoesNotMatch", "AuthFailure"};

constexpr std::array<std::string_view, 3> kExpired = {"ExpiredToken", "ExpiredTokenException",
                                                      "ExpiredTokenError"};

// What AWS says of keys that are no longer there, as after they were rotated.
constexpr std::array<std::string_view, 4> kUnknownKey = {
    "InvalidClientTokenId", "UnrecognizedClientException", "UnrecognizedClient", "InvalidAccessKeyId"};

// What is switched off where it was asked for.
constexpr std::array<std::string_view, 2> kOff = {"RegionDisabledException", "RegionDisabled"};

constexpr std::array<std::string_view, 6> kForbidden = {"UnauthorizedOperation", "AccessDenied",
                                                        "AccessDeniedException", "AccessDeniedError",
                                                        "NotAuthorized",         "UnauthorizedAccess"};

constexpr std::array<std::string_view, 12> kBadCredentials = {"AuthFailure",
                                                              "RequestExpired",
                                                              "SignatureExpired",
                                                              "IncompleteSignature",
                                                              "IncompleteSignatureException",
                                                              "MissingAuthenticationToken",
                                                              "MissingAuthenticationTokenException",
                                                              "InvalidSignatureException",
                                                              "SignatureDoesNotMatch",
                                                              "RequestTimeTooSkewed",
                                                              "OptInRequired",
                                                              "InvalidIdentityToken"};

}  // namespace

RetryClass classify(std::string_view code, int status) {
  if (one_of(code, kThrottled)) return RetryClass::throttled;
  if (one_of(code, kTransient)) return RetryClass::transient;
  if (one_of(code, kExpired) || one_of(code, kUnknownKey)) return RetryClass::refused_credentials;
  if (one_of(code, kSkew)) return RetryClass::clock_skew;
  if (status == 429) return RetryClass::throttled;
  if (status == 500 || status == 502 || status == 503 || status == 504) return RetryClass::transient;
  return RetryClass::never;
}

ErrorKind kind_of(std::string_view code, int status) {
  if (one_of(code, kThrottled)) return ErrorKind::throttled;
  if (one_of(code, kTransient)) return ErrorKind::unavailable;
  if (one_of(code, kForbidden) || one_of(code, kBadCredentials) || one_of(code, kExpired) ||
      one_of(code, kUnknownKey) || one_of(code, kOff)) {
    return ErrorKind::denied;
  }
  if (status == 429) return ErrorKind::throttled;
  if (status >= 500) return ErrorKind::unavailable;
  if (status == 401 || status == 403) return ErrorKind::denied;
  if (status == 404 || code == "ResourceNotFound" || code == "ResourceNotFoundException")
    return ErrorKind::not_found;
  // AWS neither redirects these calls nor says anything in the hundreds: somebody else answered.
  return status >= 400 ? ErrorKind::invalid : ErrorKind::corrupt;
}

bool is_missing_permission(std::string_view code) { return one_of(code, kForbidden); }

std::chrono::milliseconds backoff(const RetrySettings& settings, int attempt, double chance) {
  // Doubling 40 times leaves any limit behind and cannot overflow a double.
  double ceiling = static_cast<double>(settings.base_delay.count());
  for (int doubled = 1; doubled < std::min(attempt, 40); ++doubled) ceiling *= 2;
  ceiling = std::min(ceiling, static_cast<double>(settings.max_delay.count()));
  return std::chrono::milliseconds(
      static_cast<int64_t>(std::clamp(chance, 0.0, 1.0) * std::max(ceiling, 0.0)));
}

bool RetryQuota::take(bool timeout, int& paid) {
  const int price = timeout ? kTimeoutCost : kRetryCost;
  if (left_ < price) return false;
  left_ -= price;
  paid = price;
  return true;
}

void RetryQuota::give_back(int last_paid) { left_ = std::min(kCapacity, left_ + std::max(last_paid, 1)); }

}  // namespace bakusoku::aws
