// For tests: a Zabbix server or proxy on a loopback port that answers each request as a function says and
// remembers what it was sent; and the loop that the side under test runs on meanwhile.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "zabbix/frame.h"
#include "zabbix/scripted_peer.h"

namespace bakusoku::agent {

class ScriptedZabbix {
 public:
  /// An empty answer: the connection is closed without one.
  using Answer = std::function<std::string(const std::string& request)>;

  explicit ScriptedZabbix(Answer answer) : answer_(std::move(answer)) {}

  void now_answers(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] size_t count() const { return requests().size(); }
  [[nodiscard]] zabbix::Endpoint endpoint() const { return peer_.endpoint(); }
  [[nodiscard]] std::string address() const { return zabbix::to_string(endpoint()); }

 private:
  void serve(zabbix::Wire& wire) {
    // A test may end between a connection and its request, and nobody sends that then.
    const timeval limit{3, 0};
    ::setsockopt(wire.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::string request = wire.read_frame();
    std::string answer;
    {
      const std::lock_guard lock(mutex_);
      if (request.empty()) return;
      requests_.push_back(request);
      answer = answer_(request);
    }
    if (!answer.empty()) wire.write(zabbix::encode_frame(answer));
  }

  mutable std::mutex mutex_;
  Answer answer_;
  std::vector<std::string> requests_;
  zabbix::ScriptedPeer peer_{[this](zabbix::Wire& wire) { serve(wire); }};
};

/// Runs `io` until it is so, half a minute at most.
template <typename Condition>
[[nodiscard]] bool run_until(asio::io_context& io, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.restart();
    io.run_for(std::chrono::milliseconds(5));
  }
  return true;
}

inline void run_for(asio::io_context& io, std::chrono::milliseconds time) {
  io.restart();
  io.run_for(time);
}

}  // namespace bakusoku::agent
