// DescribeAlarms of the simulated CloudWatch: AWS's limits, and answering. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simaws/api.h"
#include "simaws/fleet.h"

namespace bakusoku::simaws {

inline constexpr int64_t kAlarmsPerPage = 100;  // at most; half of it where nothing is said

struct DescribeAlarms {
  std::vector<std::string> types{};  // none: MetricAlarm only
  std::string prefix{};
  std::string state{};
  std::optional<int64_t> max_records{};
  std::string next_token{};
  std::string unknown{};  // a member that AWS knows and the simulator does not
};

/// Whether AWS knows a member that the simulator refuses.
[[nodiscard]] bool is_unknown_of_alarms(std::string_view member);

/// AWS's limits; errors name the member concerned.
[[nodiscard]] ApiResult<void> check_describe_alarms(const DescribeAlarms& request);

/// The body of a successful reply.
[[nodiscard]] ApiResult<std::string> describe_alarms(const World& world, const Call& call,
                                                     const DescribeAlarms& request);

}  // namespace bakusoku::simaws
