// Amazon CloudWatch API 2010-08-01: the calls. Types and codec are in cloudwatch_codec.h.
#pragma once

#include <asio/awaitable.hpp>
#include <string>

#include "aws/client.h"
#include "aws/cloudwatch_codec.h"
#include "base/result.h"

namespace bakusoku::aws::cloudwatch {

/// One page. `counted` grows with each attempt that AWS may have counted (see Call); null: nobody counts.
[[nodiscard]] asio::awaitable<Result<MetricDataPage>> get_metric_data(Client& client, std::string region,
                                                                      MetricDataRequest request,
                                                                      uint64_t* counted = nullptr);
[[nodiscard]] asio::awaitable<Result<MetricsPage>> list_metrics(Client& client, std::string region,
                                                                ListMetricsRequest request);

}  // namespace bakusoku::aws::cloudwatch
