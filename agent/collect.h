// Collect: reads the wanted series from CloudWatch. First demands are gathered for a few milliseconds; series
// that are asked for regularly are read ahead when agent/schedule.h says so, all that are due of a target
// together. Each target has a lane of calls of its own, so that one that hangs or fails holds up no other; in
// it, what somebody waits for comes first, then by priority. What does not fit before its next moment is
// postponed: the next reading covers the gap. What was missed is read too, oldest first, one call at a time
// behind all others. A failure reaches every series it concerns. Runs on the agent's thread.
#pragma once

#include <array>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/batch.h"
#include "agent/budget.h"
#include "agent/config.h"
#include "agent/delays.h"
#include "agent/demand.h"
#include "agent/exists.h"
#include "agent/feed.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

/// GetMetricData calls that are under way at once in the whole agent; each target may have two all the same.
inline constexpr int kAllCallsInFlight = 64;

struct CollectCounters {
  uint64_t calls = 0;              // GetMetricData requests, pages counted
  uint64_t failures = 0;           // of them
  uint64_t metrics_requested = 0;  // queries
  uint64_t metrics_billed = 0;     // as AWS counts: up to five statistics of a metric in a request are one
  uint64_t datapoints = 0;         // that came
  uint64_t postponed = 0;          // readings that were put off to a later moment, see Lane
};

class Collect {
 public:
  Collect(asio::io_context& io, Demand& demand, const MetricsConfig& config, int calls_in_flight,
          Clock clock);
  Collect(const Collect&) = delete;
  Collect& operator=(const Collect&) = delete;

  /// From now on.
  void configure(const MetricsConfig& config, int calls_in_flight);

  /// Called once for each request that AWS counted, with what is billed of it.
  std::function<void(const Batch&, const std::vector<Share>&)> on_billed;
  /// Called when a reading has come, so many seconds after its newest period could be final.
  std::function<void(int64_t)> on_lag;

  /// What is known of which metrics CloudWatch has. A series without is not asked for: it counts as read and
  /// empty. Null functions: nothing is known.
  struct Listed {
    std::function<Exists(const Series&)> is;  // never waits
    std::function<asio::awaitable<void>(const Target&, std::vector<Series*>, Deadline)>
        learn;                                 // of those that are unknown
    std::function<void(const Series&)> wants;  // it is read regularly
  };
  Listed listed;
  /// Whether a series that was never read may be read within the budget; unset: all may. Null: it may; else
  /// why it waits, with the code kWaitsForBudget, which is its failure until it is looked at again.
  std::function<std::shared_ptr<const Error>(const Series&)> may_begin;

  /// True when what is known of the series is the newest there can be; its point or failure may be answered
  /// at once.
  [[nodiscard]] bool is_current(const Series& series) const;

  /// Makes the series current, waiting until `deadline` at most. Errors: timeout. How the reading went is in
  /// the series.
  [[nodiscard]] asio::awaitable<Result<void>> make_current(Series& series, Deadline deadline);

  /// While the series' newest value is the newest there can be. Nothing: it has none, or is not current.
  [[nodiscard]] std::optional<Span> current_span(const Series& series) const;

  /// Reads the series together with others that are wanted at the same moment, unless it is current or being
  /// read; with `anyway` even if it is current. How it went is in the series, and in take_readings().
  void want(Series& series, bool anyway);
  /// True when the series is read at moments of its own, so that nobody needs to want it.
  [[nodiscard]] static bool is_scheduled(const Series& series);

  /// Every datapoint that a reading of a fed series brought.
  struct Reading {
    Series* series = nullptr;
    Window window{};
    std::vector<Point> points;
    std::shared_ptr<const Error> failure;  // why there are none; null: they were read
    bool cut = false;                      // newer periods were final already, and did not fit
    bool absent = false;                   // not asked for: CloudWatch has no such metric
    int64_t from = 0;                      // what was wanted when it was begun, as of read_from()
  };
  /// The readings of fed series since the last call; to be used at once, before series are forgotten.
  [[nodiscard]] std::vector<Reading> take_readings() { return std::exchange(readings_, {}); }

