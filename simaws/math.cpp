#include "simaws/math.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string>

namespace bakusoku::simaws::math {

struct Node {
  enum class Kind { number, text, id, negative, binary, array, call };
  Kind kind = Kind::number;
  double number = 0;
  std::string name{};  // of an id, an operator or a function; a text
  std::vector<Expression> parts{};
};

namespace {

using Parsed = tl::expected<Expression, std::string>;
using Valued = tl::expected<Value, std::string>;
using Array = std::vector<TimeSeries>;
using Kind = Node::Kind;

constexpr int kDeepest = 64;
constexpr size_t kMostSeries = 10'000;  // of one array

constexpr std::array<std::string_view, 11> kFunctions{"SUM",   "AVG", "MIN",  "MAX",    "ABS",    "CEIL",
                                                      "FLOOR", "IF",  "FILL", "PERIOD", "METRICS"};
constexpr std::array<std::string_view, 2> kStepFunctions{"RATE", "DIFF"};

tl::unexpected<std::string> wrong(std::string message) {
  return tl::unexpected<std::string>(std::move(message));
}

bool known(std::string_view function) {
  return std::find(kFunctions.begin(), kFunctions.end(), function) != kFunctions.end() ||
         std::find(kStepFunctions.begin(), kStepFunctions.end(), function) != kStepFunctions.end();
}

bool lower(char ch) { return ch >= 'a' && ch <= 'z'; }
bool upper(char ch) { return ch >= 'A' && ch <= 'Z'; }
bool digit(char ch) { return ch >= '0' && ch <= '9'; }
bool in_name(char ch) { return lower(ch) || upper(ch) || digit(ch) || ch == '_'; }

// ---- reading

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Parsed whole() {
    auto out = level(0);
    if (!out) return out;
    skip();
    if (!rest_.empty()) return wrong(fmt::format("Unexpected '{}'", rest_.substr(0, 1)));
    return out;
  }

 private:
  // Loosest first. Comparisons are looser than sums, and AND and OR looser than comparisons.
  static constexpr int kUnaryLevel = 5;

