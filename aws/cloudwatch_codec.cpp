#include "aws/cloudwatch_codec.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <type_traits>

#include "aws/cbor.h"
#include "aws/json_stream.h"
#include "base/json.h"

namespace bakusoku::aws::cloudwatch {
namespace {

// The year 5138: beyond any timestamp, and exact in a double.
constexpr double kMaxTimestamp = 1e11;
constexpr double kMaxPeriod = 1e9;  // far beyond any, in seconds

void append_number(std::string& out, int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
  if (error == std::errc()) out.append(digits, end);
}

template <typename Writer>
void append_dimensions(Writer& out, const std::vector<Dimension>& dimensions, bool value_optional) {
  out.array(dimensions.size());
  for (const Dimension& dimension : dimensions) {
    const bool with_value = !value_optional || !dimension.value.empty();
    out.map(with_value ? 2 : 1);
    out.name("Name");
    out.text(dimension.name);
    if (!with_value) continue;
    out.name("Value");
    out.text(dimension.value);
  }
}

Result<void> check_metric(std::string_view namespace_, std::string_view metric, std::string_view statistic,
                          const std::vector<Dimension>& dimensions) {
  if (namespace_.empty() || metric.empty() || statistic.empty()) {
    return fail(ErrorKind::invalid, "a metric needs a namespace, a name and a statistic");
  }
  if (dimensions.size() > kMaxDimensions) {
    return fail(ErrorKind::invalid, "{} {} has {} dimensions, CloudWatch allows {}", namespace_, metric,
                dimensions.size(), kMaxDimensions);
  }
  for (const Dimension& dimension : dimensions) {
    if (dimension.name.empty() || dimension.value.empty()) {
      return fail(ErrorKind::invalid, "a dimension of {} {} has no name or no value", namespace_, metric);
    }
  }
  return {};
}

Result<void> check(const MetricQuery& query) {
  if (query.period_seconds <= 0) return fail(ErrorKind::invalid, "the period of a metric must be positive");
  if (query.expression.empty()) {
    if (!query.inputs.empty()) return fail(ErrorKind::invalid, "metric math needs an expression");
    return check_metric(query.namespace_, query.metric, query.statistic, query.dimensions);
  }
  if (query.inputs.empty()) return fail(ErrorKind::invalid, "an expression needs a metric");
  for (const NamedQuery& input : query.inputs) {
    if (!is_query_name(input.name)) {
      return fail(ErrorKind::invalid, "'{}' is no name for a metric in an expression", input.name);
    }
    auto checked = check_metric(input.namespace_, input.metric, input.statistic, input.dimensions);
    if (!checked) return checked;
  }
  return {};
}

template <typename Writer>
void append_metric_stat(Writer& out, std::string_view namespace_, std::string_view metric,
                        const std::vector<Dimension>& dimensions, int32_t period, std::string_view statistic,
                        std::string_view unit) {
  out.name("MetricStat");
  out.map(unit.empty() ? 3 : 4);
  out.name("Metric");
  out.map(dimensions.empty() ? 2 : 3);
  out.name("Namespace");
  out.text(namespace_);
  out.name("MetricName");
  out.text(metric);
  if (!dimensions.empty()) {
    out.name("Dimensions");
    append_dimensions(out, dimensions, false);
  }
  out.name("Period");
  out.integer(static_cast<uint64_t>(period));
  out.name("Stat");
  out.text(statistic);
  if (unit.empty()) return;
  out.name("Unit");
  out.text(unit);
}

template <typename Writer>
void append_account(Writer& out, const std::string& account_id) {
  if (account_id.empty()) return;
  out.name("AccountId");
  out.text(account_id);
}

bool is_word(char ch) {
  return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
}

std::string input_id(size_t query, size_t input) {
  std::string id = "q";
  append_number(id, static_cast<int64_t>(query));
  id += '_';
  append_number(id, static_cast<int64_t>(input));
  return id;
}

// The expression with its inputs called by the ids they have in the call. METRICS() means the inputs, not
// whatever else is in the call.
std::string renamed(const MetricQuery& query, size_t at) {
  std::string out;
  const std::string_view text = query.expression;
  for (size_t from = 0; from < text.size();) {
    if (text[from] == '"' || text[from] == '\'') {
      const size_t end = std::min(text.find(text[from], from + 1), text.size() - 1);
      out += text.substr(from, end + 1 - from);
      from = end + 1;
      continue;
    }
    size_t end = from;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end == from) {
      out += text[from++];
      continue;
    }
    const std::string_view word = text.substr(from, end - from);
    from = end;
    const auto input = std::find_if(query.inputs.begin(), query.inputs.end(),
                                    [&](const NamedQuery& candidate) { return candidate.name == word; });
    if (input != query.inputs.end()) {
      out += input_id(at, static_cast<size_t>(input - query.inputs.begin()));
      continue;
    }
    const size_t open = text.find_first_not_of(' ', end);
    const size_t close = open == std::string_view::npos ? open : text.find_first_not_of(' ', open + 1);
    if (word != "METRICS" || close == std::string_view::npos || text[open] != '(' || text[close] != ')') {
      out += word;
      continue;
    }
    for (size_t one = 0; one < query.inputs.size(); ++one) {
      out += one == 0 ? '[' : ',';
      out += input_id(at, one);
    }
    out += ']';
    from = close + 1;
  }
  return out;
}

template <typename Writer>
void append_id(Writer& out, size_t query) {
  std::array<char, 24> id{'q'};
  const auto [end, error] = std::to_chars(id.data() + 1, id.data() + id.size(), query);
  out.name("Id");
  out.text(std::string_view(id.data(), static_cast<size_t>(end - id.data())));
}

template <typename Writer>
Result<void> append_query(Writer& out, const MetricQuery& query, size_t at) {
  if (auto checked = check(query); !checked) return checked;
  const size_t account = query.account_id.empty() ? 0 : 1;
  if (query.expression.empty()) {
    out.map(2 + account);
    append_id(out, at);
    append_metric_stat(out, query.namespace_, query.metric, query.dimensions, query.period_seconds,
                       query.statistic, query.unit);
    append_account(out, query.account_id);
    return {};
  }
  const std::string expression = renamed(query, at);
  if (expression.size() > kMaxExpressionBytes) {
    return fail(ErrorKind::invalid, "the expression has {} bytes, CloudWatch allows {}", expression.size(),
                kMaxExpressionBytes);
  }
  for (size_t one = 0; one < query.inputs.size(); ++one) {
    const NamedQuery& input = query.inputs[one];
    out.map(3 + account);
    out.name("Id");
    out.text(input_id(at, one));
    append_metric_stat(out, input.namespace_, input.metric, input.dimensions, query.period_seconds,
                       input.statistic, input.unit);
    append_account(out, query.account_id);
    out.name("ReturnData");
    out.boolean(false);
  }
  out.map(2);
  append_id(out, at);
  out.name("Expression");
  out.text(expression);
  return {};
}

// Of an ordinary query, what it takes at most; of others about that. Memory that is not needed would cost
// more than adding this up.
size_t expected_size(const MetricQuery& query) {
  constexpr size_t kNames = 80;
  constexpr size_t kHead = 3;
  size_t size = kNames + query.namespace_.size() + query.metric.size() + query.statistic.size() + 4 * kHead +
                query.account_id.size() + query.expression.size() + query.unit.size();
  for (const Dimension& dimension : query.dimensions) {
    size += 12 + dimension.name.size() + dimension.value.size() + 2 * kHead;
  }
  return size + query.inputs.size() * 2 * kNames;
}

std::optional<size_t> parse_id(std::string_view id, size_t queries) {
  if (id.size() < 2 || id.front() != 'q') return std::nullopt;
  if (id[1] == '0' && id.size() > 2) return std::nullopt;
  size_t index = 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), index);
  if (error != std::errc() || end != id.data() + id.size() || index >= queries) return std::nullopt;
  return index;
}

