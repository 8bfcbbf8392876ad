// Peer: what the active checks of a destination have found out about the Zabbix there, for its delivery. One
// object per destination, shared by both, on the agent's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "zabbix/active.h"

namespace bakusoku::agent {

class Peer {
 public:
  /// `preferred` is the name of the root host, or empty.
  explicit Peer(std::string preferred = {}) : preferred_(std::move(preferred)) {}

  /// How the last one that said anything about items speaks, which is whether it takes heartbeats: a server
  /// may be upgraded, and a standby of another version may take over. Nothing: nobody has yet. How values are
  /// sent does not depend on it, but on whether their items came with ids.
  std::optional<zabbix::Dialect> dialect{};
  /// Zabbix takes no values at the moment; until one of its answers does not say so any more.
  bool upload_disabled = false;
  /// How often something has shown that Zabbix may have been away: an exchange failed, or it tells anew what
  /// it had told. Whoever has values there looks then whether it still knows them.
  uint64_t signs = 0;
  /// Lists of low-level discoveries that Zabbix has taken, of which it may make hosts. Written by the
  /// deliveries.
  uint64_t discoveries = 0;
  /// One more, of the host's item, both told by numbers. A list that is another one than before may make
  /// items on the host itself.
  void note_discovery(const std::string& host, uint64_t item, uint64_t list) {
    ++discoveries;
    if (lists_.size() >= kMostLists) lists_.clear();
    const auto [at, is_new] = lists_.try_emplace(item, list);
    const bool is_other = is_new || std::exchange(at->second, list) != list;
    if (is_other && known_.contains(host)) growing_.insert(host);
  }
  /// The hosts on which Zabbix may make items, since this was last asked.
  [[nodiscard]] std::set<std::string> take_growing() { return std::exchange(growing_, {}); }

  void set_known(const std::string& host, bool known) {
    if (asked_) asked_->insert(host);
    if (known) {
      known_.insert(host);
    } else {
      known_.erase(host);
    }
  }
  /// The root host has this name from now on.
  void prefer(std::string preferred) {
    if (preferred == preferred_) return;
    preferred_ = std::move(preferred);
    root_.clear();
    before_.clear();
  }
  /// In this name values travelled before the start; empty: in none, or nobody knows.
  void set_root_before(std::string root) { before_ = std::move(root); }
  /// Zabbix has not said yet whether it still knows the host of that name.
  [[nodiscard]] bool root_is_open() const { return !before_.empty() && !asked(before_); }
  [[nodiscard]] bool knows(const std::string& host) const { return known_.contains(host); }
  /// Whether Zabbix has said anything about the host since the start, and so where its values belong.
  [[nodiscard]] bool asked(const std::string& host) const { return !asked_ || asked_->contains(host); }
  /// Nobody has to know that any more.
  void forget_asked() { asked_.reset(); }
  [[nodiscard]] size_t known() const { return known_.size(); }

  /// The host under whose name packets of many hosts travel. Zabbix recognises what is sent again by this
  /// name and the session, so it stays the same as long as Zabbix knows it, also after a start. Empty: Zabbix
  /// knows no host.
  [[nodiscard]] const std::string& root() {
    if (known_.contains(root_)) return root_;
    for (const std::string& name : {before_, preferred_}) {
      if (known_.contains(name)) return root_ = name;
    }
    root_ = known_.empty() ? std::string() : *known_.begin();
    return root_;
  }

 private:
  static constexpr size_t kMostLists = 100'000;

  std::string preferred_;
  std::string before_;
  std::string root_;
  std::set<std::string> known_;
  std::unordered_map<uint64_t, uint64_t> lists_;  // hashes of the newest ones, by item
  std::set<std::string> growing_;
  std::optional<std::set<std::string>> asked_ = std::set<std::string>();
};

}  // namespace bakusoku::agent
