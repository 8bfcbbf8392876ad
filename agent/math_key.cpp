#include "agent/math_key.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::NamedQuery;

constexpr int kDeepest = 64;          // parentheses within parentheses
constexpr size_t kMaxNameBytes = 64;  // of a metric in the expression
constexpr std::string_view kNamed[] = {"period", "region", "account", "missing"};
constexpr std::string_view kMetricForm = "<name>=<namespace>,<metric>,<dimensions>,<statistic>,<unit>";

// What a part of an expression stands for.
enum class Kind { number, series, array, word, unknown };

// Of what a function makes of its first argument.
enum class Makes {
  same,    // the same kind
  one,     // of an array one series, of a series a number over the whole window
  first,   // of an array one series
  number,  //
  series,  //
  array,   //
  either,  // what its second and third arguments are together
};

struct Function {
  std::string_view name;
  Makes makes;
};

// Source: Amazon CloudWatch User Guide, "Using math expressions with CloudWatch metrics".
constexpr Function kFunctions[] = {
    {"ABS", Makes::same},
    {"CEIL", Makes::same},
    {"FLOOR", Makes::same},
    {"LOG", Makes::same},
    {"LOG10", Makes::same},
    {"DIFF", Makes::same},
    {"RATE", Makes::same},
    {"DIFF_TIME", Makes::same},
    {"FILL", Makes::same},
    {"SORT", Makes::array},
    {"REMOVE_EMPTY", Makes::array},
    {"ANOMALY_DETECTION_BAND", Makes::array},
    {"AVG", Makes::one},
    {"MAX", Makes::one},
    {"MIN", Makes::one},
    {"SUM", Makes::one},
    {"STDDEV", Makes::one},
    {"FIRST", Makes::first},
    {"LAST", Makes::first},
    {"PERIOD", Makes::number},
    {"METRIC_COUNT", Makes::number},
    {"IF", Makes::either},
    {"TIME_SERIES", Makes::series},
    {"SERVICE_QUOTA", Makes::series},
    {"DAY", Makes::series},
    {"HOUR", Makes::series},
    {"MINUTE", Makes::series},
    {"MONTH", Makes::series},
    {"YEAR", Makes::series},
    {"DATE", Makes::series},
    {"EPOCH", Makes::series},
};

Kind together(Kind a, Kind b) {
  for (const Kind kind : {Kind::unknown, Kind::array, Kind::series}) {
    if (a == kind || b == kind) return kind;
  }
  return Kind::number;
}

bool is_word(char ch) { return std::isalnum(static_cast<unsigned char>(ch)) != 0 || ch == '_'; }

// Reads an expression from left to right; the first thing wrong is kept.
class Expression {
 public:
  Expression(std::string_view text, std::span<const NamedQuery> inputs)
      : text_(text), inputs_(inputs), used_(inputs.size()) {}

  Result<void> check() {
    const Kind kind = any();
    if (error_.empty() && at_ < text_.size()) wrong("what is this");
    if (error_.empty()) {
      switch (kind) {
        case Kind::number:
        case Kind::word:
          error_ = "it is a number, not a series: it needs one of the metrics";
          break;
        case Kind::array:
          error_ = "it stands for several series; make one of them with SUM, AVG, MIN or MAX";
          break;
        case Kind::series:
        case Kind::unknown:
          break;
      }
    }
    for (size_t input = 0; error_.empty() && input < inputs_.size(); ++input) {
      if (!used_[input]) error_ = fmt::format("the metric {} is not in it", inputs_[input].name);
    }
    if (!error_.empty()) return fail(ErrorKind::invalid, "{}", error_);
    return {};
  }