void mark_several(std::vector<SeriesData>& results, size_t queries) {
  std::vector<size_t> counts(queries);
  for (const SeriesData& result : results) ++counts[result.query];
  for (SeriesData& result : results) {
    if (counts[result.query] == 1) continue;
    result.status = SeriesStatus::several;
    result.points.clear();
    result.message = "the expression stands for several series";
  }
}

// One answer, in CBOR or JSON. What the Reader cannot know is wrong is kept in words.
template <typename Reader>
class Answer {
 public:
  explicit Answer(std::string_view bytes) : reader_(bytes) {}

  [[nodiscard]] bool read(size_t queries, MetricDataPage& page) {
    bool results_seen = false;
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (key == "MetricDataResults" && !results_seen) {
        results_seen = true;
        read_results(queries, page);
      } else if (key == "NextToken") {
        read_text(page.next_token);
      } else if (key == "Messages") {
        read_messages(page.message);
      } else {
        reader_.skip();
      }
    }
    if (!results_seen) wrong("no MetricDataResults");
    return finished();
  }

  [[nodiscard]] bool read(MetricsPage& page) {
    bool metrics_seen = false;
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (key == "Metrics") {
        metrics_seen = true;
        for (auto metrics = reader_.array(); going_on(metrics);) {
          read_metric(page.metrics.emplace_back());
        }
      } else if (key == "NextToken") {
        read_text(page.next_token);
      } else {
        reader_.skip();
      }
    }
    if (!metrics_seen) wrong("no Metrics");
    return finished();
  }

  [[nodiscard]] bool read(AlarmsPage& page) {
    bool alarms_seen = false;
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      const std::optional<AlarmType> type = type_of_list(key);
      if (type) {
        alarms_seen = true;
        read_alarms(page.alarms, *type);
      } else if (key == "NextToken") {
        read_text(page.next_token);
      } else {
        reader_.skip();
      }
    }
    if (!alarms_seen) wrong("neither MetricAlarms nor CompositeAlarms");
    return finished();
  }

  /// When reading has failed.
  [[nodiscard]] Error error() const {
    if (reader_.failed() || wrong_.empty()) {
      constexpr bool kIsCbor = std::is_same_v<Reader, cbor::Reader>;
      return Error{ErrorKind::corrupt,
                   fmt::format("the answer is not the {} that was expected", kIsCbor ? "CBOR" : "JSON")};
    }
    return Error{ErrorKind::corrupt, fmt::format("the answer has {}", wrong_)};
  }

 private:
  bool going_on(auto& items) { return wrong_.empty() && reader_.next(items); }
  [[nodiscard]] bool finished() const { return wrong_.empty() && reader_.done(); }
  void wrong(std::string_view what) {
    if (wrong_.empty()) wrong_ = what;
  }

  void read_text(std::string& out) {
    out.clear();
    if (reader_.null()) return;
    const std::string_view text = reader_.text();
    out = simdjson::validate_utf8(text.data(), text.size()) ? std::string(text) : valid_utf8(text);
  }

  // AWS's {Code, Value} pairs as "Code: Value; Code: Value".
  void read_messages(std::string& out) {
    out.clear();
    if (reader_.null()) return;
    for (auto messages = reader_.array(); going_on(messages);) {
      std::string code;
      std::string text;
      for (auto members = reader_.map(); going_on(members);) {
        const std::string_view key = reader_.text();
        std::string* const target = key == "Code" ? &code : key == "Value" ? &text : nullptr;
        if (target == nullptr) {
          reader_.skip();
        } else {
          read_text(*target);
        }
      }
      if (!out.empty()) out += "; ";
      out += code;
      if (!code.empty() && !text.empty()) out += ": ";
      out += text;
    }
  }

  // What is no time is kept as -1, so that its value is known by its place.
  void read_times() {
    if (reader_.null()) return;
    for (auto times = reader_.array(); going_on(times);) {
      const double seconds = reader_.time_or_nan();
      const bool is_time = seconds >= 0 && seconds <= kMaxTimestamp;
      clocks_.push_back(is_time ? static_cast<int64_t>(seconds) : -1);
      if (clocks_.size() > kMaxDatapointsPerCall) return wrong("more points than one call returns");
    }
  }

  void read_values() {
    if (reader_.null()) return;
    for (auto values = reader_.array(); going_on(values);) {
      values_.push_back(reader_.number_or_nan());
      if (values_.size() > kMaxDatapointsPerCall) return wrong("more points than one call returns");
    }
  }

  SeriesStatus read_status(std::string& message) {
    if (reader_.null()) return SeriesStatus::complete;
    std::string status = "that is no text";
    if (reader_.at_text()) {
      read_text(status);
    } else {
      reader_.skip();
    }
    if (status.empty() || status == "Complete") return SeriesStatus::complete;
    if (status == "PartialData") return SeriesStatus::partial;
    if (status == "Forbidden") return SeriesStatus::forbidden;
    if (status != "InternalError") message = fmt::format("StatusCode {}", status);
    return SeriesStatus::internal_error;
  }

  // False: a result that nobody asked for.
  bool read_series(size_t queries, SeriesData& out) {
    clocks_.clear();
    values_.clear();
    std::optional<size_t> query;
    std::string status_words;
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (key == "Id" && reader_.at_text()) {
        query = parse_id(reader_.text(), queries);
      } else if (key == "StatusCode") {
        out.status = read_status(status_words);
      } else if (key == "Timestamps") {
        read_times();
      } else if (key == "Values") {
        read_values();
      } else if (key == "Messages") {
        read_messages(out.message);
      } else {
        reader_.skip();
      }
    }
    points_ += std::max(clocks_.size(), values_.size());
    if (points_ > kMaxDatapointsPerCall) wrong("more points than one call returns");
    if (!query || reader_.failed() || !wrong_.empty()) return false;
    out.query = *query;
    if (out.message.empty()) out.message = std::move(status_words);
    if (clocks_.size() != values_.size()) {
      out.status = SeriesStatus::damaged;
      out.message = fmt::format("{} timestamps and {} values", clocks_.size(), values_.size());
      return true;
    }
    out.points.reserve(clocks_.size());
    for (size_t at = 0; at < clocks_.size(); ++at) {
      if (clocks_[at] < 0 || !std::isfinite(values_[at])) {
        ++out.dropped;
      } else {
        out.points.push_back(Datapoint{clocks_[at], values_[at]});
      }
    }
    return true;
  }

  void read_results(size_t queries, MetricDataPage& page) {
    std::vector<SeriesData>& out = page.series;
    out.reserve(queries);
    bool several = false;
    std::vector<bool> seen(queries);
    size_t results_seen = 0;
    for (auto results = reader_.array(); going_on(results);) {
      if (results_seen++ >= kMaxQueriesPerCall) return wrong("more results than a call returns");
      SeriesData& series = out.emplace_back();
      const bool asked_for = read_series(queries, series);
      if (reader_.failed() || !wrong_.empty()) return;
      if (!asked_for) {
        out.pop_back();
        ++page.unasked;
        continue;
      }
      several = several || seen[series.query];
      seen[series.query] = true;
    }
    if (several) mark_several(out, queries);
  }

  void read_dimensions(std::vector<Dimension>& out) {
    if (reader_.null()) return;
    for (auto dimensions = reader_.array(); going_on(dimensions);) {
      if (out.size() >= kMaxDimensions) return wrong("more dimensions than a metric has");
      Dimension& dimension = out.emplace_back();
      for (auto members = reader_.map(); going_on(members);) {
        const std::string_view key = reader_.text();
        std::string* const target = key == "Name"    ? &dimension.name
                                    : key == "Value" ? &dimension.value
                                                     : nullptr;
        if (target == nullptr) {
          reader_.skip();
        } else {
          read_text(*target);
        }
      }
    }
  }

  void read_metric(MetricName& out) {
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (key == "Namespace") {
        read_text(out.namespace_);
      } else if (key == "MetricName") {
        read_text(out.metric);
      } else if (key == "Dimensions") {
        read_dimensions(out.dimensions);
      } else {
        reader_.skip();
      }
    }
    if (out.namespace_.empty() || out.metric.empty()) wrong("a metric without a name");
  }

  static std::optional<AlarmType> type_of_list(std::string_view key) {
    if (key == "MetricAlarms") return AlarmType::metric;
    if (key == "CompositeAlarms") return AlarmType::composite;
    return key == "LogAlarms" ? std::optional(AlarmType::log) : std::nullopt;
  }

  void read_alarms(std::vector<Alarm>& out, AlarmType type) {
    if (reader_.null()) return;
    for (auto alarms = reader_.array(); going_on(alarms);) {
      Alarm& alarm = out.emplace_back();
      alarm.type = type;
      read_alarm(alarm);
    }
  }

  void read_alarm(Alarm& out) {
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (std::string* const text = text_of_alarm(out, key)) {
        read_text(*text);
      } else if (key == "Statistic" || key == "ExtendedStatistic") {
        if (!reader_.null()) read_text(out.statistic);  // one of the two is null, if it is there at all
      } else if (key == "StateTransitionedTimestamp") {
        out.transitioned = read_time();
      } else if (key == "StateUpdatedTimestamp") {
        out.updated = read_time();
      } else if (key == "ActionsEnabled") {
        if (!reader_.null()) out.actions_enabled = reader_.boolean();
      } else if (key == "Threshold") {
        if (!reader_.null()) out.threshold = read_finite("a threshold that is no number");
      } else if (key == "Period") {
        out.period_seconds = read_period();
      } else if (key == "Dimensions") {
        std::vector<Dimension> dimensions;
        read_dimensions(dimensions);
        add_dimensions(out, std::move(dimensions));
      } else if (key == "Metrics") {
        read_queries(out);
      } else if (key == "ScheduledQueryConfiguration") {
        read_scheduled_query(out);
      } else {
        reader_.skip();
      }
    }
    if (out.name.empty() || out.state.empty()) wrong("an alarm without a name or a state");
  }

  static std::string* text_of_alarm(Alarm& alarm, std::string_view key) {
    if (key == "AlarmName") return &alarm.name;
    if (key == "StateValue") return &alarm.state;
    if (key == "StateReason") return &alarm.reason;
    if (key == "AlarmDescription") return &alarm.description;
    if (key == "AlarmRule") return &alarm.rule;
    if (key == "Namespace") return &alarm.namespace_;
    if (key == "MetricName") return &alarm.metric;
    if (key == "ComparisonOperator") return &alarm.comparison;
    return nullptr;
  }

  // What a log alarm asks CloudWatch Logs, and what it makes of the answer.
  void read_scheduled_query(Alarm& out) {
    if (reader_.null()) return;
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (key == "QueryString") {
        read_text(out.query);
      } else if (key == "AggregationExpression") {
        read_text(out.expression);
      } else {
        reader_.skip();
      }
    }
  }

  // The Metrics of an alarm on metric math. What is returned is what the alarm compares with its threshold.
  void read_queries(Alarm& out) {
    if (reader_.null()) return;
    for (auto queries = reader_.array(); going_on(queries);) {
      Alarm query;
      bool returned = true;
      for (auto members = reader_.map(); going_on(members);) {
        const std::string_view key = reader_.text();
        if (key == "Expression") {
          read_text(query.expression);
        } else if (key == "Period") {
          query.period_seconds = read_period();
        } else if (key == "ReturnData") {
          if (!reader_.null()) returned = reader_.boolean();
        } else if (key == "MetricStat") {
          read_metric_stat(query);
        } else {
          reader_.skip();
        }
      }
      add_dimensions(out, std::move(query.dimensions));
      if (!returned) continue;
      if (!query.expression.empty()) out.expression = std::move(query.expression);
      if (!query.metric.empty()) {
        out.namespace_ = std::move(query.namespace_);
        out.metric = std::move(query.metric);
        out.statistic = std::move(query.statistic);
      }
      if (query.period_seconds != 0) out.period_seconds = query.period_seconds;
    }
  }

  void read_metric_stat(Alarm& out) {
    if (reader_.null()) return;
    for (auto members = reader_.map(); going_on(members);) {
      const std::string_view key = reader_.text();
      if (key == "Stat") {
        read_text(out.statistic);
      } else if (key == "Period") {
        out.period_seconds = read_period();
      } else if (key == "Metric" && !reader_.null()) {
        MetricName metric;
        read_metric(metric);
        out.namespace_ = std::move(metric.namespace_);
        out.metric = std::move(metric.metric);
        out.dimensions = std::move(metric.dimensions);
      } else if (key != "Metric") {
        reader_.skip();
      }
    }
  }

  static void add_dimensions(Alarm& alarm, std::vector<Dimension> dimensions) {
    auto& all = alarm.dimensions;
    for (Dimension& one : dimensions) {
      const bool known = one.name.empty() || std::find(all.begin(), all.end(), one) != all.end();
      if (!known) all.push_back(std::move(one));
    }
  }

  double read_finite(std::string_view otherwise) {
    const double value = reader_.number();
    if (!std::isfinite(value)) wrong(otherwise);
    return value;
  }

  int64_t read_time() {
    if (reader_.null()) return 0;
    const double seconds = reader_.time();
    if (seconds >= 0 && seconds <= kMaxTimestamp) return static_cast<int64_t>(seconds);
    wrong("a timestamp out of range");
    return 0;
  }

  int64_t read_period() {
    if (reader_.null()) return 0;
    const double seconds = reader_.number();
    if (seconds >= 0 && seconds <= kMaxPeriod && seconds == std::floor(seconds))
      return static_cast<int64_t>(seconds);
    wrong("a period that is no number of seconds");
    return 0;
  }

  Reader reader_;
  std::string wrong_{};
  // Of the series being read; kept from one to the next.
  std::vector<int64_t> clocks_{};
  std::vector<double> values_{};
  size_t points_ = 0;  // of all series
};

