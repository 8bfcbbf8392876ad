// For tests: Zabbix's memory of what it was sent. A server or proxy on a loopback port that tells rows it has
// seen by session and id as 6.0 and 7.0 do, keeps what it took in memory before it is stored, and loses both
// when it is killed; and a group of proxies in front of a server, which behaves as 7.0's does: each proxy
// reads its own configuration only from time to time, redirects hosts of others by the map it has, and the
// server drops what comes from a proxy that is not the host's any more. The history counts what is stored
// twice.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "agent/scripted_zabbix.h"
#include "zabbix/sender.h"

namespace bakusoku::agent {

/// A value as it comes to rest: its host and its text, which tests make unique.
using Stored = std::pair<std::string, std::string>;

/// What a server or proxy knows of sessions, and what it has taken and not passed on yet.
class Taking {
 public:
  struct Counts {
    size_t taken = 0;
    size_t failed = 0;
  };

  /// Items of host "h<n>" have the id n. Rows of hosts that `knows` does not are refused.
  template <typename Knows>
  Counts take(const zabbix::IntakeRequest& request, Knows&& knows) {
    Counts counts;
    uint64_t highest = 0;
    for (const zabbix::IntakeRow& row : request.rows) {
      const std::string host = row.itemid == 0 ? row.host : "h" + std::to_string(row.itemid);
      // By id the session is the root host's, and has seen all of a packet when it ends; by key it is the
      // row's own, and has not seen what is unknown.
      const bool by_id = row.itemid != 0;
      uint64_t& last = last_[{by_id ? request.host : host, request.session}];
      const bool fresh = request.session.empty() || row.id == 0 || row.id > last;
      highest = std::max(highest, row.id);
      if (!fresh || !knows(host)) {
        ++counts.failed;
        continue;
      }
      if (!by_id) last = std::max(last, row.id);
      ++counts.taken;
      if (row.value) in_memory_.emplace_back(std::chrono::steady_clock::now(), Stored{host, *row.value});
    }
    if (!request.host.empty()) {
      uint64_t& last = last_[{request.host, request.session}];
      last = std::max(last, highest);
    }
    return counts;
  }
  /// What has been in memory for so long.
  std::vector<Stored> pass_on(std::chrono::milliseconds age) {
    std::vector<Stored> passed;
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(in_memory_, [&](auto& each) {
      if (now - each.first < age) return false;
      passed.push_back(std::move(each.second));
      return true;
    });
    return passed;
  }
  void kill() {
    last_.clear();
    in_memory_.clear();
  }

 private:
  std::map<std::pair<std::string, std::string>, uint64_t> last_;
  std::vector<std::pair<std::chrono::steady_clock::time_point, Stored>> in_memory_;
};

/// What is stored. Without primary keys of history, what comes twice is there twice.
class History {
 public:
  void store(const std::vector<Stored>& values) {
    for (const Stored& value : values) {
      order_[value.first].push_back(value.second);
      ++times_[value];
    }
  }
  [[nodiscard]] size_t values() const { return times_.size(); }
  [[nodiscard]] size_t doubles() const {
    size_t doubles = 0;
    for (const auto& [value, times] : times_) doubles += times - 1;
    return doubles;
  }
  /// In the order of storing, with what came twice.
  [[nodiscard]] std::vector<std::string> of(const std::string& host) { return order_[host]; }
  [[nodiscard]] bool has(const Stored& value) const { return times_.contains(value); }

 private:
  std::map<Stored, size_t> times_;
  std::map<std::string, std::vector<std::string>> order_;
};

inline std::string accepted(size_t processed, size_t failed = 0) {
  return zabbix::encode_sender_answer({processed, failed, processed + failed, 0.000055});
}

/// A server with a database that is `slow`: what was acknowledged later than that is lost when it is killed.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::chrono::milliseconds slow = std::chrono::milliseconds(0))
      : slow_(slow), server_([this](const std::string& packet) { return answer(packet); }) {}

