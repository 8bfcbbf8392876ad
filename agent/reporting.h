// Reporting: the way to Zabbix. Wires, for each destination of the configuration, the spool, the delivery and
// the active checks, a second spool and delivery for the values of trapper items, and for all of them
// together the checks, the list of hosts and the intake; and follows changes of the configuration. Runs on
// the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/active.h"
#include "agent/checks.h"
#include "agent/config.h"
#include "agent/delivery.h"
#include "agent/event.h"
#include "agent/hosts.h"
#include "agent/intake.h"
#include "agent/inventory.h"
#include "agent/items.h"
#include "agent/peer.h"
#include "agent/spool.h"
#include "agent/stats.h"
#include "agent/targets.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

/// What TLS to Zabbix needs, from its files; null: connections are unencrypted. Errors: invalid, denied, io.
[[nodiscard]] Result<std::shared_ptr<const zabbix::TlsContext>> read_tls(const ZabbixConfig& config);
/// How connections to Zabbix are made; reads the TLS files, and warns of what should be put right. Errors:
/// invalid, denied, io.
[[nodiscard]] Result<zabbix::Link> make_link(const ZabbixConfig& config);

/// Errors: invalid, [zabbix] discover names a service that is none.
[[nodiscard]] Result<void> check_services(const ZabbixConfig& config);
/// [zabbix] server. Errors: invalid, also when two destinations would have one spool file.
[[nodiscard]] Result<std::vector<zabbix::Alternatives>> read_destinations(const ZabbixConfig& config);
/// Whether values of trapper items are wanted.
[[nodiscard]] bool wants_trapper(const Config& config);
/// The spool's file of a destination; empty: it is in memory.
[[nodiscard]] std::string spool_file(const ZabbixConfig& config, const zabbix::Alternatives& destination);
/// The same for values of trapper items.
[[nodiscard]] std::string trapper_file(const ZabbixConfig& config, const zabbix::Alternatives& destination);

class Reporting {
 public:
  struct Parts {
    asio::io_context& io;
    const Config& config;
    Items& items;
    Collect& collect;
    Inventories& inventories;
    Targets& targets;
    Hosts& hosts;
    Stats& stats;
    Clock clock;
  };

  struct Destination {
    std::string name;  // its first endpoint
    size_t number = 0;
    std::vector<zabbix::Endpoint> written;  // as in the configuration
    zabbix::Alternatives alternatives;
    std::unique_ptr<Spool> spool;
    std::unique_ptr<Delivery> delivery;
    std::unique_ptr<Active> active;
    Peer peer{};
    // Values of trapper items, from the intake and of [[send]]; null: there are none.
    std::unique_ptr<Spool> trapper_spool{};
    std::unique_ptr<Delivery> trapper_delivery{};

    /// Its places in Checks.
    [[nodiscard]] size_t items() const { return 2 * number; }
    [[nodiscard]] size_t sends() const { return 2 * number + 1; }
  };

  /// Opens the spools and reads the TLS files; sends nothing yet. Null without a server in the configuration.
  /// Errors: invalid, denied, io.
  [[nodiscard]] static Result<std::unique_ptr<Reporting>> create(Parts parts);

  void start();
  [[nodiscard]] const std::vector<std::shared_ptr<Destination>>& destinations() const {
    return destinations_;
  }
  [[nodiscard]] const Checks& checks() const { return *checks_; }
  [[nodiscard]] const Hosts& found_hosts() const { return parts_.hosts; }
  [[nodiscard]] const Inventories& inventories() const { return parts_.inventories; }

  /// Whether what it says of Zabbix can be followed; TLS files are read. Errors: invalid, denied, io.
  [[nodiscard]] static Result<void> check(const Config& config);
  /// What a change of the configuration needs that may fail: TLS files are read, services looked up, the
  /// intake's port is opened. Errors, and nothing has changed: invalid, denied, io.
  [[nodiscard]] Result<zabbix::Link> prepare(const Config& next);
  /// The configuration given at the start has changed. Destinations that stay keep their spools, sessions and
  /// values under way; one that goes ends what is under way, and its spool's file stays. A spool that cannot
  /// be opened is tried again each second, and the log says why.
  void take_changes(const zabbix::Link& link);
  /// The administrator has changed something: hosts that Zabbix did not know are asked for again.
  void ask_again();
  /// Accounts were changed: items look for their metrics again, and hosts are looked for.
  void look_again();

  /// Called once a second, after the collection's own work.
  void tick();
  /// The part of it that brings values: what is due, and what was read, goes into the spools.
  void bring();
  /// Called when there is an item that was not there before: bring() is wanted at once, and a little later.
  void on_added(std::function<void()> call);

 private:
  explicit Reporting(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] Result<void> open(const zabbix::Alternatives& alternatives);
  [[nodiscard]] Result<std::unique_ptr<Spool>> open_spool(const std::string& path);
  [[nodiscard]] Result<void> open_trapper(Destination& destination);
  [[nodiscard]] Result<void> open_intake(const IntakeConfig& config);
  /// The least number that no destination has, those that leave included.
  [[nodiscard]] size_t free_number() const;
  void start(Destination& destination);
  void leave(const std::shared_ptr<Destination>& destination);
  void open_missing();
  void set_own_hosts();
  void set_intake_spools();
  void collect_sends();
  [[nodiscard]] asio::awaitable<void> discover_loop();
  [[nodiscard]] bool discover();
  void take_lists(std::vector<Hosts::List> lists);
  void count();

  Parts parts_;
  zabbix::Link link_{};
  std::vector<std::shared_ptr<Destination>> destinations_;
  std::vector<std::shared_ptr<Destination>> leaving_;  // until what is under way has ended
  std::vector<zabbix::Alternatives> missing_;          // wanted, and not open yet
  std::string missing_trouble_;                        // logged last
  std::string file_trouble_;                           // of a spool whose file was removed, logged last
  std::unique_ptr<Checks> checks_;
  std::unique_ptr<Intake> intake_;  // null: it was never on
  std::set<std::string> send_hosts_;
  std::set<std::string> hosts_;
  EventPtr changed_;  // set: hosts are looked for at once
  bool started_ = false;
  unsigned ticks_ = 0;
};

}  // namespace bakusoku::agent