 private:
  Kind any() {
    Kind kind = both();
    while (takes("||") || takes_word("OR")) kind = together(kind, both());
    return kind;
  }
  Kind both() {
    Kind kind = comparison();
    while (takes("&&") || takes_word("AND")) kind = together(kind, comparison());
    return kind;
  }
  Kind comparison() {
    Kind kind = sum();
    while (takes("==") || takes("!=") || takes("<=") || takes(">=") || takes("<") || takes(">"))
      kind = together(kind, sum());
    return kind;
  }
  Kind sum() {
    Kind kind = product();
    while (takes("+") || takes("-")) kind = together(kind, product());
    return kind;
  }
  Kind product() {
    Kind kind = power();
    while (takes("*") || takes("/")) kind = together(kind, power());
    return kind;
  }
  Kind power() {
    Kind kind = signed_part();
    while (takes("^")) kind = together(kind, signed_part());
    return kind;
  }
  Kind signed_part() {
    while (takes("-")) continue;
    return part();
  }

  Kind part() {
    skip_blanks();
    if (!error_.empty()) return Kind::unknown;
    if (depth_ >= kDeepest) return wrong("too many parentheses");
    ++depth_;
    const Kind kind = part_inside();
    --depth_;
    return kind;
  }

  Kind part_inside() {
    if (at_ >= text_.size()) return wrong("something is missing");
    const char ch = text_[at_];
    if (takes("(")) {
      const Kind kind = any();
      if (!takes(")")) return wrong("')' is missing");
      return kind == Kind::word ? Kind::unknown : kind;
    }
    if (takes("[")) {
      do any();
      while (error_.empty() && takes(","));
      if (!takes("]")) return wrong("']' is missing");
      return Kind::array;
    }
    if (ch == '"' || ch == '\'') {
      const size_t end = text_.find(ch, at_ + 1);
      if (end == std::string_view::npos) return wrong("a quote is not closed");
      at_ = end + 1;
      return Kind::word;
    }
    if (std::isdigit(static_cast<unsigned char>(ch)) != 0 || ch == '.') return number();
    if (!is_word(ch)) return wrong("what is this");
    const size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (next_is('(')) return function(word, begin);
    return name(word, begin);
  }