  /// The next reading of a fed series starts no later than `from` (unix seconds), as far as the configuration
  /// wants it, CloudWatch keeps its datapoints and one call may bring them; 0: as every reading.
  static void read_from(Series& series, int64_t from);
  /// Reads on from there at once, after a reading that was cut.
  void read_on(Series& series) { want(series, true); }
  /// The series is about to be forgotten.
  void forget(const Series& series);
  /// Forgets what is kept of targets and namespaces of which there is no series any more.
  void forget_idle();
  /// Calls use(target) for each that something is kept of.
  void each_target(const std::function<void(const Target&)>& use) const;

  /// The series that were read since the last call; to be used at once, before series are forgotten.
  [[nodiscard]] std::vector<Series*> take_read() { return std::exchange(read_, {}); }

  /// Accounts were changed: what failed before is tried again when it is asked for next.
  void forgive();

  /// Called once a second: reads ahead what is due.
  void tick();

  /// The interval at which series of that priority are read is multiplied by `factor`, 1 or more, but not
  /// made longer than `longest` seconds.
  void set_stretch(Priority priority, double factor);
  void set_longest_stretched(int64_t longest) { longest_stretched_ = longest; }
  /// By how much the interval of a series is longer than its own; 1: it is not.
  [[nodiscard]] double stretch(const Series& series) const;

  [[nodiscard]] const CollectCounters& counters() const { return counters_; }
  /// Seconds after a period's end at which it counts as final.
  [[nodiscard]] int64_t delay(const Series& series) const;
  [[nodiscard]] Delays& delays() { return delays_; }
  [[nodiscard]] const Delays& delays() const { return delays_; }
  [[nodiscard]] int64_t look_back() const { return config_.look_back; }
  /// When the series is read next if nobody asks for it before, unix seconds; 0: it is not.
  [[nodiscard]] int64_t next_reading(const Series& series) const;
  /// What the next reading of a fed series starts from when it is behind; 0: it is not.
  [[nodiscard]] static int64_t behind(const Series& series) { return series.wanted_from; }
  /// Until when the series' failure is its answer without another try, unix seconds.
  [[nodiscard]] int64_t held_until(const Series& series) const;
  /// GetMetricData calls that are under way, and those that wait for their turn.
  [[nodiscard]] size_t calls_in_flight() const { return static_cast<size_t>(workers_); }
  [[nodiscard]] size_t calls_queued() const;
  /// Series that wait for company before they are read.
  [[nodiscard]] size_t series_gathered() const;
  /// Series that wait for their turn longer than to their next moment, since when (unix seconds; 0: none),
  /// and for what.
  struct Postponed {
    size_t series = 0;
    int64_t since = 0;
    Limit by = Limit::none;
  };
  [[nodiscard]] Postponed postponed() const;
  [[nodiscard]] Postponed postponed(const Target& target) const;
  /// Of one series: since when it has been due.
  [[nodiscard]] Postponed postponed(const Series& series) const;
  /// Calls to CloudWatch in that target that are under way but wait until our share of the quota allows them.
  [[nodiscard]] static size_t calls_waiting_for_quota(const Target& target);
  /// GetMetricData calls that may be under way to one target.
  [[nodiscard]] int most_calls_in_flight() const { return calls_in_flight_; }

 private:
  using Steady = std::chrono::steady_clock::time_point;

  [[nodiscard]] int64_t now() const { return unix_seconds(clock_()); }
  /// In the order of calls: kUrgent, then one more than the priority.
  using Rank = int;
  struct Queued {
    Batch batch;
    EventPtr reading;
    Rank rank = 0;
    WallTime not_before{};
    int64_t stale_at = 0;  // unix seconds: its series' next moment
    int tries = 0;         // of those that CloudWatch could not read
    bool missed = false;   // what is behind, not what is due
    bool postponed = false;
  };
  // The calls to one target, so that a region that hangs holds up no other.
  struct Lane {
    const Target* target = nullptr;
    std::vector<Series*> gathering;  // wait for company before they are read
    std::list<Queued> queue;
    std::list<Queued> behind;  // what was missed: one call at a time, when nothing else is queued
    int workers = 0;
    int timers = 0;            // coroutines that come back to it
    bool catching_up = false;  // one of them is at what was missed
    Steady catch_up_after{};
    std::shared_ptr<const Error> failure;  // of the newest call, and until when it answers for all
    Steady failed_until{};
    int failures_in_row = 0;
    uint64_t answers = 0;
    int64_t overloaded_since = 0;  // unix seconds: readings are postponed
    Limit overloaded_by = Limit::none;
  };
  enum class Why { asked, due, postponed };
  // What one reading brought of one series.
  struct Found;

