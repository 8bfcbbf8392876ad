// What the parameters of aws.math[...] mean (pure): an expression of CloudWatch's metric math, and the
// metrics it is about. The expression is read as far as to tell what it stands for, because one that
// CloudWatch does not like would fail the whole call it is in.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/metric_key.h"
#include "base/result.h"

namespace bakusoku::agent {

/// The parameters <expression>, then in any order <name>=<namespace>,<metric>,<dimensions>,<statistic>,<unit>
/// for each metric, and period=, region=, account=, missing=. A comma inside a metric's name or dimension is
/// written `\,`. Errors: invalid, naming the parameter and what it may be.
[[nodiscard]] Result<MetricKey> parse_math_key(std::span<const std::string> parameters);

/// Whether `expression` stands for one series: it knows no metrics but `inputs`, uses all of them, and is no
/// number, no array of series, no search, and nothing that depends on the window of the call. Functions that
/// are not known here are left to CloudWatch. Errors: invalid.
[[nodiscard]] Result<void> check_expression(std::string_view expression,
                                            std::span<const aws::cloudwatch::NamedQuery> inputs);

}  // namespace bakusoku::agent
