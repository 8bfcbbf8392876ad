// Which failures of a call are worth another attempt, and when: AWS's "standard" retry mode. Pure; chance is
// a parameter. Sources: AWS SDKs and Tools Reference Guide, "Retry behavior"; botocore retries/standard.py.
#pragma once

#include <chrono>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

struct RetrySettings {
  int max_attempts = 3;
  std::chrono::milliseconds base_delay{
      1000};  // full jitter: rand(0,1) x min(base x 2^(attempt-1), max_delay)
  std::chrono::milliseconds max_delay{20000};
  std::chrono::milliseconds longest_attempt{20000};  // though a call may want less
};

/// Named by what the caller does.
enum class RetryClass {
  never,               // the same request would fail again
  throttled,           // back off: AWS asks for fewer requests
  transient,           // back off: the next attempt may well succeed
  clock_skew,          // at once, if the answer's Date shows that our clock is wrong
  refused_credentials  // at once, with other credentials if their source has others by now
};

/// Of an answer: AWS's code decides first, then the status (a throttle of CloudWatch's has status 400).
[[nodiscard]] RetryClass classify(std::string_view code, int status);

/// What that answer means for the user: throttled, unavailable, denied, not_found, invalid or corrupt.
[[nodiscard]] ErrorKind kind_of(std::string_view code, int status);

/// Whether `code` says that a policy forbids the action (and not that the credentials are wrong).
[[nodiscard]] bool is_missing_permission(std::string_view code);

/// The wait before attempt `attempt` + 1, `attempt` counting from 1; `chance` in [0, 1).
[[nodiscard]] std::chrono::milliseconds backoff(const RetrySettings& settings, int attempt, double chance);

/// Retries are paid from a common purse that successes refill, so that a broken region is not hammered by
/// everybody's second and third attempts.
class RetryQuota {
 public:
  static constexpr int kCapacity = 500;
  static constexpr int kRetryCost = 5;
  static constexpr int kTimeoutCost = 10;

  /// Pays for one retry; false: not enough left, give up now. `paid` is set to its price.
  [[nodiscard]] bool take(bool timeout, int& paid);
  /// The call succeeded: what its last retry paid comes back, or 1 when it needed none.
  void give_back(int last_paid);
  [[nodiscard]] int left() const { return left_; }

 private:
  int left_ = kCapacity;
};

}  // namespace bakusoku::aws
