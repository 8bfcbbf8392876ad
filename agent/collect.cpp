#include "agent/collect.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <new>

#include "agent/spawn.h"
#include "aws/cloudwatch.h"

namespace bakusoku::agent {
namespace {

using std::chrono::steady_clock;

constexpr int kConcurrentCalls = 4;  // to one target
constexpr size_t kMaxPages = 1000;
// After a failed call the group's series answer with its words for this long; doubled each time.
constexpr std::chrono::seconds kFirstHold{5};
constexpr std::chrono::seconds kLongestHold{300};
// A single series' own failure (an internal error of CloudWatch, access forbidden) is answered for this long.
constexpr std::chrono::seconds kSeriesHold{30};
// ... and when CloudWatch finds its query invalid, which only a change of the item key mends.
constexpr std::chrono::seconds kRefusedHold{300};
// Calls to find out which queries of one batch CloudWatch finds invalid; finding one in 500 takes 19.
constexpr int kMaxSearchCalls = 64;
// Catching up takes at most this many datapoints a second of a target: half of what CloudWatch gives for
// periods longer ago than three hours, so that the other calls are not throttled for it.
constexpr double kCatchUpDatapoints = 45'000;
// Series nobody asked for during this many of their intervals are not read ahead.
constexpr int64_t kAliveIntervals = 3;

// True when CloudWatch found a query of the call invalid; one such query fails the whole call.
bool is_refusal(const Error& error) {
  return error.kind == ErrorKind::invalid &&
         (error.code.starts_with("Validation") || error.code.starts_with("InvalidParameter"));
}

bool is_refused(const Series& series) { return series.failure() && is_refusal(*series.failure()); }

// A reading that ends above `final_end` by more than a period was made before the clock was set back.
bool reaches(int64_t read_until, int64_t final_end, int64_t period) {
  return read_until >= final_end && read_until - final_end <= period;
}

Error failure_of(const aws::cloudwatch::SeriesData& data, const Target& target) {
  const bool denied = data.status == aws::cloudwatch::SeriesStatus::forbidden;
  const std::string_view why =
      denied ? "access to this metric is forbidden" : "CloudWatch reports an internal error for this metric";
  return Error{denied ? ErrorKind::denied : ErrorKind::unavailable,
               fmt::format("cloudwatch:GetMetricData in {}: {}{}{}", target.description(), why,
                           data.message.empty() ? "" : ": ", data.message)};
}

// Series of which something is lost. One that has no datapoints now and then looks the same.
class OutOfReach {
 public:
  void add(const Series& series, int64_t from, int64_t start) {
    if (count_++ != 0 && from_ <= from) return;
    first_ = &series;
    from_ = from;
    start_ = start;
  }
  void report(const Group& group) const {
    if (count_ == 0) return;
    spdlog::warn(
        "{} metrics of period {} s in {} had been read longer ago than they are read back ([metrics] "
        "catch_up, "
        "and what CloudWatch keeps): {} up to {} and on from {}",
        count_, group.period, group.target->description(), first_->description(), from_, start_);
  }

