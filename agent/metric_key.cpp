#include "agent/metric_key.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "agent/config.h"

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::Dimension;

constexpr size_t kMaxNameBytes = 255;        // CloudWatch: namespace, metric and dimension names
constexpr size_t kMaxDimensionBytes = 1024;  // CloudWatch: a dimension's value
constexpr int64_t kMaxPeriodSeconds = 455 * int64_t{86400};  // as long as CloudWatch keeps datapoints
constexpr size_t kMaxParameters = 9;
// Source: Amazon CloudWatch API Reference, MetricStat, Unit.
constexpr std::string_view kUnits[] = {"None",
                                       "Count",
                                       "Percent",
                                       "Seconds",
                                       "Milliseconds",
                                       "Microseconds",
                                       "Bytes",
                                       "Kilobytes",
                                       "Megabytes",
                                       "Gigabytes",
                                       "Terabytes",
                                       "Bits",
                                       "Kilobits",
                                       "Megabits",
                                       "Gigabits",
                                       "Terabits",
                                       "Count/Second",
                                       "Bytes/Second",
                                       "Kilobytes/Second",
                                       "Megabytes/Second",
                                       "Gigabytes/Second",
                                       "Terabytes/Second",
                                       "Bits/Second",
                                       "Kilobits/Second",
                                       "Megabits/Second",
                                       "Gigabits/Second",
                                       "Terabits/Second"};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_number(std::string_view text) {
  const size_t dot = text.find('.');
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.size() <= 10 &&
           std::all_of(part.begin(), part.end(), [](unsigned char ch) { return std::isdigit(ch) != 0; });
  };
  if (dot == std::string_view::npos) return digits(text);
  return digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

// p99, tm99.9, PR(10:300), TM(2%:98%), IQM: CloudWatch's "statistics definitions".
bool is_extended_statistic(std::string_view text) {
  if (text == "IQM") return true;
  for (const std::string_view prefix : {"p", "tm", "tc", "ts", "wm"}) {
    if (text.starts_with(prefix) && is_number(text.substr(prefix.size()))) return true;
  }
  for (const std::string_view prefix : {"PR(", "TM(", "TC(", "TS(", "WM("}) {
    if (!text.starts_with(prefix) || !text.ends_with(")") || text.size() < prefix.size() + 3) continue;
    const std::string_view range = text.substr(prefix.size(), text.size() - prefix.size() - 1);
    const size_t colon = range.find(':');
    if (colon == std::string_view::npos) return false;
    const auto bound = [](std::string_view part) {
      if (part.ends_with('%')) part.remove_suffix(1);
      return part.empty() || is_number(part);
    };
    return bound(range.substr(0, colon)) && bound(range.substr(colon + 1));
  }
  return false;
}

}  // namespace

std::optional<LinkedAccount> parse_linked_account(std::string_view text) {
  constexpr size_t kDigits = 12;
  if (text.size() < kDigits) return std::nullopt;
  const std::string_view linked = text.substr(text.size() - kDigits);
  const bool digits =
      std::all_of(linked.begin(), linked.end(), [](char ch) { return ch >= '0' && ch <= '9'; });
  if (!digits) return std::nullopt;
  if (text.size() == kDigits) return LinkedAccount{{}, linked};
  const std::string_view account = text.substr(0, text.size() - kDigits - 1);
  if (account.empty() || text[account.size()] != '/') return std::nullopt;
  return LinkedAccount{account, linked};
}

Result<std::string> parse_statistic(std::string_view text, std::string_view what) {
  if (text.empty()) return "Average";
  for (const std::string_view name : {"Average", "Sum", "Minimum", "Maximum", "SampleCount"}) {
    if (equal_ignoring_case(text, name)) return std::string(name);
  }
  if (is_extended_statistic(text)) return std::string(text);
  return fail(ErrorKind::invalid,
              "{} '{}' is not one of Average, Sum, Minimum, Maximum, SampleCount, p99, tm99, ...", what,
              text);
}

Result<int32_t> parse_period(std::string_view text, std::string_view what) {
  if (text.empty()) return 300;
  const bool digits =
      std::all_of(text.begin(), text.end(), [](unsigned char ch) { return std::isdigit(ch) != 0; });
  const auto duration = parse_duration(digits ? std::string(text) + "s" : std::string(text));
  const int64_t seconds = duration ? duration->count() / 1000 : 0;
  const bool whole = duration && duration->count() % 1000 == 0;
  const bool allowed = seconds == 1 || seconds == 5 || seconds == 10 || seconds == 20 || seconds == 30 ||
                       (seconds > 0 && seconds % 60 == 0);
  if (!whole || !allowed || seconds > kMaxPeriodSeconds) {
    return fail(
        ErrorKind::invalid,
        "{} '{}' must be 1, 5, 10, 20, 30 or a multiple of 60 seconds up to 455 days, such as 300 or 5m",
        what, text);
  }
  return static_cast<int32_t>(seconds);
}

