// Amazon CloudWatch API 2010-08-01: reading metrics, as bytes and values, in Smithy's RPC protocol (CBOR) and
// in AWS JSON 1.0. Pure; the calls themselves are in cloudwatch.h. Of the protocols that CloudWatch speaks
// CBOR costs the least CPU (bench/); JSON is for endpoints that do not speak it. One template writes and
// reads both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::aws::cloudwatch {

/// How a message is written.
enum class Wire { cbor, json };

struct Dimension {
  std::string name;
  std::string value;
  friend bool operator==(const Dimension&, const Dimension&) = default;
};

/// What an expression calls by a name.
struct NamedQuery {
  std::string name;  // see is_query_name()
  std::string namespace_;
  std::string metric;
  std::vector<Dimension> dimensions{};
  std::string statistic;
  std::string unit{};  // "Count": only values of that unit; empty: of any
  friend bool operator==(const NamedQuery&, const NamedQuery&) = default;
};

/// A metric, or metric math over several.
struct MetricQuery {
  std::string namespace_;  // "AWS/EC2"
  std::string metric;      // "CPUUtilization"
  std::vector<Dimension> dimensions{};
  std::string statistic;  // "Average", "p99", ...
  int32_t period_seconds = 300;
  std::string account_id{};          // a source account linked to this one; empty: its own
  std::string expression{};          // metric math over the inputs, which takes the metric's place
  std::vector<NamedQuery> inputs{};  // of that period and account
  std::string unit{};                // "Count": only values of that unit; empty: of any
};

/// How many of a call's queries it takes: the inputs of an expression are queries too, which return nothing.
[[nodiscard]] size_t query_count(const MetricQuery& query);
/// Of an expression as it is written into a call, at most, in bytes.
[[nodiscard]] size_t longest_expression(const MetricQuery& query);
/// Whether CloudWatch takes this as a query's id, by which expressions know it: a lower case letter, then
/// letters, digits and underscores.
[[nodiscard]] bool is_query_name(std::string_view text);

struct MetricDataRequest {
  std::vector<MetricQuery> queries;  // 1..500; the result's index is the query's
  int64_t start = 0;                 // unix seconds, inclusive
  int64_t end = 0;                   // unix seconds, exclusive
  std::string next_token{};
};

struct Datapoint {
  int64_t clock = 0;  // unix seconds: the start of the period
  double value = 0;
};

// `several`: an expression that stands for several series, which are nobody's value. `damaged`: what came is
// not a list of datapoints; `message` says why.
enum class SeriesStatus { complete, partial, internal_error, forbidden, several, damaged };

struct SeriesData {
  size_t query = 0;  // index into MetricDataRequest::queries
  SeriesStatus status = SeriesStatus::complete;
  std::vector<Datapoint> points{};  // newest first
  size_t dropped = 0;               // of the points: those without a finite value or a time
  std::string message{};            // AWS's own words, mostly none
};

struct MetricDataPage {
  std::vector<SeriesData> series;
  std::string next_token;
  std::string message{};  // AWS's own words about the whole call, mostly none
  size_t unasked = 0;     // results for queries that were not asked
};

inline constexpr size_t kMaxQueriesPerCall = 500;
inline constexpr size_t kMaxExpressionBytes = 2048;
inline constexpr size_t kMaxDimensionFilters = 10;  // of one ListMetrics
inline constexpr size_t kMaxDimensions = 30;
inline constexpr size_t kMaxDatapointsPerCall = 100800;

struct MetricName {
  std::string namespace_;
  std::string metric;
  std::vector<Dimension> dimensions{};
};
struct MetricsPage {
  std::vector<MetricName> metrics;
  std::string next_token;
};
struct ListMetricsRequest {
  std::string namespace_{};  // empty: all
  std::string metric{};
  std::vector<Dimension> dimensions{};  // filters; an empty value matches any
  bool recently_active = false;         // RecentlyActive=PT3H
  std::string owning_account{};         // a linked account, whose metrics are listed; empty: one's own
  std::string next_token{};
};

enum class AlarmType { metric, composite, log };

/// One alarm, of one metric, of metric math over several, of other alarms (composite), or of what a scheduled
/// query finds in CloudWatch Logs. What it does not have is empty.
struct Alarm {
  std::string name;   // unique in its account and region
  std::string state;  // OK, ALARM, INSUFFICIENT_DATA
  AlarmType type = AlarmType::metric;
  std::string reason{};
  int64_t transitioned = 0;  // unix seconds: when it came into its state; 0: not said
  int64_t updated = 0;       // when the state was last set, perhaps to the same; 0: not said
  std::string description{};
  std::optional<bool> actions_enabled{};
  std::string namespace_{};
  std::string metric{};
  std::string statistic{};
  int64_t period_seconds = 0;
  std::optional<double> threshold{};
  std::string comparison{};             // GreaterThanThreshold, ...
  std::string expression{};             // metric math; of a log alarm what it makes of the query's answer
  std::string rule{};                   // of a composite alarm
  std::string query{};                  // of a log alarm
  std::vector<Dimension> dimensions{};  // of all its metrics, each pair once
};
struct AlarmsPage {
  std::vector<Alarm> alarms;
  std::string next_token;
};

inline constexpr size_t kMaxAlarmsPerPage = 100;

/// The datapoints AWS counts against its quota: those that the windows have room for, inputs of expressions
/// included, whether there are any or not.
[[nodiscard]] uint64_t estimated_datapoints(const MetricDataRequest& request);

/// Query ids are q0, q1, ... so that a result finds its query; the inputs of q1's expression are q1_0, q1_1,
/// ..., and are called so in it. Errors of encoding: invalid (no query or more than 500, an empty name, too
/// many dimensions, a window or period that is not positive, inputs without an expression or with names that
/// CloudWatch does not take). Of decoding: corrupt (what is not such an answer, more than 500 results, more
/// points than AWS ever sends). What is wrong with one result costs that one: see SeriesData and `unasked`. A
/// query with several results has the status `several` in each of them.
[[nodiscard]] Result<std::string> encode_get_metric_data(const MetricDataRequest& request,
                                                         Wire wire = Wire::cbor);
[[nodiscard]] Result<MetricDataPage> decode_get_metric_data(std::string_view bytes, size_t queries,
                                                            Wire wire = Wire::cbor);
[[nodiscard]] std::string encode_list_metrics(const ListMetricsRequest& request, Wire wire = Wire::cbor);
[[nodiscard]] Result<MetricsPage> decode_list_metrics(std::string_view bytes, Wire wire = Wire::cbor);
/// One page of all alarms, metric alarms and composite ones, and log alarms where CloudWatch knows those.
/// Errors of decoding: corrupt (also an alarm without a name or a state, and numbers and times that are
/// none).
[[nodiscard]] std::string encode_describe_alarms(const std::string& next_token, bool log_alarms = true,
                                                 Wire wire = Wire::cbor);
[[nodiscard]] Result<AlarmsPage> decode_describe_alarms(std::string_view bytes, Wire wire = Wire::cbor);

}  // namespace bakusoku::aws::cloudwatch
