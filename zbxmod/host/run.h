// One run: a process that plays Zabbix's main process with one layout, loads the module, forks workers and
// has them ask. The caller's process only watches, so that whatever the module does to its host becomes a
// line of the report; when it returns, none of the processes it started is left.
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
  // What is still waited after the timeout before a call counts as hung and its process is killed.
  std::chrono::milliseconds grace{2000};
  uint64_t requests = 1;      // of each worker for each key
  uint64_t memory_mb = 1024;  // a process that needs more is killed

  // Instead of asking `requests` times: as fast as it goes, each key for so long.
  bool bench = false;
  double bench_seconds = 2;
  uint64_t bench_requests = 0;  // 0: no limit but the time
};

/// May be called by one thread at a time, while no other starts processes: what has become a child of the
/// caller's process meanwhile is taken for something that the module left.
[[nodiscard]] Report run(const Layout& layout, const Options& options);

/// May be called from a signal handler: run() kills what it has started and returns soon.
void interrupt_run();

}  // namespace zbxmod::host
