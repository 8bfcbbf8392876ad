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
size_t end_of_metric(const std::vector<Due>& sorted, size_t from) {
  size_t end = from + 1;
  while (end < sorted.size() && metric_of(sorted[end].series) == metric_of(sorted[from].series)) ++end;
  return end;
}

void sort_by_metric(std::vector<Due>& due) {
  std::sort(due.begin(), due.end(), [](const Due& a, const Due& b) {
    return std::tuple(a.series->place, metric_of(a.series), a.series->name->statistic) <
           std::tuple(b.series->place, metric_of(b.series), b.series->name->statistic);
  });
}

auto kind_of(const Due& due) {
  return std::tuple(due.series->group->period, due.window.start, due.window.end);
}

}  // namespace

std::vector<Batch> plan_batches(const Target& target, std::vector<Due> due) {
  std::stable_sort(due.begin(), due.end(),
                   [](const Due& a, const Due& b) { return kind_of(a) < kind_of(b); });
  std::vector<Batch> batches;
  for (size_t from = 0; from < due.size();) {
    size_t end = from + 1;
    while (end < due.size() && kind_of(due[end]) == kind_of(due[from])) ++end;
    std::vector<Due> part(due.begin() + static_cast<ptrdiff_t>(from),
                          due.begin() + static_cast<ptrdiff_t>(end));
    sort_by_metric(part);
    const Window window = part.front().window;
    const auto points = static_cast<size_t>((window.end - window.start) / part.front().series->group->period);
    const size_t most =
        std::clamp<size_t>(aws::cloudwatch::kMaxDatapointsPerCall / std::max<size_t>(points, 1), 1,
                           aws::cloudwatch::kMaxQueriesPerCall);
    bool fresh = true;
    for (size_t at = 0; at < part.size();) {
      // More statistics of one metric than fit a call are split: they are billed apart anyway.
      const size_t until = std::min(end_of_metric(part, at), at + most);
      if (fresh || batches.back().due.size() + (until - at) > most) {
        batches.push_back(Batch{&target, window, {}});
        fresh = false;
      }
      auto& into = batches.back().due;
      into.insert(into.end(), part.begin() + static_cast<ptrdiff_t>(at),
                  part.begin() + static_cast<ptrdiff_t>(until));
      at = until;
    }
    from = end;
  }
  return batches;
}

uint64_t billed_metrics(const Batch& batch) {
  std::vector<Due> sorted = batch.due;
  sort_by_metric(sorted);
  uint64_t billed = 0;
  for (size_t from = 0; from < sorted.size();) {
    const size_t end = end_of_metric(sorted, from);
    billed += (end - from + kStatisticsBilledAsOne - 1) / kStatisticsBilledAsOne;
    from = end;
  }
  return billed;
}

aws::cloudwatch::MetricDataRequest request_of(const Batch& batch) {
  aws::cloudwatch::MetricDataRequest request;
  request.start = batch.window.start;
  request.end = batch.window.end;
  request.queries.reserve(batch.due.size());
  for (const Due& due : batch.due) request.queries.push_back(due.series->query());
  return request;
}

}  // namespace bakusoku::agent
