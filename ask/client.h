// The asking side of ask/protocol.h: one blocking connection to the agent, used by the module in each Zabbix
// worker and by `bakusoku get`. A Client belongs to one process and one thread: it must be made, or first
// used, after the fork (a copy inherited through fork would share the parent's connection; destroying such a
// copy is harmless, asking through it is not). Nothing happens before the first ask(). Standard library and
// POSIX only; no signal, no thread, no lock; nothing outlives a call but the open connection and, for who
// asks often, the agent's board (ask/board.h), from which what is known is answered without a word to the
// agent.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "ask/board.h"
#include "ask/protocol.h"

namespace bakusoku::ask {

struct Answer {
  enum class Outcome {
    value,          // `text` is the item's value
    not_supported,  // the agent, or a check of the key, refuses: `text` says why
    no_agent,       // nobody listens, or we may not connect
    timeout,        // no whole answer by the deadline
    protocol,       // whoever listens there does not speak ask/protocol.h
  };
  Outcome outcome = Outcome::value;
  std::string text{};  // for everything but `value` a sentence for the user, saying what to do
};

class Client {
 public:
  /// Connects to `socket_path` when first asked.
  explicit Client(std::string socket_path);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Asks for one item and waits for the answer until `deadline`, not longer (the kernel's timer adds some
  /// milliseconds). A connection that turns out dead, because the agent was restarted, is replaced and the
  /// question sent again, once; questions only read, so that asking twice does no harm. After a timeout or an
  /// answer that cannot be read the connection is closed: a late answer can never be taken for another
  /// question's. An answer from the board is one the agent has posted within its last three seconds of life
  /// as current; a connection that is seen to be closed makes the board void.
  [[nodiscard]] Answer ask(std::string_view key, std::chrono::steady_clock::time_point deadline);

  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Step { done, closed, timeout, protocol };

  [[nodiscard]] bool connect(TimePoint start, TimePoint deadline, Answer& failure);
  [[nodiscard]] Step send_question(std::string_view key, TimePoint deadline);
  [[nodiscard]] Step receive_answer(TimePoint deadline, Answer& answer);
  /// One packet into packet_.
  [[nodiscard]] Step receive_packet(TimePoint deadline, std::string_view& packet);
  [[nodiscard]] bool answer_from_board(std::string_view key, Answer& answer);
  /// Asks for the board; without one, for whatever reason, all goes on over the connection.
  [[nodiscard]] Step fetch_board(TimePoint deadline);
  void close_connection();

  std::string socket_path_;
  int fd_ = -1;
  std::chrono::microseconds receive_timeout_{0};  // what SO_RCVTIMEO of fd_ is; 0: not set
  std::string question_{};
  std::string packet_{};
  AnswerReader reader_{};
  std::unique_ptr<BoardView> board_{};
  int questions_until_board_;  // on this connection
};

}  // namespace bakusoku::ask
