// What the agent counts about itself, as bakusoku.stats[<name>] tells it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bakusoku::agent {

class Bill;
class Board;
class Collect;
class Demand;
class Inventories;
class Status;
class Targets;

/// How long the newest final datapoints waited until they were read, the worst of the last minutes.
class Lag {
 public:
  void note(int64_t now, int64_t seconds);
  [[nodiscard]] int64_t worst(int64_t now) const;

 private:
  static constexpr int64_t kRemembered = 300;
  struct Minute {
    int64_t minute = -1;
    int64_t worst = 0;
  };
  std::array<Minute, 8> minutes_{};
};

struct Stats {
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  uint64_t questions = 0;      // through all entrances; those the board answered are counted there
  uint64_t not_supported = 0;  // of them
  uint64_t connections = 0;    // accepted on the Unix socket
  uint64_t connections_open = 0;
  uint64_t passive_requests = 0;
  // Of the way to Zabbix, all destinations together; brought up to date once a second, the spool's every ten.
  uint64_t hosts = 0;             // that are answered for
  uint64_t hosts_known = 0;       // of them, those that Zabbix knows
  uint64_t checks = 0;            // items that Zabbix wants
  uint64_t delivered = 0;         // values
  uint64_t resent = 0;            // again, after an outage
  uint64_t refused = 0;           // that Zabbix did not take
  uint64_t undelivered = 0;       // in the spools
  int64_t oldest_clock = 0;       // of them; 0: none
  uint64_t passive_refused = 0;   // not on the allow list, or not understood
  uint64_t intake_processed = 0;  // values that others sent, now on disk
  uint64_t intake_failed = 0;     // values that others sent and that were not taken
  uint64_t intake_refused = 0;    // connections: not on the allow list, or not understood
  uint64_t intake_commits = 0;    // of values that came together
  Lag lag{};                      // of final datapoints
};

struct Stat {
  std::string_view name;
  double value = 0;
};

/// Of this process, user and system.
[[nodiscard]] double cpu_seconds();
[[nodiscard]] double resident_bytes();

/// Every statistic, in a fixed order.
[[nodiscard]] std::vector<Stat> all_stats(const Stats& stats, const Targets& targets,
                                          const Inventories& inventories, const Demand& demand,
                                          const Collect& collect, const Board& board, const Bill& bill,
                                          const Status& status, int64_t now);

}  // namespace bakusoku::agent
