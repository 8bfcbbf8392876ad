// What shall go wrong: the --fault specification, and the decision for each request.
//
//   SPEC   = RULE *("," RULE) | ""
//   RULE   = ACTION ["@" ACCOUNT] ["@" REGION] ":" KIND ["=" VALUE] [":" WHEN]
//   ACTION = an API action (GetMetricData, DescribeInstances, AssumeRole, Metadata, ...), a service (ec2,
//   monitoring,
//            sts, imds) or *
//   WHEN   = PROBABILITY (a number with a point, 0.0 to 1.0) | COUNT (a whole number: the next COUNT
//   requests, then
//            never again); left out: always
//   KIND   = scp | off | throttle | 500 | 503 | denied | expired | hang | cut | reset | garbage | junk |
//   slow[=MS] | skew[=SECONDS]
//            | partial | internal | forbidden | nan | unequal | unasked | units | cutoff
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::simaws {

enum class FaultKind {
  throttle,
  internal_500,
  unavailable_503,
  denied,
  scp,  // denied by a policy of the organization
  off,  // the region is not enabled; STS is switched off there
  expired,
  hang,     // the request is read, nothing is ever answered
  cut,      // half of the reply, then the connection is closed
  reset,    // the connection is closed without a reply
  garbage,  // 200 with a body that is neither XML nor JSON
  junk,     // bytes that are not HTTP
  slow,     // answered late
  skew,     // the server's clock is off, for the signature's date and the Date header
  partial,  // GetMetricData only, as the next two: PartialData and NextToken
  internal_status,
  forbidden_status,
  // GetMetricData only, of the metrics that are named Disk...
  not_a_number,  // the newest value is NaN
  unequal,       // a value less than timestamps
  unasked,       // the result has an id that was not asked for
  units,         // MultipleUnits, unless a unit was asked for
  cutoff,        // PartialData without NextToken
};

struct FaultRule {
  std::string action;
  std::string account{};  // 12 digits; empty: all
  std::string region{};   // empty: all
  FaultKind kind = FaultKind::throttle;
  int64_t value = 0;  // milliseconds (slow), seconds (skew)
  std::optional<double> probability{};
  std::optional<uint64_t> remaining{};  // of a COUNT
};

[[nodiscard]] std::string_view to_string(FaultKind kind);

/// Errors: invalid, naming the rule and what would be right.
[[nodiscard]] Result<std::vector<FaultRule>> parse_faults(std::string_view spec);

class Faults {
 public:
  explicit Faults(uint64_t seed) : random_(seed) {}

  void replace(std::vector<FaultRule> rules) { rules_ = std::move(rules); }
  /// The faults that happen to this request, with their values; counts them down.
  [[nodiscard]] std::map<FaultKind, int64_t> decide(std::string_view service, std::string_view action,
                                                    std::string_view account, std::string_view region);

 private:
  std::vector<FaultRule> rules_;
  uint64_t random_;
};

}  // namespace bakusoku::simaws
