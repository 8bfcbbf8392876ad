// The parameters of aws.metric[...], as they arrive from a Zabbix worker or the network.
#include <cstdint>

#include "agent/metric_key.h"
#include "zabbix/key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku;
  const auto key = zabbix::parse_key(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!key) return 0;
  const auto metric = agent::parse_metric_key(key->params);
  if (metric && (metric->namespace_.empty() || metric->metric.empty() || metric->period_seconds < 1))
    __builtin_trap();
  return 0;
}
