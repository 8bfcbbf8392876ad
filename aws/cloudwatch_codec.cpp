#include "aws/cloudwatch_codec.h"

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

Result<void> check(const MetricQuery& query) {
  if (query.namespace_.empty() || query.metric.empty() || query.statistic.empty()) {
    return fail(ErrorKind::invalid, "a metric needs a namespace, a name and a statistic");
  }
  if (query.period_seconds <= 0) return fail(ErrorKind::invalid, "the period of a metric must be positive");
  if (query.dimensions.size() > kMaxDimensions) {
    return fail(ErrorKind::invalid, "{} {} has {} dimensions, CloudWatch allows {}", query.namespace_,
                query.metric, query.dimensions.size(), kMaxDimensions);
  }
  for (const Dimension& dimension : query.dimensions) {
    if (dimension.name.empty() || dimension.value.empty()) {
      return fail(ErrorKind::invalid, "a dimension of {} {} has no name or no value", query.namespace_,
                  query.metric);
    }
  }
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
  std::string id;
  std::string status;
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

SeriesStatus status_of(const std::string& status, std::string& message) {
  if (status.empty() || status == "Complete") return SeriesStatus::complete;
  if (status == "PartialData") return SeriesStatus::partial;
  if (status == "Forbidden") return SeriesStatus::forbidden;
  if (status != "InternalError" && message.empty()) message = "StatusCode " + status;
  return SeriesStatus::internal_error;
}

error_code read_series(ondemand::object object, size_t queries, Scratch& scratch, SeriesData& out) {
  scratch.clocks.clear();
  scratch.values.clear();
  scratch.id.clear();
  scratch.status.clear();
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    error_code error = simdjson::SUCCESS;
    if (key == "Id") {
      error = read_json_string(value, scratch.id);
    } else if (key == "StatusCode") {
      error = read_json_string(value, scratch.status);
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
  const std::optional<size_t> query = parse_id(scratch.id, queries);
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
  out.status = status_of(scratch.status, out.message);
  out.points.reserve(scratch.clocks.size());
  for (size_t at = 0; at < scratch.clocks.size(); ++at) {
    out.points.push_back(Datapoint{scratch.clocks[at], scratch.values[at]});
  }
  return simdjson::SUCCESS;
}

error_code read_results(ondemand::value value, size_t queries, Scratch& scratch,
                        std::vector<SeriesData>& out) {
  ondemand::array results;
  if (const error_code error = value.get_array().get(results)) return error;
  out.reserve(queries);
  for (auto element : results) {
    ondemand::object object;
    if (const error_code error = element.get_object().get(object)) return error;
    if (out.size() >= queries) {
      scratch.problem = "more results than queries";
      return simdjson::CAPACITY;
    }
    SeriesData& series = out.emplace_back();
    if (const error_code error = read_series(object, queries, scratch, series)) return error;
  }
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

Result<std::string> encode_get_metric_data(const MetricDataRequest& request) {
  if (request.queries.empty() || request.queries.size() > kMaxQueriesPerCall) {
    return fail(ErrorKind::invalid, "one GetMetricData call takes 1 to {} queries, not {}",
                kMaxQueriesPerCall, request.queries.size());
  }
  if (request.start < 0 || request.start >= request.end) {
    return fail(ErrorKind::invalid, "the window of a GetMetricData call must end after its start");
  }
  std::string out;
  out.reserve(256 + request.queries.size() * 256 + request.next_token.size());
  out += R"({"MetricDataQueries":[)";
  for (size_t at = 0; at < request.queries.size(); ++at) {
    const MetricQuery& query = request.queries[at];
    if (const Result<void> checked = check(query); !checked) return fail(checked.error());
    out += at == 0 ? R"({"Id":"q)" : R"(,{"Id":"q)";
    append_number(out, static_cast<int64_t>(at));
    out += R"(","MetricStat":{"Metric":{"Namespace":)";
    append_json_string(out, query.namespace_);
    out += R"(,"MetricName":)";
    append_json_string(out, query.metric);
    if (!query.dimensions.empty()) {
      out += R"(,"Dimensions":)";
      append_dimensions(out, query.dimensions, false);
    }
    out += R"(},"Period":)";
    append_number(out, query.period_seconds);
    out += R"(,"Stat":)";
    append_json_string(out, query.statistic);
    out += R"(},"ReturnData":true})";
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
