// When a handler's time is up, on the steady clock. Zabbix itself ends no module: a handler that waits longer
// than the item's timeout blocks its whole worker, so whatever waits asks the request's deadline first.
#pragma once

#include <cerrno>
#include <chrono>

namespace zbxmod {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(Clock::time_point at) : at_(at) {}
  [[nodiscard]] static Deadline in(std::chrono::milliseconds time) { return Deadline(Clock::now() + time); }

  [[nodiscard]] Clock::time_point at() const { return at_; }
  /// Zero when the time is up; never negative.
  [[nodiscard]] std::chrono::milliseconds left() const;
  [[nodiscard]] bool passed() const { return Clock::now() >= at_; }

 private:
  Clock::time_point at_;
};

enum class Wait { ready, timed_out, failed };

/// Waits until `fd` has one of `events` (POLLIN, POLLOUT) or the deadline has passed. A signal does not end
/// the wait. `failed`: see errno.
[[nodiscard]] Wait wait_for(int fd, short events, const Deadline& deadline);

/// Repeats a system call for as long as it returns -1 with EINTR: Zabbix installs its handlers without
/// SA_RESTART.
template <typename Call>
auto uninterrupted(Call call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

/// What remains of an item's timeout for the handler: the margin is what the answer needs on its way to
/// Zabbix, a tenth of the time, at least 50 ms and at most 500 ms.
[[nodiscard]] std::chrono::milliseconds usable_time(std::chrono::seconds timeout);

}  // namespace zbxmod
