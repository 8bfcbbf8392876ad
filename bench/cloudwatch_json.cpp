#include "bench/cloudwatch_json.h"

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "aws/json.h"
#include "base/json.h"

namespace bakusoku::bench {
namespace {

namespace cloudwatch = aws::cloudwatch;
namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

constexpr double kMaxTimestamp = 1e11;

void append_number(std::string& out, int64_t value) {
  std::array<char, 24> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc()) out.append(digits.data(), end);
}

void append_query(std::string& out, const cloudwatch::MetricQuery& query, size_t number) {
  out += number == 0 ? R"({"Id":"q)" : R"(,{"Id":"q)";
  append_number(out, static_cast<int64_t>(number));
  out += R"(","MetricStat":{"Metric":{"Namespace":)";
  append_json_string(out, query.namespace_);
  out += R"(,"MetricName":)";
  append_json_string(out, query.metric);
  if (!query.dimensions.empty()) {
    out += R"(,"Dimensions":[)";
    bool first = true;
    for (const cloudwatch::Dimension& dimension : query.dimensions) {
      out += first ? R"({"Name":)" : R"(,{"Name":)";
      first = false;
      append_json_string(out, dimension.name);
      out += R"(,"Value":)";
      append_json_string(out, dimension.value);
      out += '}';
    }
    out += ']';
  }
  out += R"(},"Period":)";
  append_number(out, query.period_seconds);
  out += R"(,"Stat":)";
  append_json_string(out, query.statistic);
  out += "}}";
}

std::optional<size_t> parse_id(std::string_view id, size_t queries) {
  size_t number = 0;
  if (id.size() < 2 || id.front() != 'q' || (id[1] == '0' && id.size() > 2)) return std::nullopt;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size() || number >= queries) return std::nullopt;
  return number;
}

struct Scratch {
  std::vector<int64_t> clocks;
  std::vector<double> values;
  size_t points = 0;
};

// Calls `take` with each number, which says whether it may be one.
template <typename Take>
error_code read_numbers(ondemand::value value, Take take) {
  ondemand::array array;
  if (const error_code error = value.get_array().get(array)) return error;
  size_t count = 0;
  for (auto element : array) {
    double number = 0;
    if (const error_code error = element.get_double().get(number)) return error;
    if (!take(number)) return simdjson::NUMBER_OUT_OF_RANGE;
    if (++count > cloudwatch::kMaxDatapointsPerCall) return simdjson::CAPACITY;
  }
  return simdjson::SUCCESS;
}

error_code read_times(ondemand::value value, Scratch& scratch) {
  return read_numbers(value, [&](double seconds) {
    if (!(seconds >= 0 && seconds <= kMaxTimestamp)) return false;
    scratch.clocks.push_back(static_cast<int64_t>(seconds));
    return true;
  });
}

error_code read_values(ondemand::value value, Scratch& scratch) {
  return read_numbers(value, [&](double number) {
    scratch.values.push_back(number);
    return true;
  });
}

cloudwatch::SeriesStatus status_of(std::string_view status) {
  if (status == "Complete") return cloudwatch::SeriesStatus::complete;
  if (status == "PartialData") return cloudwatch::SeriesStatus::partial;
  if (status == "Forbidden") return cloudwatch::SeriesStatus::forbidden;
  return cloudwatch::SeriesStatus::internal_error;
}

error_code read_series(ondemand::object object, size_t queries, Scratch& scratch,
                       cloudwatch::SeriesData& out) {
  scratch.clocks.clear();
  scratch.values.clear();
  std::optional<size_t> query;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    error_code error = simdjson::SUCCESS;
    std::string_view text;
    if (key == "Id") {
      error = value.get_string().get(text);
      query = parse_id(text, queries);
    } else if (key == "StatusCode") {
      error = value.get_string().get(text);
      out.status = status_of(text);
    } else if (key == "Timestamps") {
      error = read_times(value, scratch);
    } else if (key == "Values") {
      error = read_values(value, scratch);
    }
    if (error != simdjson::SUCCESS) return error;
  }
  scratch.points += scratch.clocks.size();
  if (!query || scratch.clocks.size() != scratch.values.size()) return simdjson::INDEX_OUT_OF_BOUNDS;
  if (scratch.points > cloudwatch::kMaxDatapointsPerCall) return simdjson::CAPACITY;
  out.query = *query;
  out.points.reserve(scratch.clocks.size());
  for (size_t at = 0; at < scratch.clocks.size(); ++at) {
    out.points.push_back({scratch.clocks[at], scratch.values[at]});
  }
  return simdjson::SUCCESS;
}

error_code read_results(ondemand::value value, size_t queries, std::vector<cloudwatch::SeriesData>& out) {
  Scratch scratch;
  ondemand::array results;
  if (const error_code error = value.get_array().get(results)) return error;
  out.reserve(queries);
  for (auto element : results) {
    ondemand::object object;
    if (const error_code error = element.get_object().get(object)) return error;
    if (out.size() >= cloudwatch::kMaxQueriesPerCall) return simdjson::CAPACITY;
    if (const error_code error = read_series(object, queries, scratch, out.emplace_back())) return error;
  }
  return simdjson::SUCCESS;
}

}  // namespace

std::string encode_get_metric_data_json(const cloudwatch::MetricDataRequest& request) {
  std::string out;
  out.reserve(256 + request.queries.size() * 256 + request.next_token.size());
  out += R"({"MetricDataQueries":[)";
  for (size_t number = 0; number < request.queries.size(); ++number) {
    append_query(out, request.queries[number], number);
  }
  out += R"(],"StartTime":)";
  append_number(out, request.start);
  out += R"(,"EndTime":)";
  append_number(out, request.end);
  out += R"(,"ScanBy":"TimestampDescending","MaxDatapoints":)";
  append_number(out, static_cast<int64_t>(cloudwatch::kMaxDatapointsPerCall));
  if (!request.next_token.empty()) {
    out += R"(,"NextToken":)";
    append_json_string(out, request.next_token);
  }
  out += '}';
  return out;
}

Result<cloudwatch::MetricDataPage> decode_get_metric_data_json(std::string_view json, size_t queries) {
  cloudwatch::MetricDataPage page;
  const Result<void> read = aws::read_json_object(json, [&](ondemand::object object) {
    for (auto field : object) {
      std::string_view key;
      if (const error_code error = field.unescaped_key().get(key)) return error;
      ondemand::value value;
      if (const error_code error = field.value().get(value)) return error;
      error_code error = simdjson::SUCCESS;
      if (key == "MetricDataResults" && page.series.empty()) {
        error = read_results(value, queries, page.series);
      } else if (key == "NextToken") {
        error = aws::read_json_string(value, page.next_token);
      }
      if (error != simdjson::SUCCESS) return error;
    }
    return simdjson::SUCCESS;
  });
  if (!read) return fail(read.error());
  return page;
}

}  // namespace bakusoku::bench
