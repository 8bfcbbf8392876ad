// Which series go into which GetMetricData call, over which window (pure).
#pragma once

#include <cstdint>
#include <vector>

#include "agent/demand.h"

namespace bakusoku::agent {

/// How many final periods one reading looks back over.
inline constexpr int64_t kLookBackPeriods = 5;

/// Unix seconds, start inclusive, end exclusive, both multiples of the period.
struct Window {
  int64_t start = 0;
  int64_t end = 0;
};

/// One GetMetricData call: series of one group, 500 at most.
struct Batch {
  Group* group = nullptr;
  Window window{};
  std::vector<Series*> series;
  bool cut = false;  // newer periods are final too, and did not fit
};

/// End of the newest period that is final at `now`: ended, and `delay` seconds for its publication have
/// passed.
[[nodiscard]] int64_t newest_final(int64_t now, int64_t period, int64_t delay);

/// The window that ends with the newest final period and looks back over some periods: they cost neither
/// money nor call quota (AWS estimates 7.2 datapoints a query as free of throttling at 50 calls/s), and
/// repair late datapoints.
[[nodiscard]] Window reading_window(int64_t now, int64_t period, int64_t delay);

/// The window of a series that is to be read from `from` on, or a little earlier, so that series which were
/// left off at different times share calls: as long as one call of 500 such series may be,
/// no further back than `reach` seconds and CloudWatch's own keeping of datapoints of that period; it ends
/// with the newest final period unless that is too far.
[[nodiscard]] Window catching_up_window(int64_t from, int64_t now, int64_t period, int64_t delay,
                                        int64_t reach);

/// True for a window so much longer than a reading's usual one that it must not hold up others: what an item
/// missed, not an interval of some periods.
[[nodiscard]] bool is_catching_up(const Window& window, int64_t period);

/// Splits `wanted` (all of `group`) into calls of at most 500. Statistics of one metric stay in one call,
/// because AWS bills up to five of them in one request as one metric.
[[nodiscard]] std::vector<Batch> plan_batches(Group& group, std::vector<Series*> wanted, Window window);

/// Metrics as AWS bills them in one call: each distinct metric counts once per five statistics.
[[nodiscard]] uint64_t billed_metrics(const Batch& batch);

}  // namespace bakusoku::agent
