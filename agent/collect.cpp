#include "agent/collect.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <limits>
#include <new>
#include <set>

#include "agent/spawn.h"
#include "aws/cloudwatch.h"
#include "aws/denial.h"

namespace bakusoku::agent {
namespace {

using std::chrono::steady_clock;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// Each target may have two beyond kAllCallsInFlight, so that those that hang starve no other.
constexpr int kAlwaysInFlight = 2;
constexpr size_t kMaxPages = 1000;
// After a failed call the target's series answer with its words for this long; doubled each time.
constexpr std::chrono::seconds kFirstHold{5};
constexpr std::chrono::seconds kLongestHold{300};
constexpr std::chrono::seconds kLongestCredentialsHold{30};  // they may be mended at any moment
// A call that failed while others were answered: its series are read again after this long.
constexpr std::chrono::seconds kCallHold{10};
// A single series' own failure (an internal error of CloudWatch, access forbidden) is answered for this long
// ...
constexpr std::chrono::seconds kSeriesHold{30};
// ... and doubled each time, up to this or the series' interval: what fails costs as much as what does not.
constexpr std::chrono::seconds kLongestSeriesHold{300};
// ... and when CloudWatch finds its query invalid, which only a change of the item key mends.
constexpr std::chrono::seconds kRefusedHold{300};
// A new series that waits for the month's budget is looked at again after this long.
constexpr std::chrono::seconds kBudgetHold{300};
// What CloudWatch could not read is asked for again, alone, after 1, 2 and 4 seconds.
constexpr int kMostTries = 3;
// Calls to find out which queries of one batch CloudWatch finds invalid; finding one in 500 takes 19.
constexpr int kMaxSearchCalls = 64;
// Catching up takes at most this many datapoints a second of a target: half of what CloudWatch gives for
// periods longer ago than three hours, so that the other calls are not throttled for it.
constexpr double kCatchUpDatapoints = 45'000;
// Series nobody asked for during this many of their intervals are not read ahead.
constexpr int64_t kAliveIntervals = 3;
// So many calls are gathered before they are sent without waiting for more.
constexpr size_t kMostGathered = 16 * aws::cloudwatch::kMaxQueriesPerCall;
constexpr std::chrono::seconds kTimeToLearn{1};
// Where nobody waits for an answer: a list of 400 pages at half of AWS's quota.
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::seconds kLongestWait{10};  // of a call for its place in the spread
// Of a namespace and class of periods: enough to tell one late datapoint in a hundred within a few periods.
constexpr size_t kSampledSeries = 48;
constexpr int64_t kZerosToldEvery = 60;
constexpr std::string_view kInternalError = "InternalError";
constexpr std::string_view kForbidden = "Forbidden";
constexpr std::string_view kDamaged = "Damaged";
constexpr std::string_view kMultipleUnits = "MultipleUnits";

// True when CloudWatch found a query of the call invalid; one such query fails the whole call.
bool is_refusal(const Error& error) {
  return error.kind == ErrorKind::invalid &&
         (error.code.starts_with("Validation") || error.code.starts_with("InvalidParameter"));
}

bool is_refused(const Series& series) { return series.failure() && is_refusal(*series.failure()); }

std::chrono::seconds hold_of(const Series& series) {
  const Error& failure = *series.failure();
  if (is_refusal(failure)) return kRefusedHold;
  if (failure.code == kWaitsForBudget) return kBudgetHold;
  const bool of_series = failure.code == kInternalError || failure.code == kForbidden ||
                         failure.code == kDamaged || failure.code == kMultipleUnits;
  const std::chrono::seconds first = of_series ? kSeriesHold : kCallHold;
  const uint32_t times = series.own_failures();
  if (times <= 1) return first;
  const std::chrono::seconds interval(
      std::max(static_cast<int64_t>(series.ask_gap), int64_t{series.group->period}));
  return std::min(first * (1 << std::min(times - 1, 16u)), std::max(kLongestSeriesHold, interval));
}

bool has_unit(const MetricName& name) {
  if (name.inputs == nullptr) return name.unit != nullptr;
  return std::none_of(name.inputs->begin(), name.inputs->end(),
                      [](const auto& input) { return input.unit.empty(); });
}

Error failure_of(const aws::cloudwatch::SeriesData& data, const Target& target) {
  if (data.status == aws::cloudwatch::SeriesStatus::several) {
    return Error{ErrorKind::invalid,
                 fmt::format("cloudwatch:GetMetricData in {}: {}", target.description(), data.message),
                 std::string(kForbidden)};
  }
  if (data.status == aws::cloudwatch::SeriesStatus::damaged) {
    return Error{
        ErrorKind::corrupt,
        fmt::format("cloudwatch:GetMetricData in {}: what came of this metric is no list of datapoints: {}",
                    target.description(), data.message),
        std::string(kDamaged)};
  }
  const bool denied = data.status == aws::cloudwatch::SeriesStatus::forbidden;
  const std::string_view why =
      denied ? "access to this metric is forbidden" : "CloudWatch reports an internal error for this metric";
  return Error{denied ? ErrorKind::denied : ErrorKind::unavailable,
               fmt::format("cloudwatch:GetMetricData in {}: {}{}{}", target.description(), why,
                           data.message.empty() ? "" : ": ", data.message),
               std::string(denied ? kForbidden : kInternalError)};
}

// CloudWatch gives the values of one of the units, and does not say of which.
Error multiple_units(const Series& series, const std::string& said) {
  return Error{
      ErrorKind::invalid,
      fmt::format("cloudwatch:GetMetricData in {}: this metric is published in several units, and "
                  "CloudWatch gives the values of one of them only ({}); name the unit {}, such as Count",
                  series.group->target->description(), said,
                  series.name->inputs == nullptr ? "in the key (parameter 9)"
                                                 : "of each metric in the key (their part 5)"),
      std::string(kMultipleUnits)};
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
  void report(const Target& target) const {
    if (count_ == 0) return;
    spdlog::warn(
        "{} metrics in {} had been read longer ago than they are read back ([metrics] catch_up, and what "
        "CloudWatch keeps): {} of period {} s up to {} and on from {}",
        count_, target.description(), first_->description(), first_->group->period, from_, start_);
  }

 private:
  size_t count_ = 0;
  const Series* first_ = nullptr;
  int64_t from_ = 0;
  int64_t start_ = 0;
};

// What to do about readings that wait.
std::string_view advice(Limit limit) {
  switch (limit) {
    case Limit::quota:
      return "The share of AWS's quotas is used up: a higher [aws] quota_share helps";
    case Limit::all_calls:
      return "All calls that the agent makes at once are under way, and AWS answers slowly";
    case Limit::calls_in_flight:
    case Limit::none:
      break;
  }
  return "All [aws] calls_in_flight are under way: more of them help";
}

size_t count_of(const std::vector<Due>& due, Priority priority) {
  return static_cast<size_t>(std::count_if(due.begin(), due.end(), [&](const Due& one) {
    return one.series->priority == static_cast<uint64_t>(priority);
  }));
}

double datapoints_of(const Batch& batch) {
  double datapoints = 0;
  for (const Due& due : batch.due) {
    datapoints += static_cast<double>((batch.window.end - batch.window.start) / due.series->group->period);
  }
  return datapoints;
}

}  // namespace

struct Collect::Found {
  int64_t clock = 0;  // of the newest
  double value = 0;
  bool answered = false;
  bool partial = false;
  size_t brought = 0;  // datapoints, also those that were not asked for
  size_t dropped = 0;  // that had no number or no time
  std::string said{};  // by AWS
  std::shared_ptr<const Error> failure;
  std::vector<Point> points;  // where more than the newest is wanted
};

Collect::Collect(asio::io_context& io, Demand& demand, const MetricsConfig& config, int calls_in_flight,
                 Clock clock)
    : io_(io), demand_(demand), calls_in_flight_(calls_in_flight), clock_(std::move(clock)) {
  configure(config, calls_in_flight);
}

void Collect::configure(const MetricsConfig& config, int calls_in_flight) {
  config_ = config;
  calls_in_flight_ = calls_in_flight;
  std::map<std::string, int64_t, std::less<>> by_namespace;
  for (const auto& [name_space, delay] : config.delays) by_namespace.emplace(name_space, delay.count());
  std::optional<int64_t> all;
  if (config.delay) all = config.delay->count();
  delays_.configure(all, std::move(by_namespace));
}

Collect::Lane& Collect::lane_of(const Target& target) {
  Lane& lane = lanes_[&target];
  lane.target = &target;
  return lane;
}

const Collect::Lane* Collect::known_lane_of(const Target& target) const {
  const auto found = lanes_.find(&target);
  return found == lanes_.end() ? nullptr : &found->second;
}

bool Collect::is_held(const Lane& lane) { return lane.failure && steady_clock::now() < lane.failed_until; }

Delay& Collect::delay_of(Group& group) const {
  if (group.delay == nullptr) group.delay = &delays_.of(*group.namespace_, group.period);
  return *group.delay;
}

int64_t Collect::delay(const Series& series) const { return delay_of(*series.group).seconds(); }

bool Collect::is_scheduled(const Series& series) {
  return series.paced != 0 && series.read_until != 0 && !series.failure();
}

// Who asks more rarely than the period, and for the newest value only, is to have it when asking, not at a
// moment of ours.
Pace Collect::pace_of(const Series& series) const {
  const int64_t period = series.group->period;
  const auto gap = static_cast<int64_t>(series.ask_gap);
  if (series.paced == 0 && gap > period) return Pace{period, 1, 0};
  return agent::pace_of(period, gap, stretch(series), series.place);
}

int64_t Collect::due(const Series& series, int64_t at) const {
  if (series.ask_gap == 0 || is_refused(series)) return kNever;
  const int64_t period = series.group->period;
  const auto gap = static_cast<int64_t>(series.ask_gap);
  const auto interval = static_cast<int64_t>(static_cast<double>(std::max(gap, period)) * stretch(series));
  if (series.paced == 0 && at - series.last_asked > kAliveIntervals * interval) return kNever;
  const bool newest_missing = series.point_clock != 0 && series.point_clock + period < series.read_until;
  const Progress progress{series.read_until, series.last_read, newest_missing};
  int64_t when = due_at(pace_of(series), progress, delay(series), at);
  if (series.paced == 0 && gap > period) {
    if (series.answered == 0 && series.read_until != 0) return kNever;
    // Neither can be later than now, unless the clock has been set back.
    when = std::max({when, std::min<int64_t>(series.last_asked, at) + gap - period,
                     std::min<int64_t>(series.last_read, at) + interval - gap});
  }
  if (series.failure())
    when = std::max(when, std::min<int64_t>(series.last_read, at) + hold_of(series).count());
  return when;
}

int64_t Collect::next_reading(const Series& series) const {
  const int64_t at = now();
  const int64_t when = due(series, at);
  return when == kNever ? 0 : std::max(when, at);
}

bool Collect::is_current(const Series& series) const {
  const int64_t at = now();
  const int64_t age = at - series.last_read;  // below zero when the clock was set back
  if (series.failure()) {
    const Lane* lane = known_lane_of(*series.group->target);
    if (lane != nullptr && series.failure() == lane->failure) return is_held(*lane);
    return !series.reading && age >= 0 && age < hold_of(series).count();
  }
  // What has been read ends before the time of the reading.
  if (series.read_until == 0 || series.read_until > at) return false;
  const int64_t period = series.group->period;
  if (series.read_until >= newest_final(at, period, delay(series))) return true;
  if (series.reading || age < 0) return false;
  const auto gap = static_cast<int64_t>(series.ask_gap);
  const double stretched = stretch(series);
  if (stretched > 1 && static_cast<double>(age) < static_cast<double>(std::max(gap, period)) * stretched)
    return true;
  // Read ahead for a question that comes less often than the period: that reading is paid for, so it is the
  // answer.
  return series.paced == 0 && series.answered == 0 && gap > period && age <= period;
}

// The times at which the newest reading is the newest there can be.
std::optional<Span> Collect::current_span(const Series& series) const {
  if (series.failure() || series.read_until == 0) return std::nullopt;
  const int64_t period = series.group->period;
  // Before the end of what was read, this clock has been set back.
  const Span span{series.read_until, static_cast<Seconds32>(series.read_until + delay(series) + period)};
  const int64_t at = now();
  if (at < span.from || at >= span.until) return std::nullopt;
  return span;
}

asio::awaitable<Result<void>> Collect::make_current(Series& series, Deadline deadline) {
  while (!is_current(series)) {
    const Target& target = *series.group->target;
    Lane& lane = lane_of(target);
    if (!series.reading) {
      if (is_held(lane)) {
        series.set_failure(lane.failure);
        co_return Result<void>();
      }
      look_at_all(now(), &target);
      if (!series.reading && is_current(series)) break;
      if (!series.reading) gather(series);
    }
    hurry(lane, series);
    const EventPtr reading = series.reading;
    if (!reading) break;
    ++series.held;
    const bool happened = co_await reading->wait(deadline);
    --series.held;
    if (!happened) {
      co_return bakusoku::fail(
          ErrorKind::timeout, "CloudWatch has not answered in time for {} in {}; the next check will find it",
          series.description(), series.group->target->description());
    }
    if (!series.reading)
      break;  // read: whatever came of it is the answer, even if a newer period has ended meanwhile
  }
  co_return Result<void>();
}

void Collect::gather(Series& series) {
  Lane& lane = lane_of(*series.group->target);
  const bool first = lane.gathering.empty();
  auto reading = first ? make_event(io_) : lane.gathering.front()->reading;
  lane.gathering.push_back(&series);
  series.reading = std::move(reading);
  if (lane.gathering.size() >= kMostGathered) {
    flush(lane);
  } else if (first) {
    spawn(io_, "gathering metrics", flush_later(lane));
    ++lane.timers;
  }
}

asio::awaitable<void> Collect::flush_later(Lane& lane) {
  asio::steady_timer timer(io_, config_.gather);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  --lane.timers;
  flush(lane);
}

void Collect::flush(Lane& lane) {
  if (lane.gathering.empty()) return;
  start(lane, std::exchange(lane.gathering, {}), Why::asked);
}

void Collect::look(Group& group, int64_t at, std::vector<Series*>& into) {
  const int64_t delay = delay_of(group).seconds();
  // Further ahead than a period: the clock has been set back since.
  if (at < group.next_look && group.next_look - at <= group.period) return;
  int64_t next = newest_final(at, group.period, delay) + group.period + delay;
  for (Series* series : group.members) {
    // What is of later than now was noted before the clock was set back.
    const auto no_later = [at](Seconds32& time, int64_t otherwise) {
      if (time > at) time = static_cast<Seconds32>(otherwise);
    };
    no_later(series->last_read, at);
    no_later(series->last_asked, at);
    no_later(series->absent_since, at);
    no_later(series->wanted_from, 0);
    if (series->reading) continue;
    const int64_t when = due(*series, at);
    if (when <= at) {
      into.push_back(series);
    } else {
      next = std::min(next, when);
    }
  }
  group.next_look = next;
}

void Collect::look_at_all(int64_t at, const Target* only) {
  std::map<Lane*, std::vector<Series*>> due;
  for (const auto& group : demand_.groups()) {
    if (only != nullptr && group->target != only) continue;
    if (!group->target->account->asleep.empty()) continue;
    Lane& lane = lane_of(*group->target);
    if (!is_held(lane)) look(*group, at, due[&lane]);
  }
  for (const auto& [lane, series] : due) {
    if (!series.empty()) start(*lane, series, Why::due);
  }
}

// Somebody waits: its call is spread and sorted no more.
void Collect::hurry(Lane& lane, const Series& series) {
  const auto found = std::find_if(lane.queue.begin(), lane.queue.end(),
                                  [&](const Queued& entry) { return entry.reading == series.reading; });
  if (found == lane.queue.end() || (found->rank == 0 && is_ready(*found))) return;
  if (found->tries == 0) found->not_before = clock_();
  found->rank = 0;
  found->stale_at = 0;
  Queued entry = std::move(*found);
  lane.queue.erase(found);
  insert(lane, std::move(entry));
  start_workers(lane);
}

void Collect::start(Lane& lane, const std::vector<Series*>& wanted, Why why, bool is_learnt) {
  enqueue(lane, wanted, why, is_learnt);
  start_workers(lane);
}

// All or, when it throws, nothing.
void Collect::enqueue(Lane& lane, const std::vector<Series*>& wanted, Why why, bool is_learnt) {
  const int64_t at = now();
  std::vector<Due> fine;
  fine.reserve(wanted.size());
  // What CloudWatch has found invalid before goes into calls of its own, where it fails nobody else's.
  std::vector<Due> refused;
  std::vector<Due> behind;
  std::vector<Due> absent;
  std::vector<std::pair<Series*, std::shared_ptr<const Error>>> waiting;
  std::vector<Series*> unknown;
  OutOfReach out_of_reach;
  for (Series* series : wanted) {
    const Group& group = *series->group;
    const int64_t period = group.period;
    const int64_t end = newest_final(at, period, delay(*series));
    // Beyond now it is of a clock that has been set back since.
    const bool knows_from = series->fed != 0 && series->wanted_from <= at;
    const int64_t from = knows_from ? std::min<int64_t>(series->wanted_from, end) : 0;
    const bool missed = is_catching_up(from, end, pace_of(*series), config_.look_back);
    Due due{series, reading_window(end, period, config_.look_back, from, at)};
    due.from = static_cast<Seconds32>(from);
    if (missed) {
      const int64_t reach = std::chrono::seconds(config_.catch_up).count();
      due.window = catching_up_window(from, end, period, config_.look_back, reach, at);
      due.cut = due.window.end < end;
      if (due.window.start >= from + period) out_of_reach.add(*series, from, due.window.start);
    }
    if (is_refused(*series)) {
      refused.push_back(due);
      continue;
    }
    if (listed.is) {
      if (listed.wants && series->ask_gap != 0) listed.wants(*series);
      const Exists is = listed.is(*series);
      if (is == Exists::absent) {
        absent.push_back(due);
        continue;
      }
      if (is == Exists::unknown && !is_learnt && listed.learn) {
        unknown.push_back(series);
        continue;
      }
      if (is == Exists::there) series->absent_since = 0;
    }
    if (series->readings == 0 && may_begin) {
      if (auto waits = may_begin(*series)) {
        waiting.emplace_back(series, std::move(waits));
        continue;
      }
    }
    (missed ? behind : fine).push_back(due);
  }
  std::list<Queued> queued;
  std::list<Queued> missed;
  // Calls that may not all be sent are not shared by priorities.
  const bool pressed =
      why == Why::postponed || !lane.queue.empty() ||
      fine.size() > aws::cloudwatch::kMaxQueriesPerCall * static_cast<size_t>(calls_in_flight_);
  if (why != Why::asked && pressed) {
    for (const Priority priority : {Priority::high, Priority::normal, Priority::low}) {
      const size_t count = count_of(fine, priority);
      if (count == 0) continue;
      if (count == fine.size()) {
        plan(lane, std::move(fine), why, false, queued);
        break;
      }
      std::vector<Due> part;
      part.reserve(count);
      std::copy_if(fine.begin(), fine.end(), std::back_inserter(part),
                   [&](const Due& due) { return due.series->priority == static_cast<uint64_t>(priority); });
      plan(lane, std::move(part), why, false, queued);
    }
  } else {
    plan(lane, std::move(fine), why, false, queued);
  }
  plan(lane, std::move(refused), why, false, queued);
  plan(lane, std::move(behind), why, true, missed);
  const auto learning = unknown.empty() ? nullptr : make_event(io_);
  if (learning) spawn(io_, "looking for metrics", learn(lane, unknown, why));
  out_of_reach.report(*lane.target);
  const auto hand_over = [](Series& series, const EventPtr& reading) {
    // Whoever waited for the series before goes on to wait for its next step.
    if (const auto before = std::exchange(series.reading, reading)) before->set();
  };
  for (const std::list<Queued>* part : {&queued, &missed}) {
    for (const Queued& entry : *part) {
      for (const Due& due : entry.batch.due) {
        hand_over(*due.series, entry.reading);
        due.series->last_read = static_cast<Seconds32>(at);
        due.series->answered = 0;
      }
    }
  }
  for (Series* series : unknown) hand_over(*series, learning);
  for (const Due& due : absent) {
    settle_absent(due);
    hand_over(*due.series, nullptr);
  }
  for (auto& [series, reason] : waiting) {
    settle_waiting(*series, std::move(reason));
    hand_over(*series, nullptr);
  }
  lane.behind.splice(lane.behind.end(), missed);
  while (!queued.empty()) {
    Queued entry = std::move(queued.front());
    queued.pop_front();
    insert(lane, std::move(entry));
  }
}

void Collect::plan(Lane& lane, std::vector<Due> due, Why why, bool missed, std::list<Queued>& into) {
  if (due.empty()) return;
  std::vector<Batch> batches = plan_batches(*lane.target, std::move(due));
  const WallTime at = clock_();
  for (size_t number = 0; number < batches.size(); ++number) {
    Queued entry;
    entry.batch = std::move(batches[number]);
    entry.reading = make_event(io_);
    entry.missed = missed;
    entry.not_before = at;
    entry.postponed = why == Why::postponed;
    if (why != Why::asked && !missed) {
      int64_t period = kNever;
      int64_t next = kNever;
      uint64_t priority = kPriorities;
      for (const Due& one : entry.batch.due) {
        period = std::min<int64_t>(period, one.series->group->period);
        next = std::min(next, next_end(pace_of(*one.series), one.window.end) + delay(*one.series));
        priority = std::min<uint64_t>(priority, one.series->priority);
      }
      entry.rank = 1 + static_cast<Rank>(priority);
      entry.stale_at = next;
      if (why == Why::due) entry.not_before += spread(number, batches.size(), period);
    }
    into.push_back(std::move(entry));
  }
}

asio::awaitable<void> Collect::learn(Lane& lane, std::vector<Series*> unknown, Why why) {
  // Not from inside enqueue(): what is known at once would be read before anybody waits for it.
  co_await asio::post(io_, asio::use_awaitable);
  const Steady last = steady_clock::now() + kPatience;
  try {
    for (Steady next{}; next < last;) {
      std::vector<Series*> asked = unknown;
      next = steady_clock::now() + kTimeToLearn;
      co_await listed.learn(*lane.target, std::move(asked), next);
      if (steady_clock::now() < next) break;  // all is known, or cannot be
      // A list takes longer. What is on it so far is read; of the rest, what somebody waits for: that costs
      // money where there is nothing, and an item of Zabbix's can wait instead.
      const auto rest = std::stable_partition(unknown.begin(), unknown.end(), [this](const Series* series) {
        return series->fed != 0 && series->held == 0 && listed.is(*series) == Exists::unknown;
      });
      const std::vector<Series*> read(rest, unknown.end());
      unknown.erase(rest, unknown.end());
      if (read.empty()) continue;
      // Nobody waits for these yet; who comes now is not to find the event of those that are read.
      const auto learning = make_event(io_);
      for (Series* series : unknown) series->reading = learning;
      start(lane, read, why, true);
      if (unknown.empty()) co_return;
    }
  } catch (const std::exception& exception) {
    spdlog::error("looking for metrics in {}: {}", lane.target->description(), exception.what());
  }
  start(lane, unknown, why, true);
}

// Behind all that are to be sent before it.
void Collect::insert(Lane& lane, Queued&& entry) {
  const auto before = [](const Queued& a, const Queued& b) {
    return std::tuple(a.rank, !a.postponed, a.not_before) < std::tuple(b.rank, !b.postponed, b.not_before);
  };
  auto place = lane.queue.end();
  while (place != lane.queue.begin() && before(entry, *std::prev(place))) --place;
  lane.queue.insert(place, std::move(entry));
}

// None waits longer than the longest spread: else the clock has been set back.
bool Collect::is_ready(const Queued& entry) const {
  const WallTime at = clock_();
  return entry.not_before <= at || entry.not_before > at + kLongestWait;
}

bool Collect::may_catch_up(const Lane& lane) {
  return !lane.behind.empty() && !lane.catching_up && steady_clock::now() >= lane.catch_up_after;
}

void Collect::start_workers(Lane& lane) {
  const auto ready = std::count_if(lane.queue.begin(), lane.queue.end(),
                                   [this](const Queued& entry) { return is_ready(entry); });
  // One for each batch, up to the limit: those at work may be held up, and one that finds nothing to do ends.
  const size_t wanted = static_cast<size_t>(ready) + (may_catch_up(lane) ? 1 : 0);
  for (size_t number = 0; number < wanted && lane.workers < calls_in_flight_; ++number) {
    if (workers_ >= kAllCallsInFlight && lane.workers >= kAlwaysInFlight) return;
    spawn(io_, "reading metrics", work(lane));
    ++lane.workers;
    ++workers_;
  }
}

asio::awaitable<void> Collect::start_workers_at(Lane& lane, Steady time) {
  asio::steady_timer timer(io_, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  --lane.timers;
  start_workers(lane);
}

asio::awaitable<void> Collect::work(Lane& lane) {
  // Not from inside start(): a call that fails at once would be over before anybody waits for it.
  co_await asio::post(io_, asio::use_awaitable);
  for (;;) {
    auto next = std::find_if(lane.queue.begin(), lane.queue.end(),
                             [this](const Queued& entry) { return is_ready(entry); });
    const bool missed = lane.queue.empty();
    if (missed ? !may_catch_up(lane) : next == lane.queue.end()) break;
    std::list<Queued>& from = missed ? lane.behind : lane.queue;
    if (missed) next = from.begin();
    Queued taken = std::move(*next);
    from.erase(next);
    if (missed) lane.catching_up = true;
    if (is_held(lane)) {
      // Another call has failed while this one waited for its turn.
      for (const Due& due : taken.batch.due) {
        note_failure(*due.series, lane.failure);
        due.series->group->next_look = 0;
      }
    } else {
      co_await read(lane, taken);
    }
    for (const Due& due : taken.batch.due) {
      if (due.series->reading != taken.reading) continue;  // it is read again
      due.series->reading.reset();
      read_.push_back(due.series);
    }
    taken.reading->set();
    if (missed) {
      lane.catching_up = false;
      lane.catch_up_after = steady_clock::now() +
                            std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(
                                datapoints_of(taken.batch) / kCatchUpDatapoints));
    }
  }
  --lane.workers;
  --workers_;
}

asio::awaitable<void> Collect::read(Lane& lane, Queued& taken) {
  std::vector<Batch> parts{taken.batch};
  for (int calls = 1; !parts.empty(); ++calls) {
    Batch part = std::move(parts.back());
    parts.pop_back();
    const uint64_t answers = lane.answers;
    Result<std::vector<Found>> found = co_await read_once(lane, part);
    if (found) {
      settle(lane, taken, part, std::move(*found));
      continue;
    }
    if (!is_refusal(found.error())) {
      for (const Batch& unread : parts) part.due.insert(part.due.end(), unread.due.begin(), unread.due.end());
      if (taken.missed) {
        settle_missed(part.due, found.error());
      } else {
        settle_failure(lane, part.due, found.error(), lane.answers != answers);
      }
      co_return;
    }
    if (part.due.size() == 1 || calls >= kMaxSearchCalls) {
      settle_refusal(part.due, found.error());
      continue;
    }
    const auto middle = part.due.begin() + static_cast<ptrdiff_t>(part.due.size() / 2);
    Batch half{part.target, part.window, std::vector<Due>(middle, part.due.end())};
    part.due.erase(middle, part.due.end());
    parts.push_back(std::move(half));
    parts.push_back(std::move(part));
  }
}

// Reads every page. On an error nothing of the series is changed.
asio::awaitable<Result<std::vector<Collect::Found>>> Collect::read_once(Lane& lane, const Batch& batch) {
  const Target& target = *batch.target;
  std::vector<Found> found(batch.due.size());
  std::string said;
  std::string token;
  for (size_t pages = 1;; ++pages) {
    ++counters_.calls;
    // Made anew for each page, of which there is one nearly always: it is large, and a call may wait long.
    aws::cloudwatch::MetricDataRequest request = request_of(batch);
    request.next_token = token;
    uint64_t queries = 0;
    for (const auto& query : request.queries) queries += aws::cloudwatch::query_count(query);
    uint32_t carried_out = 0;
    auto page = co_await aws::cloudwatch::get_metric_data(*target.account->client, target.region,
                                                          std::move(request), &carried_out);
    // Pages are of one request; an attempt whose answer was lost is paid for like the one after it.
    std::vector<Share> shares;
    if (pages == 1 && carried_out > 0) shares = shares_of(batch);
    for (; pages == 1 && carried_out > 0; --carried_out) {
      counters_.metrics_requested += queries;
      counters_.metrics_billed += billed_metrics(shares);
      for (const Due& due : batch.due) ++due.series->readings;
      if (on_billed) on_billed(batch, shares);
    }
    if (!page) {
      ++counters_.failures;
      co_return bakusoku::fail(std::move(page.error()));
    }
    ++lane.answers;
    for (const aws::cloudwatch::SeriesData& data : page->series) {
      Found& slot = found[data.query];
      const Due& due = batch.due[data.query];
      const bool all = due.series->fed != 0 || may_sample(*due.series);
      slot.answered = true;
      counters_.datapoints += data.points.size();
      if (all) slot.points.reserve(slot.points.size() + data.points.size());
      // The call may be of a wider window, for others.
      for (const Point& point : data.points) {
        if (point.clock < due.window.start || point.clock >= due.window.end ||
            point.clock % due.series->group->period != 0) {
          continue;
        }
        if (point.clock >= slot.clock) {
          slot.clock = point.clock;
          slot.value = point.value;
        }
        if (all) slot.points.push_back(point);
      }
      slot.failure.reset();
      slot.brought += data.points.size();
      slot.dropped += data.dropped;
      if (!data.message.empty()) slot.said = data.message;
      slot.partial = data.status == aws::cloudwatch::SeriesStatus::partial;
      if (data.status != aws::cloudwatch::SeriesStatus::complete && !slot.partial) {
        slot.failure = std::make_shared<const Error>(failure_of(data, target));
      } else if (slot.said.find(kMultipleUnits) != std::string::npos && !has_unit(*due.series->name)) {
        slot.failure = std::make_shared<const Error>(multiple_units(*due.series, slot.said));
      }
    }
    if (!page->message.empty()) said = page->message;
    if (page->unasked > 0) said = fmt::format("it has {} results that were not asked for", page->unasked);
    if (page->next_token.empty()) break;
    if (pages == kMaxPages || page->next_token == token) {
      co_return bakusoku::fail(ErrorKind::corrupt, "cloudwatch:GetMetricData in {} never came to a last page",
                               target.description());
    }
    token = page->next_token;
  }
  // Left out, or begun and not completed, is not the same as empty. What came of one that is not completed is
  // kept: metric math ends so at its limits.
  std::shared_ptr<const Error> left_out;
  for (Found& slot : found) {
    if (slot.failure) continue;
    if (slot.answered && slot.brought == 0 && slot.dropped > 0) {
      slot.failure = std::make_shared<const Error>(
          Error{ErrorKind::corrupt,
                fmt::format("cloudwatch:GetMetricData in {}: none of the {} values that came is a number{}{}",
                            target.description(), slot.dropped, slot.said.empty() ? "" : ": ", slot.said),
                std::string(kDamaged)});
      continue;
    }
    if (slot.answered && (!slot.partial || slot.brought > 0)) continue;
    if (!left_out) {
      left_out = std::make_shared<const Error>(
          Error{ErrorKind::corrupt,
                fmt::format("cloudwatch:GetMetricData in {}: the answer left this metric out{}{}",
                            target.description(), said.empty() ? "" : ": ", said),
                std::string(kInternalError)});
    }
    slot.failure = left_out;
  }
  co_return found;
}

// Of those that are read each period, and were at the one before.
void Collect::tell_lag(const Batch& batch) const {
  if (!on_lag) return;
  std::optional<int64_t> worst;
  for (const Due& due : batch.due) {
    const Series& series = *due.series;
    const int64_t period = series.group->period;
    const bool each = series.ask_gap != 0 && static_cast<int64_t>(series.ask_gap) <= period;
    if (!each || series.read_until != due.window.end - period || stretch(series) > 1) continue;
    worst = std::max(worst.value_or(0), now() - due.window.end - delay(series));
  }
  if (worst) on_lag(*worst);
}

std::string Collect::remark_of(const Found& found) {
  if (found.failure) return {};
  std::string remark = found.said;
  const auto add = [&remark](std::string text) { remark += (remark.empty() ? "" : "; ") + std::move(text); };
  if (found.partial) add("PartialData: older datapoints may be missing");
  if (found.dropped > 0) add(fmt::format("{} values that are no numbers were left out", found.dropped));
  return remark;
}

void Collect::settle(Lane& lane, const Queued& taken, const Batch& batch, std::vector<Found> found) {
  tell_lag(batch);
  const int64_t at = now();
  lane.failure.reset();
  lane.failures_in_row = 0;
  std::vector<Due> again;
  for (size_t number = 0; number < found.size(); ++number) {
    const Due& due = batch.due[number];
    Series& series = *due.series;
    Found& slot = found[number];
    // What keeps failing is not tried at once: each time costs as much as a reading.
    if (slot.failure && slot.failure->code == kInternalError && taken.tries < kMostTries &&
        series.own_failures() == 0) {
      again.push_back(due);
      continue;
    }
    series.read_until = static_cast<Seconds32>(due.window.end);
    series.point_clock = static_cast<Seconds32>(slot.clock);
    series.point_value = slot.value;
    if (slot.failure) {
      series.set_own_failure(slot.failure);
    } else {
      series.set_failure(nullptr);
    }
    series.set_remark(remark_of(slot));
    // A value that is no number is neither late nor corrected when it is one.
    if (!slot.failure && slot.dropped == 0 && !taken.missed) {
      learn_delay(series, due.window, slot.points);
    }
    series.group->next_look = std::min(series.group->next_look, this->due(series, at));
    if (series.fed == 0) continue;
    // Until the feeds say where they have got to: however late they do, nothing is passed over.
    if (!slot.failure) series.wanted_from = static_cast<Seconds32>(due.window.end);
    readings_.push_back(
        Reading{&series, due.window, std::move(slot.points), slot.failure, due.cut, false, due.from});
  }
  if (!again.empty()) read_again(lane, taken, std::move(again));
}

void Collect::read_again(Lane& lane, const Queued& taken, std::vector<Due> due) {
  Queued entry;
  entry.batch = Batch{taken.batch.target, taken.batch.window, std::move(due)};
  entry.reading = make_event(io_);
  entry.rank = taken.rank;
  const std::chrono::seconds wait(1 << taken.tries);
  entry.not_before = clock_() + wait;
  entry.tries = taken.tries + 1;
  entry.missed = taken.missed;
  for (const Due& one : entry.batch.due) one.series->reading = entry.reading;
  insert(lane, std::move(entry));
  spawn(io_, "reading metrics again", start_workers_at(lane, steady_clock::now() + wait));
  ++lane.timers;
}

void Collect::settle_absent(const Due& due) {
  Series& series = *due.series;
  series.read_until = static_cast<Seconds32>(due.window.end);
  series.last_read = static_cast<Seconds32>(now());
  series.answered = 0;
  series.point_clock = 0;
  series.set_failure(nullptr);
  series.set_remark({});
  if (series.absent_since == 0 || series.absent_since > now()) {
    series.absent_since = static_cast<Seconds32>(now());
    if (series.zero != 0) tell_zero(series);
  }
  read_.push_back(&series);
  if (series.fed != 0)
    readings_.push_back(Reading{&series, due.window, {}, nullptr, due.cut, true, due.from});
}

void Collect::settle_waiting(Series& series, std::shared_ptr<const Error> why) {
  series.last_read = static_cast<Seconds32>(now());
  series.answered = 0;
  note_failure(series, std::move(why));
  read_.push_back(&series);
}

// A mistake in the key looks like a counter that never counted.
void Collect::tell_zero(const Series& series) {
  if (zeros_++ == 0)
    zero_ = fmt::format("{} in {}", series.description(), series.group->target->description());
}

void Collect::tell_zeros(int64_t at) {
  if (zeros_ == 0 || (zeros_told_ <= at && at - zeros_told_ < kZerosToldEvery)) return;
  spdlog::info(
      "{} metrics that CloudWatch does not list count as 0 (<missing> is zero), such as {}: nothing was "
      "counted so far, or the key is mistaken; bakusoku explain says since when",
      zeros_, zero_);
  zeros_ = 0;
  zeros_told_ = at;
}

void Collect::note_failure(Series& series, std::shared_ptr<const Error> failure) {
  series.set_failure(std::move(failure));
  if (series.fed != 0) readings_.push_back(Reading{&series, {}, {}, series.failure(), false, false, 0});
}

// While other calls are answered it is the call's `own`; else it is the target's.
void Collect::settle_failure(Lane& lane, const std::vector<Due>& due, const Error& error, bool own) {
  const auto failure = std::make_shared<const Error>(error);
  std::chrono::seconds longest{0};
  for (const Due& one : due) {
    if (own) one.series->set_own_failure(failure);
    note_failure(*one.series, failure);
    longest = std::max(longest, hold_of(*one.series));
  }
  const int64_t again = now() + kCallHold.count();
  for (const Due& one : due) {
    one.series->group->next_look = own ? std::min(one.series->group->next_look, again) : 0;
  }
  if (own) {
    spdlog::warn("{} (asked for {} metrics; they are read again in {} s, others were answered)",
                 error.message, due.size(), longest.count());
    return;
  }
  lane.failure = failure;
  // Calls that were under way together fail together: that is one failure, not several in a row.
  if (steady_clock::now() < lane.failed_until) return;
  const auto hold =
      std::min<std::chrono::seconds>(kFirstHold * (1 << std::min(lane.failures_in_row, 10)),
                                     aws::blames_credentials(error) ? kLongestCredentialsHold : kLongestHold);
  ++lane.failures_in_row;
  lane.failed_until = steady_clock::now() + hold;
  spdlog::warn("{} (asked for {} metrics; next try in {} s)", error.message, due.size(), hold.count());
}

// A call so much larger may fail where the usual ones do not: they go on.
void Collect::settle_missed(const std::vector<Due>& due, const Error& error) {
  const auto failure = std::make_shared<const Error>(error);
  for (const Due& one : due) note_failure(*one.series, failure);
  spdlog::warn("{} (what {} metrics missed; read when they are due again)", error.message, due.size());
}

void Collect::settle_refusal(const std::vector<Due>& due, const Error& error) {
  const auto failure = std::make_shared<const Error>(error);
  if (!is_refused(*due.front().series)) {
    spdlog::warn("{}{} is not asked for: {}", due.front().series->description(),
                 due.size() == 1 ? "" : fmt::format(" or one of {} more metrics", due.size() - 1),
                 error.message);
  }
  for (const Due& one : due) note_failure(*one.series, failure);
}

bool Collect::may_sample(const Series& series) const {
  if (series.sampled != 0) return true;
  const Delay& delay = delay_of(*series.group);
  return series.ask_gap != 0 && !delay.is_configured() && delay.sampled < kSampledSeries;
}

void Collect::learn_delay(Series& series, const Window& window, const std::vector<Point>& points) {
  if (!may_sample(series)) return;
  Delay& delay = delay_of(*series.group);
  if (series.sampled == 0) {
    if (points.empty()) return;  // it would teach nothing
    series.sampled = 1;
    ++delay.sampled;
  }
  const int64_t at = now();
  const int64_t before = delay.seconds();
  for (const Evidence& evidence : samples_[&series].look(points, window, series.group->period, at)) {
    delay.observe(evidence, series.group->period, at);
  }
  const int64_t after = delay.seconds();
  if (after == before) return;
  const std::string_view of = to_string(period_class(series.group->period));
  if (after > before) {
    spdlog::info(
        "{}, {}: datapoints came late or were corrected after {} s; they count as final after {} s now",
        *series.name->namespace_, of, before, after);
  } else {
    spdlog::debug("{}, {}: nothing came late; they count as final after {} s now", *series.name->namespace_,
                  of, after);
  }
}

void Collect::forget(const Series& series) {
  if (series.sampled == 0) return;
  samples_.erase(&series);
  --delay_of(*series.group).sampled;
}

void Collect::forget_idle() {
  std::set<const Target*> targets;
  std::set<const Delay*> delays;
  for (const auto& group : demand_.groups()) {
    targets.insert(group->target);
    delays.insert(group->delay);
  }
  std::erase_if(lanes_, [&](const auto& entry) {
    const Lane& lane = entry.second;
    return !targets.contains(entry.first) && lane.gathering.empty() && lane.queue.empty() &&
           lane.behind.empty() && lane.workers == 0 && lane.timers == 0;
  });
  delays_.forget_unused(delays);
}

void Collect::each_target(const std::function<void(const Target&)>& use) const {
  for (const auto& [target, lane] : lanes_) use(*target);
}

void Collect::want(Series& series, bool anyway) {
  if (series.reading || (!anyway && is_current(series))) return;
  const Lane& lane = lane_of(*series.group->target);
  if (is_held(lane)) {
    note_failure(series, lane.failure);
    return;
  }
  gather(series);
}

void Collect::read_from(Series& series, int64_t from) { series.wanted_from = static_cast<Seconds32>(from); }

int64_t Collect::held_until(const Series& series) const {
  if (!series.failure()) return 0;
  const Lane* lane = known_lane_of(*series.group->target);
  if (lane != nullptr && series.failure() == lane->failure) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(lane->failed_until - steady_clock::now());
    return now() + std::max<int64_t>(left.count(), 0);
  }
  return std::min<int64_t>(series.last_read, now()) + hold_of(series).count();
}

