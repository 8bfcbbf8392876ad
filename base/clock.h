// Time as a parameter. Wall time is what AWS and Zabbix stamp values with; deadlines use Asio's steady
// timers.
#pragma once

#include <chrono>
#include <functional>

namespace bakusoku {

using WallTime = std::chrono::system_clock::time_point;

/// Where code gets the wall time from; tests pass a function of their own.
using Clock = std::function<WallTime()>;

[[nodiscard]] inline Clock system_clock() {
  return [] { return std::chrono::system_clock::now(); };
}

/// Time that passes whatever the wall's is set to: for what ends by itself.
using SteadyClock = std::function<std::chrono::steady_clock::time_point()>;

[[nodiscard]] inline SteadyClock steady_time() {
  return [] { return std::chrono::steady_clock::now(); };
}

[[nodiscard]] inline int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace bakusoku
