// Collect: reads the wanted series from CloudWatch. First demands are gathered for a few milliseconds; series
// that are asked for regularly are read ahead, together, as soon as a newer period is final, at most once per
// interval of their asker (that is how often they cost money). What was missed is read too, oldest first, one
// call at a time behind all others. A failure reaches every series it concerns. Runs on the agent's thread.
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
#include "agent/demand.h"
#include "agent/feed.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

struct CollectCounters {
  uint64_t calls = 0;              // GetMetricData requests, pages counted
  uint64_t failures = 0;           // of them
  uint64_t metrics_requested = 0;  // queries
  uint64_t metrics_billed = 0;     // as AWS counts: up to five statistics of a metric in a request are one
  uint64_t datapoints = 0;         // that came
};

class Collect {
 public:
  Collect(asio::io_context& io, Demand& demand, MetricsConfig config, Clock clock);
  Collect(const Collect&) = delete;
  Collect& operator=(const Collect&) = delete;

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

  /// Every datapoint that a reading of a fed series brought.
  struct Reading {
    Series* series = nullptr;
    Window window{};
    std::vector<Point> points;
    std::shared_ptr<const Error> failure;  // why there are none; null: they were read
    bool cut = false;                      // newer periods were final already, and did not fit
  };
  /// The readings of fed series since the last call; to be used at once, before series are forgotten.
  [[nodiscard]] std::vector<Reading> take_readings() { return std::exchange(readings_, {}); }

  /// The next reading of a fed series starts no later than `from` (unix seconds), as far as the configuration
  /// wants it, CloudWatch keeps its datapoints and one call may bring them; 0: as every reading.
  void read_from(const Series& series, int64_t from);
  /// Reads on from there at once, after a reading that was cut.
  void read_on(Series& series) { want(series, true); }

  /// The series that were read since the last call; to be used at once, before series are forgotten.
  [[nodiscard]] std::vector<Series*> take_read() { return std::exchange(read_, {}); }

  /// Called once a second: reads ahead what is due.
  void tick();

  /// Called for each request that AWS bills, with what was in it.
  std::function<void(const Batch&)> on_billed;
  /// Called when a reading has come, so many seconds after its newest period could be final.
  std::function<void(int64_t)> on_lag;
  /// The interval at which series of a priority (0 high, 1 normal, 2 low) are read is multiplied by it, but
  /// not made longer than `longest` seconds.
  void set_stretch(int priority, double factor) { stretch_[static_cast<size_t>(priority)] = factor; }
  void set_longest_stretched(int64_t longest) { longest_stretched_ = longest; }
  /// By how much the interval of a series is longer than its own; 1: it is not.
  [[nodiscard]] double stretch(const Series& series) const;

  [[nodiscard]] const CollectCounters& counters() const { return counters_; }
  /// What the next reading of a fed series starts from when it is behind; 0: it is not.
  [[nodiscard]] int64_t behind(const Series& series) const;
  /// Until when the series' failure is its answer without another try, unix seconds.
  [[nodiscard]] int64_t held_until(const Series& series) const;
  /// GetMetricData calls that are under way, and those that wait for their turn.
  [[nodiscard]] size_t calls_in_flight() const;
  [[nodiscard]] size_t calls_queued() const;

 private:
  [[nodiscard]] int64_t now() const { return unix_seconds(clock_()); }
  struct Queued {
    Batch batch;
    std::shared_ptr<Event> reading;
  };
  // The calls to one target, so that a region that hangs holds up no other.
  struct Lane {
    std::list<Queued> queue;
    std::list<Queued> behind;  // what was missed: one call at a time, when nothing else is queued
    int workers = 0;
    bool catching_up = false;  // one of them is at what was missed
    std::chrono::steady_clock::time_point catch_up_after{};
  };
  [[nodiscard]] static bool may_catch_up(const Lane& lane);
  /// Seconds between two readings of the series, longer than its own; 0: it is not stretched.
  [[nodiscard]] int64_t stretched_interval(const Series& series) const;
  [[nodiscard]] bool is_due(const Series& series, int64_t now) const;
  void gather(Series& series);
  void note_failed(const std::vector<Series*>& series);
  [[nodiscard]] asio::awaitable<void> flush_later(Group& group);
  void flush(Group& group);
  void read_ahead(Group& group);
  void start(Group& group, std::vector<Series*> wanted);
  void enqueue(Group& group, const std::vector<Series*>& wanted);
  [[nodiscard]] asio::awaitable<void> work(Lane& lane);
  void start_workers(Lane& lane);
  [[nodiscard]] asio::awaitable<void> read(Batch& batch);
  [[nodiscard]] asio::awaitable<Result<void>> read_once(Batch& batch);
  void settle_failure(Group& group, const std::vector<Series*>& series, const Error& error);
  void settle_missed(const Group& group, const std::vector<Series*>& series, const Error& error);
  void settle_refusal(const std::vector<Series*>& series, const Error& error);

  asio::io_context& io_;
  Demand& demand_;
  MetricsConfig config_;
  Clock clock_;
  CollectCounters counters_;
  std::map<const Target*, Lane> lanes_;
  std::vector<Series*> read_;
  std::vector<Reading> readings_;
  std::unordered_map<const Series*, int64_t>
      behind_;                                  // the fed series that are to be read from an earlier time
  std::shared_ptr<const Error> out_of_memory_;  // made beforehand
  std::array<double, kBudgetPriorities> stretch_{1, 1, 1};
  int64_t longest_stretched_ = 3600;
};

}  // namespace bakusoku::agent
