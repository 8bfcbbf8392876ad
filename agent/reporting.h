// Reporting: the way to Zabbix. Wires, for each destination of the configuration, the spool, the delivery and
// the active checks, a second spool and delivery for the values of trapper items, and for all of them
// together the checks, the list of hosts and the intake. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agent/active.h"
#include "agent/checks.h"
#include "agent/config.h"
#include "agent/delivery.h"
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

/// How connections to Zabbix are made; reads the TLS files. Errors: invalid, denied, io.
[[nodiscard]] Result<zabbix::Link> make_link(const ZabbixConfig& config);

class Reporting {
 public:
  struct Parts {
    asio::io_context& io;
    const Config& config;
    Items& items;
    Collect& collect;
    Inventories& inventories;
    Targets& targets;
    Stats& stats;
    Clock clock;
  };

  struct Destination {
    std::string name;  // its first endpoint
    zabbix::Alternatives alternatives;
    std::unique_ptr<Spool> spool;
    std::unique_ptr<Delivery> delivery;
    std::unique_ptr<Active> active;
    Peer peer{};
    // Values of trapper items, from the intake and of [[send]]; null: there are none.
    std::unique_ptr<Spool> trapper_spool{};
    std::unique_ptr<Delivery> trapper_delivery{};
  };

  /// Opens the spools and reads the TLS files; sends nothing yet. Null without a server in the configuration.
  /// Errors: invalid, denied, io.
  [[nodiscard]] static Result<std::unique_ptr<Reporting>> create(Parts parts);

  void start();
  [[nodiscard]] const std::vector<std::unique_ptr<Destination>>& destinations() const {
    return destinations_;
  }
  [[nodiscard]] const Checks& checks() const { return *checks_; }

  /// Called once a second, after the collection's own work.
  void tick();

 private:
  explicit Reporting(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] Result<void> open(const zabbix::Alternatives& alternatives, const zabbix::Link& link);
  [[nodiscard]] Result<std::unique_ptr<Spool>> open_spool(const std::string& path);
  [[nodiscard]] Result<void> open_trapper(Destination& destination, const zabbix::Link& link);
  [[nodiscard]] Result<void> open_intake();
  void collect_sends();
  [[nodiscard]] asio::awaitable<void> discover_loop();
  void count();

  Parts parts_;
  std::vector<std::unique_ptr<Destination>> destinations_;
  std::unique_ptr<Checks> checks_;
  std::unique_ptr<Intake> intake_;  // null: off
  unsigned ticks_ = 0;
};

}  // namespace bakusoku::agent
