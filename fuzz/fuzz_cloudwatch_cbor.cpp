// CloudWatch's answers to GetMetricData, ListMetrics and DescribeAlarms, in CBOR and in JSON.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/cloudwatch_codec.h"

namespace {

namespace cloudwatch = bakusoku::aws::cloudwatch;

void read(std::string_view bytes, cloudwatch::Wire wire) {
  constexpr size_t kQueries = 5;
  if (const auto page = cloudwatch::decode_get_metric_data(bytes, kQueries, wire)) {
    if (page->series.size() > cloudwatch::kMaxQueriesPerCall) std::abort();
    for (const auto& series : page->series) {
      if (series.query >= kQueries) std::abort();
      for (const auto& point : series.points) {
        if (point.clock < 0 || !std::isfinite(point.value)) std::abort();
      }
    }
  }
  (void)cloudwatch::decode_list_metrics(bytes, wire);
  if (const auto page = cloudwatch::decode_describe_alarms(bytes, wire)) {
    for (const auto& alarm : page->alarms) {
      if (alarm.name.empty() || alarm.state.empty() || alarm.period_seconds < 0 || alarm.updated < 0)
        std::abort();
      if (alarm.threshold && !std::isfinite(*alarm.threshold)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read(bytes, cloudwatch::Wire::cbor);
  read(bytes, cloudwatch::Wire::json);
  return 0;
}
