// Trickle: when each of many hosts has its turn, so that all of them make a steady stream. Each comes once a
// round, the first time at once; whatever has piled up (a start, an outage) comes at a pace that brings all
// of it in half a round, or in 50 s where that is less. Hosts that came together drift apart: after a first
// turn, or a late one, the wait is anything from half to one and a half of what is asked for, else within a
// tenth of it. Pure; the clock is the caller's, in unix milliseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace bakusoku::agent {

/// How long a host that Zabbix has refused waits for its next turn. First some seconds, then half as long
/// again each time, up to `kLongestRefused`; with its jitter, and the pace of all, that is below five
/// minutes. `refused` such hosts make no more than 20 turns a second, or one in 50 s each.
[[nodiscard]] std::chrono::milliseconds wait_of_refused(std::chrono::milliseconds round, int refusals_in_row,
                                                        size_t refused);
inline constexpr std::chrono::seconds kLongestRefused{160};

class Trickle {
 public:
  Trickle(std::chrono::milliseconds round, uint32_t seed);

  /// Hosts come once in so long from their next turn on; those whose turn would be later come now.
  void set_round(std::chrono::milliseconds round, int64_t now);
  /// Due at once, if it is new.
  void add(const std::string& host, int64_t now);
  /// Due at once, if its turn would be later.
  void hasten(const std::string& host, int64_t now);
  /// It is not taken any more; put_back() of it does nothing.
  void remove(const std::string& host);
  [[nodiscard]] size_t size() const { return hosts_.size(); }
  /// When its next turn comes; 0: it is out, or not there.
  [[nodiscard]] int64_t due(const std::string& host) const;

  /// One that is due, as the pace allows. It is out until it is put back.
  [[nodiscard]] std::optional<std::string> take(int64_t now);
  /// Its turn comes again after about `wait`.
  void put_back(const std::string& host, int64_t now, std::chrono::milliseconds wait);

  /// How long until take() may have one, from 1 to `longest` milliseconds.
  [[nodiscard]] std::chrono::milliseconds idle(int64_t now, std::chrono::milliseconds longest) const;

 private:
  struct Host {
    int64_t due = 0;
    bool out = false;
    bool settled = false;  // its turns are spread already
  };
  [[nodiscard]] double pace() const;  // hosts a millisecond
  [[nodiscard]] double purse() const;
  void follow_clock(int64_t now);

  std::chrono::milliseconds round_;
  std::minstd_rand random_;
  std::map<std::string, Host> hosts_;
  std::set<std::pair<int64_t, std::string>> queue_;
  double may_take_;
  int64_t counted_at_ = 0;
};

}  // namespace bakusoku::agent
