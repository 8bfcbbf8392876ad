#include "aws/cloudwatch.h"

#include <utility>

namespace bakusoku::aws::cloudwatch {
namespace {

Call call(std::string region, std::string action, std::string body) {
  Call out;
  out.service = "cloudwatch";
  out.signing_name = "monitoring";
  out.region = std::move(region);
  out.permission = "cloudwatch:" + action;
  out.action = std::move(action);
  out.protocol = Protocol::rpc_cbor;
  out.target = "GraniteServiceVersion20100801";
  out.body = std::move(body);
  return out;
}

template <typename Page>
asio::awaitable<Result<Page>> page_of(Client& client, Call sent, Result<Page> (*decode)(std::string_view)) {
  const std::string context = sent.permission + " in " + sent.region;
  const Result<std::string> body = co_await client.send(std::move(sent));
  if (!body) co_return fail(body.error());
  Result<Page> page = decode(*body);
  if (!page) co_return fail(page.error().with_context(context));
  co_return page;
}

}  // namespace

asio::awaitable<Result<MetricDataPage>> get_metric_data(Client& client, std::string region,
                                                        MetricDataRequest request, uint32_t* carried_out) {
  const std::string context = "cloudwatch:GetMetricData in " + region;
  Result<std::string> encoded = encode_get_metric_data(request);
  if (!encoded) co_return fail(encoded.error().with_context(context));
  Call sent = call(std::move(region), "GetMetricData", std::move(*encoded));
  sent.datapoints = estimated_datapoints(request);
  sent.datapoints_from = request.start;
  sent.carried_out = carried_out;
  const size_t queries = request.queries.size();
  request = MetricDataRequest();  // the call may wait for its turn
  const Result<std::string> body = co_await client.send(std::move(sent));
  if (!body) co_return fail(body.error());
  Result<MetricDataPage> page = decode_get_metric_data(*body, queries);
  if (!page) co_return fail(page.error().with_context(context));
  co_return page;
}

asio::awaitable<Result<MetricsPage>> list_metrics(Client& client, std::string region,
                                                  ListMetricsRequest request) {
  return page_of(client, call(std::move(region), "ListMetrics", encode_list_metrics(request)),
                 decode_list_metrics);
}

asio::awaitable<Result<AlarmsPage>> describe_alarms(Client& client, std::string region,
                                                    std::string next_token) {
  return page_of(client, call(std::move(region), "DescribeAlarms", encode_describe_alarms(next_token)),
                 decode_describe_alarms);
}

}  // namespace bakusoku::aws::cloudwatch