  void skip() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }
  bool eat(std::string_view token) {
    skip();
    if (!rest_.starts_with(token)) return false;
    if (upper(token[0]) && rest_.size() > token.size() && in_name(rest_[token.size()])) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  std::string operator_of(int at) {
    static const std::array<std::vector<std::pair<std::string, std::string>>, kUnaryLevel> kLevels{{
        {{"||", "OR"}, {"OR", "OR"}},
        {{"&&", "AND"}, {"AND", "AND"}},
        {{"==", "=="}, {"!=", "!="}, {"<=", "<="}, {">=", ">="}, {"<", "<"}, {">", ">"}},
        {{"+", "+"}, {"-", "-"}},
        {{"*", "*"}, {"/", "/"}},
    }};
    for (const auto& [token, name] : kLevels[static_cast<size_t>(at)]) {
      if (eat(token)) return name;
    }
    return "";
  }

  Parsed level(int at) {
    if (at == kUnaryLevel) return unary();
    if (++depth_ > kDeepest * kUnaryLevel) return wrong("The expression is nested too deeply");
    auto left = level(at + 1);
    while (left) {
      const std::string name = operator_of(at);
      if (name.empty()) break;
      auto right = level(at + 1);
      if (!right) return right;
      left = make(Kind::binary, name, {*left, *right});
    }
    --depth_;
    return left;
  }

  Parsed unary() {
    if (eat("-")) {
      if (++depth_ > kDeepest) return wrong("The expression is nested too deeply");
      auto of = unary();
      --depth_;
      if (!of) return of;
      return make(Kind::negative, "-", {*of});
    }
    auto base = primary();
    if (!base || !eat("^")) return base;
    if (++depth_ > kDeepest) return wrong("The expression is nested too deeply");
    auto exponent = unary();
    --depth_;
    if (!exponent) return exponent;
    return make(Kind::binary, "^", {*base, *exponent});
  }

  Parsed primary() {
    skip();
    if (rest_.empty()) return wrong("The expression ends too early");
    if (eat("(")) {
      auto inner = level(0);
      if (inner && !eat(")")) return wrong("A ')' is missing");
      return inner;
    }
    if (eat("[")) return list(Kind::array, "", "]");
    if (digit(rest_[0]) || rest_[0] == '.') return number();
    if (rest_[0] == '"' || rest_[0] == '\'') return text();
    if (lower(rest_[0])) return make(Kind::id, std::string(name()), {});
    if (upper(rest_[0])) return function();
    return wrong(fmt::format("Unexpected '{}'", rest_.substr(0, 1)));
  }

  Parsed number() {
    double value = 0;
    const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (parsed.ec != std::errc()) return wrong("A number is malformed");
    rest_.remove_prefix(static_cast<size_t>(parsed.ptr - rest_.data()));
    if (!rest_.empty() && in_name(rest_[0])) return wrong("An id must begin with a lower case letter");
    Node node;
    node.number = value;
    return std::make_shared<const Node>(std::move(node));
  }

  Parsed text() {
    const size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) return wrong("A quotation mark is missing");
    std::string inner(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return make(Kind::text, std::move(inner), {});
  }

  Parsed function() {
    const std::string function(name());
    if (function == "REPEAT") return make(Kind::call, function, {});
    if (function == "SELECT" || function == "SEARCH")
      return wrong(fmt::format("simaws, a simulator, does not know {}", function));
    if (!eat("("))
      return wrong(fmt::format("'{}' is neither an id, which begins with a lower case letter, nor a function",
                               function));
    if (!known(function)) return wrong(fmt::format("simaws, a simulator, does not know {}", function));
    return list(Kind::call, function, ")");
  }

  Parsed list(Kind kind, std::string name, std::string_view end) {
    std::vector<Expression> parts;
    if (eat(end)) {
      if (kind == Kind::array) return wrong("An array is empty");
      return make(kind, std::move(name), {});
    }
    do {
      auto part = level(0);
      if (!part) return part;
      parts.push_back(*part);
    } while (eat(","));
    if (!eat(end)) return wrong(fmt::format("A '{}' is missing", end));
    return make(kind, std::move(name), std::move(parts));
  }

  std::string_view name() {
    size_t size = 0;
    while (size < rest_.size() && in_name(rest_[size])) ++size;
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }

  static Expression make(Kind kind, std::string name, std::vector<Expression> parts) {
    Node node;
    node.kind = kind;
    node.name = std::move(name);
    node.parts = std::move(parts);
    return std::make_shared<const Node>(std::move(node));
  }

  std::string_view rest_;
  int depth_ = 0;
};

// ---- computing

const char* type_of(const Value& value) {
  constexpr std::array<const char*, 3> kTypes{"Scalar", "TimeSeries", "TimeSeries[]"};
  return kTypes[value.index()];
}

// A series like `like`, without points.
TimeSeries empty_like(const TimeSeries& like) {
  TimeSeries out;
  out.label = like.label;
  out.period = like.period;
  out.first = like.first;
  out.count = like.count;
  out.status = like.status;
  return out;
}

void add_point(TimeSeries& out, int64_t time, double value) {
  if (std::isfinite(value)) out.points.emplace_back(time, value);
}

// The attributes of something computed from both: the grid of the longer period.
TimeSeries joined(const TimeSeries& a, const TimeSeries& b) {
  TimeSeries out = empty_like(a.period >= b.period ? a : b);
  out.label = a.label;
  if (out.status == std::string_view("Complete")) out.status = a.period >= b.period ? b.status : a.status;
  return out;
}

double apply(std::string_view name, double a, double b) {
  if (name == "+") return a + b;
  if (name == "-") return a - b;
  if (name == "*") return a * b;
  if (name == "/") return b == 0 ? std::nan("") : a / b;
  if (name == "^") return std::pow(a, b);
  if (name == "AND") return a != 0 && b != 0 ? 1 : 0;
  if (name == "OR") return a != 0 || b != 0 ? 1 : 0;
  if (name == "<") return a < b ? 1 : 0;
  if (name == ">") return a > b ? 1 : 0;
  if (name == "<=") return a <= b ? 1 : 0;
  if (name == ">=") return a >= b ? 1 : 0;
  const bool equal = !(a < b) && !(a > b);
  return equal == (name == "==") ? 1 : 0;
}

template <typename Each>
TimeSeries mapped(const TimeSeries& series, Each each) {
  TimeSeries out = empty_like(series);
  for (const auto& [time, value] : series.points) add_point(out, time, each(value));
  return out;
}

template <typename Each>
Value each_of(const Value& value, Each each) {
  if (const auto* scalar = std::get_if<double>(&value)) return each(*scalar);
  if (const auto* series = std::get_if<TimeSeries>(&value)) return mapped(*series, each);
  Array out;
  for (const auto& series : std::get<Array>(value)) out.push_back(mapped(series, each));
  return out;
}

TimeSeries combine(std::string_view name, const TimeSeries& a, const TimeSeries& b) {
  TimeSeries out = joined(a, b);
  auto right = b.points.begin();
  for (const auto& [time, value] : a.points) {
    while (right != b.points.end() && right->first < time) ++right;
    if (right == b.points.end()) break;
    if (right->first == time) add_point(out, time, apply(name, value, right->second));
  }
  return out;
}

Valued binary(std::string_view name, const Value& a, const Value& b) {
  const auto* scalar_a = std::get_if<double>(&a);
  const auto* scalar_b = std::get_if<double>(&b);
  if (scalar_a != nullptr && scalar_b != nullptr) return Value(apply(name, *scalar_a, *scalar_b));
  if (scalar_a != nullptr) return each_of(b, [&](double value) { return apply(name, *scalar_a, value); });
  if (scalar_b != nullptr) return each_of(a, [&](double value) { return apply(name, value, *scalar_b); });
  const auto* series_a = std::get_if<TimeSeries>(&a);
  const auto* series_b = std::get_if<TimeSeries>(&b);
  if (series_a != nullptr && series_b != nullptr) return Value(combine(name, *series_a, *series_b));
  if (series_a == nullptr && series_b == nullptr)
    return wrong(
        fmt::format("Unsupported operand type(s) for {}: '{}' and '{}'", name, type_of(a), type_of(b)));
  Array out;
  for (const auto& one : std::get<Array>(series_a != nullptr ? b : a))
    out.push_back(series_a != nullptr ? combine(name, *series_a, one) : combine(name, one, *series_b));
  return Value(std::move(out));
}

double reduce(std::string_view name, const std::vector<double>& values, size_t count) {
  double out = values[0];
  for (size_t at = 1; at < values.size(); ++at) {
    const double value = values[at];
    out = name == "MIN" ? std::min(out, value) : name == "MAX" ? std::max(out, value) : out + value;
  }
  return name == "AVG" ? out / static_cast<double>(count) : out;
}

// Of an array: at each time that any of them has. AVG takes a missing value for 0, as AWS says.
TimeSeries across(std::string_view name, const Array& array) {
  TimeSeries out = empty_like(array[0]);
  std::map<int64_t, std::vector<double>> values;
  for (const auto& series : array) {
    out = joined(out, series);
    for (const auto& [time, value] : series.points) values[time].push_back(value);
  }
  out.label = std::string(name);
  for (const auto& [time, of_time] : values) add_point(out, time, reduce(name, of_time, array.size()));
  return out;
}

Valued reduced(std::string_view name, const Value& value) {
  if (const auto* array = std::get_if<Array>(&value)) {
    if (array->empty()) return wrong(fmt::format("{} has nothing to work on", name));
    return Value(across(name, *array));
  }
  const auto* series = std::get_if<TimeSeries>(&value);
  if (series == nullptr) return wrong(fmt::format("{} does not take a Scalar", name));
  std::vector<double> values;
  for (const auto& [time, one] : series->points) values.push_back(one);
  return Value(values.empty() ? 0.0 : reduce(name, values, values.size()));
}

TimeSeries step(std::string_view name, const TimeSeries& series) {
  TimeSeries out = empty_like(series);
  for (size_t at = 1; at < series.points.size(); ++at) {
    const auto& [before, old] = series.points[at - 1];
    const auto& [time, value] = series.points[at];
    const auto seconds = static_cast<double>(time - before);
    add_point(out, time, name == "RATE" ? (value - old) / seconds : value - old);
  }
  return out;
}

// Nothing: repeat the one before.
TimeSeries filled(const TimeSeries& series, std::optional<double> with) {
  TimeSeries out = empty_like(series);
  auto next = series.points.begin();
  for (int64_t at = 0; at < series.count; ++at) {
    const int64_t time = series.first + at * series.period;
    while (next != series.points.end() && next->first < time) ++next;
    if (next != series.points.end() && next->first == time) {
      out.points.push_back(*next);
    } else if (with) {
      out.points.emplace_back(time, *with);
    } else if (!out.points.empty()) {
      out.points.emplace_back(time, out.points.back().second);
    }
  }
  return out;
}

// The value at a time, for a scalar the same at all times.
std::optional<double> at_time(const Value& value, int64_t time) {
  if (const auto* scalar = std::get_if<double>(&value)) return *scalar;
  const auto& points = std::get<TimeSeries>(value).points;
  const auto found = std::lower_bound(points.begin(), points.end(), std::pair(time, -HUGE_VAL));
  if (found == points.end() || found->first != time) return std::nullopt;
  return found->second;
}

Valued choose(const Value& condition, const Value& yes, const Value& no) {
  for (const Value* one : {&condition, &yes, &no}) {
    if (std::holds_alternative<Array>(*one)) return wrong("IF does not take a TimeSeries[]");
  }
  if (const auto* scalar = std::get_if<double>(&condition)) {
    // Of one type whatever the condition: a scalar beside a series becomes a series.
    if (yes.index() == no.index()) return *scalar != 0 ? yes : no;
    const auto& grid = std::get<TimeSeries>(std::holds_alternative<TimeSeries>(yes) ? yes : no);
    const Value& chosen = *scalar != 0 ? yes : no;
    if (std::holds_alternative<TimeSeries>(chosen)) return chosen;
    return Value(mapped(grid, [&](double) { return std::get<double>(chosen); }));
  }
  TimeSeries out = empty_like(std::get<TimeSeries>(condition));
  for (const Value* one : {&yes, &no}) {
    if (const auto* series = std::get_if<TimeSeries>(one)) out = joined(out, *series);
  }
  for (const auto& [time, truth] : std::get<TimeSeries>(condition).points) {
    if (const auto value = at_time(truth != 0 ? yes : no, time)) add_point(out, time, *value);
  }
  return Value(std::move(out));
}

class Evaluation {
 public:
  explicit Evaluation(const Scope& scope) : scope_(scope) {}

