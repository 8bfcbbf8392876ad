// How fast calls may go out: a token bucket per account, region and operation. Its rate is a share of AWS's
// quota, because the quota belongs to the whole account and others use it too; when AWS throttles all the
// same it is halved, and grows back while nothing is throttled (additive increase, multiplicative decrease).
// Pure: time is a parameter. Sources: Amazon CloudWatch User Guide, "CloudWatch service quotas"; Amazon EC2
// Developer Guide, "Request throttling".
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace bakusoku::aws {

using Moment = std::chrono::steady_clock::time_point;

/// What AWS allows one account in one region by default.
struct Quota {
  double per_second = 0;
  double burst = 0;  // what may go out at once after a rest
};

/// Of the calls of an action. Nothing: AWS names none.
[[nodiscard]] std::optional<Quota> call_quota(std::string_view service, std::string_view action);
/// Of the datapoints that GetMetricData is estimated to return (window / period, for each query, whether
/// there are any): of windows that begin within the last three hours, or earlier.
[[nodiscard]] Quota datapoint_quota(bool recent);

class CallRate {
 public:
  /// `share` of the quota, above 0 up to 1.
  CallRate(Quota quota, double share, Moment now);

  /// Takes `amount` and tells how long to wait before sending; zero: now. Whoever comes later waits longer.
  [[nodiscard]] std::chrono::milliseconds take(double amount, Moment now);
  /// AWS refused a call because of its rate. Refusals within a second are of the same burst and count once.
  void throttled(Moment now);

  [[nodiscard]] double per_second() const { return rate_; }
  /// What take() was given in all.
  [[nodiscard]] double taken() const { return taken_; }
  /// What could be taken now without a wait, as a fraction of the burst, 0 to 1.
  [[nodiscard]] double headroom(Moment now) const;

 private:
  void advance(Moment now);

  double limit_;  // per second: the share of the quota
  double burst_;
  double rate_;    // per second, limit_ at most
  double tokens_;  // below zero: promised to those who wait
  Moment at_;
  double taken_ = 0;
  std::optional<Moment> cut_;
};

}  // namespace bakusoku::aws
