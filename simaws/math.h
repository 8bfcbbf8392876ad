// CloudWatch's metric math: an expression over the metrics and expressions of one GetMetricData. Pure. What
// is known: numbers, ids, + - * / ^, unary minus, comparisons, AND OR && ||, [a, b], METRICS(), SUM, AVG,
// MIN, MAX, ABS, CEIL, FLOOR, IF, FILL, PERIOD, RATE, DIFF. Source: Amazon CloudWatch User Guide, "Using math
// expressions with CloudWatch metrics". Points of two series meet by their timestamps; where one has none the
// result has none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "simaws/api.h"

namespace bakusoku::simaws::math {

inline constexpr size_t kLongestExpression = 2048;

struct TimeSeries {
  std::string label{};
  int64_t period = 0;
  // What FILL fills: first, first + period, ... (count of them).
  int64_t first = 0;
  int64_t count = 0;
  std::vector<std::pair<int64_t, double>> points{};  // ascending
  const char* status = "Complete";                   // another one goes on to what is computed from it
};

/// A scalar, a time series, or an array of them.
using Value = std::variant<double, TimeSeries, std::vector<TimeSeries>>;

struct Node;
using Expression = std::shared_ptr<const Node>;

/// Errors: a message, without AWS's "Error in expression".
[[nodiscard]] tl::expected<Expression, std::string> parse(std::string_view text);

/// What an expression can refer to.
struct Scope {
  std::function<const Value*(std::string_view id)> find{};                  // nullptr: there is no such id
  std::function<std::vector<TimeSeries>(std::string_view part)> metrics{};  // those whose id holds `part`
};

/// The ids that the expression names.
void collect_ids(const Expression& expression, std::vector<std::string>& ids);

/// Errors: a message; which errors there are does not depend on the points.
[[nodiscard]] tl::expected<Value, std::string> evaluate(const Expression& expression, const Scope& scope);

}  // namespace bakusoku::simaws::math