  Valued of(const Node& node) {
    switch (node.kind) {
      case Kind::number:
        return Value(node.number);
      case Kind::text:
        return wrong("A text can only be the argument of METRICS");
      case Kind::id: {
        const Value* found = scope_.find(node.name);
        if (found == nullptr) return wrong(fmt::format("The id '{}' is not one of the request", node.name));
        return *found;
      }
      case Kind::negative: {
        auto value = of(*node.parts[0]);
        if (!value) return value;
        return each_of(*value, [](double one) { return -one; });
      }
      case Kind::binary: {
        auto left = of(*node.parts[0]);
        if (!left) return left;
        auto right = of(*node.parts[1]);
        if (!right) return right;
        return binary(node.name, *left, *right);
      }
      case Kind::array:
        return array(node);
      case Kind::call:
        return call(node);
    }
    return wrong("The expression is malformed");
  }

 private:
  Valued array(const Node& node) {
    Array out;
    for (const auto& part : node.parts) {
      auto value = of(*part);
      if (!value) return value;
      if (auto* series = std::get_if<TimeSeries>(&*value)) {
        out.push_back(std::move(*series));
      } else if (auto* several = std::get_if<Array>(&*value)) {
        for (auto& one : *several) out.push_back(std::move(one));
      } else {
        return wrong("An array holds time series, not a Scalar");
      }
      if (out.size() > kMostSeries) return wrong("An array has too many time series");
    }
    return Value(std::move(out));
  }

