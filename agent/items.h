// The one table of item keys: every entrance (the module's socket, the passive port, `bakusoku get`) answers
// from it. Adding an item is one row and one function. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/board.h"
#include "agent/collect.h"
#include "agent/demand.h"
#include "agent/event.h"
#include "agent/existence.h"
#include "agent/hosts.h"
#include "agent/inventory.h"
#include "agent/metric_key.h"
#include "agent/stats.h"
#include "agent/targets.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::weblog {
class Logs;
}

namespace bakusoku::agent {

/// What an asker gets: the item's value, or why it is not supported.
struct Answer {
  bool supported = true;
  std::string text;
  std::optional<Lease> lease{};  // the same answer may be given again without asking here
};

/// What a row of the table finds: the value, and for how long it is good.
struct Found {
  Found(std::string found) : text(std::move(found)) {}
  Found(std::string found, std::optional<Lease> good_for) : text(std::move(found)), lease(good_for) {}

  std::string text;
  std::optional<Lease> lease{};
};

/// When an answer has to be there for an asker who waits `timeout` from now: a little earlier, so that "not
/// in time" still arrives in words.
[[nodiscard]] Deadline answer_deadline(std::chrono::milliseconds timeout);

using Parameters = std::span<const std::string>;

/// What a key that stands for a series means. Nothing: it stands for none. Errors: invalid.
[[nodiscard]] std::optional<Result<MetricKey>> series_meant(std::string_view name, Parameters parameters);

/// The key as it is meant for an item of that host: what it leaves empty of region and account is the host's
/// own, where discovery found the host; otherwise it stays as it is. Errors: as Hosts::home_of().
[[nodiscard]] Result<std::string> key_of_host(std::string_view key, std::string_view host,
                                              const Hosts& hosts);
/// Whether a key leaves empty a region or an account that it could name.
[[nodiscard]] bool leaves_place_open(std::string_view key);

class Bill;
class Explain;
class Planner;
class Status;

class Items {
 public:
  struct Parts {
    Targets& targets;
    Inventories& inventories;
    Demand& demand;
    Collect& collect;
    const Existence& existence;
    Board& board;
    Stats& stats;
    const Explain& explain;
    const Status& status;
    const Bill& bill;
    const Planner& planner;
    weblog::Logs& weblogs;
    const Hosts& hosts;
    const ZabbixConfig& zabbix;
    Clock clock;
  };

  explicit Items(Parts parts) : parts_(std::move(parts)) {}

  /// The answer, if it is known without waiting and without parsing the key; the fast path.
  [[nodiscard]] std::optional<Answer> answer_now(std::string_view key);

  /// The answer to an item key as Zabbix writes it, by `deadline` at the latest. `key` and `host` stay valid
  /// until then. `host`: whose item it is; empty: it is not known whose.
  [[nodiscard]] asio::awaitable<Answer> answer(std::string_view key, Deadline deadline,
                                               std::string_view host = {});

  /// The series behind an aws.metric or aws.math key of that host, which becomes demand by this. Nothing:
  /// another item. Errors: invalid, unavailable.
  [[nodiscard]] std::optional<Result<Wanted>> metric_behind(std::string_view key, std::string_view host = {});

  /// Whether a key asks for something of the machine the agent runs on, which no other host should be said to
  /// have.
  [[nodiscard]] static bool is_of_this_machine(std::string_view key);

  /// Once a second: what was read from the board counts as asked, and what is newer than on the board is
  /// posted there.
  void keep_board();

  struct Row {
    std::string_view name;
    std::string_view parameters;   // as in the documentation
    std::string_view description;  // one line
    size_t max_parameters;
    asio::awaitable<Result<Found>> (Items::*answer)(Parameters parameters, std::string_view key,
                                                    Deadline deadline);
    bool of_this_machine = false;  // not a thing of AWS's
    int region = kNoRegion;        // which parameter it is, from 0; the account is the next one
  };
  static constexpr int kNoRegion = -1;
  static constexpr int kNamedRegion = -2;  // "region=" and "account=", in any place but the first
  [[nodiscard]] static std::span<const Row> table();

 private:
  using Value = asio::awaitable<Result<Found>>;
  Value echo(Parameters parameters, std::string_view key, Deadline deadline);
  Value ping(Parameters parameters, std::string_view key, Deadline deadline);
  Value version(Parameters parameters, std::string_view key, Deadline deadline);
  Value hostname(Parameters parameters, std::string_view key, Deadline deadline);
  Value statistics(Parameters parameters, std::string_view key, Deadline deadline);
  Value explain(Parameters parameters, std::string_view key, Deadline deadline);
  Value status(Parameters parameters, std::string_view key, Deadline deadline);
  Value plan(Parameters parameters, std::string_view key, Deadline deadline);
  Value name_to_id(Parameters parameters, std::string_view key, Deadline deadline);
  Value metric(Parameters parameters, std::string_view key, Deadline deadline);
  Value math(Parameters parameters, std::string_view key, Deadline deadline);
  Value discovery(Parameters parameters, std::string_view key, Deadline deadline);
  /// Says once in the log which tags have no macro of their plain name.
  void tell_odd_macros(const Inventory& inventory, const std::shared_ptr<const Snapshot>& snapshot,
                       const Service& service);
  Value discovery_of_all(const Service& service, std::string region, std::string account,
                         const Filter& filter, Deadline deadline);
  Value resource(Parameters parameters, std::string_view key, Deadline deadline);
  Value weblog_requests(Parameters parameters, std::string_view key, Deadline deadline);
  Value weblog_status(Parameters parameters, std::string_view key, Deadline deadline);
  Value weblog_bytes(Parameters parameters, std::string_view key, Deadline deadline);
  Value weblog_time(Parameters parameters, std::string_view key, Deadline deadline);
  Value weblog_state(Parameters parameters, std::string_view key, Deadline deadline);

  // What a series' key means.
  using Meaning = Result<MetricKey> (*)(Parameters parameters);
  [[nodiscard]] Value value_of_series(Parameters parameters, std::string_view key, Meaning meaning,
                                      Deadline deadline);
  [[nodiscard]] Result<Wanted> wanted(std::string_view key, Parameters parameters, Meaning meaning);
  [[nodiscard]] Result<Found> value_of(const Wanted& wanted) const;

  Parts parts_;
  std::map<const Inventory*, std::weak_ptr<const Snapshot>> looked_through_;  // by tell_odd_macros()
  std::set<std::string> told_;
};

/// A metric's value as Zabbix takes it: whole numbers without a fraction, others in the shortest form that
/// reads back the same.
[[nodiscard]] std::string format_value(double value);

}  // namespace bakusoku::agent
