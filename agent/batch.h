// Which series go into which GetMetricData call (pure).
#pragma once

#include <cstdint>
#include <vector>

#include "agent/demand.h"
#include "agent/schedule.h"

namespace bakusoku::agent {

/// One series and the window it is to be read over.
struct Due {
  Series* series = nullptr;
  Window window{};
  bool cut = false;  // newer periods are final too, and did not fit
};

/// One GetMetricData call: series of one target, 500 at most.
struct Batch {
  const Target* target = nullptr;
  Window window{};  // covers those of all that are due
  std::vector<Due> due;
};

/// Puts what is due, all of `target`, into calls of at most 500. Statistics of one metric stay in one call,
/// because AWS bills up to five of them in one request as one metric.
[[nodiscard]] std::vector<Batch> plan_batches(const Target& target, std::vector<Due> due);

/// Metrics as AWS bills them in one call: each distinct metric counts once per five statistics.
[[nodiscard]] uint64_t billed_metrics(const Batch& batch);

/// queries[i] is that of due[i].
[[nodiscard]] aws::cloudwatch::MetricDataRequest request_of(const Batch& batch);

}  // namespace bakusoku::agent
