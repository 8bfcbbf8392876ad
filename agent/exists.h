// Whether CloudWatch has a metric, as far as the agent knows.
#pragma once

#include <string_view>

namespace bakusoku::agent {

enum class Exists { unknown, there, absent };

/// The code of the error with which a new metric is answered while it waits for the month's budget.
inline constexpr std::string_view kWaitsForBudget = "WaitsForBudget";

}  // namespace bakusoku::agent