Result<std::string> parse_unit(std::string_view text, std::string_view what) {
  if (text.empty()) return std::string();
  const auto found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](std::string_view unit) { return equal_ignoring_case(text, unit); });
  if (found != std::end(kUnits)) return std::string(*found);
  return fail(ErrorKind::invalid, "{} '{}' is not one of CloudWatch's units: {}", what, text,
              fmt::join(kUnits, ", "));
}

Result<bool> parse_missing(std::string_view text, std::string_view what) {
  if (!text.empty() && text != "skip" && text != "zero") {
    return fail(ErrorKind::invalid, "{} '{}' must be skip or zero", what, text);
  }
  return text == "zero";
}

Result<std::string> parse_metric_name(std::string_view text, std::string_view what) {
  if (text.empty()) return fail(ErrorKind::invalid, "{} is missing", what);
  if (text.size() > kMaxNameBytes)
    return fail(ErrorKind::invalid, "{} is longer than {} bytes", what, kMaxNameBytes);
  return std::string(text);
}

Result<std::vector<Dimension>> parse_pairs(std::string_view text, std::string_view what,
                                           std::string_view example) {
  std::vector<Dimension> pairs;
  std::string part;
  const auto finish_part = [&]() -> Result<void> {
    const size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == part.size()) {
      return fail(ErrorKind::invalid, "{}: '{}' is not Name=Value; write \"{}\"", what, part, example);
    }
    Dimension pair{part.substr(0, equals), part.substr(equals + 1)};
    if (pair.name.size() > kMaxNameBytes || pair.value.size() > kMaxDimensionBytes) {
      return fail(ErrorKind::invalid, "{}: '{}' is too long", what, pair.name);
    }
    pairs.push_back(std::move(pair));
    part.clear();
    return {};
  };
  if (text.empty()) return pairs;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool escaped =
        text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == ';' || text[at + 1] == '\\');
    if (escaped) {
      part += text[++at];
    } else if (text[at] == ';') {
      if (auto finished = finish_part(); !finished) return fail(finished.error());
    } else {
      part += text[at];
    }
  }
  if (auto finished = finish_part(); !finished) return fail(finished.error());
  return pairs;
}

Result<std::vector<Dimension>> parse_dimensions(std::string_view text, std::string_view what) {
  auto pairs = parse_pairs(text, what, "InstanceId=i-0123;Other=x");
  if (!pairs) return pairs;
  std::vector<Dimension>& dimensions = *pairs;
  if (dimensions.size() > aws::cloudwatch::kMaxDimensions) {
    return fail(ErrorKind::invalid, "{}: {} given, CloudWatch allows {}", what, dimensions.size(),
                aws::cloudwatch::kMaxDimensions);
  }
  std::sort(dimensions.begin(), dimensions.end(),
            [](const Dimension& a, const Dimension& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(dimensions.begin(), dimensions.end(),
                         [](const Dimension& a, const Dimension& b) { return a.name == b.name; });
  if (twice != dimensions.end()) {
    return fail(ErrorKind::invalid, "{}: '{}' is given twice", what, twice->name);
  }
  return pairs;
}

Result<MetricKey> parse_metric_key(std::span<const std::string> parameters) {
  if (parameters.size() > kMaxParameters) {
    return fail(ErrorKind::invalid,
                "{} parameters, at most {}: "
                "<namespace>,<metric>,<dimensions>,<statistic>,<period>,<region>,<account>,"
                "<missing>,<unit>; quote dimensions that hold commas",
                parameters.size(), kMaxParameters);
  }
  const auto parameter = [&](size_t at) -> std::string_view {
    return at < parameters.size() ? std::string_view(parameters[at]) : std::string_view();
  };
  MetricKey key;
  auto namespace_ = parse_metric_name(parameter(0), "namespace (parameter 1)");
  if (!namespace_) return fail(namespace_.error());
  auto metric = parse_metric_name(parameter(1), "metric (parameter 2)");
  if (!metric) return fail(metric.error());
  auto dimensions = parse_dimensions(parameter(2));
  if (!dimensions) return fail(dimensions.error());
  auto statistic = parse_statistic(parameter(3), "statistic (parameter 4)");
  if (!statistic) return fail(statistic.error());
  const auto period = parse_period(parameter(4), "period (parameter 5)");
  if (!period) return fail(period.error());
  const auto missing = parse_missing(parameter(7), "missing (parameter 8)");
  if (!missing) return fail(missing.error());
  auto unit = parse_unit(parameter(8), "unit (parameter 9)");
  if (!unit) return fail(unit.error());
  key.namespace_ = std::move(*namespace_);
  key.metric = std::move(*metric);
  key.dimensions = std::move(*dimensions);
  key.statistic = std::move(*statistic);
  key.period_seconds = *period;
  key.region = parameter(5);
  key.account = parameter(6);
  key.missing_is_zero = *missing;
  key.unit = std::move(*unit);
  return key;
}

}  // namespace bakusoku::agent
