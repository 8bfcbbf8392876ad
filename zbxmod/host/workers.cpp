#include "workers.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "zbxmod/deadline.h"

namespace zbxmod::host {
namespace {

constexpr int64_t kIdleMs = 2000;

}  // namespace

std::vector<std::string> Workers::details_of(const Waiting& waiting, const Stage& stage) const {
  std::vector<std::string> details = describe_stack(stage.stack, setup_.loaded);
  if (details.size() > 10) details.resize(10);
  details.insert(details.end(), waiting.details.begin(), waiting.details.end());
  return details;
}

pid_t Workers::start_worker(Running& running, uint64_t round, int question) {
  struct stat status {};
  if (::fstat(setup_.output_of(running.worker).err, &status) == 0) running.said_before = status.st_size;
  running.killed = false;
  enter(*running.stage, Step::none);
  running.stage->finished.store(false);
  running.pid = ::fork();
  if (running.pid != 0) return running.pid;
  if (running.stage == &setup_.history_stage()) play_history_syncer(setup_, question);
  play_worker(setup_, running.worker, round, question);
}

/// Until all have ended. `ended_badly` starts a process anew and says whether it did.
template <typename EndedBadly>
void Workers::watch(std::vector<Running>& all, EndedBadly ended_badly) {
  size_t running = all.size();
  unsigned passes = 0;
  while (running > 0) {
    beat();
    check_stop(all);
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid == -1 && errno == ECHILD) {
      // Nothing is left to wait for although not all were seen to end: the module has waited for them.
      teller_.fault("killed",
                    "took the end of Zabbix's processes away from it: Zabbix no longer watches over them");
      return;
    }
    if (pid <= 0) {
      const bool look_at_memory = ++passes % 5 == 0;
      for (Running& each : all) {
        if (each.pid > 0 && !each.killed) kill_if_lost(each, look_at_memory);
      }
      ::usleep(2000);
      continue;
    }
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Running& each) { return each.pid == pid; });
    if (found == all.end()) continue;
    found->pid = 0;
    const Stage& stage = *found->stage;
    if (found->stage->child_came_back.exchange(false)) {
      const int question = stage.key.load();
      Fault fault{
          "child",
          0,
          "",
          "forked a process that returned from the item as if it was the worker: Zabbix would have the "
          "worker twice",
          "",
          {}};
      if (question >= 0 && found->worker > 0)
        fault.key = setup_.questions[static_cast<size_t>(question)].text;
      teller_.fault_of(found->worker, fault);
    }
    if (!found->killed && status == 0 && stage.finished.load()) {
      --running;
      continue;
    }
    Fault fault = found->why;
    if (!found->killed) {
      fault = how_it_ended(status, stage, tail_of(setup_.output_of(found->worker).err, found->said_before),
                           setup_);
      if (fault.kind != "destructor")
        fault.text += ". Zabbix stops altogether when one of its processes ends";
    }
    if (!ended_badly(*found, fault)) --running;
  }
}

void Workers::kill_if_lost(Running& running, bool look_at_memory) {
  Stage& stage = *running.stage;
  const uint64_t resident = look_at_memory ? resident_kb(running.pid) : 0;
  if (resident > setup_.options.memory_mb * 1024) {
    running.why = {"too-much-memory",
                   0,
                   "",
                   "needs " + std::to_string(resident / 1024) +
                       " MB and was still growing (killed here, at " +
                       std::to_string(setup_.options.memory_mb) +
                       " MB): in Zabbix the kernel ends some process of the machine",
                   "",
                   {}};
  } else {
    const auto step = static_cast<Step>(stage.step.load());
    const int64_t passed = now_ms() - stage.since_ms.load();
    if (step == Step::none) {
      // Between two questions there is little to do; only something from outside can hold it up.
      if (passed < kIdleMs || look_at(running.pid, running.pid).state != 'T') return;
    } else if (passed < setup_.limit_ms()) {
      return;
    }
    running.why = why_it_hangs(running.pid, stage, step);
  }
  ::kill(running.pid, SIGKILL);
  running.killed = true;
}

Fault Workers::why_it_hangs(pid_t pid, Stage& stage, Step step) {
  Waiting waiting = look_at(pid, pid);
  if (waiting.state != 'T') record_stack(pid, pid, stage);
  Fault fault{"hang", 0, "", "", "", details_of(waiting, stage)};
  const std::string seconds = in_seconds(step == Step::none ? kIdleMs : setup_.limit_ms());
  if (step == Step::ask) {
    fault.text = "has not answered " + seconds + " after it was asked, with a Timeout of " +
                 std::to_string(setup_.options.timeout_seconds) + " s: the worker " + waiting.text +
                 ". Zabbix ends no module, so this worker would be lost for ever (killed here)";
  } else {
    fault.text = "did not go on for " + seconds + " while " + describe(step) + ": the process " +
                 waiting.text + " (killed here)";
  }
  const int threads = setup_.board.threads_left.load();
  if (threads > 0 && (waiting.for_lock || waiting.for_descriptor)) {
    fault.text += waiting.for_lock ? ". It waits for " : ". It most likely waits for ";
    fault.text +=
        (threads == 1 ? std::string("a thread") : "one of " + std::to_string(threads) + " threads") +
        " from before the fork, which does not exist in this process: see the fault \"thread\"";
  }
  return fault;
}

