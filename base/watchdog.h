// Watchdog: looks whether loops that are to turn for ever still do, from a thread of its own, because a loop
// that stands still cannot tell. When one has stood still too long it says which, on standard error, and ends
// the process: what was promised is on disk, and the service manager starts it again. Where systemd watches
// too (WatchdogSec=), it is told that all is well as long as it is. The loops share nothing with it but a
// counter.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/environment.h"

namespace bakusoku {

/// Of one loop, which beats it each time it turns, once in some seconds at least.
class Heart {
 public:
  /// `of`: a literal, for the log.
  explicit Heart(std::string_view of) : of_(of) {}
  void beat() { beats_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t beats() const { return beats_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::string_view of() const { return of_; }

 private:
  std::string_view of_;
  std::atomic<uint64_t> beats_{0};
};

class Watchdog {
 public:
  struct Settings {
    /// A loop may stand still so long: a disk that hangs for a while is not the end.
    std::chrono::milliseconds patience{120'000};
    std::chrono::milliseconds look{1000};  // between two looks
    std::string notify_socket{};           // systemd's; empty: nobody is told
    /// What is said and done when a loop stands still; unset: a line on standard error, and the process ends.
    std::function<void(const std::string& line)> end{};
  };
  /// With systemd's wishes: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
  [[nodiscard]] static Settings settings_of(const Environment& environment);

  /// The hearts outlive it. Tells systemd that the start is over.
  Watchdog(std::vector<const Heart*> hearts, Settings settings);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch();
  void notify(std::string_view state) const;

  struct Watched {
    const Heart* heart = nullptr;
    uint64_t beats = 0;
    std::chrono::milliseconds still{0};  // in looks of our own: a process that was stopped has none
  };
  std::vector<Watched> watched_;
  Settings settings_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace bakusoku
