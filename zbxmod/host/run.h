// One run: a process that plays Zabbix's main process with one layout, loads the module, forks workers and
// has them ask. The caller's process only watches, so that whatever the module does to its host becomes a
// line of the report.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "layout.h"
#include "report.h"

namespace zbxmod::host {

struct Options {
  std::string module;                 // path of the .so
  std::string personality_directory;  // holds zabbix-<personality>.so
  std::vector<std::string> keys;      // empty: each item with its test parameter, as zabbix_agentd -p does
  int workers = 3;
  int timeout_seconds = 3;  // Zabbix's Timeout
  uint64_t repeat = 1;
};

/// What is still waited after the timeout before a call counts as hung and its process is killed.
inline constexpr std::chrono::seconds kGrace{2};

[[nodiscard]] Report run(const Layout& layout, const Options& options);

}  // namespace zbxmod::host
