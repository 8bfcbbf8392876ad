// CloudWatch's answers to GetMetricData, ListMetrics and DescribeAlarms.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/cloudwatch_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cloudwatch = bakusoku::aws::cloudwatch;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr size_t kQueries = 5;
  if (const auto page = cloudwatch::decode_get_metric_data(bytes, kQueries)) {
    if (page->series.size() > cloudwatch::kMaxQueriesPerCall) std::abort();
    for (const auto& series : page->series) {
      if (series.query >= kQueries) std::abort();
      for (const auto& point : series.points) {
        if (point.clock < 0 || !std::isfinite(point.value)) std::abort();
      }
    }
  }
  (void)cloudwatch::decode_list_metrics(bytes);
  if (const auto page = cloudwatch::decode_describe_alarms(bytes)) {
    for (const auto& alarm : page->alarms) {
      if (alarm.name.empty() || alarm.state.empty() || alarm.period_seconds < 0 || alarm.updated < 0)
        std::abort();
      if (alarm.threshold && !std::isfinite(*alarm.threshold)) std::abort();
    }
  }
  return 0;
}