/// Whoever sends the main process SIGTERM stops Zabbix.
void Workers::check_stop(const std::vector<Running>& all) {
  const int signal = stage_.signal.exchange(0);
  if (signal == 0) return;
  const pid_t sender = stage_.signal_from.load();
  Fault fault{"killed", 0, "", "sent " + signal_name(signal) + " to Zabbix's main process: Zabbix stops",
              "",       {}};
  for (const Running& each : all) {
    if (each.pid != sender) continue;
    const int question = each.stage->key.load();
    if (each.worker > 0 && question >= 0) fault.key = setup_.questions[static_cast<size_t>(question)].text;
    teller_.fault_of(each.worker, fault);
    return;
  }
  fault.text = "process " + std::to_string(sender) + " " + fault.text;
  teller_.fault_of(0, fault);
}

void Workers::leave_in_child() {
  Stage& stage = setup_.child_stage();
  enter(stage, Step::leave_child);
  const pid_t child = ::fork();
  if (child == 0) {
    become(setup_, stage, setup_.outputs[0]);
    enter(stage, Step::leave_child);
    std::exit(0);
  }
  int status = 0;
  const int64_t limit = now_ms() + setup_.limit_ms();
  while (::waitpid(child, &status, WNOHANG) == 0) {
    beat();
    if (now_ms() > limit) {
      const Waiting waiting = look_at(child, child);
      record_stack(child, child, stage);
      ::kill(child, SIGKILL);
      uninterrupted([&] { return ::waitpid(child, &status, 0); });
      teller_.fault("destructor",
                    "a forked child that leaves through exit() never ends: a destructor or atexit() "
                    "function of the module "
                    "waits there, as it would in the helper processes that zabbix_agentd forks for checks "
                    "of its own; it " +
                        waiting.text,
                    "", details_of(waiting, stage));
      return;
    }
    ::usleep(1000);
  }
  if (status != 0) {
    Fault fault = how_it_ended(status, stage, tail_of(setup_.outputs[0].err), setup_);
    fault.kind = "destructor";
    fault.text += ", as it would in the helper processes that zabbix_agentd forks for checks of its own";
    teller_.fault_of(0, fault);
  }
}

void Workers::run_workers() {
  std::vector<Running> all(static_cast<size_t>(setup_.options.workers));
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].worker = static_cast<int>(i) + 1;
    all[i].stage = &setup_.stages[i + 1];
    if (start_worker(all[i], 0, 0) == -1) {
      teller_.fault("host", std::string("cannot fork a worker: ") + std::strerror(errno));
      all.resize(i);
      break;
    }
  }
  watch(all, [&](Running& ended, const Fault& fault) {
    const auto question = static_cast<size_t>(
        std::clamp<int>(ended.stage->key.load(), 0, static_cast<int>(setup_.questions.size()) - 1));
    setup_.board.given_up[question].store(true);
    const int asked = ended.stage->key.load();
    Fault told = fault;
    if (asked >= 0) told.key = setup_.questions[question].text;
    teller_.fault_of(ended.worker, told);
    if (setup_.options.bench) {
      // Nobody shall wait for it at the questions that are left.
      setup_.board.arrived.fetch_add(static_cast<int>(setup_.questions.size()) - 1 - asked);
      return false;
    }
    return start_worker(ended, ended.stage->round.load(), ended.stage->key.load() + 1) > 0;
  });
}

void Workers::run_history_syncer() {
  if (std::all_of(std::begin(setup_.history.write), std::end(setup_.history.write),
                  [](auto* each) { return each == nullptr; }))
    return;
  std::vector<Running> all(1);
  all[0].worker = 0;
  all[0].stage = &setup_.history_stage();
  all[0].stage->key.store(-1);
  if (start_worker(all[0], 0, 0) == -1) return;
  watch(all, [&](Running& ended, const Fault& fault) {
    const int type = ended.stage->key.load();
    Fault told = fault;
    told.key =
        type >= 0 && type < 5 ? "history export of " + std::string(kHistoryNames[type]) : "history export";
    teller_.fault_of(0, told);
    return type >= 0 && type < 4 && start_worker(ended, 0, type + 1) > 0;
  });
}

}  // namespace zbxmod::host
