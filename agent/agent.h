// The agent: wires the stages together. Read this first.
//
//   ask      entrance (socket | passive port | `bakusoku get --direct`) -> Items, the one table of keys
//              -> Inventories (resources of a target)   for names, facts and discovery
//              -> Logs (access logs that are followed) for weblog.*
//              -> Demand (metric series) -> Collect -> GetMetricData   for metrics,
//                 but for those that Existence knows not to be there
//            -> Answer -> entrance, and onto the Board, where Zabbix's workers find it the next time
//   report   Reporting: asks Zabbix which items it wants (Active), collects them (Checks), keeps the values
//            (Spool), brings them to Zabbix (Delivery)
//   pay      each request that AWS bills -> Bill, which keeps the Ledger and stretches intervals for the
//   budget tick     once a second: inventories and metrics that are due are read ahead; the unasked are
//   forgotten reload   the configuration again, on SIGHUP; Organization: which accounts there are, once an
//   hour
//
// Everything runs on the thread that calls io.run(); there are no locks.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "agent/bill.h"
#include "agent/board.h"
#include "agent/collect.h"
#include "agent/config.h"
#include "agent/demand.h"
#include "agent/entrance_passive.h"
#include "agent/entrance_socket.h"
#include "agent/existence.h"
#include "agent/explain.h"
#include "agent/inventory.h"
#include "agent/items.h"
#include "agent/organization.h"
#include "agent/planner.h"
#include "agent/reporting.h"
#include "agent/stats.h"
#include "agent/status.h"
#include "agent/targets.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/result.h"
#include "base/watchdog.h"
#include "weblog/logs.h"

namespace bakusoku::agent {

class Agent {
 public:
  /// Reads the AWS tools' configuration; sends nothing yet. `io` outlives the agent. Errors: invalid, denied.
  [[nodiscard]] static Result<std::unique_ptr<Agent>> create(asio::io_context& io, Config config,
                                                             const Environment& environment,
                                                             Clock clock = system_clock(),
                                                             SteadyClock steady = steady_time());

  /// Opens the entrances. Errors: invalid, denied, io.
  [[nodiscard]] Result<void> open_entrances();
  /// Opens the spools of the configured Zabbix servers, if any. Errors: invalid, denied, io, unavailable
  /// (another agent has them).
  [[nodiscard]] Result<void> open_reporting();
  /// Continues the positions in web server logs that [zabbix] state_dir holds; in memory while another agent
  /// has them.
  void open_weblogs();
  /// Goes on with the ledger of costs that [zabbix] state_dir holds, and with what was learnt of publication
  /// delays, which is in it; in memory while another agent has it.
  void open_ledger();
  /// Writes the ledger of costs and what it holds besides, at the end.
  void write_ledger();
  /// Starts the once-a-second work, and looks for a default region where none is set.
  void start();

  /// From now on the configuration is `next`: what is unchanged keeps running as it is, clients, metrics,
  /// connections and values under way, and the log says what is not. On an error nothing has changed.
  /// Errors: invalid, denied, io.
  [[nodiscard]] Result<void> reload(Config next);

  /// Forgets what nobody asked for; start() does it once a minute.
  void forget_unasked();
  /// Forgets metrics before their time when there are too many without a value; start() looks once a second.
  void forget_crowd();
  /// Writes what was learnt of publication delays, if it has changed; start() does it once a minute.
  void keep_delays();

  [[nodiscard]] Items& items() { return items_; }
  [[nodiscard]] Board& board() { return board_; }
  [[nodiscard]] const Demand& demand() const { return demand_; }
  [[nodiscard]] Collect& collect() { return collect_; }
  [[nodiscard]] Existence& existence() { return existence_; }
  [[nodiscard]] Targets& targets() { return *targets_; }
  [[nodiscard]] Organization& organization() { return organization_; }
  [[nodiscard]] const Reporting* reporting() const { return reporting_.get(); }
  [[nodiscard]] Bill& bill() { return bill_; }
  [[nodiscard]] const Config& config() const { return config_; }
  /// Of the loops that turn for ever from start() on.
  [[nodiscard]] std::vector<const Heart*> hearts() const { return {&tick_heart_, &weblog_heart_}; }

 private:
  Agent(asio::io_context& io, Config config, std::unique_ptr<Targets> targets, Prices prices, Clock clock,
        SteadyClock steady);
  void use_accounts(Targets::Plan plan);
  void look_again();
  void part_from(Series& series);
  [[nodiscard]] asio::awaitable<void> region_loop();
  [[nodiscard]] asio::awaitable<void> tick_loop();
  [[nodiscard]] asio::awaitable<void> wait_for_tick();
  [[nodiscard]] asio::awaitable<void> weblog_loop();

  asio::io_context& io_;
  Config config_;
  Clock clock_;
  std::unique_ptr<Targets> targets_;
  Organization organization_;
  uint64_t accounts_seen_ = 0;  // the revision of the targets that everything follows
  bool started_ = false;
  Heart tick_heart_{"reading ahead"};
  Heart weblog_heart_{"web server logs"};
  asio::steady_timer beat_;
  std::chrono::steady_clock::time_point hurried_until_{};  // somebody waits for the first values of new items
  Stats stats_;
  Inventories inventories_;
  Demand demand_;
  Existence existence_;
  Collect collect_;
  Bill bill_;
  std::string kept_delays_;  // as the ledger has them
  Board board_;
  Explain explain_;
  Status status_;
  Planner planner_;
  weblog::Logs weblogs_;
  Items items_;
  std::unique_ptr<Reporting>
      reporting_;  // null: the configuration names no Zabbix server, or nobody opened it
  SocketEntrance socket_entrance_;
  PassiveEntrance passive_entrance_;
};

}  // namespace bakusoku::agent
