// CloudWatch's GetMetricData in Smithy's RPC protocol (CBOR), for comparison only: plain metrics, without
// metric math, linked accounts and messages. The agent speaks AWS JSON 1.0; ARCHITECTURE.md says why. Pure.
#pragma once

#include <string>
#include <string_view>

#include "aws/cloudwatch_codec.h"
#include "base/result.h"

namespace bakusoku::bench {

/// The request with the ids that the agent's own codec writes, in the order of its members.
[[nodiscard]] std::string encode_get_metric_data_cbor(const aws::cloudwatch::MetricDataRequest& request);

/// Errors: corrupt (as the agent's own codec). Lengths may be known or not, numbers of any width.
[[nodiscard]] Result<aws::cloudwatch::MetricDataPage> decode_get_metric_data_cbor(std::string_view bytes,
                                                                                  size_t queries);

}  // namespace bakusoku::bench
