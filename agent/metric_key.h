// What the parameters of aws.metric[...] mean (pure). Those of aws.math[...] are in math_key.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aws/cloudwatch_codec.h"
#include "base/result.h"

namespace bakusoku::agent {

/// One series as an item key describes it: a metric, or metric math over several.
struct MetricKey {
  std::string namespace_;                                // of metric math: that of its first input
  std::string metric;                                    // of metric math: its expression
  std::vector<aws::cloudwatch::Dimension> dimensions{};  // sorted by name
  std::string statistic = "Average";
  int32_t period_seconds = 300;
  std::string region{};   // empty: default
  std::string account{};  // empty: default
  bool missing_is_zero = false;
  std::vector<aws::cloudwatch::NamedQuery> inputs{};  // of metric math, sorted by name
  std::string unit{};                                 // "Count"; empty: of any unit
};

/// The account parameter: a configured account, or one that is linked to it (CloudWatch's cross-account
/// observability): "123456789012" to the default account, "prod/123456789012" to the configured account
/// prod.
struct LinkedAccount {
  std::string_view account;  // configured
  std::string_view linked;   // twelve digits
};
/// Nothing: `text` is no linked account.
[[nodiscard]] std::optional<LinkedAccount> parse_linked_account(std::string_view text);

/// The parameters <namespace>,<metric>,<dimensions>,<statistic>,<period>,<region>,<account>,<missing>,<unit>;
/// all but the first two may be empty or left out. Errors: invalid, naming the parameter and what it may be.
[[nodiscard]] Result<MetricKey> parse_metric_key(std::span<const std::string> parameters);

/// "Name=Value;Name=Value", in that order; `\;` and `\\` stand for themselves inside a value. Errors:
/// invalid; `what` names the parameter in them, here and below, and `example` shows how it is written.
[[nodiscard]] Result<std::vector<aws::cloudwatch::Dimension>> parse_pairs(std::string_view text,
                                                                          std::string_view what,
                                                                          std::string_view example);
/// The same, sorted by name, each name once, and as many as CloudWatch takes.
[[nodiscard]] Result<std::vector<aws::cloudwatch::Dimension>> parse_dimensions(
    std::string_view text, std::string_view what = "dimensions (parameter 3)");

/// A namespace's or a metric's name. Errors: invalid.
[[nodiscard]] Result<std::string> parse_metric_name(std::string_view text, std::string_view what);
/// As CloudWatch writes it; "Average" when empty. Errors: invalid.
[[nodiscard]] Result<std::string> parse_statistic(std::string_view text, std::string_view what);
/// As CloudWatch writes it ("Count", "Bytes/Second"); empty when empty. Errors: invalid.
[[nodiscard]] Result<std::string> parse_unit(std::string_view text, std::string_view what);
/// In seconds; five minutes when empty. Errors: invalid.
[[nodiscard]] Result<int32_t> parse_period(std::string_view text, std::string_view what);
/// Whether "zero" and not "skip" or nothing. Errors: invalid.
[[nodiscard]] Result<bool> parse_missing(std::string_view text, std::string_view what);

}  // namespace bakusoku::agent
