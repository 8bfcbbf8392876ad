// Existence: which metrics CloudWatch lists, so that one that is not there is not asked for: AWS bills it
// like any other. Of a namespace the whole list is kept, as a hash of eight bytes per metric, and read again
// some times a day; what is not in it is looked for by itself, at a growing interval, by its dimensions or in
// the list of the recently active, whichever takes fewer calls. One listing of a namespace of a target is
// under way at a time. What is not known, because ListMetrics is denied, slow, or the list too long, counts
// as unknown: it is read. Anybody may ask for what nobody has: of that it keeps a bounded number, and
// namespaces of which something is known go before those of which nothing is. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/demand.h"
#include "agent/event.h"
#include "agent/exists.h"
#include "agent/targets.h"
#include "aws/cloudwatch.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

/// What anybody may ask for is bounded; beyond it, what was wanted longest ago is forgotten.
struct ExistenceLimits {
  size_t empty = 20'000;    // namespaces of which nothing is known
  size_t sought = 400'000;  // metrics that are not there
};

class Existence {
 public:
  /// `every`: between two readings of a whole list; zero: nothing is ever listed, and nothing known.
  Existence(asio::io_context& io, std::chrono::seconds every, Clock clock, ExistenceLimits limits = {});
  Existence(const Existence&) = delete;
  Existence& operator=(const Existence&) = delete;

  /// From now on; what is known stays known.
  void configure(std::chrono::seconds every) { every_ = every; }

  /// What is known now; never waits. Metric math is there when one of its metrics is.
  [[nodiscard]] Exists of(const Series& series) const;

  /// Looks for what is not known, and returns when all is known, or cannot be, or at the deadline. `series`,
  /// all of `target`, are not used after the first wait.
  [[nodiscard]] asio::awaitable<void> learn(const Target& target, std::vector<Series*> series,
                                            Deadline deadline);

  /// It is wanted regularly: its namespace's list is kept, and it is looked for while it is absent.
  void want(const Series& series);

  /// Once a second: what is due to be listed again.
  void tick();

  /// When an absent series is looked for again, unix seconds; 0: nothing planned.
  [[nodiscard]] int64_t looks_again(const Series& series) const;

  /// What is remembered.
  [[nodiscard]] size_t namespaces() const { return listings_.size(); }
  /// Calls use(target) for each that something is remembered of.
  void each_target(const std::function<void(const Target&)>& use) const;
  [[nodiscard]] size_t metrics_there() const;
  [[nodiscard]] size_t metrics_absent() const;

 private:
  // A metric that somebody wanted and the list does not have.
  struct Sought {
    uint64_t hash = 0;
    std::shared_ptr<const std::string> metric;
    DimensionsPtr dimensions;
    Seconds32 looked = 0;  // when it was not found; 0: it was not looked for yet
    Seconds32 wanted = 0;
    uint32_t gap = 0;  // seconds until it is looked for again
    bool found = false;
    [[nodiscard]] int64_t again() const { return int64_t{looked} + gap; }
  };
  // In the order of their hashes, in one piece of memory: at the start every metric is sought for some
  // seconds.
  class SoughtList {
   public:
    [[nodiscard]] Sought* find(uint64_t hash);
    [[nodiscard]] const Sought* find(uint64_t hash) const;
    // None of them is in it; one that is given twice is added once. The hashes of those added.
    std::vector<uint64_t> add(std::vector<Sought> more);
    template <typename Predicate>
    void erase_if(Predicate predicate);
    [[nodiscard]] const std::vector<Sought>& all() const { return all_; }

   private:
    std::vector<Sought> all_;
  };
  // One namespace of a target, its own or a linked account's.
  struct Listing {
    const Target* target = nullptr;
    std::string namespace_;
    std::string owner;

    std::vector<uint64_t> there;  // sorted
    SoughtList sought;
    std::vector<uint64_t> asked;  // of them, those to be looked for now

    int64_t listed_at = 0;  // when the whole list was begun; 0: never
    size_t pages = 0;       // it had
    size_t lookups = 0;     // of single metrics since then, a call each
    bool too_long = false;  // for this agent to keep
    int64_t wanted_at = 0;
    bool wanted_regularly = false;
    int64_t next_look = 0;

    bool working = false;  // a listing is under way, or waits for its turn
    bool whole = false;    // the list is to be read
    EventPtr done;         // set when nothing is asked any more
    int failures = 0;      // in a row
    int64_t held_until = 0;
    std::string trouble;
  };
  using Key = std::tuple<const Target*, std::string_view, std::string_view>;
  // What one call finds.
  struct Filter;

  [[nodiscard]] int64_t now() const { return unix_seconds(clock_()); }
  [[nodiscard]] const Listing* find(const Target& target, std::string_view namespace_,
                                    std::string_view owner) const;
  Listing& listing_of(const Target& target, std::string_view namespace_, std::string_view owner);
  [[nodiscard]] Exists of(const Listing* listing, std::string_view metric,
                          const Dimensions& dimensions) const;
  [[nodiscard]] uint64_t hash_of(std::string_view metric, const Dimensions& dimensions) const;
  [[nodiscard]] bool is_held(const Listing& listing) const;

  void start(Listing& listing);
  void begin(Listing& listing);
  void end(Listing& listing);
  void forget_crowd();
  [[nodiscard]] asio::awaitable<void> work(Listing& listing);
  [[nodiscard]] asio::awaitable<Result<void>> list(Listing& listing, bool recently_active);
  [[nodiscard]] asio::awaitable<Result<void>> look_up(Listing& listing, std::vector<Filter> filters);
  [[nodiscard]] asio::awaitable<Result<aws::cloudwatch::MetricsPage>> page(
      const Listing& listing, aws::cloudwatch::ListMetricsRequest request);
  void take_page(aws::cloudwatch::MetricsPage page, std::vector<uint64_t>& found,
                 aws::cloudwatch::ListMetricsRequest& request) const;
  [[nodiscard]] static std::vector<Filter> filters_of(const Listing& listing);
  void settle(Listing& listing, const std::vector<uint64_t>& looked_for, int64_t at);
  void note_failed(Listing& listing, const Error& error);
  static void plan_next_look(Listing& listing);

  asio::io_context& io_;
  std::chrono::seconds every_;
  Clock clock_;
  ExistenceLimits limits_;
  std::map<Key, std::unique_ptr<Listing>> listings_;  // keys look into their listings
  // Listings that are under way to a target, and those that wait for one of them to end.
  struct Turns {
    size_t running = 0;
    std::deque<Listing*> waiting{};
  };
  std::map<const Target*, Turns> turns_;
  int64_t crowds_ = 0;           // when forget_crowd() was looked at
  mutable std::string scratch_;  // for hash_of()
};

}  // namespace bakusoku::agent