  [[nodiscard]] Lane& lane_of(const Target& target);
  [[nodiscard]] const Lane* known_lane_of(const Target& target) const;
  [[nodiscard]] static bool is_held(const Lane& lane);
  [[nodiscard]] static bool may_catch_up(const Lane& lane);
  [[nodiscard]] Limit limit_of(const Lane& lane) const;
  [[nodiscard]] Delay& delay_of(Group& group) const;
  [[nodiscard]] Pace pace_of(const Series& series) const;
  [[nodiscard]] int64_t due(const Series& series, int64_t at) const;
  void gather(Series& series);
  [[nodiscard]] asio::awaitable<void> flush_later(Lane& lane);
  void flush(Lane& lane);
  void look(Group& group, int64_t at, std::vector<Series*>& into);
  void look_at_all(int64_t at, const Target* only);
  void hurry(Lane& lane, const Series& series);
  void postpone_stale(Lane& lane, int64_t at);
  void start(Lane& lane, const std::vector<Series*>& wanted, Why why, bool is_learnt = false);
  void enqueue(Lane& lane, const std::vector<Series*>& wanted, Why why, bool is_learnt);
  void plan(Lane& lane, std::vector<Due> due, Why why, bool missed, std::list<Queued>& into);
  [[nodiscard]] asio::awaitable<void> learn(Lane& lane, std::vector<Series*> unknown, Why why);
  static void insert(Lane& lane, Queued&& entry);
  [[nodiscard]] bool is_ready(const Queued& entry) const;
  void start_workers(Lane& lane);
  [[nodiscard]] asio::awaitable<void> start_workers_at(Lane& lane, Steady time);
  [[nodiscard]] asio::awaitable<void> work(Lane& lane);
  [[nodiscard]] asio::awaitable<void> read(Lane& lane, Queued& taken);
  [[nodiscard]] asio::awaitable<Result<std::vector<Found>>> read_once(Lane& lane, const Batch& batch);
  void settle(Lane& lane, const Queued& taken, const Batch& batch, std::vector<Found> found);
  void read_again(Lane& lane, const Queued& taken, std::vector<Due> due);
  void tell_lag(const Batch& batch) const;
  [[nodiscard]] static std::string remark_of(const Found& found);
  void settle_absent(const Due& due);
  void settle_waiting(Series& series, std::shared_ptr<const Error> why);
  void tell_zero(const Series& series);
  void tell_zeros(int64_t at);
  void settle_failure(Lane& lane, const std::vector<Due>& due, const Error& error, bool own);
  void settle_missed(const std::vector<Due>& due, const Error& error);
  void settle_refusal(const std::vector<Due>& due, const Error& error);
  void note_failure(Series& series, std::shared_ptr<const Error> failure);
  [[nodiscard]] bool may_sample(const Series& series) const;
  void learn_delay(Series& series, const Window& window, const std::vector<Point>& points);

  asio::io_context& io_;
  Demand& demand_;
  MetricsConfig config_;
  int calls_in_flight_;  // to one target
  Clock clock_;
  CollectCounters counters_;
  mutable Delays delays_;  // grows by those first asked for
  std::array<double, kPriorities> stretch_{1, 1, 1};
  int64_t longest_stretched_ = 3600;
  std::map<const Target*, Lane> lanes_;
  int workers_ = 0;
  int64_t last_tick_ = 0;
  std::vector<Series*> read_;
  std::vector<Reading> readings_;
  std::unordered_map<const Series*, Sample> samples_;
  size_t zeros_ = 0;  // series that came to count as 0 and are not listed, since that was told
  std::string zero_;  // the first of them
  int64_t zeros_told_ = 0;
};

}  // namespace bakusoku::agent
