// The main process's watch over the processes it forks: workers, the history syncer, and a child that leaves
// through exit(). Whatever ends or hangs is told and, where something is left to do, replaced.
#pragma once

#include <string>
#include <vector>

#include "guest.h"
#include "process.h"

namespace zbxmod::host {

class Workers {
 public:
  Workers(Setup& setup, Teller& teller) : setup_(setup), stage_(setup.stages[0]), teller_(teller) {}

  /// Zabbix has helper processes that leave through exit(), with the destructors of everything loaded.
  void leave_in_child();
  void run_workers();
  void run_history_syncer();

 private:
  struct Running {
    pid_t pid = 0;
    Stage* stage = nullptr;
    int worker = 0;
    off_t said_before = 0;
    // Why it was killed.
    bool killed = false;
    Fault why{};
  };

  void beat() { stage_.beat_ms.store(now_ms()); }
  std::vector<std::string> details_of(const Waiting& waiting, const Stage& stage) const;
  pid_t start_worker(Running& running, uint64_t round, int question);
  template <typename EndedBadly>
  void watch(std::vector<Running>& all, EndedBadly ended_badly);
  void kill_if_lost(Running& running, bool look_at_memory);
  Fault why_it_hangs(pid_t pid, Stage& stage, Step step);
  void check_stop(const std::vector<Running>& all);

  Setup& setup_;
  Stage& stage_;
  Teller& teller_;
};

}  // namespace zbxmod::host
