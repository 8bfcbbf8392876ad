#include "agent/collect.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "aws/cloudwatch.h"

namespace bakusoku::agent {
namespace {

using std::chrono::steady_clock;

constexpr int kConcurrentCalls = 4;
constexpr size_t kMaxPages = 1000;
// After a failed call the group's series answer with its words for this long; doubled each time.
constexpr std::chrono::seconds kFirstHold{5};
constexpr std::chrono::seconds kLongestHold{300};
// A single series' own failure (an internal error of CloudWatch, access forbidden) is answered for this long.
constexpr std::chrono::seconds kSeriesHold{30};
// Series nobody asked for during this many of their intervals are not read ahead.
constexpr int64_t kAliveIntervals = 3;

// Read ahead: somebody asks for it regularly. Who asks more often than the period is served by one reading
// per period; who asks less often by one reading in the period before the question is expected.
bool is_due(const Series& series, int64_t now) {
  if (series.ask_gap == 0 || series.reading()) return false;
  const int64_t period = series.group->period;
  const int64_t gap = series.ask_gap;
  if (now - series.last_asked > kAliveIntervals * std::max(gap, period)) return false;
  return gap <= period || (series.answered && series.last_asked + gap - now <= period);
}

Error failure_of(const aws::cloudwatch::SeriesData& data, const Target& target) {
  const bool denied = data.status == aws::cloudwatch::SeriesStatus::forbidden;
  const std::string_view why =
      denied ? "access to this metric is forbidden" : "CloudWatch reports an internal error for this metric";
  return Error{denied ? ErrorKind::denied : ErrorKind::unavailable,
               fmt::format("cloudwatch:GetMetricData in {}: {}{}{}", target.description(), why,
                           data.message.empty() ? "" : ": ", data.message)};
}

}  // namespace

bool Collect::is_current(const Series& series) const {
  const Group& group = *series.group;
  if (series.failure()) {
    if (series.failure() == group.failure) return steady_clock::now() < group.failed_until;
    return now() - series.last_read < kSeriesHold.count();
  }
  if (series.read_until == 0) return false;
  if (series.read_until >= newest_final(now(), group.period, config_.delay.count())) return true;
  // Read ahead for a question that comes less often than the period: that reading is paid for, so it is the
  // answer.
  return !series.answered && series.ask_gap > static_cast<uint32_t>(group.period) &&
         now() - series.last_read <= group.period;
}

asio::awaitable<Result<void>> Collect::make_current(Series& series, Deadline deadline) {
  while (!is_current(series)) {
    if (!series.reading()) {
      Group& group = *series.group;
      if (group.failure && steady_clock::now() < group.failed_until) {
        series.set_failure(group.failure);
        co_return Result<void>();
      }
      read_ahead(group);
      if (!series.reading()) gather(series);
    }
    const std::shared_ptr<Event> reading = series.reading();
    const bool happened = co_await reading->wait(deadline);
    if (!happened) {
      co_return fail(ErrorKind::timeout,
                     "CloudWatch has not answered in time for {} in {}; the next check will find it",
                     series.description(), series.group->target->description());
    }
    if (!series.reading())
      break;  // read: whatever came of it is the answer, even if a newer period has ended meanwhile
  }
  co_return Result<void>();
}

void Collect::gather(Series& series) {
  Group& group = *series.group;
  const bool first = group.gathering.empty();
  series.set_reading(first ? std::make_shared<Event>(io_) : group.gathering.front()->reading());
  group.gathering.push_back(&series);
  if (group.gathering.size() >= aws::cloudwatch::kMaxQueriesPerCall) {
    flush(group);
  } else if (first) {
    asio::co_spawn(io_, flush_later(group), asio::detached);
  }
}

asio::awaitable<void> Collect::flush_later(Group& group) {
  asio::steady_timer timer(io_, config_.gather);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  flush(group);
}

void Collect::flush(Group& group) {
  if (group.gathering.empty()) return;
  start(group, std::exchange(group.gathering, {}));
}

void Collect::read_ahead(Group& group) {
  const int64_t at = now();
  const int64_t final_end = newest_final(at, group.period, config_.delay.count());
  if (final_end <= group.prefetched_until || steady_clock::now() < group.failed_until) return;
  group.prefetched_until = final_end;
  std::vector<Series*> due;
  for (Series* series : group.members) {
    if (series->read_until < final_end && is_due(*series, at)) due.push_back(series);
  }
  if (!due.empty()) start(group, std::move(due));
}

void Collect::start(Group& group, std::vector<Series*> wanted) {
  const Window window = reading_window(now(), group.period, config_.delay.count());
  for (Batch& batch : plan_batches(group, std::move(wanted), window)) {
    const auto reading = std::make_shared<Event>(io_);
    for (Series* series : batch.series) {
      // Whoever waited while the series was gathered goes on to wait for its batch.
      if (const auto gathered = series->set_reading(reading)) gathered->set();
      series->last_read = static_cast<Seconds32>(now());
      series->answered = false;
    }
    queue_.push_back(std::move(batch));
  }
  while (workers_ < kConcurrentCalls && workers_ < static_cast<int>(queue_.size())) {
    ++workers_;
    asio::co_spawn(io_, work(), asio::detached);
  }
}

asio::awaitable<void> Collect::work() {
  // Not from inside start(): a call that fails at once would be over before anybody waits for it.
  co_await asio::post(io_, asio::use_awaitable);
  while (!queue_.empty()) {
    Batch batch = std::move(queue_.front());
    queue_.pop_front();
    const std::shared_ptr<Event> reading = batch.series.front()->reading();
    const std::vector<Series*> series = batch.series;
    co_await read(std::move(batch));
    for (Series* one : series) one->set_reading(nullptr);
    reading->set();
  }
  --workers_;
}

asio::awaitable<void> Collect::read(Batch batch) {
  const Target& target = *batch.group->target;
  aws::cloudwatch::MetricDataRequest request;
  request.start = batch.window.start;
  request.end = batch.window.end;
  request.queries.reserve(batch.series.size());
  for (const Series* series : batch.series) request.queries.push_back(series->query());

  counters_.metrics_requested += batch.series.size();
  counters_.metrics_billed += billed_metrics(batch);
  struct Newest {
    int64_t clock = 0;
    double value = 0;
    std::shared_ptr<const Error> failure;
  };
  std::vector<Newest> newest(batch.series.size());
  for (size_t pages = 0;; ++pages) {
    if (pages == kMaxPages) {
      const Error endless{
          ErrorKind::corrupt,
          fmt::format("cloudwatch:GetMetricData in {} never came to a last page", target.description())};
      settle_failure(batch, endless);
      co_return;
    }
    ++counters_.calls;
    aws::cloudwatch::MetricDataRequest sent = request;
    auto page =
        co_await aws::cloudwatch::get_metric_data(*target.account->client, target.region, std::move(sent));
    if (!page) {
      ++counters_.failures;
      settle_failure(batch, page.error());
      co_return;
    }
    for (const aws::cloudwatch::SeriesData& data : page->series) {
      Newest& slot = newest[data.query];
      for (const aws::cloudwatch::Datapoint& point : data.points) {
        if (point.clock >= slot.clock && point.clock < batch.window.end) {
          slot.clock = point.clock;
          slot.value = point.value;
        }
      }
      slot.failure.reset();
      if (data.status == aws::cloudwatch::SeriesStatus::internal_error ||
          data.status == aws::cloudwatch::SeriesStatus::forbidden) {
        slot.failure = std::make_shared<const Error>(failure_of(data, target));
      }
    }
    if (page->next_token.empty()) break;
    request.next_token = page->next_token;
  }
  Group& group = *batch.group;
  group.failure.reset();
  group.failures_in_row = 0;
  for (size_t at = 0; at < newest.size(); ++at) {
    Series& series = *batch.series[at];
    series.read_until = static_cast<Seconds32>(batch.window.end);
    series.point_clock = static_cast<Seconds32>(newest[at].clock);
    series.point_value = newest[at].value;
    series.set_failure(newest[at].failure);
  }
}

void Collect::settle_failure(Batch& batch, const Error& error) {
  Group& group = *batch.group;
  const auto hold =
      std::min<std::chrono::seconds>(kFirstHold * (1 << std::min(group.failures_in_row, 10)), kLongestHold);
  ++group.failures_in_row;
  group.failure = std::make_shared<const Error>(error);
  group.failed_until = steady_clock::now() + hold;
  group.prefetched_until = 0;
  for (Series* series : batch.series) series->set_failure(group.failure);
  spdlog::warn("{} (asked for {} metrics; next try in {} s)", error.message, batch.series.size(),
               hold.count());
}

void Collect::tick() {
  for (const auto& group : demand_.groups()) read_ahead(*group);
}

}  // namespace bakusoku::agent
