#include "aws/cloudwatch_codec.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "aws/json.h"
#include "base/json.h"

namespace bakusoku::aws::cloudwatch {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

// The year 5138: beyond any timestamp, and exact in a double.
constexpr double kMaxTimestamp = 1e11;

void append_number(std::string& out, int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
  if (error == std::errc()) out.append(digits, end);
}

void append_dimensions(std::string& out, const std::vector<Dimension>& dimensions, bool value_optional) {
  out += '[';
  bool first = true;
  for (const Dimension& dimension : dimensions) {
    out += first ? R"({"Name":)" : R"(,{"Name":)";
    first = false;
    append_json_string(out, dimension.name);
    if (!value_optional || !dimension.value.empty()) {
      out += R"(,"Value":)";
      append_json_string(out, dimension.value);
    }
    out += '}';
  }
  out += ']';
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

void append_metric_stat(std::string& out, std::string_view namespace_, std::string_view metric,
                        const std::vector<Dimension>& dimensions, int32_t period,
                        std::string_view statistic) {
  out += R"("MetricStat":{"Metric":{"Namespace":)";
  append_json_string(out, namespace_);
  out += R"(,"MetricName":)";
  append_json_string(out, metric);
  if (!dimensions.empty()) {
    out += R"(,"Dimensions":)";
    append_dimensions(out, dimensions, false);
  }
  out += R"(},"Period":)";
  append_number(out, period);
  out += R"(,"Stat":)";
  append_json_string(out, statistic);
  out += '}';
}

void append_account(std::string& out, const std::string& account_id) {
  if (account_id.empty()) return;
  out += R"(,"AccountId":)";
  append_json_string(out, account_id);
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

Result<void> append_query(std::string& out, const MetricQuery& query, size_t at) {
  if (auto checked = check(query); !checked) return checked;
  if (at != 0) out += ',';
  if (query.expression.empty()) {
    out += R"({"Id":"q)";
    append_number(out, static_cast<int64_t>(at));
    out += R"(",)";
    append_metric_stat(out, query.namespace_, query.metric, query.dimensions, query.period_seconds,
                       query.statistic);
    append_account(out, query.account_id);
    out += '}';
    return {};
  }
  const std::string expression = renamed(query, at);
  if (expression.size() > kMaxExpressionBytes) {
    return fail(ErrorKind::invalid, "the expression has {} bytes, CloudWatch allows {}", expression.size(),
                kMaxExpressionBytes);
  }
  for (size_t one = 0; one < query.inputs.size(); ++one) {
    const NamedQuery& input = query.inputs[one];
    out += R"({"Id":")" + input_id(at, one) + R"(",)";
    append_metric_stat(out, input.namespace_, input.metric, input.dimensions, query.period_seconds,
                       input.statistic);
    append_account(out, query.account_id);
    out += R"(,"ReturnData":false},)";
  }
  out += R"({"Id":"q)";
  append_number(out, static_cast<int64_t>(at));
  out += R"(","Expression":)";
  append_json_string(out, expression);
  out += '}';
  return {};
}

std::optional<size_t> parse_id(std::string_view id, size_t queries) {
  if (id.size() < 2 || id.front() != 'q') return std::nullopt;
  if (id[1] == '0' && id.size() > 2) return std::nullopt;
  size_t index = 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), index);
  if (error != std::errc() || end != id.data() + id.size() || index >= queries) return std::nullopt;
  return index;
}