  [[nodiscard]] zabbix::Endpoint endpoint() const { return server_.endpoint(); }
  /// Killed, and back before anybody asks.
  void kill() {
    const std::lock_guard lock(mutex_);
    (void)pass_on();
    taking_.kill();
  }
  void set_away(bool away) {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  /// So many answers of a hundred do not arrive, and as many questions.
  void set_lost(unsigned answers, unsigned questions) {
    const std::lock_guard lock(mutex_);
    lost_answers_ = answers;
    lost_questions_ = questions;
  }
  /// No packet of values is answered; questions are.
  void set_silent(bool silent) {
    const std::lock_guard lock(mutex_);
    silent_ = silent;
  }
  void set_sessions(bool sessions) {
    const std::lock_guard lock(mutex_);
    sessions_ = sessions;
  }
  void set_known(const std::string& host, bool known) {
    const std::lock_guard lock(mutex_);
    unknown_[host] = !known;
  }
  [[nodiscard]] History history() {
    const std::lock_guard lock(mutex_);
    return pass_on();
  }
  /// Rows that arrived, with a value or without.
  [[nodiscard]] size_t rows() {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  [[nodiscard]] size_t count() const { return server_.count(); }
  [[nodiscard]] std::vector<std::string> requests() const { return server_.requests(); }

 private:
  std::string answer(const std::string& packet) {
    const std::lock_guard lock(mutex_);
    if (away_) return "";
    auto request = zabbix::decode_sender_request(packet);
    if (!request) return "";
    rows_ += request->rows.size();
    if (chance_() % 100 < lost_questions_) return "";
    if (!sessions_) request->session.clear();
    (void)pass_on();
    const auto counts = taking_.take(*request, [this](const std::string& host) { return !unknown_[host]; });
    if (chance_() % 100 < lost_answers_ || (silent_ && request->rows.front().value)) return "";
    return accepted(counts.taken, counts.failed);
  }
  History& pass_on() {
    history_.store(taking_.pass_on(slow_));
    return history_;
  }

  std::mutex mutex_;
  std::chrono::milliseconds slow_;
  Taking taking_;
  History history_;
  bool away_ = false;
  bool sessions_ = true;
  bool silent_ = false;
  unsigned lost_answers_ = 0;
  unsigned lost_questions_ = 0;
  size_t rows_ = 0;
  std::map<std::string, bool> unknown_;
  std::minstd_rand chance_{11};
  ScriptedZabbix server_;
};

class ScriptedGroup {
 public:
  /// `behind`: how old the map of a proxy may be. `slow`: how long a proxy keeps what it took before the
  /// server has it.
  explicit ScriptedGroup(size_t proxies, std::chrono::milliseconds behind = std::chrono::milliseconds(0),
                         std::chrono::milliseconds slow = std::chrono::milliseconds(0))
      : behind_(behind), slow_(slow) {
    for (size_t at = 0; at < proxies; ++at) {
      proxies_.push_back(std::make_unique<Proxy>());
      proxies_.back()->port = std::make_unique<ScriptedZabbix>(
          [this, at](const std::string& packet) { return answer(at, packet); });
    }
  }
  ~ScriptedGroup() {
    for (auto& proxy : proxies_) proxy->port.reset();
  }
  ScriptedGroup(const ScriptedGroup&) = delete;
  ScriptedGroup& operator=(const ScriptedGroup&) = delete;

  void assign(const std::string& host, size_t proxy) {
    const std::lock_guard lock(mutex_);
    pass_on();
    map_.owner[host] = proxy;
    ++map_.revision;
  }
  /// The host is looked after by one proxy of its own, which no other knows of.
  void leave(const std::string& host, size_t proxy) {
    const std::lock_guard lock(mutex_);
    pass_on();
    map_.owner[host] = proxy;
    map_.alone[host] = true;
    ++map_.revision;
  }
  /// The group is made anew.
  void set_revision(int revision) {
    const std::lock_guard lock(mutex_);
    map_.revision = revision;
  }
  /// Proxies read their configuration now.
  void read_maps() {
    const std::lock_guard lock(mutex_);
    for (auto& proxy : proxies_) {
      proxy->map = map_;
      proxy->read_at = std::chrono::steady_clock::now();
    }
  }
  void set_away(size_t proxy, bool away) {
    const std::lock_guard lock(mutex_);
    proxies_[proxy]->away = away;
  }
  /// Killed, and back before anybody asks.
  void kill(size_t proxy) {
    const std::lock_guard lock(mutex_);
    pass_on();
    proxies_[proxy]->taking.kill();
  }
  void set_flaky(unsigned percent) {
    const std::lock_guard lock(mutex_);
    flaky_ = percent;
  }
  [[nodiscard]] ScriptedZabbix& proxy(size_t at) { return *proxies_.at(at)->port; }
  [[nodiscard]] History history() {
    const std::lock_guard lock(mutex_);
    pass_on();
    return history_;
  }
  [[nodiscard]] size_t rows() {
    const std::lock_guard lock(mutex_);
    return rows_;
  }

 private:
  struct Map {
    std::map<std::string, size_t> owner;
    std::map<std::string, bool> alone;
    int revision = 1;
  };
  struct Proxy {
    Map map;
    std::chrono::steady_clock::time_point read_at{};
    Taking taking;
    bool away = false;
    std::unique_ptr<ScriptedZabbix> port;
  };

  std::string answer(size_t at, const std::string& packet) {
    const std::lock_guard lock(mutex_);
    Proxy& proxy = *proxies_[at];
    if (proxy.away) return "";
    const auto request = zabbix::decode_sender_request(packet);
    if (!request) return "";
    rows_ += request->rows.size();
    if (chance_() % 100 < flaky_) return "";
    const auto now = std::chrono::steady_clock::now();
    if (now - proxy.read_at >= behind_) {
      proxy.read_at = now;
      proxy.map = map_;
    }
    pass_on();
    const std::string looked_at = request->host.empty() ? request->rows.front().host : request->host;
    const auto owner = proxy.map.owner.find(looked_at);
    const bool mine = owner != proxy.map.owner.end() && owner->second == at;
    if (!mine && (owner == proxy.map.owner.end() || proxy.map.alone[looked_at]))
      return R"({"response":"success","info":"unknown host ')" + looked_at + "'\"}";
    if (!mine) {
      return R"({"redirect":{"revision":)" + std::to_string(proxy.map.revision) + R"(,"address":")" +
             proxies_[owner->second]->port->address() + R"("},"response":"failed"})";
    }
    const auto counts =
        proxy.taking.take(*request, [&](const std::string& host) { return host == looked_at; });
    if (chance_() % 100 < flaky_) return "";
    return accepted(counts.taken, counts.failed);
  }
  // The server takes what comes from the proxy that is the host's now.
  void pass_on() {
    for (size_t at = 0; at < proxies_.size(); ++at) {
      std::vector<Stored> values = proxies_[at]->taking.pass_on(slow_);
      std::erase_if(values, [&](const Stored& value) { return map_.owner[value.first] != at; });
      history_.store(values);
    }
  }

  std::mutex mutex_;
  std::chrono::milliseconds behind_;
  std::chrono::milliseconds slow_;
  Map map_;
  History history_;
  unsigned flaky_ = 0;
  size_t rows_ = 0;
  std::minstd_rand chance_{7};
  std::vector<std::unique_ptr<Proxy>> proxies_;
};

}  // namespace bakusoku::agent
