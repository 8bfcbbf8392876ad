// Entrance for passive checks: a TCP port that a Zabbix server, proxy or zabbix_get asks as it asks any
// agent, in the plain and in 7.0's JSON dialect, one question per connection. Only addresses on the allow
// list get an answer. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/event.h"
#include "agent/items.h"
#include "agent/log_limit.h"
#include "agent/stats.h"
#include "base/result.h"
#include "zabbix/allow_list.h"

namespace bakusoku::agent {

class PassiveEntrance {
 public:
  PassiveEntrance(asio::io_context& io, Items& items, Stats& stats) : io_(io), items_(items), stats_(stats) {}
  PassiveEntrance(const PassiveEntrance&) = delete;
  PassiveEntrance& operator=(const PassiveEntrance&) = delete;

  /// Listens, if the configuration names an address. Errors: invalid (address, allow list), denied, io.
  [[nodiscard]] Result<void> open(const AgentConfig& config);

 private:
  [[nodiscard]] asio::awaitable<void> accept_loop();
  [[nodiscard]] asio::awaitable<void> serve(asio::ip::tcp::socket socket);
  [[nodiscard]] asio::awaitable<void> answer(asio::ip::tcp::socket& socket);
  [[nodiscard]] asio::awaitable<bool> is_allowed(asio::ip::address address);
  [[nodiscard]] bool is_resolved(const zabbix::IpAddress& address) const;
  [[nodiscard]] asio::awaitable<void> resolve_names();

  asio::io_context& io_;
  Items& items_;
  Stats& stats_;
  std::chrono::milliseconds timeout_{};
  zabbix::AllowList allow_;
  std::unique_ptr<asio::ip::tcp::acceptor> acceptor_;
  // What the allow list's names stood for, when last looked up with success.
  std::map<std::string, std::vector<asio::ip::address>> resolved_;
  std::shared_ptr<Event> resolving_;  // set when the look-up under way has ended; null: none
  std::chrono::steady_clock::time_point resolve_again_{};
  LogLimit accept_errors_;
  LogLimit refusals_;
  size_t open_ = 0;
};

}  // namespace bakusoku::agent
