// Checks: the items that Zabbix wants of the hosts we answer for, at their update intervals, made into values
// for the spool. A metric becomes demand, and each of its final datapoints a value at its own clock; anything
// else is asked of the item table when it is due, and has the time it was read. An error is a value too, once
// per change. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/collect.h"
#include "agent/demand.h"
#include "agent/feed.h"
#include "agent/items.h"
#include "agent/spool.h"
#include "base/clock.h"
#include "zabbix/active.h"
#include "zabbix/interval.h"

namespace bakusoku::agent {

class Checks {
 public:
  struct Parts {
    asio::io_context& io;
    Items& items;
    Collect& collect;
    Clock clock;
    std::vector<Spool*> spools;  // by destination
    std::chrono::milliseconds timeout;
    std::set<std::string> own_hosts{};  // those that may have items of this machine
  };

  explicit Checks(Parts parts) : parts_(std::move(parts)) {}
  ~Checks();
  Checks(const Checks&) = delete;
  Checks& operator=(const Checks&) = delete;

  /// What a destination wants of a host from now on; no items: nothing any more. Items that stay keep their
  /// pace.
  void replace(size_t destination, const std::string& host, const std::vector<zabbix::ActiveItem>& items);

  /// Where the values of that destination go from now on; null: it has left, and wants nothing any more. What
  /// it was to get is in its spool then.
  void set_spool(size_t destination, Spool* spool);
  /// From now on: who may have items of this machine, and how long an item without a timeout may take.
  void set_own_hosts(std::set<std::string> own_hosts) { parts_.own_hosts = std::move(own_hosts); }
  void set_timeout(std::chrono::milliseconds timeout) { parts_.timeout = timeout; }
  /// Keys may stand for other targets than before. Items whose metric stays keep their pace.
  void look_again();

  /// Called when there is an item that was not there before.
  std::function<void()> on_added;

  /// Called once a second, or more often: what is due, and what the newest readings brought.
  void tick();

  [[nodiscard]] size_t count() const { return scheduled_; }
  [[nodiscard]] uint64_t values() const { return values_; }

  /// What has become of an item's newest value. Kept small: there is one for each item.
  struct Put {
    uint64_t id = 0;      // in the spool; 0: nothing was put since the agent's start
    Seconds32 clock = 0;  // of the value
    Seconds32 at = 0;
  };
  /// What is known of one item; the views are good until the next call of another kind.
  struct Seen {
    std::string_view key{};       // as it is evaluated
    std::string_view sent_key{};  // as Zabbix knows it
    std::string_view delay{};
    bool has_interval = true;  // false: the delay cannot be read, and the item is never due
    int64_t due = 0;           // unix seconds
    Wanted metric{};           // its series is null: no metric, or not yet due for the first time
    std::string_view error{};  // that Zabbix has been told, and not yet taken back
    bool asking = false;       // a question that is no metric's is under way
    Put put{};
    std::string_view fact{};  // the text that was put, its beginning, when it was neither datapoint nor error
  };
  /// The items that a destination wants of a host, in Zabbix's order.
  [[nodiscard]] std::vector<Seen> seen(size_t destination, const std::string& host) const;

  /// Calls `use` with host and key of each item that wants the series.
  template <typename Use>
  void each_item_of(const Series& series, Use use) const {
    for (const Check* check = fed_by(series); check != nullptr; check = check->next_fed())
      use(*check->host, check->sent_key());
  }
  /// Calls `use` with each item that is a metric or will be one: its series (null: it is not known yet), key
  /// as it is evaluated, interval.
  template <typename Use>
  void each_item(Use use) const {
    for (const auto& [due, checks] : due_) {
      for (const Check* check : checks) use(check->metric.series, check->key, check->delay->text);
    }
  }

