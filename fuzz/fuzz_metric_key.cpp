// The parameters of aws.metric[...] and aws.math[...], as they arrive from a Zabbix worker or the network.
#include <cstdint>

#include "agent/math_key.h"
#include "agent/metric_key.h"
#include "zabbix/key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku;
  const auto key = zabbix::parse_key(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!key) return 0;
  const auto metric = agent::parse_metric_key(key->params);
  if (metric && (metric->namespace_.empty() || metric->metric.empty() || metric->period_seconds < 1))
    __builtin_trap();
  const auto math = agent::parse_math_key(key->params);
  if (math) {
    aws::cloudwatch::MetricDataRequest request;
    request.end = math->period_seconds;
    aws::cloudwatch::MetricQuery& query = request.queries.emplace_back();
    query.expression = math->metric;
    query.inputs = math->inputs;
    query.period_seconds = math->period_seconds;
    if (!aws::cloudwatch::encode_get_metric_data(request)) __builtin_trap();
  }
  return 0;
}
