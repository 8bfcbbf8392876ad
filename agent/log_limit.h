// Keeps something that a stranger can cause at will from filling the log: one line per interval, with the
// number of those left out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace bakusoku::agent {

class LogLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Nothing: be silent. Else log, and say how many were left out since the last line.
  [[nodiscard]] std::optional<uint64_t> may_log(Time now = std::chrono::steady_clock::now()) {
    if (last_ && now - *last_ < kInterval) {
      ++left_out_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(left_out_, 0);
  }

 private:
  static constexpr std::chrono::minutes kInterval{1};
  std::optional<Time> last_;
  uint64_t left_out_ = 0;
};

}  // namespace bakusoku::agent