// AWS's {Code, Value} pairs as "Code: Value; Code: Value".
error_code read_messages(ondemand::value value, std::string& out) {
  out.clear();
  ondemand::array messages;
  if (const error_code error = value.get_array().get(messages)) return error;
  for (auto element : messages) {
    ondemand::object object;
    if (const error_code error = element.get_object().get(object)) return error;
    std::string code;
    std::string text;
    for (auto field : object) {
      std::string_view key;
      if (const error_code error = field.unescaped_key().get(key)) return error;
      ondemand::value member;
      if (const error_code error = field.value().get(member)) return error;
      std::string* const target = key == "Code" ? &code : key == "Value" ? &text : nullptr;
      if (target != nullptr) {
        if (const error_code error = read_json_string(member, *target)) return error;
      }
    }
    if (!out.empty()) out += "; ";
    out += code;
    if (!code.empty() && !text.empty()) out += ": ";
    out += text;
  }
  return simdjson::SUCCESS;
}

// What one reply is read into; the vectors are reused from series to series.
struct Scratch {
  std::vector<int64_t> clocks;
  std::vector<double> values;
  size_t points = 0;
  std::string problem;  // what simdjson's error codes cannot say
};

error_code read_timestamps(ondemand::value value, Scratch& scratch) {
  ondemand::array array;
  if (const error_code error = value.get_array().get(array)) return error;
  for (auto element : array) {
    double seconds = 0;
    if (const error_code error = element.get_double().get(seconds)) return error;
    if (!(seconds >= 0 && seconds <= kMaxTimestamp)) {
      scratch.problem = "a timestamp out of range";
      return simdjson::NUMBER_OUT_OF_RANGE;
    }
    scratch.clocks.push_back(static_cast<int64_t>(seconds));
    if (scratch.clocks.size() > kMaxDatapointsPerCall) return simdjson::CAPACITY;
  }
  return simdjson::SUCCESS;
}

error_code read_values(ondemand::value value, Scratch& scratch) {
  ondemand::array array;
  if (const error_code error = value.get_array().get(array)) return error;
  for (auto element : array) {
    double number = 0;
    if (const error_code error = element.get_double().get(number)) return error;
    scratch.values.push_back(number);
    if (scratch.values.size() > kMaxDatapointsPerCall) return simdjson::CAPACITY;
  }
  return simdjson::SUCCESS;
}

// The text, or nothing where the value is null; as long as nothing else is read.
error_code read_text(ondemand::value value, std::string_view& out) {
  const error_code error = value.get_string().get(out);
  if (error == simdjson::SUCCESS) return error;
  out = {};
  bool null = false;
  const error_code other = is_json_null(value, null);
  return other == simdjson::SUCCESS && !null ? error : other;
}

SeriesStatus status_of(std::string_view status, std::string& message) {
  if (status.empty() || status == "Complete") return SeriesStatus::complete;
  if (status == "PartialData") return SeriesStatus::partial;
  if (status == "Forbidden") return SeriesStatus::forbidden;
  if (status != "InternalError" && message.empty()) message = fmt::format("StatusCode {}", status);
  return SeriesStatus::internal_error;
}

error_code read_series(ondemand::object object, size_t queries, Scratch& scratch, SeriesData& out) {
  scratch.clocks.clear();
  scratch.values.clear();
  std::optional<size_t> query;
  std::string_view status;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    error_code error = simdjson::SUCCESS;
    if (key == "Id") {
      std::string_view id;
      error = read_text(value, id);
      query = parse_id(id, queries);
    } else if (key == "StatusCode") {
      error = read_text(value, status);
    } else if (key == "Timestamps" || key == "Values" || key == "Messages") {
      bool null = false;
      error = is_json_null(value, null);
      if (error == simdjson::SUCCESS && !null) {
        error = key == "Timestamps" ? read_timestamps(value, scratch)
                : key == "Values"   ? read_values(value, scratch)
                                    : read_messages(value, out.message);
      }
    }
    if (error != simdjson::SUCCESS) return error;
  }
  if (!query) {
    scratch.problem = "a result for a query that was not asked";
    return simdjson::INDEX_OUT_OF_BOUNDS;
  }
  if (scratch.clocks.size() != scratch.values.size()) {
    scratch.problem = "as many timestamps as values were expected";
    return simdjson::INDEX_OUT_OF_BOUNDS;
  }
  scratch.points += scratch.clocks.size();
  if (scratch.points > kMaxDatapointsPerCall) {
    scratch.problem = "more points than one call returns";
    return simdjson::CAPACITY;
  }
  out.query = *query;
  out.status = status_of(status, out.message);
  out.points.reserve(scratch.clocks.size());
  for (size_t at = 0; at < scratch.clocks.size(); ++at) {
    out.points.push_back(Datapoint{scratch.clocks[at], scratch.values[at]});
  }
  return simdjson::SUCCESS;
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

