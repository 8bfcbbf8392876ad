#include "simaws/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace bakusoku::simaws {
namespace {

constexpr double kGetMetricDataPerSecond = 50;
constexpr double kListMetricsPerSecond = 25;
constexpr double kDescribeAlarmsPerSecond = 9;
constexpr double kRecentDatapointsPerSecond = 180'000;
constexpr double kOlderDatapointsPerSecond = 396'000;
// EC2's Describe calls that are filtered or paged, and those that are neither.
constexpr double kDescribePerSecond = 20;
constexpr double kDescribeBurst = 100;
constexpr double kUnpagedPerSecond = 10;
constexpr double kUnpagedBurst = 50;
// Accounts and regions come from credentials and --regions, but roles can name any account.
constexpr size_t kMostRegions = 10'000;

struct Limit {
  std::string name;
  double per_second = 0;  // 0: unlimited
  double burst = 0;
};

Limit limit_of(const Call& call) {
  if (call.service == "monitoring" && call.action == "GetMetricData")
    return {"GetMetricData", kGetMetricDataPerSecond, kGetMetricDataPerSecond};
  if (call.service == "monitoring" && call.action == "ListMetrics")
    return {"ListMetrics", kListMetricsPerSecond, kListMetricsPerSecond};
  if (call.service == "monitoring" && call.action == "DescribeAlarms")
    return {"DescribeAlarms", kDescribeAlarmsPerSecond, kDescribeAlarmsPerSecond};
  if (call.service == "ec2" && call.action.starts_with("Describe")) {
    const bool narrowed = std::any_of(call.parameters.begin(), call.parameters.end(), [](const auto& one) {
      return one.first == "MaxResults" || one.first == "NextToken" || one.first.starts_with("Filter.");
    });
    if (narrowed) return {"Describe, paged", kDescribePerSecond, kDescribeBurst};
    return {"Describe, unpaged", kUnpagedPerSecond, kUnpagedBurst};
  }
  return {};
}

template <typename Map>
std::string counts(const Map& map) {
  JsonObject out;
  for (const auto& [name, count] : map) out.add(name, count);
  return out.finish();
}

}  // namespace

void Peak::add(uint64_t amount, double now) {
  const auto second = static_cast<int64_t>(std::floor(now));
  if (second != second_) sum_ = 0;
  second_ = second;
  sum_ += amount;
  largest_ = std::max(largest_, sum_);
}

RegionUsage& Usage::of(std::string_view account, std::string_view region) {
  std::pair key{std::string(account), std::string(region)};
  if (regions_.size() >= kMostRegions && !regions_.contains(key)) key = {"other", ""};
  return regions_[std::move(key)];
}

bool Usage::take(const std::string& name, double per_second, double burst, double amount, double now) {
  auto [found, fresh] = buckets_.try_emplace(name, Bucket{burst, now});
  Bucket& bucket = found->second;
  bucket.tokens = std::min(burst, bucket.tokens + std::max(0.0, now - bucket.filled) * per_second);
  bucket.filled = now;
  // More than the bucket holds goes when it is full, and whoever comes next waits for the rest.
  if (bucket.tokens < std::min(amount, burst)) return false;
  bucket.tokens -= amount;
  return true;
}

ApiResult<void> Usage::admit_call(const Call& call) {
  const Limit limit = limit_of(call);
  if (share_ <= 0 || limit.per_second <= 0) return {};
  const double burst = std::max(1.0, limit.burst * share_);
  const std::string name = call.account + '\n' + call.region + '\n' + limit.name;
  if (take(name, limit.per_second * share_, burst, 1, call.precise_now)) return {};
  return refuse("Throttling", "Rate exceeded");
}

ApiResult<void> Usage::admit_datapoints(const Call& call, uint64_t estimated, bool recent) {
  if (share_ <= 0) return {};
  const double rate = (recent ? kRecentDatapointsPerSecond : kOlderDatapointsPerSecond) * share_;
  const std::string name = call.account + '\n' + call.region + (recent ? "\nrecent" : "\nolder");
  if (take(name, rate, rate, static_cast<double>(estimated), call.precise_now)) return {};
  return refuse("Throttling", "Rate exceeded");
}

std::string Usage::json() const {
  JsonObject accounts;
  for (auto at = regions_.begin(); at != regions_.end();) {
    const std::string& account = at->first.first;
    JsonObject regions;
    for (; at != regions_.end() && at->first.first == account; ++at) {
      const RegionUsage& usage = at->second;
      JsonObject one;
      one.add_raw("calls", counts(usage.calls));
      one.add("throttled", usage.throttled);
      one.add("requested", usage.requested);
      one.add("billed", usage.billed);
      one.add_raw("billed_by_namespace", counts(usage.billed_by_namespace));
      one.add("datapoints", usage.datapoints);
      one.add("estimated_datapoints", usage.estimated);
      one.add("largest_calls_per_second", usage.calls_peak.largest());
      one.add("largest_metrics_per_second", usage.requested_peak.largest());
      one.add("largest_estimated_datapoints_per_second", usage.estimated_peak.largest());
      one.add_raw("violations", counts(usage.violations));
      regions.add_raw(at->first.second, one.finish());
    }
    accounts.add_raw(account, regions.finish());
  }
  return accounts.finish();
}

}  // namespace bakusoku::simaws