// In CBOR or JSON, as the Writer has it.
template <typename Writer>
Result<std::string> get_metric_data_request(const MetricDataRequest& request) {
  size_t queries = 0;
  for (const MetricQuery& query : request.queries) queries += query_count(query);
  if (queries == 0 || queries > kMaxQueriesPerCall) {
    return fail(ErrorKind::invalid, "one GetMetricData call takes 1 to {} queries, not {}",
                kMaxQueriesPerCall, queries);
  }
  if (request.start < 0 || request.start >= request.end) {
    return fail(ErrorKind::invalid, "the window of a GetMetricData call must end after its start");
  }
  size_t expected_bytes = 256 + request.next_token.size();
  for (const MetricQuery& query : request.queries) expected_bytes += expected_size(query);
  Writer out(expected_bytes);
  out.map(request.next_token.empty() ? 5 : 6);
  out.name("MetricDataQueries");
  out.array(queries);
  for (size_t at = 0; at < request.queries.size(); ++at) {
    if (auto appended = append_query(out, request.queries[at], at); !appended) return fail(appended.error());
  }
  out.name("StartTime");
  out.time(request.start);
  out.name("EndTime");
  out.time(request.end);
  out.name("ScanBy");
  out.name("TimestampDescending");
  out.name("MaxDatapoints");
  out.integer(kMaxDatapointsPerCall);
  if (!request.next_token.empty()) {
    out.name("NextToken");
    out.text(request.next_token);
  }
  return out.finish();
}