  Kind number() {
    const size_t begin = at_;
    const auto digits = [&] {
      const size_t from = at_;
      while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
      return at_ - from;
    };
    size_t count = digits();
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      count += digits();
    }
    if (count == 0 || (at_ < text_.size() && is_word(text_[at_]))) {
      at_ = begin;
      return wrong("this is no number");
    }
    return Kind::number;
  }

  Kind name(std::string_view word, size_t begin) {
    for (size_t input = 0; input < inputs_.size(); ++input) {
      if (inputs_[input].name != word) continue;
      used_[input] = true;
      return Kind::series;
    }
    // REPEAT, LINEAR, ASC, ... as functions take them.
    if (std::none_of(word.begin(), word.end(), [](unsigned char ch) { return std::islower(ch) != 0; })) {
      if (word == "SELECT") return refuse_search(word);
      return Kind::word;
    }
    at_ = begin;
    return wrong(fmt::format("no metric is called {}: add {}=<namespace>,<metric>,...", word, word));
  }

  Kind function(std::string_view name, size_t begin) {
    if (name == "SEARCH" || name == "SELECT") return refuse_search(name);
    if (name == "RUNNING_SUM") return refuse_window(name);
    if (std::any_of(name.begin(), name.end(), [](unsigned char ch) { return std::islower(ch) != 0; })) {
      at_ = begin;
      return wrong("functions are written in capitals");
    }
    takes("(");
    std::vector<Kind> arguments;
    if (!takes(")")) {
      do arguments.push_back(any());
      while (error_.empty() && takes(","));
      if (!takes(")")) return wrong(fmt::format("the ')' of {} is missing", name));
    }
    if (name == "METRICS") {
      if (!arguments.empty()) {
        at_ = begin;
        return wrong("METRICS takes no parameters here: write the metrics as [a,b]");
      }
      used_.assign(used_.size(), true);
      return Kind::array;
    }
    return made_by(name, arguments);
  }

  Kind made_by(std::string_view name, const std::vector<Kind>& arguments) {
    const auto* known = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                     [&](const Function& function) { return function.name == name; });
    if (known == std::end(kFunctions)) return Kind::unknown;
    if (arguments.empty()) return wrong(fmt::format("{} needs a parameter", name));
    const Kind first = arguments.front();
    switch (known->makes) {
      case Makes::same:
        return first;
      case Makes::one:
        if (first == Kind::series) return refuse_window(name);
        return first == Kind::array ? Kind::series : Kind::unknown;
      case Makes::first:
        return first == Kind::array ? Kind::series : Kind::unknown;
      case Makes::number:
        return Kind::number;
      case Makes::series:
        return Kind::series;
      case Makes::array:
        return Kind::array;
      case Makes::either: {
        Kind kind = first;
        for (const Kind one : arguments) kind = together(kind, one);
        return kind;
      }
    }
    return Kind::unknown;
  }

  Kind refuse_search(std::string_view name) {
    return refuse(fmt::format("{} finds any number of series; an item is one: name its metrics", name));
  }
  Kind refuse_window(std::string_view name) {
    return refuse(
        fmt::format("{} of one metric depends on how far back a call happens to read; over several it is {}",
                    name, name == "RUNNING_SUM" ? "the same" : fmt::format("{}([a,b])", name)));
  }
  Kind refuse(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return Kind::unknown;
  }
  Kind wrong(std::string_view why) {
    constexpr size_t kShown = 20;
    if (error_.empty()) {
      error_ = at_ < text_.size() ? fmt::format("at '{}': {}", text_.substr(at_, kShown), why)
                                  : fmt::format("at its end: {}", why);
    }
    return Kind::unknown;
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool next_is(char ch) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == ch;
  }
  bool takes(std::string_view token) {
    skip_blanks();
    if (!error_.empty() || !text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  bool takes_word(std::string_view word) {
    skip_blanks();
    const size_t end = at_ + word.size();
    if (!text_.substr(at_).starts_with(word) || (end < text_.size() && is_word(text_[end]))) return false;
    return takes(word);
  }

  std::string_view text_;
  std::span<const NamedQuery> inputs_;
  std::vector<bool> used_;
  size_t at_ = 0;
  int depth_ = 0;
  std::string error_;
};

// Splits at commas; `\,` is a comma. What else a backslash stands before is left to whoever reads the part.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      if (text[at + 1] != ',') parts.back() += text[at];
      parts.back() += text[++at];
    } else if (text[at] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[at];
    }
  }
  return parts;
}

Result<NamedQuery> parse_input(std::string_view name, std::string_view text) {
  constexpr size_t kParts = 5;
  const std::vector<std::string> parts = split(text);
  if (parts.size() > kParts) {
    return fail(ErrorKind::invalid,
                "metric {}: {} parts, at most {}: {}; a comma inside one of them is written \\,", name,
                parts.size(), kParts, kMetricForm);
  }
  const auto part = [&](size_t at) -> std::string_view {
    return at < parts.size() ? std::string_view(parts[at]) : std::string_view();
  };
  NamedQuery input;
  input.name = name;
  auto namespace_ = parse_metric_name(part(0), fmt::format("metric {}: the namespace", name));
  if (!namespace_) return fail(namespace_.error());
  auto metric = parse_metric_name(part(1), fmt::format("metric {}: its name in CloudWatch", name));
  if (!metric) return fail(metric.error());
  auto dimensions = parse_dimensions(part(2), fmt::format("metric {}: dimensions", name));
  if (!dimensions) return fail(dimensions.error());
  auto statistic = parse_statistic(part(3), fmt::format("metric {}: statistic", name));
  if (!statistic) return fail(statistic.error());
  auto unit = parse_unit(part(4), fmt::format("metric {}: unit", name));
  if (!unit) return fail(unit.error());
  input.namespace_ = std::move(*namespace_);
  input.metric = std::move(*metric);
  input.dimensions = std::move(*dimensions);
  input.statistic = std::move(*statistic);
  input.unit = std::move(*unit);
  return input;
}