  static bool takes(std::string_view name, size_t count) {
    if (name == "IF") return count == 2 || count == 3;
    if (name == "FILL") return count == 2;
    if (name == "METRICS") return count <= 1;
    return name == "REPEAT" ? count == 0 : count == 1;
  }

  Valued call(const Node& node) {
    const std::string_view name = node.name;
    if (!takes(name, node.parts.size()))
      return wrong(fmt::format("{} does not take {} argument(s)", name, node.parts.size()));
    if (name == "REPEAT") return wrong("REPEAT can only be the second argument of FILL");
    if (name == "METRICS") {
      if (!node.parts.empty() && node.parts[0]->kind != Kind::text)
        return wrong("The argument of METRICS is a text in quotation marks");
      return Value(scope_.metrics(node.parts.empty() ? "" : std::string_view(node.parts[0]->name)));
    }
    auto first = of(*node.parts[0]);
    if (!first) return first;
    if (name == "IF") return conditional(node, *first);
    if (name == "FILL") return fill(node, *first);
    if (name == "PERIOD") {
      const auto* series = std::get_if<TimeSeries>(&*first);
      if (series == nullptr) return wrong("PERIOD takes a TimeSeries");
      return Value(static_cast<double>(series->period));
    }
    if (name == "ABS") return each_of(*first, [](double value) { return std::fabs(value); });
    if (name == "CEIL") return each_of(*first, [](double value) { return std::ceil(value); });
    if (name == "FLOOR") return each_of(*first, [](double value) { return std::floor(value); });
    if (name != "RATE" && name != "DIFF") return reduced(name, *first);
    return over_series(name, *first, [&](const TimeSeries& series) { return step(name, series); });
  }

