// Entrance for passive checks: a TCP port that a Zabbix server, proxy or zabbix_get asks as it asks any
// agent, in the plain and in 7.0's JSON dialect, one question per connection. Only addresses on the allow
// list get an answer. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>

#include "agent/config.h"
#include "agent/items.h"
#include "agent/port.h"
#include "agent/stats.h"
#include "base/result.h"

namespace bakusoku::agent {

class PassiveEntrance {
 public:
  PassiveEntrance(asio::io_context& io, Items& items, Stats& stats)
      : io_(io), items_(items), stats_(stats), port_(io) {}
  PassiveEntrance(const PassiveEntrance&) = delete;
  PassiveEntrance& operator=(const PassiveEntrance&) = delete;

  /// Listens, if the configuration names an address; also again, with another one. Errors: invalid (address,
  /// allow list), denied, io.
  [[nodiscard]] Result<void> open(const AgentConfig& config);

 private:
  [[nodiscard]] asio::awaitable<void> answer(asio::ip::tcp::socket& socket, Visits::Visit& visit);

  asio::io_context& io_;
  Items& items_;
  Stats& stats_;
  std::chrono::milliseconds timeout_{};
  Port port_;
};

}  // namespace bakusoku::agent