Result<void> take_named(std::string_view name, std::string_view value, MetricKey& into) {
  if (name == "period") {
    const auto period = parse_period(value, "period");
    if (!period) return fail(period.error());
    into.period_seconds = *period;
  } else if (name == "missing") {
    const auto missing = parse_missing(value, "missing");
    if (!missing) return fail(missing.error());
    into.missing_is_zero = *missing;
  } else {
    (name == "region" ? into.region : into.account) = value;
  }
  return {};
}

}  // namespace

Result<void> check_expression(std::string_view expression, std::span<const NamedQuery> inputs) {
  auto checked = Expression(expression, inputs).check();
  if (!checked) return fail(checked.error().with_context("the expression (parameter 1)"));
  return {};
}

Result<MetricKey> parse_math_key(std::span<const std::string> parameters) {
  MetricKey key;
  key.statistic.clear();
  if (parameters.empty() || parameters[0].empty())
    return fail(ErrorKind::invalid, "the expression (parameter 1) is missing");
  key.metric = parameters[0];
  std::vector<std::string_view> given;
  for (size_t at = 1; at < parameters.size(); ++at) {
    const std::string& parameter = parameters[at];
    const size_t equals = parameter.find('=');
    const std::string_view name = std::string_view(parameter).substr(0, equals);
    if (equals == std::string::npos) {
      return fail(ErrorKind::invalid,
                  "parameter {} '{}' is neither {}, which is quoted where it holds commas, nor period=, "
                  "region=, account= or missing=",
                  at + 1, parameter, kMetricForm);
    }
    if (std::find(given.begin(), given.end(), name) != given.end())
      return fail(ErrorKind::invalid, "{} is given twice", name);
    given.push_back(name);
    const std::string_view value = std::string_view(parameter).substr(equals + 1);
    if (std::find(std::begin(kNamed), std::end(kNamed), name) != std::end(kNamed)) {
      if (auto taken = take_named(name, value, key); !taken) return fail(taken.error());
      continue;
    }
    if (!aws::cloudwatch::is_query_name(name) || name.size() > kMaxNameBytes) {
      return fail(ErrorKind::invalid,
                  "parameter {}: '{}' is no name for a metric: a lower case letter, then letters, digits and "
                  "underscores, at most {} in all",
                  at + 1, name, kMaxNameBytes);
    }
    auto input = parse_input(name, value);
    if (!input) return fail(input.error());
    key.inputs.push_back(std::move(*input));
  }
  if (key.inputs.empty()) return fail(ErrorKind::invalid, "the expression needs a metric: {}", kMetricForm);
  if (key.inputs.size() >= aws::cloudwatch::kMaxQueriesPerCall) {
    return fail(ErrorKind::invalid, "{} metrics, at most {} and the expression fit a call", key.inputs.size(),
                aws::cloudwatch::kMaxQueriesPerCall - 1);
  }
  key.namespace_ = key.inputs.front().namespace_;
  std::sort(key.inputs.begin(), key.inputs.end(),
            [](const NamedQuery& a, const NamedQuery& b) { return a.name < b.name; });
  if (auto checked = check_expression(key.metric, key.inputs); !checked) return fail(checked.error());
  // In a call its metrics have other, perhaps longer names.
  aws::cloudwatch::MetricQuery query;
  query.expression = key.metric;
  query.inputs = key.inputs;
  if (aws::cloudwatch::longest_expression(query) > aws::cloudwatch::kMaxExpressionBytes) {
    return fail(ErrorKind::invalid, "the expression (parameter 1) is too long: CloudWatch takes {} bytes",
                aws::cloudwatch::kMaxExpressionBytes);
  }
  return key;
}

}  // namespace bakusoku::agent