template <typename Writer>
std::string list_metrics_request(const ListMetricsRequest& request) {
  const bool linked = !request.owning_account.empty();
  Writer out(512);
  out.map((request.namespace_.empty() ? 0U : 1U) + (request.metric.empty() ? 0U : 1U) +
          (request.dimensions.empty() ? 0U : 1U) + (request.recently_active ? 1U : 0U) + (linked ? 2U : 0U) +
          (request.next_token.empty() ? 0U : 1U));
  if (!request.namespace_.empty()) {
    out.name("Namespace");
    out.text(request.namespace_);
  }
  if (!request.metric.empty()) {
    out.name("MetricName");
    out.text(request.metric);
  }
  if (!request.dimensions.empty()) {
    out.name("Dimensions");
    append_dimensions(out, request.dimensions, true);
  }
  if (request.recently_active) {
    out.name("RecentlyActive");
    out.name("PT3H");
  }
  if (linked) {
    out.name("IncludeLinkedAccounts");
    out.boolean(true);
    out.name("OwningAccount");
    out.text(request.owning_account);
  }
  if (!request.next_token.empty()) {
    out.name("NextToken");
    out.text(request.next_token);
  }
  return out.finish();
}

template <typename Writer>
std::string describe_alarms_request(const std::string& next_token, bool log_alarms) {
  Writer out(128 + next_token.size());
  out.map(next_token.empty() ? 2 : 3);
  out.name("AlarmTypes");  // without it, metric alarms only
  out.array(log_alarms ? 3 : 2);
  out.name("MetricAlarm");
  out.name("CompositeAlarm");
  if (log_alarms) out.name("LogAlarm");
  out.name("MaxRecords");
  out.integer(kMaxAlarmsPerPage);
  if (!next_token.empty()) {
    out.name("NextToken");
    out.text(next_token);
  }
  return out.finish();
}

