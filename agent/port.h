// A TCP port that strangers connect to: listens, lets in the addresses of its allow list, keeps to a number
// of connections and bytes (agent/visits.h), and hands each to a coroutine of its owner's. Names on the list
// are looked up when somebody comes whom no address of the list lets in, at most once a minute. Runs on the
// agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/event.h"
#include "agent/log_limit.h"
#include "agent/visits.h"
#include "base/result.h"
#include "zabbix/allow_list.h"

namespace bakusoku::agent {

/// The address that "ADDRESS:PORT" stands for ("[::1]:10050"). Nothing: it is none.
[[nodiscard]] std::optional<asio::ip::tcp::endpoint> listen_address(std::string_view text);

class Port {
 public:
  struct Settings {
    std::string section;    // of the configuration, for messages: "[agent]"
    std::string listen;     // ADDRESS:PORT
    std::string allow;      // as in Zabbix's Server=
    std::string_view what;  // comes there, a literal for messages: "passive check"
  };
  /// The socket is closed when the coroutine ends. The visit tells whether the other side is waited for, and
  /// what is held for it.
  using Serve = std::function<asio::awaitable<void>(asio::ip::tcp::socket&, Visits::Visit&)>;

  explicit Port(asio::io_context& io, Visits::Limits limits = {}) : io_(io), visits_(limits) {}
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// A socket that listens on settings.listen; others may connect to it, and are not served yet. Errors:
  /// invalid, denied, io.
  [[nodiscard]] static Result<std::shared_ptr<asio::ip::tcp::acceptor>> claim(asio::io_context& io,
                                                                              const Settings& settings);
  /// Errors: invalid, settings.listen or settings.allow cannot be read.
  [[nodiscard]] static Result<zabbix::AllowList> read(const Settings& settings);

  /// Listens from now on. `refused` is called for each connection that is not allowed. May be called again:
  /// with another address it listens there instead, connections that are open stay; on an error nothing
  /// changes (only another address on the same port: for a moment nobody listens). Errors: invalid (address,
  /// allow list), denied, io.
  [[nodiscard]] Result<void> open(Settings settings, Serve serve, std::function<void()> refused);

  /// Listens no more; connections that are open stay.
  void close();

  /// Connections, those that wait for a look-up included.
  [[nodiscard]] size_t connections() const { return visits_.open(); }

 private:
  void listen_on(std::shared_ptr<asio::ip::tcp::acceptor> acceptor);
  void listen_again();  // where it did
  [[nodiscard]] asio::awaitable<void> accept_loop(std::shared_ptr<asio::ip::tcp::acceptor> acceptor);
  void admit(asio::ip::tcp::socket socket);
  [[nodiscard]] asio::awaitable<void> serve(asio::ip::tcp::socket socket, Visits::Visit visit);
  [[nodiscard]] asio::awaitable<bool> is_allowed(asio::ip::address address);
  [[nodiscard]] bool is_resolved(const zabbix::IpAddress& address) const;
  [[nodiscard]] asio::awaitable<void> resolve_names();

  asio::io_context& io_;
  Settings settings_;
  Serve serve_;
  std::function<void()> refused_;
  zabbix::AllowList allow_;
  std::shared_ptr<asio::ip::tcp::acceptor> acceptor_;  // null: closed
  // What the allow list's names stood for, when last looked up with success.
  std::map<std::string, std::vector<asio::ip::address>> resolved_;
  EventPtr resolving_;  // set when the look-up under way has ended; null: none
  std::chrono::steady_clock::time_point resolve_again_{};
  LogLimit accept_errors_;
  LogLimit refusals_;
  Visits visits_;
};

/// While it lives, the socket is closed when the time is up, which ends its operations.
class TimeLimit {
 public:
  TimeLimit(asio::io_context& io, asio::ip::tcp::socket& socket, std::chrono::milliseconds limit);
  ~TimeLimit() { *socket_ = nullptr; }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  asio::steady_timer timer_;
  std::shared_ptr<asio::ip::tcp::socket*> socket_;  // shared with the timer's handler, which may run late
};

}  // namespace bakusoku::agent
