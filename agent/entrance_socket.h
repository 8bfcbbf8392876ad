// Entrance for bakusoku.so and `bakusoku get`: a Unix seqpacket socket speaking ask/protocol.h, one coroutine
// per connection. This is the path of every check of a Zabbix worker, so it is short: receive, answer, send.
// Runs on the agent's thread.
#pragma once

#include <sys/types.h>

#include <asio/awaitable.hpp>
#include <asio/generic/seq_packet_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <memory>
#include <string>

#include "agent/board.h"
#include "agent/config.h"
#include "agent/items.h"
#include "agent/log_limit.h"
#include "agent/stats.h"
#include "agent/visits.h"
#include "base/result.h"

namespace bakusoku::agent {

class SocketEntrance {
 public:
  SocketEntrance(asio::io_context& io, Items& items, Board& board, Stats& stats)
      : io_(io), items_(items), board_(board), stats_(stats), visits_({kMaxConnections, kMaxBytes}) {}
  ~SocketEntrance();
  SocketEntrance(const SocketEntrance&) = delete;
  SocketEntrance& operator=(const SocketEntrance&) = delete;

  /// Whether somebody listens on the socket; else it could be opened, as far as can be seen without making
  /// anything. Errors: invalid (a path that is too long, or another thing's), denied, io.
  [[nodiscard]] static Result<bool> look(const std::string& path);
  /// Binds and listens. A socket file that nobody listens on any more is replaced. Errors: invalid (another
  /// agent listens there, a path that is too long), denied, io.
  [[nodiscard]] Result<void> open(const AgentConfig& config);
  /// Once a second: a socket file that was removed is made again. Connections that are open stay.
  void tick();

 private:
  static constexpr size_t kMaxConnections = 4096;        // a Zabbix server has at most 1000 pollers
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // of answers that are not read yet

  using Socket = asio::generic::seq_packet_protocol::socket;
  using Listener = asio::posix::stream_descriptor;
  [[nodiscard]] asio::awaitable<void> accept_loop(std::shared_ptr<Listener> listener);
  [[nodiscard]] asio::awaitable<void> serve(Socket socket, Visits::Visit visit);

  asio::io_context& io_;
  Items& items_;
  Board& board_;
  Stats& stats_;
  AgentConfig config_;
  std::string path_;
  std::shared_ptr<Listener> listener_;  // null: not open
  dev_t device_ = 0;  // of our socket file: another agent may have put its own in that place since
  ino_t inode_ = 0;
  LogLimit accept_errors_;
  LogLimit refusals_;
  std::string trouble_;  // why the file cannot be made again, logged last
  Visits visits_;
};

}  // namespace bakusoku::agent