template <typename Reader, typename Page, typename... Queries>
Result<Page> read_page(std::string_view bytes, Queries... queries) {
  Page page;
  Answer<Reader> answer(bytes);
  if (!answer.read(queries..., page)) return fail(answer.error());
  return page;
}

template <typename Page, typename... Queries>
Result<Page> read_page(std::string_view bytes, Wire wire, Queries... queries) {
  return wire == Wire::cbor ? read_page<cbor::Reader, Page>(bytes, queries...)
                            : read_page<json::Reader, Page>(bytes, queries...);
}

}  // namespace

size_t query_count(const MetricQuery& query) { return 1 + query.inputs.size(); }

size_t longest_expression(const MetricQuery& query) { return renamed(query, kMaxQueriesPerCall - 1).size(); }

bool is_query_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && text.front() >= 'a' && text.front() <= 'z' &&
         std::all_of(text.begin(), text.end(), is_word);
}

uint64_t estimated_datapoints(const MetricDataRequest& request) {
  if (request.end <= request.start) return 0;
  uint64_t datapoints = 0;
  for (const MetricQuery& query : request.queries) {
    const int64_t period = std::max(query.period_seconds, 1);
    datapoints +=
        static_cast<uint64_t>((request.end - request.start + period - 1) / period) * query_count(query);
  }
  return datapoints;
}