error_code read_results(ondemand::value value, size_t queries, Scratch& scratch,
                        std::vector<SeriesData>& out) {
  ondemand::array results;
  if (const error_code error = value.get_array().get(results)) return error;
  out.reserve(queries);
  bool several = false;
  std::vector<bool> seen(queries);
  for (auto element : results) {
    ondemand::object object;
    if (const error_code error = element.get_object().get(object)) return error;
    if (out.size() >= kMaxQueriesPerCall) {
      scratch.problem = "more results than a call returns";
      return simdjson::CAPACITY;
    }
    SeriesData& series = out.emplace_back();
    if (const error_code error = read_series(object, queries, scratch, series)) return error;
    several = several || seen[series.query];
    seen[series.query] = true;
  }
  if (several) mark_several(out, queries);
  return simdjson::SUCCESS;
}

error_code read_dimensions(ondemand::value value, std::vector<Dimension>& out) {
  ondemand::array array;
  if (const error_code error = value.get_array().get(array)) return error;
  for (auto element : array) {
    ondemand::object object;
    if (const error_code error = element.get_object().get(object)) return error;
    Dimension& dimension = out.emplace_back();
    for (auto field : object) {
      std::string_view key;
      if (const error_code error = field.unescaped_key().get(key)) return error;
      ondemand::value member;
      if (const error_code error = field.value().get(member)) return error;
      std::string* const target = key == "Name"    ? &dimension.name
                                  : key == "Value" ? &dimension.value
                                                   : nullptr;
      if (target != nullptr) {
        if (const error_code error = read_json_string(member, *target)) return error;
      }
    }
  }
  return simdjson::SUCCESS;
}

error_code read_metric(ondemand::object object, MetricName& out) {
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    error_code error = simdjson::SUCCESS;
    if (key == "Namespace") {
      error = read_json_string(value, out.namespace_);
    } else if (key == "MetricName") {
      error = read_json_string(value, out.metric);
    } else if (key == "Dimensions") {
      bool null = false;
      error = is_json_null(value, null);
      if (error == simdjson::SUCCESS && !null) error = read_dimensions(value, out.dimensions);
    }
    if (error != simdjson::SUCCESS) return error;
  }
  return simdjson::SUCCESS;
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

Result<std::string> encode_get_metric_data(const MetricDataRequest& request) {
  size_t queries = 0;
  for (const MetricQuery& query : request.queries) queries += query_count(query);
  if (queries == 0 || queries > kMaxQueriesPerCall) {
    return fail(ErrorKind::invalid, "one GetMetricData call takes 1 to {} queries, not {}",
                kMaxQueriesPerCall, queries);
  }
  if (request.start < 0 || request.start >= request.end) {
    return fail(ErrorKind::invalid, "the window of a GetMetricData call must end after its start");
  }
  std::string out;
  out.reserve(256 + queries * 256 + request.next_token.size());
  out += R"({"MetricDataQueries":[)";
  for (size_t at = 0; at < request.queries.size(); ++at) {
    if (auto appended = append_query(out, request.queries[at], at); !appended) return fail(appended.error());
  }
  out += R"(],"StartTime":)";
  append_number(out, request.start);
  out += R"(,"EndTime":)";
  append_number(out, request.end);
  out += R"(,"ScanBy":"TimestampDescending","MaxDatapoints":)";
  append_number(out, static_cast<int64_t>(kMaxDatapointsPerCall));
  if (!request.next_token.empty()) {
    out += R"(,"NextToken":)";
    append_json_string(out, request.next_token);
  }
  out += '}';
  return out;
}

