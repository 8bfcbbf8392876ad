// CloudWatch's requests in AWS JSON 1.0. Members that are not known are skipped, as AWS does. Pure.
#pragma once

#include <string_view>

#include "simaws/cloudwatch.h"

namespace bakusoku::simaws {

/// Errors: SerializationException (not JSON, or a member of the wrong type).
[[nodiscard]] ApiResult<GetMetricData> decode_get_metric_data_json(std::string_view json);
[[nodiscard]] ApiResult<ListMetrics> decode_list_metrics_json(std::string_view json);
[[nodiscard]] ApiResult<DescribeAlarms> decode_describe_alarms_json(std::string_view json);

}  // namespace bakusoku::simaws