void Collect::forgive() {
  for (auto& [target, lane] : lanes_) {
    lane.failed_until = {};
    lane.failures_in_row = 0;
  }
}

size_t Collect::calls_queued() const {
  size_t calls = 0;
  for (const auto& [target, lane] : lanes_) calls += lane.queue.size();
  return calls;
}

size_t Collect::series_gathered() const {
  size_t series = 0;
  for (const auto& [target, lane] : lanes_) series += lane.gathering.size();
  return series;
}

Collect::Postponed Collect::postponed() const {
  Postponed all;
  for (const auto& [target, lane] : lanes_) {
    const Postponed one = postponed(*target);
    all.series += one.series;
    if (one.since == 0 || (all.since != 0 && one.since >= all.since)) continue;
    all.since = one.since;
    all.by = one.by;
  }
  return all;
}

Collect::Postponed Collect::postponed(const Target& target) const {
  const Lane* lane = known_lane_of(target);
  if (lane == nullptr || lane->overloaded_since == 0) return {};
  Postponed found{0, lane->overloaded_since, lane->overloaded_by};
  for (const Queued& entry : lane->queue) found.series += entry.postponed ? entry.batch.due.size() : 0;
  return found;
}

Collect::Postponed Collect::postponed(const Series& series) const {
  const Lane* lane = known_lane_of(*series.group->target);
  if (!series.reading || lane == nullptr || lane->overloaded_since == 0) return {};
  const bool waits = std::any_of(lane->queue.begin(), lane->queue.end(), [&](const Queued& entry) {
    return entry.postponed && entry.reading == series.reading;
  });
  if (!waits) return {};
  const int64_t due = next_end(pace_of(series), series.read_until) + delay(series);
  return Postponed{1, series.read_until == 0 ? lane->overloaded_since : due, lane->overloaded_by};
}