Result<std::string> encode_get_metric_data(const MetricDataRequest& request, Wire wire) {
  return wire == Wire::cbor ? get_metric_data_request<cbor::Writer>(request)
                            : get_metric_data_request<json::Writer>(request);
}

Result<MetricDataPage> decode_get_metric_data(std::string_view bytes, size_t queries, Wire wire) {
  return read_page<MetricDataPage>(bytes, wire, queries);
}

std::string encode_list_metrics(const ListMetricsRequest& request, Wire wire) {
  return wire == Wire::cbor ? list_metrics_request<cbor::Writer>(request)
                            : list_metrics_request<json::Writer>(request);
}

Result<MetricsPage> decode_list_metrics(std::string_view bytes, Wire wire) {
  return read_page<MetricsPage>(bytes, wire);
}

std::string encode_describe_alarms(const std::string& next_token, bool log_alarms, Wire wire) {
  return wire == Wire::cbor ? describe_alarms_request<cbor::Writer>(next_token, log_alarms)
                            : describe_alarms_request<json::Writer>(next_token, log_alarms);
}

Result<AlarmsPage> decode_describe_alarms(std::string_view bytes, Wire wire) {
  return read_page<AlarmsPage>(bytes, wire);
}

}  // namespace bakusoku::aws::cloudwatch
