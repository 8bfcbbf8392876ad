// Hosts: the hosts of Zabbix that discovery found, each named by a resource's id, and where that resource is:
// what an empty region or account in a key of such a host means. Holds on to the lists it was told last, as
// no reading that fails moves a host. Runs on the agent's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/inventory.h"
#include "agent/targets.h"
#include "base/result.h"

namespace bakusoku::agent {

class Hosts {
 public:
  /// A list of resources that hosts are named by.
  struct List {
    const Service* service = nullptr;
    const Target* target = nullptr;              // null: lists of accounts or regions that are not known yet
    std::shared_ptr<const Snapshot> snapshot{};  // null: there is none now
    std::string trouble{};                       // why; empty: it is being read

    friend bool operator==(const List&, const List&) = default;
  };

  /// Host names that the configuration holds, so that there may be items of them whatever the lists hold.
  struct Named {
    std::set<std::string> own{};    // of [zabbix] hostname and hosts
    std::set<std::string> sends{};  // of [[send]]

    friend bool operator==(const Named&, const Named&) = default;
  };
  /// From now on these lists, each service and target once; one that is not there now stays as it was.
  /// Returns whether a host that stays is elsewhere now.
  bool take(std::vector<List> lists, Named named);

  /// The ids of all resources that are not gone.
  [[nodiscard]] const std::set<std::string>& found() const { return found_; }
  /// Nothing is looked for, so no host has a home.
  [[nodiscard]] bool none() const { return lists_.empty(); }

  /// Where the resource is that the host is named by; `region` and `account` are those that a key names
  /// already, or empty. Null: discovery found no such host, the defaults hold. Errors: invalid, several
  /// resources bear the name in different places; unavailable, the list that may hold it is not there yet.
  [[nodiscard]] Result<const Target*> home_of(std::string_view host, std::string_view region = {},
                                              std::string_view account = {}) const;

 private:
  using Index = std::unordered_multimap<std::string_view, uint32_t>;  // id -> place in lists
  // Where resources of that id are, in the order of the lists.
  [[nodiscard]] std::vector<const List*> places_of(std::string_view host) const;
  [[nodiscard]] bool is_own(std::string_view host) const;
  [[nodiscard]] bool same_home(const Hosts& before, const std::string& host) const;

  std::vector<List> lists_;
  Index index_;
  std::set<std::string> found_;
  Named named_;
  std::map<std::string, const Target*, std::less<>> last_homes_;  // of named hosts: a resource may go
};

}  // namespace bakusoku::agent