Result<MetricDataPage> decode_get_metric_data(std::string_view json, size_t queries) {
  MetricDataPage page;
  Scratch scratch;
  bool results_seen = false;
  const Result<void> read = read_json_object(json, [&](ondemand::object object) {
    for (auto field : object) {
      std::string_view key;
      if (const error_code error = field.unescaped_key().get(key)) return error;
      ondemand::value value;
      if (const error_code error = field.value().get(value)) return error;
      error_code error = simdjson::SUCCESS;
      if (key == "MetricDataResults" && !results_seen) {
        results_seen = true;
        error = read_results(value, queries, scratch, page.series);
      } else if (key == "NextToken") {
        error = read_json_string(value, page.next_token);
      } else if (key == "Messages") {
        bool null = false;
        error = is_json_null(value, null);
        if (error == simdjson::SUCCESS && !null) error = read_messages(value, page.message);
      }
      if (error != simdjson::SUCCESS) return error;
    }
    return simdjson::SUCCESS;
  });
  if (!scratch.problem.empty()) return fail(ErrorKind::corrupt, "the answer holds {}", scratch.problem);
  if (!read) return fail(read.error());
  if (!results_seen) return fail(ErrorKind::corrupt, "the answer has no MetricDataResults");
  return page;
}

std::string encode_list_metrics(const ListMetricsRequest& request) {
  std::string out = "{";
  const auto member = [&](std::string_view name) {
    if (out.size() > 1) out += ',';
    out += '"';
    out += name;
    out += "\":";
  };
  if (!request.namespace_.empty()) {
    member("Namespace");
    append_json_string(out, request.namespace_);
  }
  if (!request.metric.empty()) {
    member("MetricName");
    append_json_string(out, request.metric);
  }
  if (!request.dimensions.empty()) {
    member("Dimensions");
    append_dimensions(out, request.dimensions, true);
  }
  if (request.recently_active) {
    member("RecentlyActive");
    out += R"("PT3H")";
  }
  if (!request.owning_account.empty()) {
    member("IncludeLinkedAccounts");
    out += "true";
    member("OwningAccount");
    append_json_string(out, request.owning_account);
  }
  if (!request.next_token.empty()) {
    member("NextToken");
    append_json_string(out, request.next_token);
  }
  out += '}';
  return out;
}

Result<MetricsPage> decode_list_metrics(std::string_view json) {
  MetricsPage page;
  bool metrics_seen = false;
  const Result<void> read = read_json_object(json, [&](ondemand::object object) {
    for (auto field : object) {
      std::string_view key;
      if (const error_code error = field.unescaped_key().get(key)) return error;
      ondemand::value value;
      if (const error_code error = field.value().get(value)) return error;
      if (key == "Metrics") {
        metrics_seen = true;
        ondemand::array metrics;
        if (const error_code error = value.get_array().get(metrics)) return error;
        for (auto element : metrics) {
          ondemand::object metric;
          if (const error_code error = element.get_object().get(metric)) return error;
          if (const error_code error = read_metric(metric, page.metrics.emplace_back())) return error;
        }
      } else if (key == "NextToken") {
        if (const error_code error = read_json_string(value, page.next_token)) return error;
      }
    }
    return simdjson::SUCCESS;
  });
  if (!read) return fail(read.error());
  if (!metrics_seen) return fail(ErrorKind::corrupt, "the answer has no Metrics");
  for (const MetricName& metric : page.metrics) {
    if (metric.namespace_.empty() || metric.metric.empty()) {
      return fail(ErrorKind::corrupt, "the answer lists a metric without a name");
    }
  }
  return page;
}

}  // namespace bakusoku::aws::cloudwatch
