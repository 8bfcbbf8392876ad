// Quotas: how much of AWS's quotas of reading metrics each account and region has used in the last minute.
// Runs on the agent's thread.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "agent/rate.h"
#include "agent/targets.h"

namespace bakusoku::agent {

class Quotas {
 public:
  /// Once a second.
  void tick(const Targets& targets);

  struct Seen {
    std::string account;
    std::string region;
    double calls = 0;  // GetMetricData calls a second
    double calls_limit = 0;
    double datapoints = 0;  // a second, of windows of the last three hours
    double datapoints_limit = 0;
  };
  [[nodiscard]] std::vector<Seen> seen() const;

  /// The least that is free of our share of the quota anywhere, as a fraction of it: 1 is all.
  [[nodiscard]] double calls_headroom() const;
  [[nodiscard]] double datapoints_headroom() const;

 private:
  struct Use {
    double limit = 0;
    Rate rate{};
    uint64_t looked = 0;
  };
  using Key = std::tuple<std::string, std::string, std::string>;  // account, region, what
  [[nodiscard]] double headroom(std::string_view what) const;

  std::map<Key, Use> uses_;
  uint64_t looks_ = 0;
};

}  // namespace bakusoku::agent
