// Active: the agent as Zabbix's active agent for many hosts. Asks one destination which items it wants of
// each host, in a steady trickle, hands them to Checks, and sends the heartbeats that 6.2 and later show the
// availability of hosts by. Always asks as 7.0 does, which 6.0 takes; by the answer it knows whom it talks
// to. The hosts are the root host, those of the configuration, and one for each discovered resource, named by
// its id. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/checks.h"
#include "agent/config.h"
#include "agent/log_limit.h"
#include "agent/peer.h"
#include "agent/trickle.h"
#include "base/clock.h"
#include "zabbix/active.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"

namespace bakusoku::agent {

class Active {
 public:
  struct Parts {
    asio::io_context& io;
    Checks& checks;
    const ZabbixConfig& config;
    zabbix::Alternatives& alternatives;  // shared with the destination's delivery, like the peer
    zabbix::Link link;
    Clock clock;
    size_t destination = 0;
    std::string session;
    Peer& peer;
    const AgentConfig* agent = nullptr;  // where passive checks are answered; null: nowhere
  };

  explicit Active(Parts parts);
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;

  void start();
  /// Asks no more, and answers for no host; what is under way goes on until ended().
  void stop();
  [[nodiscard]] bool ended() const { return running_ == 0; }
  /// The configuration that was given has changed: how often to ask, which name is the root's.
  void take_changes();
  /// Connections are made so from now on.
  void set_link(zabbix::Link link) { parts_.link = std::move(link); }
  /// Hosts that Zabbix did not know may be there now: they are asked for again, soon and then more rarely.
  void ask_again();
  /// The hosts to answer for from now on.
  void set_hosts(const std::set<std::string>& hosts);

  [[nodiscard]] size_t hosts() const { return hosts_.size(); }
  [[nodiscard]] size_t known_hosts() const { return parts_.peer.known(); }

  /// What is known of one host. Times are unix seconds.
  struct Seen {
    bool known = false;       // Zabbix has said which items it wants
    int64_t asked = 0;        // when it last answered for the host; 0: never
    int64_t asks = 0;         // when it is asked again
    std::string refusal{};    // its words, when it does not know the host
    zabbix::Endpoint from{};  // who has told the host's items; nobody has: an empty name
  };
  /// Nothing: the host is not one to answer for.
  [[nodiscard]] std::optional<Seen> seen(const std::string& host) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// Hosts that Zabbix has refused.
  [[nodiscard]] size_t unknown_hosts() const;
  struct Stranger {
    std::string name{};
    std::string refusal{};  // Zabbix's words
  };
  /// At most `most` of them.
  [[nodiscard]] std::vector<Stranger> strangers(size_t most) const;
  /// Why Zabbix does not answer at the moment; empty: it does. And since when, unix seconds.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] int64_t trouble_since() const { return trouble_since_; }

 private:
  struct Host {
    int64_t asked = 0;  // unix seconds; 0: never
    uint64_t config_revision = 0;
    zabbix::Endpoint from{};  // who told it: each proxy counts revisions of its own
    int unknown_in_row = 0;
    std::string refusal;  // logged last
    size_t soon = 0;      // so often more it is asked for soon: Zabbix may be making items on it
  };

  [[nodiscard]] int64_t now() const;
  [[nodiscard]] asio::awaitable<void> loop();
  /// Asks for one host; how long until it is asked again.
  [[nodiscard]] asio::awaitable<std::chrono::milliseconds> ask(std::string name);
  [[nodiscard]] std::chrono::milliseconds take(const std::string& name, Host& host,
                                               const zabbix::Endpoint& from,
                                               const zabbix::ActiveReply& reply);
  [[nodiscard]] std::chrono::milliseconds take_refusal(const std::string& name, Host& host,
                                                       const std::string& why);
  [[nodiscard]] asio::awaitable<std::chrono::milliseconds> no_answer(const std::string& name,
                                                                     const std::string& why);
  [[nodiscard]] std::chrono::milliseconds leave_for_now(const std::string& name, const std::string& why);
  [[nodiscard]] asio::awaitable<void> send_heartbeat(std::string name);
  void set_known(const std::string& name, bool known);
  void set_dialect(zabbix::Dialect dialect);
  void heed_discoveries(int64_t now);
  /// Until a host that Zabbix knows is asked for again.
  [[nodiscard]] std::chrono::milliseconds wait_of(const std::string& name, Host& host) const;
  /// The wait of that host, which the root host does not have longer than its own.
  [[nodiscard]] std::chrono::milliseconds sooner_for_root(const std::string& name,
                                                          std::chrono::milliseconds wait) const;
  /// Zabbix has refused it, and not known it since.
  [[nodiscard]] bool is_stranger(const std::string& name, const Host& host) const;
  void heed_clock(int64_t now);

  Parts parts_;
  std::map<std::string, Host> hosts_;
  Trickle questions_;
  bool stopping_ = false;
  int running_ = 0;               // askers
  std::chrono::seconds refresh_;  // as was last heeded
  std::chrono::seconds heartbeat_;
  Trickle heartbeats_;                                                // of the hosts that Zabbix knows
  std::optional<std::chrono::steady_clock::time_point> answered_at_;  // any host
  std::string trouble_;  // why nobody answers, logged last; empty: somebody does
  int64_t trouble_since_ = 0;
  uint64_t discoveries_ = 0;  // of the peer's, as was last heeded
  int64_t heeded_at_ = 0;     // unix milliseconds
  int64_t looked_at_clock_ = 0;
  LogLimit log_limit_;
};

}  // namespace bakusoku::agent
