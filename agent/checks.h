// Checks: the items that Zabbix wants of the hosts we answer for, at their update intervals, made into values
// for the spool. A metric becomes demand, and each of its final datapoints a value at its own clock; anything
// else is asked of the item table when it is due, and has the time it was read. An error is a value too, once
// per change. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <compare>
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
#include "base/intrusive_ptr.h"
#include "base/packed_text.h"
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
    std::set<std::string> own_hosts{};       // those that may have items of this machine
    size_t longest_text = size_t{32} << 20;  // bytes of an answer: half of what the spool takes
  };

  explicit Checks(Parts parts) : parts_(std::move(parts)) {}
  ~Checks();
  Checks(const Checks&) = delete;
  Checks& operator=(const Checks&) = delete;

  /// What a destination wants of a host from now on; no items: nothing any more. An item is its id, where
  /// Zabbix tells one, else its key as Zabbix knows it: two items may have one key to be evaluated. Of rows
  /// with one identity the first counts. Items that stay keep their pace.
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
    uint64_t itemid = 0;          // 0: not told
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
      use(check->host->name, check->sent_key());
  }
  /// Calls `use` with each item that is a metric or will be one: its series (null: it is not known yet), key
  /// as it is evaluated, interval, host.
  template <typename Use>
  void each_item(Use use) const {
    for (const auto& [due, checks] : due_) {
      for (const Check* check : checks)
        use(check->series, check->key.view(), check->delay->text, check->host->name);
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
  /// One for all its items.
  struct Host : RefCounted {
    Host(Checks& checks_, std::string name_) : checks(checks_), name(std::move(name_)) {}
    Checks& checks;  // which the items of the host outlive only when they are scheduled and fed no more
    std::string name;
  };
  /// An update interval; one for all items that have it.
  struct Delay : RefCounted {
    Delay(std::string text_, std::optional<zabbix::Interval> interval_)
        : text(std::move(text_)), interval(std::move(interval_)) {}
    std::string text;
    std::optional<zabbix::Interval> interval;  // none: it cannot be read
  };
  /// Kept small: there may be a hundred thousand.
  struct Check : Feeder, RefCounted {
    Check() = default;
    ~Check() { remove(); }
    Check(const Check&) = delete;
    Check& operator=(const Check&) = delete;

    bool asking = false;
    bool gone : 1 = false;
    bool missing_is_zero : 1 = false;
    uint16_t destination = 0;
    IntrusivePtr<const Host> host;
    IntrusivePtr<const Delay> delay;
    uint64_t itemid = 0;
    PackedText key;            // to be evaluated
    PackedText other_key;      // as Zabbix knows it; empty: the same
    PackedText error;          // that Zabbix has been told; empty: none
    PackedText fact;           // the beginning of the text that was put; empty: not of this kind
    Series* series = nullptr;  // of a metric; null: none, or not yet known
    Put put{};
    Feed feed{0, 0};  // of a metric
    uint32_t seed = 0;
    Seconds32 due = 0;       // 0: never
    uint32_t due_place = 0;  // among those that are due at that second
    uint32_t timeout_ms = 0;

    /// As Zabbix knows it.
    [[nodiscard]] std::string_view sent_key() const { return (other_key.empty() ? key : other_key).view(); }
    [[nodiscard]] const std::optional<zabbix::Interval>& interval() const { return delay->interval; }
    /// The next one that is fed by the same series; null: none.
    [[nodiscard]] Check* next_fed() const { return static_cast<Check*>(next); }
    void tell(const zabbix::ActiveItem& item, std::chrono::milliseconds timeout);
    /// It is due no more, and fed no more.
    void remove();
  };
  using CheckPtr = IntrusivePtr<Check>;

  struct Identity {
    uint64_t itemid = 0;
    std::string_view key{};  // empty when there is an id
    friend auto operator<=>(const Identity&, const Identity&) = default;
  };
  [[nodiscard]] static Identity identity_of(uint64_t itemid, std::string_view sent_key) {
    return itemid != 0 ? Identity{itemid, {}} : Identity{0, sent_key};
  }
  [[nodiscard]] CheckPtr add(size_t destination, const IntrusivePtr<const Host>& host,
                             const zabbix::ActiveItem& item);
  /// The first value does not wait for the interval. False: it cannot be read.
  [[nodiscard]] bool start(Check& check, const zabbix::ActiveItem& item);
  /// The clock of the newest datapoint it has had.
  [[nodiscard]] int64_t position_of(const Check& check, int64_t now) const;
  /// Its series is none of its any more.
  void let_go(Check& check);
  [[nodiscard]] IntrusivePtr<const Delay> delay_of(const std::string& text);
  [[nodiscard]] static Check* fed_by(const Series& series) { return static_cast<Check*>(series.feeders); }
  void schedule(Check& check, int64_t due);
  void unschedule(Check& check);
  void run(const CheckPtr& check, int64_t now);
  void run_metric(Check& check, int64_t now);
  static void note_asked(const Check& check, int64_t now);
  void set_pace(Series& series);
  [[nodiscard]] static int64_t behind(const Series& series);
  void go_back(int64_t now);
  [[nodiscard]] asio::awaitable<void> ask(CheckPtr check);
  void take_reading(const Collect::Reading& reading, int64_t now);
  enum class Kind { datapoint, fact, error };
  /// A datapoint is the same row of Zabbix's history whenever it is read: its `ns` is 0.
  void put(Check& check, int64_t clock, std::string text, Kind kind, uint32_t ns = 0);
  /// Nanoseconds since 1970, never the same twice: two answers of one second are two rows of history.
  [[nodiscard]] int64_t next_stamp();
  void put_error(Check& check, int64_t now, const std::string& error);
  void flush();
  struct Waiting;
  [[nodiscard]] bool store(size_t destination, std::span<const Waiting> waiting);
  void note_put(std::span<const Waiting> put, uint64_t first_id) const;

  Parts parts_;
  std::map<std::pair<size_t, std::string>, std::vector<CheckPtr>> hosts_;
  std::map<int64_t, std::vector<Check*>> due_;                    // by the second
  size_t scheduled_ = 0;                                          // of due_
  std::map<std::string_view, IntrusivePtr<const Delay>> delays_;  // by their texts
  struct Waiting {
    CheckPtr check;
    int64_t clock = 0;
    std::string text;
    Kind kind = Kind::fact;
    uint32_t ns = 0;
  };
  std::vector<std::vector<Waiting>> waiting_;  // by destination: for the next flush
  uint64_t values_ = 0;
  int64_t last_tick_ = 0;
  int64_t last_stamp_ = 0;
  std::string trouble_;  // of the spool, logged last
};

}  // namespace bakusoku::agent
