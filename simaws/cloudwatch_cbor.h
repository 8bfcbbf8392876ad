// CloudWatch's requests in CBOR. Members that are not known are skipped, as AWS does. Pure.
#pragma once

#include <string_view>

#include "simaws/cloudwatch.h"

namespace bakusoku::simaws {

/// Errors: SerializationException (not CBOR, or a member of the wrong type).
[[nodiscard]] ApiResult<GetMetricData> decode_get_metric_data_cbor(std::string_view bytes);
[[nodiscard]] ApiResult<ListMetrics> decode_list_metrics_cbor(std::string_view bytes);
[[nodiscard]] ApiResult<DescribeAlarms> decode_describe_alarms_cbor(std::string_view bytes);

}  // namespace bakusoku::simaws