 private:
  size_t count_ = 0;
  const Series* first_ = nullptr;
  int64_t from_ = 0;
  int64_t start_ = 0;
};

}  // namespace

Collect::Collect(asio::io_context& io, Demand& demand, MetricsConfig config, Clock clock)
    : io_(io),
      demand_(demand),
      config_(config),
      clock_(std::move(clock)),
      out_of_memory_(std::make_shared<const Error>(
          Error{ErrorKind::io, "the agent is out of memory; the next check tries again"})) {}

// Read ahead: somebody asks for it regularly. Who asks more often than the period is served by one reading
// per period; who asks less often by one reading in the period before the question is expected.
bool Collect::is_due(const Series& series, int64_t now) const {
  if (series.ask_gap == 0 || series.reading || is_refused(series)) return false;
  const int64_t period = series.group->period;
  const auto gap = static_cast<int64_t>(series.ask_gap);
  if (now - series.last_asked > kAliveIntervals * std::max(gap, period)) return false;
  // The end of a period comes at about that time.
  if (const int64_t interval = stretched_interval(series); interval != 0)
    return now - series.last_read >= interval - period / 2;
  return gap <= period || (series.answered && series.last_asked + gap - now <= period);
}

int64_t Collect::stretched_interval(const Series& series) const {
  const double factor = stretch_[series.priority];
  if (!(factor > 1)) return 0;
  const int64_t own = std::max<int64_t>(static_cast<int64_t>(series.ask_gap), series.group->period);
  const int64_t interval = stretched(own, factor, longest_stretched_);
  return interval > own ? interval : 0;
}

double Collect::stretch(const Series& series) const {
  const int64_t interval = stretched_interval(series);
  const int64_t own = std::max<int64_t>(static_cast<int64_t>(series.ask_gap), series.group->period);
  return interval == 0 ? 1 : static_cast<double>(interval) / static_cast<double>(own);
}

bool Collect::is_current(const Series& series) const {
  const Group& group = *series.group;
  const int64_t at = now();
  const int64_t age = at - series.last_read;  // below zero when the clock was set back
  if (series.failure()) {
    if (series.failure() == group.failure) return steady_clock::now() < group.failed_until;
    return !series.reading && age >= 0 && age < (is_refused(series) ? kRefusedHold : kSeriesHold).count();
  }
  if (series.read_until == 0) return false;
  const int64_t final_end = newest_final(at, group.period, config_.delay.count());
  if (reaches(series.read_until, final_end, group.period)) return true;
  if (const int64_t interval = stretched_interval(series); interval != 0 && !series.reading) {
    return age >= 0 && age < interval - group.period / 2;
  }
  // Read ahead for a question that comes less often than the period: that reading is paid for, so it is the
  // answer.
  return !series.reading && !series.answered && series.ask_gap > static_cast<uint64_t>(group.period) &&
         age >= 0 && age <= group.period;
}

// The times at which reaches() holds for the newest reading.
std::optional<Span> Collect::current_span(const Series& series) const {
  if (series.failure() || series.read_until == 0) return std::nullopt;
  const int64_t period = series.group->period;
  const int64_t final_at = series.read_until + config_.delay.count();
  const Span span{static_cast<Seconds32>(std::max<int64_t>(final_at - period, 0)),
                  static_cast<Seconds32>(final_at + period)};
  const int64_t at = now();
  if (at < span.from || at >= span.until) return std::nullopt;
  return span;
}

asio::awaitable<Result<void>> Collect::make_current(Series& series, Deadline deadline) {
  while (!is_current(series)) {
    if (!series.reading) {
      Group& group = *series.group;
      if (group.failure && steady_clock::now() < group.failed_until) {
        series.set_failure(group.failure);
        co_return Result<void>();
      }
      read_ahead(group);
      if (!series.reading) gather(series);
    }
    const std::shared_ptr<Event> reading = series.reading;
    ++series.held;
    const bool happened = co_await reading->wait(deadline);
    --series.held;
    if (!happened) {
      co_return fail(ErrorKind::timeout,
                     "CloudWatch has not answered in time for {} in {}; the next check will find it",
                     series.description(), series.group->target->description());
    }
    if (!series.reading)
      break;  // read: whatever came of it is the answer, even if a newer period has ended meanwhile
  }
  co_return Result<void>();
}

void Collect::gather(Series& series) {
  Group& group = *series.group;
  const bool first = group.gathering.empty();
  auto reading = first ? std::make_shared<Event>(io_) : group.gathering.front()->reading;
  group.gathering.push_back(&series);
  series.reading = std::move(reading);
  if (group.gathering.size() >= aws::cloudwatch::kMaxQueriesPerCall) {
    flush(group);
  } else if (first) {
    try {
      spawn(io_, "gathering metrics", flush_later(group));
    } catch (const std::bad_alloc&) {
      flush(group);
    }
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
  if (reaches(group.prefetched_until, final_end, group.period)) return;
  if (steady_clock::now() < group.failed_until) return;
  group.prefetched_until = final_end;
  std::vector<Series*> due;
  for (Series* series : group.members) {
    if (!reaches(series->read_until, final_end, group.period) && is_due(*series, at)) due.push_back(series);
  }
  if (!due.empty()) start(group, std::move(due));
}

void Collect::start(Group& group, std::vector<Series*> wanted) {
  try {
    enqueue(group, wanted);
  } catch (const std::bad_alloc&) {
    for (Series* series : wanted) {
      if (!series->reading) continue;
      series->set_failure(out_of_memory_);
      std::exchange(series->reading, nullptr)->set();
    }
    return;
  }
  start_workers(lanes_.find(group.target)->second);
}

// All or, when it throws, nothing.
void Collect::enqueue(Group& group, const std::vector<Series*>& wanted) {
  const Window window = reading_window(now(), group.period, config_.delay.count());
  // What CloudWatch has found invalid before goes into calls of its own, where it fails nobody else's.
  std::vector<Series*> fine;
  std::vector<Series*> refused;
  std::map<int64_t, std::pair<Window, std::vector<Series*>>> behind;  // by where they are read from
  OutOfReach out_of_reach;
  for (Series* series : wanted) {
    const auto from = series->fed ? behind_.find(series) : behind_.end();
    if (is_refused(*series)) {
      refused.push_back(series);
    } else if (from != behind_.end() && from->second < window.start) {
      const Window of = catching_up_window(from->second, now(), group.period, config_.delay.count(),
                                           std::chrono::seconds(config_.catch_up).count());
      auto& part = behind[of.start];
      part.first = of;
      part.second.push_back(series);
      if (of.start >= from->second + group.period) out_of_reach.add(*series, from->second, of.start);
    } else {
      fine.push_back(series);
    }
  }
  std::list<Queued> queued;
  std::list<Queued> missed;
  const auto plan = [&](std::vector<Series*> part, const Window& of) {
    for (Batch& batch : plan_batches(group, std::move(part), of)) {
      batch.cut = of.end < window.end;
      std::list<Queued>& into = is_catching_up(of, group.period) ? missed : queued;
      into.push_back(Queued{std::move(batch), std::make_shared<Event>(io_)});
    }
  };
  plan(std::move(fine), window);
  plan(std::move(refused), window);
  for (auto& [start, part] : behind) plan(std::move(part.second), part.first);
  out_of_reach.report(group);
  Lane& lane = lanes_[group.target];
  const int64_t at = now();
  for (const std::list<Queued>* part : {&queued, &missed}) {
    for (const Queued& entry : *part) {
      for (Series* series : entry.batch.series) {
        // Whoever waited while the series was gathered goes on to wait for its batch.
        if (const auto gathered = std::exchange(series->reading, entry.reading)) gathered->set();
        series->last_read = static_cast<Seconds32>(at);
        series->answered = 0;
      }
    }
  }
  lane.queue.splice(lane.queue.end(), queued);
  lane.behind.splice(lane.behind.end(), missed);
}

bool Collect::may_catch_up(const Lane& lane) {
  return !lane.behind.empty() && !lane.catching_up && steady_clock::now() >= lane.catch_up_after;
}

void Collect::start_workers(Lane& lane) {
  // One for each batch, up to the limit: those at work may be held up, and one that finds nothing to do ends.
  const size_t wanted = lane.queue.size() + (may_catch_up(lane) ? 1 : 0);
  for (size_t at = 0; at < wanted && lane.workers < kConcurrentCalls; ++at) {
    try {
      spawn(io_, "reading metrics", work(lane));
    } catch (const std::bad_alloc&) {
      return;  // tick() tries again
    }
    ++lane.workers;
  }
}

asio::awaitable<void> Collect::work(Lane& lane) {
  // Not from inside start(): a call that fails at once would be over before anybody waits for it.
  co_await asio::post(io_, asio::use_awaitable);
  for (;;) {
    const bool missed = lane.queue.empty();
    if (missed && !may_catch_up(lane)) break;
    std::list<Queued>& from = missed ? lane.behind : lane.queue;
    Queued taken = std::move(from.front());
    from.pop_front();
    if (missed) lane.catching_up = true;
    const Group& group = *taken.batch.group;
    if (group.failure && steady_clock::now() < group.failed_until) {
      // Another call of the group has failed while this one waited for its turn.
      for (Series* series : taken.batch.series) series->set_failure(group.failure);
    } else {
      try {
        co_await read(taken.batch);
      } catch (const std::exception& exception) {  // out of memory, most likely
        spdlog::error("reading metrics in {}: {}", group.target->description(), exception.what());
        for (Series* series : taken.batch.series) series->set_failure(out_of_memory_);
      }
    }
    for (Series* series : taken.batch.series) series->reading.reset();
    read_.insert(read_.end(), taken.batch.series.begin(), taken.batch.series.end());
    taken.reading->set();
    if (missed) {
      const Window& window = taken.batch.window;
      const auto datapoints =
          static_cast<double>(taken.batch.series.size()) *
          static_cast<double>((window.end - window.start) / std::max<int64_t>(group.period, 1));
      lane.catching_up = false;
      lane.catch_up_after =
          steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                    std::chrono::duration<double>(datapoints / kCatchUpDatapoints));
    }
  }
  --lane.workers;
}

asio::awaitable<void> Collect::read(Batch& batch) {
  std::vector<Batch> parts{batch};
  for (int calls = 1; !parts.empty(); ++calls) {
    Batch part = std::move(parts.back());
    parts.pop_back();
    const Result<void> done = co_await read_once(part);
    if (done) continue;
    if (!is_refusal(done.error())) {
      for (const Batch& unread : parts) {
        part.series.insert(part.series.end(), unread.series.begin(), unread.series.end());
      }
      if (is_catching_up(part.window, part.group->period)) {
        settle_missed(*part.group, part.series, done.error());
      } else {
        settle_failure(*part.group, part.series, done.error());
      }
      co_return;
    }
    if (part.series.size() == 1 || calls >= kMaxSearchCalls) {
      settle_refusal(part.series, done.error());
      continue;
    }
    const auto middle = part.series.begin() + static_cast<ptrdiff_t>(part.series.size() / 2);
    Batch half{part.group, part.window, std::vector<Series*>(middle, part.series.end()), part.cut};
    part.series.erase(middle, part.series.end());
    parts.push_back(std::move(half));
    parts.push_back(std::move(part));
  }
}

// Reads every page. On an error nothing of the series is changed.
asio::awaitable<Result<void>> Collect::read_once(Batch& batch) {
  const Target& target = *batch.group->target;
  aws::cloudwatch::MetricDataRequest request;
  request.start = batch.window.start;
  request.end = batch.window.end;
  request.queries.reserve(batch.series.size());
  for (const Series* series : batch.series) request.queries.push_back(series->query());

  struct Newest {
    int64_t clock = 0;
    double value = 0;
    bool answered = false;
    std::shared_ptr<const Error> failure;
    std::vector<Point> points;  // of a fed series
  };
  std::vector<Newest> newest(batch.series.size());
  std::string said;
  for (size_t pages = 1;; ++pages) {
    ++counters_.calls;
    aws::cloudwatch::MetricDataRequest sent = request;
    uint32_t carried_out = 0;
    auto page = co_await aws::cloudwatch::get_metric_data(*target.account->client, target.region,
                                                          std::move(sent), &carried_out);
    // Pages are of one request; an attempt whose answer was lost is paid for like the one after it.
    for (uint32_t times = pages == 1 ? carried_out : 0; times > 0; --times) {
      counters_.metrics_requested += batch.series.size();
      counters_.metrics_billed += billed_metrics(batch);
      for (Series* series : batch.series) ++series->readings;
      if (on_billed) on_billed(batch);
    }
    if (!page) {
      ++counters_.failures;
      co_return fail(std::move(page.error()));
    }
    for (const aws::cloudwatch::SeriesData& data : page->series) {
      Newest& slot = newest[data.query];
      slot.answered = true;
      counters_.datapoints += data.points.size();
      for (const aws::cloudwatch::Datapoint& point : data.points) {
        if (point.clock >= slot.clock && point.clock < batch.window.end) {
          slot.clock = point.clock;
          slot.value = point.value;
        }
      }
      if (batch.series[data.query]->fed)
        slot.points.insert(slot.points.end(), data.points.begin(), data.points.end());
      slot.failure.reset();
      if (data.status == aws::cloudwatch::SeriesStatus::internal_error ||
          data.status == aws::cloudwatch::SeriesStatus::forbidden) {
        slot.failure = std::make_shared<const Error>(failure_of(data, target));
      }
    }
    if (!page->message.empty()) said = page->message;
    if (page->next_token.empty()) break;
    if (pages == kMaxPages || page->next_token == request.next_token) {
      co_return fail(ErrorKind::corrupt, "cloudwatch:GetMetricData in {} never came to a last page",
                     target.description());
    }
    request.next_token = page->next_token;
  }
  // Left out is not the same as empty.
  std::shared_ptr<const Error> left_out;
  for (Newest& slot : newest) {
    if (slot.answered) continue;
    if (!left_out) {
      left_out = std::make_shared<const Error>(
          Error{ErrorKind::corrupt,
                fmt::format("cloudwatch:GetMetricData in {}: the answer left this metric out{}{}",
                            target.description(), said.empty() ? "" : ": ", said)});
    }
    slot.failure = left_out;
  }
  Group& group = *batch.group;
  group.failure.reset();
  group.failures_in_row = 0;
  const bool each_period = std::any_of(batch.series.begin(), batch.series.end(), [&](const Series* series) {
    return series->ask_gap != 0 && series->ask_gap <= static_cast<uint64_t>(group.period) &&
           stretched_interval(*series) == 0 && series->read_until == batch.window.end - group.period;
  });
  if (on_lag && each_period) on_lag(now() - batch.window.end - config_.delay.count());
  for (size_t at = 0; at < newest.size(); ++at) {
    Series& series = *batch.series[at];
    series.read_until = static_cast<Seconds32>(batch.window.end);
    series.point_clock = static_cast<Seconds32>(newest[at].clock);
    series.point_value = newest[at].value;
    series.set_failure(newest[at].failure);
    if (series.fed) {
      if (!newest[at].failure) behind_.erase(&series);
      readings_.push_back(
          Reading{&series, batch.window, std::move(newest[at].points), newest[at].failure, batch.cut});
    }
  }
  co_return Result<void>();
}

void Collect::settle_failure(Group& group, const std::vector<Series*>& series, const Error& error) {
  group.failure = std::make_shared<const Error>(error);
  for (Series* one : series) one->set_failure(group.failure);
  note_failed(series);
  group.prefetched_until = 0;
  // Calls that were under way together fail together: that is one failure, not several in a row.
  if (steady_clock::now() < group.failed_until) return;
  const auto hold =
      std::min<std::chrono::seconds>(kFirstHold * (1 << std::min(group.failures_in_row, 10)), kLongestHold);
  ++group.failures_in_row;
  group.failed_until = steady_clock::now() + hold;
  spdlog::warn("{} (asked for {} metrics; next try in {} s)", error.message, series.size(), hold.count());
}

// A call so much larger may fail where the usual ones do not: they go on.
void Collect::settle_missed(const Group& group, const std::vector<Series*>& series, const Error& error) {
  const auto failure = std::make_shared<const Error>(error);
  for (Series* one : series) one->set_failure(failure);
  note_failed(series);
  spdlog::warn("{} (what {} metrics of period {} s missed; read when they are due again)", error.message,
               series.size(), group.period);
}

void Collect::settle_refusal(const std::vector<Series*>& series, const Error& error) {
  const auto failure = std::make_shared<const Error>(error);
  if (!is_refused(*series.front())) {
    spdlog::warn("{}{} is not asked for: {}", series.front()->description(),
                 series.size() == 1 ? "" : fmt::format(" or one of {} more metrics", series.size() - 1),
                 error.message);
  }
  for (Series* one : series) one->set_failure(failure);
  note_failed(series);
}

void Collect::note_failed(const std::vector<Series*>& series) {
  for (Series* one : series) {
    if (one->fed) readings_.push_back(Reading{one, {}, {}, one->failure(), false});
  }
}

void Collect::want(Series& series, bool anyway) {
  if (series.reading || (!anyway && is_current(series))) return;
  Group& group = *series.group;
  if (group.failure && steady_clock::now() < group.failed_until) {
    series.set_failure(group.failure);
    note_failed({&series});
    return;
  }
  gather(series);
}

void Collect::read_from(const Series& series, int64_t from) {
  if (from == 0) {
    behind_.erase(&series);
  } else {
    behind_[&series] = from;
  }
}

int64_t Collect::behind(const Series& series) const {
  const auto found = behind_.find(&series);
  return found == behind_.end() ? 0 : found->second;
}

int64_t Collect::held_until(const Series& series) const {
  if (!series.failure()) return 0;
  const Group& group = *series.group;
  if (series.failure() == group.failure) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(group.failed_until - steady_clock::now());
    return now() + std::max<int64_t>(left.count(), 0);
  }
  return series.last_read + (is_refused(series) ? kRefusedHold : kSeriesHold).count();
}

size_t Collect::calls_in_flight() const {
  size_t calls = 0;
  for (const auto& [target, lane] : lanes_) calls += static_cast<size_t>(lane.workers);
  return calls;
}

size_t Collect::calls_queued() const {
  size_t calls = 0;
  for (const auto& [target, lane] : lanes_) calls += lane.queue.size();
  return calls;
}

void Collect::tick() {
  for (auto& [target, lane] : lanes_) start_workers(lane);
  for (const auto& group : demand_.groups()) read_ahead(*group);
}

}  // namespace bakusoku::agent