// What its calls wait for now.
size_t Collect::calls_waiting_for_quota(const Target& target) {
  return target.account->client ? target.account->client->waiting_for_quota(target.region, "cloudwatch") : 0;
}

Limit Collect::limit_of(const Lane& lane) const {
  if (calls_waiting_for_quota(*lane.target) > 0) return Limit::quota;
  return lane.workers < calls_in_flight_ && workers_ >= kAllCallsInFlight ? Limit::all_calls
                                                                          : Limit::calls_in_flight;
}

double Collect::stretch(const Series& series) const {
  const double factor = stretch_.at(series.priority);
  if (!(factor > 1)) return 1;
  const int64_t own = std::max<int64_t>(static_cast<int64_t>(series.ask_gap), series.group->period);
  const int64_t interval = stretched(own, factor, longest_stretched_);
  return interval > own ? static_cast<double>(interval) / static_cast<double>(own) : 1;
}

void Collect::set_stretch(Priority priority, double factor) {
  stretch_.at(static_cast<size_t>(priority)) = std::max(factor, 1.0);
}

// What could not be sent before its series' next moment is read over both, in its turn: it goes before what
// of its priority has waited less.
void Collect::postpone_stale(Lane& lane, int64_t at) {
  std::vector<Due> late;
  std::vector<EventPtr> waited_for;
  for (auto entry = lane.queue.begin(); entry != lane.queue.end();) {
    if (entry->stale_at == 0 || entry->stale_at > at) {
      ++entry;
      continue;
    }
    late.insert(late.end(), entry->batch.due.begin(), entry->batch.due.end());
    waited_for.push_back(entry->reading);
    entry = lane.queue.erase(entry);
  }
  if (late.empty()) {
    const bool waits = std::any_of(lane.queue.begin(), lane.queue.end(),
                                   [](const Queued& entry) { return entry.postponed; });
    if (lane.overloaded_since == 0 || waits) return;
    spdlog::info("metrics in {} are read in time again, after {} s", lane.target->description(),
                 std::max<int64_t>(at - lane.overloaded_since, 0));
    lane.overloaded_since = 0;
    lane.overloaded_by = Limit::none;
    return;
  }
  std::vector<Series*> series;
  for (const Due& due : late) {
    due.series->reading.reset();
    series.push_back(due.series);
  }
  for (const auto& event : waited_for) event->set();
  // A clock that was set forward makes everything late, and no call too many.
  const bool jumped = last_tick_ != 0 && at - last_tick_ > 10;
  if (!jumped) {
    counters_.postponed += late.size();
    lane.overloaded_by = limit_of(lane);
    if (lane.overloaded_since == 0) {
      lane.overloaded_since = at;
      spdlog::warn(
          "more metrics are due in {} than may be read in time: {} wait for their next moment ({} of "
          "priority "
          "high, {} normal, {} low) and are read then from where they were, nothing is lost. {}; longer "
          "intervals help too",
          lane.target->description(), late.size(), count_of(late, Priority::high),
          count_of(late, Priority::normal), count_of(late, Priority::low), advice(lane.overloaded_by));
    }
  }
  start(lane, series, jumped ? Why::due : Why::postponed);
}

void Collect::tick() {
  const int64_t at = now();
  for (auto& [target, lane] : lanes_) {
    if (!is_held(lane)) postpone_stale(lane, at);
  }
  look_at_all(at, nullptr);
  for (auto& [target, lane] : lanes_) start_workers(lane);
  tell_zeros(at);
  last_tick_ = at;
}

}  // namespace bakusoku::agent
