// CloudWatch's GetMetricData in AWS JSON 1.0 as fast as it gets, to compare CBOR with: plain metrics, without
// metric math, linked accounts and messages. The agent's own JSON shares its code with CBOR
// (aws/cloudwatch_codec.h). Pure.
#pragma once

#include <string>
#include <string_view>

#include "aws/cloudwatch_codec.h"
#include "base/result.h"

namespace bakusoku::bench {

/// The request that the agent's own codec writes.
[[nodiscard]] std::string encode_get_metric_data_json(const aws::cloudwatch::MetricDataRequest& request);

/// Errors: corrupt, as the agent's own codec.
[[nodiscard]] Result<aws::cloudwatch::MetricDataPage> decode_get_metric_data_json(std::string_view json,
                                                                                  size_t queries);

}  // namespace bakusoku::bench
