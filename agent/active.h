// Active: the agent as Zabbix's active agent for many hosts. Asks one destination which items it wants of
// each host, in a steady trickle, and hands them to Checks. The hosts are the root host, those of the
// configuration, and one for each discovered resource, named by its id. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/checks.h"
#include "agent/config.h"
#include "base/clock.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"

namespace bakusoku::agent {

class Active {
 public:
  struct Parts {
    asio::io_context& io;
    Checks& checks;
    const ZabbixConfig& config;
    zabbix::Alternatives& alternatives;
    zabbix::Link link;
    Clock clock;
    size_t destination = 0;
    std::string session;
  };

  explicit Active(Parts parts);
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;

  void start();
  /// The hosts to answer for from now on.
  void set_hosts(const std::set<std::string>& hosts);

  [[nodiscard]] size_t hosts() const { return hosts_.size(); }
  [[nodiscard]] size_t known_hosts() const { return known_; }

  /// What is known of one host. Times are unix seconds.
  struct Seen {
    bool known = false;     // Zabbix has said which items it wants
    int64_t asked = 0;      // when it last answered for the host; 0: never
    int64_t asks = 0;       // when it is asked again
    std::string refusal{};  // its words, when it does not know the host
  };
  /// Nothing: the host is not one to answer for.
  [[nodiscard]] std::optional<Seen> seen(const std::string& host) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// Hosts that Zabbix has refused.
  [[nodiscard]] size_t unknown_hosts() const;
  /// Why Zabbix does not answer at the moment; empty: it does. And since when, unix seconds.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] int64_t trouble_since() const { return trouble_since_; }

 private:
  struct Host {
    int64_t due = 0;    // unix milliseconds
    int64_t asked = 0;  // unix seconds
    uint64_t config_revision = 0;
    int unknown_in_row = 0;
    bool known = false;
    std::string refusal;  // logged last
  };

  [[nodiscard]] asio::awaitable<void> loop();
  /// Asks for one host; how long until it is asked again.
  [[nodiscard]] asio::awaitable<std::chrono::milliseconds> ask(const std::string& name);
  [[nodiscard]] std::chrono::milliseconds jittered(std::chrono::milliseconds time);
  void set_known(Host& host, bool known);

  Parts parts_;
  std::map<std::string, Host> hosts_;
  std::set<std::pair<int64_t, std::string>> queue_;
  std::minstd_rand random_;
  size_t known_ = 0;
  std::string trouble_;
  int64_t trouble_since_ = 0;
};

}  // namespace bakusoku::agent
