// Charge: what a line of AWS's bill is about, and sums of units by it. GetMetricData is paid by metrics
// requested, the other actions by requests: those are the units.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

namespace bakusoku::agent {

struct Charge {
  std::string account{};  // as configured; empty: the default credentials
  std::string region{};
  std::string action{};      // "GetMetricData"
  std::string namespace_{};  // "AWS/EC2"; empty: the action has none

  friend auto operator<=>(const Charge&, const Charge&) = default;
};

inline constexpr uint32_t kSharesOfUnit = 60;  // divisible by 1 to 5

using Charges = std::map<Charge, uint64_t>;  // units

}  // namespace bakusoku::agent
