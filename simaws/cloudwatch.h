// The simulated Amazon CloudWatch, API 2010-08-01: GetMetricData, ListMetrics and DescribeAlarms (the rest of
// which is in cloudwatch_alarms.h), in AWS JSON 1.0, in CBOR and in the query protocol. Decoding, AWS's
// limits, and answering are pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simaws/api.h"
#include "simaws/cloudwatch_alarms.h"
#include "simaws/synthetic.h"
#include "simaws/usage.h"

namespace bakusoku::simaws {

inline constexpr const char* kCloudWatchVersion = "2010-08-01";
inline constexpr const char* kCloudWatchTarget = "GraniteServiceVersion20100801";

inline constexpr size_t kMaxQueries = 500;
inline constexpr size_t kMaxDimensions = 30;
inline constexpr int64_t kMaxDatapoints = 100'800;
inline constexpr int64_t kMaxPeriod =
    455 * 86'400;  // the simulator's own limit: as long as AWS keeps datapoints
inline constexpr size_t kMetricsPerPage = 500;
inline constexpr size_t kMaxDimensionFilters = 10;

struct MetricDataQuery {
  std::string id{};
  std::string label{};
  std::string expression{};
  std::string account{};
  bool has_stat = false;
  bool return_data = true;
  std::string name_space{};
  std::string metric{};
  Dimensions dimensions{};
  int64_t period = 0;
  std::string stat{};
  std::string unit{};
};

struct GetMetricData {
  std::vector<MetricDataQuery> queries{};
  std::optional<int64_t> start{};  // unix seconds
  std::optional<int64_t> end{};
  std::string next_token{};
  std::string scan_by{};
  std::optional<int64_t> max_datapoints{};
};

struct DimensionFilter {
  std::string name;
  std::optional<std::string> value{};
};

struct ListMetrics {
  std::string name_space{};
  std::string metric{};
  std::vector<DimensionFilter> dimensions{};
  std::string recently_active{};
  std::string next_token{};
  bool include_linked = false;
  std::string owning_account{};
};

struct CloudWatchCounters {
  uint64_t metrics_requested = 0;  // metrics of first pages, not expressions
  uint64_t metrics_billed = 0;     // as AWS bills: up to five statistics of one metric in a request are one
  uint64_t datapoints = 0;
};

/// What a fault does to one GetMetricData.
struct MetricDataFault {
  bool partial = false;    // the first page holds half of the points, the rest follows with NextToken
  bool internal = false;   // every second series: StatusCode InternalError
  bool forbidden = false;  // every second series: StatusCode Forbidden
  // Of the metrics that are named Disk..., see FaultKind:
  bool not_a_number = false;
  bool unequal = false;
  bool unasked = false;
  bool units = false;
  bool cutoff = false;
};

[[nodiscard]] ApiResult<GetMetricData> decode_get_metric_data(const Call& call);
[[nodiscard]] ApiResult<ListMetrics> decode_list_metrics(const Call& call);
[[nodiscard]] ApiResult<DescribeAlarms> decode_describe_alarms(const Call& call);

/// AWS's limits; errors name the member concerned.
[[nodiscard]] ApiResult<void> check_get_metric_data(const GetMetricData& request);

/// How many datapoints AWS's quota takes the request for: window / period for each metric.
[[nodiscard]] uint64_t estimated_datapoints(const GetMetricData& request);

/// How many metrics AWS would bill for the request: expressions are free, their metrics are not.
[[nodiscard]] uint64_t billed_metrics(const GetMetricData& request);
/// The same, by namespace.
[[nodiscard]] std::map<std::string_view, uint64_t> billed_by_namespace(const GetMetricData& request);

/// The envelope of an answer in the query protocol.
[[nodiscard]] std::string begin_xml(std::string_view action);
[[nodiscard]] std::string end_xml(std::string_view action, std::string_view request_id);

/// The body of a successful reply. `world` is the caller's account's. `queries` receives the number of
/// queries (for the log).
[[nodiscard]] ApiResult<std::string> call_cloudwatch(const World& world, const Call& call,
                                                     const MetricDataFault& fault,
                                                     CloudWatchCounters& counters, Usage& usage,
                                                     size_t& queries);

}  // namespace bakusoku::simaws
