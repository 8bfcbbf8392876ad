// Amazon CloudWatch API 2010-08-01: the calls. Types and codec are in cloudwatch_codec.h.
#pragma once

#include <asio/awaitable.hpp>
#include <string>

#include "aws/client.h"
#include "aws/cloudwatch_codec.h"
#include "base/result.h"

namespace bakusoku::aws::cloudwatch {

/// One page. `carried_out`, if given, counts the attempts that AWS carried out, each of which it bills.
[[nodiscard]] asio::awaitable<Result<MetricDataPage>> get_metric_data(Client& client, std::string region,
                                                                      MetricDataRequest request,
                                                                      uint32_t* carried_out = nullptr);
[[nodiscard]] asio::awaitable<Result<MetricsPage>> list_metrics(Client& client, std::string region,
                                                                ListMetricsRequest request);
/// One page of all alarms; an empty token means the first.
[[nodiscard]] asio::awaitable<Result<AlarmsPage>> describe_alarms(Client& client, std::string region,
                                                                  std::string next_token);

}  // namespace bakusoku::aws::cloudwatch
