// Checks: the items that Zabbix wants of the hosts we answer for, at their update intervals, made into values
// for the spool. A metric becomes demand, and each of its final datapoints a value at its own clock; anything
// else is asked of the item table when it is due, and has the time it was read. An error is a value too, once
// per change. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
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
  Checks(const Checks&) = delete;
  Checks& operator=(const Checks&) = delete;

  /// What a destination wants of a host from now on; no items: nothing any more. Items that stay keep their
  /// pace.
  void replace(size_t destination, const std::string& host, const std::vector<zabbix::ActiveItem>& items);

  /// Called once a second: what is due, and what the newest readings brought.
  void tick();

  [[nodiscard]] size_t count() const { return due_.size(); }
  [[nodiscard]] uint64_t values() const { return values_; }

 private:
  struct Check {
    size_t destination = 0;
    std::shared_ptr<const std::string> host;
    std::string key;       // to be evaluated
    std::string sent_key;  // as Zabbix knows it
    uint64_t itemid = 0;
    std::string delay;
    std::optional<zabbix::Interval> interval;
    std::chrono::milliseconds timeout{};
    uint64_t seed = 0;
    int64_t due = 0;
    Wanted metric{};
    std::optional<Feed> feed;  // of a metric
    std::string error;         // that Zabbix has been told
    bool asking = false;
    bool gone = false;
  };
  using CheckPtr = std::shared_ptr<Check>;

  void add(size_t destination, const std::shared_ptr<const std::string>& host,
           const zabbix::ActiveItem& item);
  void remove(const CheckPtr& check);
  void schedule(const CheckPtr& check, int64_t due);
  void run(const CheckPtr& check, int64_t now);
  void run_metric(Check& check, int64_t now);
  static void note_asked(const Check& check, int64_t now);
  void reschedule_all(int64_t now);
  [[nodiscard]] asio::awaitable<void> ask(CheckPtr check);
  void take_reading(const Collect::Reading& reading, int64_t now);
  enum class Kind { datapoint, fact, error };
  void put(const CheckPtr& check, int64_t clock, std::string text, Kind kind);
  void put_error(const CheckPtr& check, int64_t now, const std::string& error);
  void flush();

  Parts parts_;
  std::map<std::pair<size_t, std::string>, std::vector<CheckPtr>> hosts_;
  std::set<std::pair<int64_t, CheckPtr>> due_;
  std::unordered_map<const Series*, std::vector<CheckPtr>> fed_;
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
