#include "aws/call_rate.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace bakusoku::aws {
namespace {

using Seconds = std::chrono::duration<double>;

struct Row {
  std::string_view service;
  std::string_view action;  // what it begins with
  Quota quota;
};

constexpr std::array kQuotas{
    Row{"cloudwatch", "GetMetricData", {50, 50}},
    Row{"cloudwatch", "GetMetricStatistics", {400, 400}},
    Row{"cloudwatch", "ListMetrics", {25, 25}},
    Row{"cloudwatch", "DescribeAlarms", {9, 9}},
    Row{"ec2", "Describe", {20, 100}},
};

constexpr double kCut = 0.5;
constexpr double kRegainedPerSecond = 0.01;  // of the limit: from a half back to all of it in 50 s
constexpr double kLowest = 0.01;             // of the limit
constexpr std::chrono::seconds kOneBurst{1};

}  // namespace

std::optional<Quota> call_quota(std::string_view service, std::string_view action) {
  for (const Row& row : kQuotas) {
    if (row.service == service && action.starts_with(row.action)) return row.quota;
  }
  return std::nullopt;
}

Quota datapoint_quota(bool recent) { return recent ? Quota{180'000, 180'000} : Quota{396'000, 396'000}; }

CallRate::CallRate(Quota quota, double share, Moment now)
    : limit_(quota.per_second * share),
      burst_(std::max(quota.burst * share, 1.0)),
      rate_(limit_),
      tokens_(burst_),
      at_(now) {}

void CallRate::advance(Moment now) {
  if (now <= at_) return;
  const double passed = Seconds(now - at_).count();
  at_ = now;
  tokens_ = std::min(burst_, tokens_ + passed * rate_);
  if (rate_ < limit_) rate_ = std::min(limit_, rate_ + passed * kRegainedPerSecond * limit_);
}

std::chrono::milliseconds CallRate::take(double amount, Moment now) {
  advance(now);
  tokens_ -= amount;
  taken_ += amount;
  // More than a burst at once: it may go when the bucket is full, and the next pays for the rest.
  const double owed = -tokens_ - std::max(amount - burst_, 0.0);
  if (owed <= 0) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(owed / rate_ * 1000)));
}

void CallRate::throttled(Moment now) {
  advance(now);
  if (cut_ && now - *cut_ < kOneBurst) return;
  cut_ = now;
  rate_ = std::max(rate_ * kCut, limit_ * kLowest);
  tokens_ = std::min(tokens_, 0.0);  // AWS's own bucket is empty
}

double CallRate::headroom(Moment now) const {
  const double passed = now > at_ ? Seconds(now - at_).count() : 0;
  return std::clamp((tokens_ + passed * rate_) / burst_, 0.0, 1.0);
}

}  // namespace bakusoku::aws
