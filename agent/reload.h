// What differs between two configurations, when the file is read again while the agent runs: which keys and
// tables, and whether the agent can follow at once. A key that somebody adds to the configuration belongs
// into the table of reload.cpp too. Pure; Agent::reload() does what is to be done.
#pragma once

#include <string>
#include <vector>

#include "agent/config.h"

namespace bakusoku::agent {

/// Of one section: what the log says in one line.
struct Change {
  std::string section;                  // "[zabbix]", "[[account]]"
  std::vector<std::string> at_once{};   // keys; of sections there may be many of: "prod added"
  std::vector<std::string> at_start{};  // keys that take effect at the next start only
  std::string words{};                  // of the whole section, instead of keys

  friend bool operator==(const Change&, const Change&) = default;
};

/// In the order of the documentation. Nothing: the configurations mean the same.
[[nodiscard]] std::vector<Change> changes_between(const Config& before, const Config& after);

/// "[zabbix]: hosts and refresh have changed; state_dir takes effect at the next start".
[[nodiscard]] std::string to_string(const Change& change);

/// `after` with the values of `before` for all that takes effect at the next start only: what an agent runs
/// with until then.
[[nodiscard]] Config effective(const Config& before, Config after);

}  // namespace bakusoku::agent