  template <typename Each>
  static Valued over_series(std::string_view name, const Value& value, Each each) {
    if (const auto* series = std::get_if<TimeSeries>(&value)) return Value(each(*series));
    const auto* array = std::get_if<Array>(&value);
    if (array == nullptr) return wrong(fmt::format("{} does not take a Scalar", name));
    Array out;
    for (const auto& one : *array) out.push_back(each(one));
    return Value(std::move(out));
  }

  Valued conditional(const Node& node, const Value& condition) {
    auto yes = of(*node.parts[1]);
    if (!yes) return yes;
    if (node.parts.size() == 3) {
      auto no = of(*node.parts[2]);
      if (!no) return no;
      return choose(condition, *yes, *no);
    }
    if (!std::holds_alternative<TimeSeries>(condition))
      return wrong("IF with two arguments takes a TimeSeries as its condition");
    return choose(condition, *yes, Value(empty_like(std::get<TimeSeries>(condition))));
  }

  Valued fill(const Node& node, const Value& value) {
    const Node& with = *node.parts[1];
    std::optional<double> constant;
    if (with.kind != Kind::call || with.name != "REPEAT") {
      auto evaluated = of(with);
      if (!evaluated) return evaluated;
      const auto* scalar = std::get_if<double>(&*evaluated);
      if (scalar == nullptr) return wrong("simaws, a simulator, knows FILL with a Scalar or REPEAT only");
      constant = *scalar;
    }
    return over_series("FILL", value, [&](const TimeSeries& series) { return filled(series, constant); });
  }

  const Scope& scope_;
};

}  // namespace

tl::expected<Expression, std::string> parse(std::string_view text) {
  if (text.size() > kLongestExpression)
    return wrong(fmt::format("The expression is longer than {} characters", kLongestExpression));
  return Parser(text).whole();
}

void collect_ids(const Expression& expression, std::vector<std::string>& ids) {
  if (expression->kind == Kind::id) ids.push_back(expression->name);
  for (const auto& part : expression->parts) collect_ids(part, ids);
}

tl::expected<Value, std::string> evaluate(const Expression& expression, const Scope& scope) {
  return Evaluation(scope).of(*expression);
}

}  // namespace bakusoku::simaws::math