  struct Pace {
    size_t metrics = 0;  // of count()
    size_t due = 0;      // now
    size_t asking = 0;   // questions under way that are no metrics'
    size_t reading = 0;  // metrics that are being read
    size_t waiting = 0;  // values that the spool could not take so far
  };
  /// Walks all items.
  [[nodiscard]] Pace pace() const;
  /// Why the spool takes no values at the moment; empty: it does.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  /// An update interval; one for all items that have it.
  struct Delay {
    std::string text;
    std::optional<zabbix::Interval> interval;  // none: it cannot be read
  };
  /// Kept small: there may be a hundred thousand.
  struct Check : Feeder, std::enable_shared_from_this<Check> {
    std::shared_ptr<const std::string> host;
    std::string key;                               // to be evaluated
    std::unique_ptr<const std::string> sent_key_;  // null: the same
    std::unique_ptr<const std::string> error_;     // null: none
    std::shared_ptr<const Delay> delay;
    uint64_t itemid = 0;
    uint64_t seed = 0;
    int64_t due = 0;  // 0: never
    Wanted metric{};
    std::optional<Feed> feed;  // of a metric
    uint32_t due_place = 0;    // among those that are due at that second
    uint32_t destination = 0;
    uint32_t timeout_ms = 0;
    bool asking = false;
    bool gone = false;
    Put put{};
    std::unique_ptr<const std::string>
        fact;  // the beginning of the text that was put; null: not of this kind

    /// As Zabbix knows it.
    [[nodiscard]] const std::string& sent_key() const { return sent_key_ ? *sent_key_ : key; }
    /// That Zabbix has been told; empty: none.
    [[nodiscard]] std::string_view error() const { return error_ ? std::string_view(*error_) : ""; }
    [[nodiscard]] const std::optional<zabbix::Interval>& interval() const { return delay->interval; }
    /// The next one that is fed by the same series; null: none.
    [[nodiscard]] Check* next_fed() const { return static_cast<Check*>(next); }
    void tell(const zabbix::ActiveItem& item, std::chrono::milliseconds timeout);
  };
  using CheckPtr = std::shared_ptr<Check>;

  void add(size_t destination, const std::shared_ptr<const std::string>& host,
           const zabbix::ActiveItem& item);
  void remove(Check& check);
  /// Its series is none of its any more.
  void let_go(Check& check);
  [[nodiscard]] std::shared_ptr<const Delay> delay_of(const std::string& text);
  [[nodiscard]] static Check* fed_by(const Series& series) { return static_cast<Check*>(series.feeders); }
  void schedule(Check& check, int64_t due);
  void unschedule(Check& check);
  void run(const CheckPtr& check, int64_t now);
  void run_metric(Check& check, int64_t now);
  static void note_asked(const Check& check, int64_t now);
  void set_pace(Series& series);
  void reschedule_all(int64_t now);
  [[nodiscard]] asio::awaitable<void> ask(CheckPtr check);
  void take_reading(const Collect::Reading& reading, int64_t now);
  enum class Kind { datapoint, fact, error };
  void put(Check& check, int64_t clock, std::string text, Kind kind);
  void put_error(Check& check, int64_t now, const std::string& error);
  void flush();
  struct Waiting;
  [[nodiscard]] bool store(size_t destination, std::span<const Waiting> waiting);
  void note_put(std::span<const Waiting> put, uint64_t first_id) const;

  Parts parts_;
  std::map<std::pair<size_t, std::string>, std::vector<CheckPtr>> hosts_;
  std::map<int64_t, std::vector<Check*>> due_;  // by the second
  size_t scheduled_ = 0;                        // of due_
  std::map<std::string, std::weak_ptr<const Delay>, std::less<>> delays_;
  struct Waiting {
    CheckPtr check;
    int64_t clock = 0;
    std::string text;
    Kind kind = Kind::fact;
  };
  std::vector<std::vector<Waiting>> waiting_;  // by destination: for the next flush
  uint64_t values_ = 0;
  int64_t last_tick_ = 0;
  std::string trouble_;  // of the spool, logged last
};

}  // namespace bakusoku::agent
