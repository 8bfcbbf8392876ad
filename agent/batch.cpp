#include "agent/batch.h"

#include <algorithm>
#include <tuple>

#include "aws/cloudwatch.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kStatisticsBilledAsOne = 5;

auto metric_of(const Series* series) {
  return std::tuple(series->name->namespace_, series->name->metric, series->dimensions.get());
}

// End of the run of one metric's statistics that begins at `from`.
size_t end_of_metric(const std::vector<Series*>& sorted, size_t from) {
  size_t end = from + 1;
  while (end < sorted.size() && metric_of(sorted[end]) == metric_of(sorted[from])) ++end;
  return end;
}

void sort_by_metric(std::vector<Series*>& series) {
  std::sort(series.begin(), series.end(), [](const Series* a, const Series* b) {
    return std::tuple(metric_of(a), a->name->statistic) < std::tuple(metric_of(b), b->name->statistic);
  });
}

}  // namespace

int64_t newest_final(int64_t now, int64_t period, int64_t delay) {
  const int64_t until = now - delay;
  return until - until % period;
}

Window reading_window(int64_t now, int64_t period, int64_t delay) {
  const int64_t end = newest_final(now, period, delay);
  return Window{end - kLookBackPeriods * period, end};
}

Window catching_up_window(int64_t from, int64_t now, int64_t period, int64_t delay, int64_t reach) {
  constexpr int64_t kDay = 86400;
  const int64_t kept = period < 60     ? 3 * 3600
                       : period < 300  ? 15 * kDay
                       : period < 3600 ? 63 * kDay
                                       : 455 * kDay;
  constexpr int64_t kMostPeriods =
      aws::cloudwatch::kMaxDatapointsPerCall / aws::cloudwatch::kMaxQueriesPerCall;
  const Window usual = reading_window(now, period, delay);
  const int64_t periods = (usual.end - from) / period;
  const int64_t step = (periods <= 8 * kLookBackPeriods ? kLookBackPeriods : kMostPeriods / 5) * period;
  const int64_t shared = usual.end - (usual.end - from + step - 1) / step * step;
  int64_t start = std::max({shared, now - kept + period, now - reach});
  start = std::min(start - start % period, usual.start);
  return Window{start, std::min(usual.end, start + kMostPeriods * period)};
}

bool is_catching_up(const Window& window, int64_t period) {
  constexpr int64_t kSomePeriods = 4 * kLookBackPeriods;
  return window.end - window.start > kSomePeriods * period;
}

std::vector<Batch> plan_batches(Group& group, std::vector<Series*> wanted, Window window) {
  sort_by_metric(wanted);
  std::vector<Batch> batches;
  for (size_t from = 0; from < wanted.size();) {
    // More statistics of one metric than fit a call are split: they are billed apart anyway.
    const size_t end = std::min(end_of_metric(wanted, from), from + aws::cloudwatch::kMaxQueriesPerCall);
    if (batches.empty() ||
        batches.back().series.size() + (end - from) > aws::cloudwatch::kMaxQueriesPerCall) {
      batches.push_back(Batch{.group = &group, .window = window, .series = {}});
    }
    auto& series = batches.back().series;
    series.insert(series.end(), wanted.begin() + static_cast<ptrdiff_t>(from),
                  wanted.begin() + static_cast<ptrdiff_t>(end));
    from = end;
  }
  return batches;
}

uint64_t billed_metrics(const Batch& batch) {
  std::vector<Series*> sorted = batch.series;
  sort_by_metric(sorted);
  uint64_t billed = 0;
  for (size_t from = 0; from < sorted.size();) {
    const size_t end = end_of_metric(sorted, from);
    billed += (end - from + kStatisticsBilledAsOne - 1) / kStatisticsBilledAsOne;
    from = end;
  }
  return billed;
}

}  // namespace bakusoku::agent
