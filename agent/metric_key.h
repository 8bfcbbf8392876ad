// What the parameters of aws.metric[...] mean (pure).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aws/cloudwatch_codec.h"
#include "base/result.h"

namespace bakusoku::agent {

struct MetricKey {
  std::string namespace_;
  std::string metric;
  std::vector<aws::cloudwatch::Dimension> dimensions{};  // sorted by name
  std::string statistic = "Average";
  int32_t period_seconds = 300;
  std::string region{};   // empty: default
  std::string account{};  // empty: default
  bool missing_is_zero = false;
};

/// The parameters <namespace>,<metric>,<dimensions>,<statistic>,<period>,<region>,<account>,<missing>; all
/// but the first two may be empty or left out. Errors: invalid, naming the parameter and what it may be.
[[nodiscard]] Result<MetricKey> parse_metric_key(std::span<const std::string> parameters);

/// "Name=Value;Name=Value", sorted by name; `\;` and `\\` stand for themselves inside a value. Errors:
/// invalid.
[[nodiscard]] Result<std::vector<aws::cloudwatch::Dimension>> parse_dimensions(std::string_view text);

}  // namespace bakusoku::agent
