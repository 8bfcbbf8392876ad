// What belongs to a process as a whole and not to the module in it: descriptors, threads, signals, limits,
// directory, locale, environment. Taken before and after the module ran, the difference is what the module
// did to its host.
#pragma once

#include <sys/resource.h>

#include <array>
#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "process.h"

namespace zbxmod::host {

struct Descriptor {
  std::string target;  // as the links in /proc/self/fd have it
  int flags = 0;       // of open()
};

struct Handler {
  void* function = nullptr;
  bool blocked = false;
};

struct State {
  std::map<int, Descriptor> descriptors;
  std::vector<Thread> threads;
  std::vector<Process> children;
  std::array<Handler, 65> signals{};  // by number
  std::array<bool, 3> timers{};       // ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF
  std::array<rlimit, RLIM_NLIMITS> limits{};
  unsigned mask = 0;  // of new files
  unsigned user = 0, group = 0;
  int priority = 0;
  std::string directory;
  std::string decimal_point;
  std::string locale;  // all of it
  std::map<std::string, std::string> environment;
};

/// Of the calling process. Its own children are counted only when `with_children`, which reads all of /proc.
[[nodiscard]] State take_state(bool with_children);

struct Difference {
  std::string kind;
  bool note = false;
  std::string text;
  std::vector<std::string> details;
};

/// What `who` ("zbx_module_init", "the item") did to the main process before it forks.
[[nodiscard]] std::vector<Difference> left_before_fork(const State& before, const State& after,
                                                       const std::string& who);
/// What an item did to its worker.
[[nodiscard]] std::vector<Difference> left_by_item(const State& before, const State& after);

}  // namespace zbxmod::host
