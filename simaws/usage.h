// What each account asked of each region, as AWS would count it, and AWS's quotas: token buckets of calls per
// account, region and action, and GetMetricData's datapoints a second, estimated from the window and the
// period of each query whether or not its metric exists. Time is a parameter. Written from AWS's documents
// ("CloudWatch service quotas", "Request throttling for the Amazon EC2 API"), sharing no code with the
// agent's own buckets. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "simaws/api.h"

namespace bakusoku::simaws {

/// The largest sum of any second.
class Peak {
 public:
  void add(uint64_t amount, double now);
  [[nodiscard]] uint64_t largest() const { return largest_; }

 private:
  int64_t second_ = 0;
  uint64_t sum_ = 0;
  uint64_t largest_ = 0;
};

struct RegionUsage {
  std::map<std::string, uint64_t> calls{};  // by service.Action, answered or not
  uint64_t throttled = 0;
  uint64_t requested = 0;   // metrics of first pages
  uint64_t billed = 0;      // metrics as AWS bills them
  uint64_t datapoints = 0;  // returned
  uint64_t estimated = 0;   // datapoints, as the quota counts them
  Peak calls_peak{};        // of GetMetricData
  Peak requested_peak{};
  Peak estimated_peak{};
  std::map<std::string, uint64_t, std::less<>> billed_by_namespace{};
  std::map<std::string, uint64_t> violations{};  // of AWS's limits: queries, datapoints, invalid
};

class Usage {
 public:
  /// `share` of AWS's quotas is applied; 0: none is.
  explicit Usage(double share) : share_(share) {}

  [[nodiscard]] RegionUsage& of(std::string_view account, std::string_view region);

  /// Errors: Throttling.
  [[nodiscard]] ApiResult<void> admit_call(const Call& call);
  [[nodiscard]] ApiResult<void> admit_datapoints(const Call& call, uint64_t estimated, bool recent);

  /// {"ACCOUNT":{"REGION":{...}}}
  [[nodiscard]] std::string json() const;

 private:
  struct Bucket {
    double tokens = 0;
    double filled = 0;  // unix seconds
  };
  bool take(const std::string& name, double per_second, double burst, double amount, double now);

  double share_;
  std::map<std::string, Bucket> buckets_;
  std::map<std::pair<std::string, std::string>, RegionUsage> regions_;
};

}  // namespace bakusoku::simaws
