#include "run.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <thread>

#include "guest.h"
#include "process.h"
#include "zbxmod/deadline.h"

namespace zbxmod::host {
namespace {

volatile sig_atomic_t interrupted = 0;

// Whose output is kept apart; workers beyond share the last.
constexpr int kMostOutputs = 65;
// The main process only waits for its workers, so it can be this late on a busy machine, but not longer.
constexpr int64_t kLateBeatMs = 30'000;
constexpr int64_t kStrayGraceMs = 300;

Output make_output() {
  return {::memfd_create("stdout", MFD_CLOEXEC), ::memfd_create("stderr", MFD_CLOEXEC)};
}

template <typename T>
T* make_shared_array(size_t count) {
  void* memory = shared_memory(count * sizeof(T));
  return memory == nullptr ? nullptr : new (memory) T[count];
}

/// Several workers find the same; one line with the first worker's number says it. What keeps Zabbix from
/// starting comes first.
void arrange(std::vector<Fault>& faults) {
  std::set<std::string> seen;
  std::erase_if(faults, [&](const Fault& each) {
    // Numbers differ from worker to worker.
    std::string words = each.kind + '\n' + each.key + '\n' + each.text;
    std::erase_if(words, [](char c) { return c >= '0' && c <= '9'; });
    return !seen.insert(words).second;
  });
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& a, const Fault& b) { return rank_of(a.kind) < rank_of(b.kind); });
  for (Fault& each : faults) {
    if (each.remedy.empty()) each.remedy = remedy_for(each.kind);
  }
}

class Watch {
 public:
  Watch(const Layout& layout, const Options& options) : layout_(layout), options_(options) {
    report_.layout = &layout;
  }

  Report run() {
    const size_t stages = static_cast<size_t>(options_.workers) + 3;
    auto* board = make_shared_array<Board>(1);
    auto* stage = make_shared_array<Stage>(stages);
    const size_t cells = options_.bench ? static_cast<size_t>(options_.workers) * kMaxMeasured : 1;
    // Zeroes are what it starts from, so that what nobody measures costs no memory.
    auto* measured = static_cast<Measured*>(shared_memory(cells * sizeof(Measured)));
    if (board == nullptr || stage == nullptr || measured == nullptr) return failed("no memory");
    Setup setup{layout_, options_, *board, stage, measured, {}, {}, {}, {}, nullptr, nullptr, {}};
    setup.outputs.resize(static_cast<size_t>(std::min(options_.workers + 1, kMostOutputs)));
    for (Output& each : setup.outputs) each = make_output();
    setup.loaded.path = options_.module;
    // A file that cannot be read as a library: dlopen says so in the main process.
    if (auto elf = read_elf_file(options_.module)) setup.loaded.elf = std::move(*elf);
    setup.request = std::make_unique<Guarded>(layout_.request_bytes);
    setup.result = std::make_unique<Guarded>(layout_.result_bytes);
    for (int type = 0; type < 5; ++type) setup.rows.push_back(std::make_unique<HistoryRows>(type));

    for (const Process& each : children_of(::getpid())) mine_.insert(each.id);
    int was_reaper = 0;
    ::prctl(PR_GET_CHILD_SUBREAPER, &was_reaper);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);

    enter(stage[0], Step::none);
    stage[0].beat_ms.store(now_ms());
    const pid_t main_pid = ::fork();
    if (main_pid == 0) play_main_process(setup);
    if (main_pid == -1) {
      failed("cannot fork");
    } else {
      follow(setup, main_pid, stages);
      end_strays();
      drain(stage, stages);
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, was_reaper);

    for (int number = 1; number <= options_.workers + 1; ++number)
      report_.asked += stage[number].asked.load();
    if (options_.bench) report_.bench = figures(setup);
    arrange(report_.faults);
    arrange(report_.notes);
    for (const Output& each : setup.outputs) {
      if (each.out >= 0) ::close(each.out);
      if (each.err >= 0) ::close(each.err);
    }
    ::munmap(board, sizeof(Board));
    ::munmap(stage, stages * sizeof(Stage));
    ::munmap(measured, cells * sizeof(Measured));
    return std::move(report_);
  }

 private:
  void add(const Event& event) {
    const auto field = [&](size_t index) {
      return index < event.fields.size() ? event.fields[index] : std::string();
    };
    const auto whole = [&](size_t index) { return std::strtoull(field(index).c_str(), nullptr, 10); };
    switch (event.kind) {
      case EventKind::item:
        report_.items.push_back(field(0));
        break;
      case EventKind::question:
        questions_.push_back(field(0));
        break;
      case EventKind::answer:
        report_.answers.push_back({static_cast<int>(whole(0)), field(1), field(2) == "1", field(5), whole(3),
                                   std::strtod(field(4).c_str(), nullptr)});
        break;
      case EventKind::fault:
      case EventKind::note: {
        Fault fault{field(0), static_cast<int>(whole(1)), field(2), field(3), {}, {}};
        const std::string details = field(4);
        for (size_t at = 0; at < details.size();) {
          const size_t end = std::min(details.find('\n', at), details.size());
          fault.details.push_back(details.substr(at, end - at));
          at = end + 1;
        }
        (event.kind == EventKind::fault ? report_.faults : report_.notes).push_back(std::move(fault));
        break;
      }
      case EventKind::log:
        report_.log.push_back(field(0));
        break;
    }
  }

  Report failed(const char* what) {
    report_.faults.push_back({"host", 0, "", std::string(what) + ": " + std::strerror(errno), "", {}});
    return report_;
  }

  void drain(Stage* stages, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Event event;
      while (receive_event(stages[i], event)) add(event);
    }
  }

  /// Until the main process has ended, by itself or killed.
  void follow(Setup& setup, pid_t main_pid, size_t stages) {
    Stage& stage = setup.stages[0];
    int status = 0;
    Fault why;
    bool killed = false;
    for (;;) {
      drain(setup.stages, stages);
      const pid_t ended = ::waitpid(main_pid, &status, WNOHANG);
      if (ended == main_pid || (ended == -1 && errno == ECHILD)) break;
      if (!killed && is_lost(setup, main_pid, stage, why)) {
        ::kill(main_pid, SIGKILL);
        killed = true;
      }
      ::usleep(2000);
    }
    drain(setup.stages, stages);
    if (killed) {
      report_.faults.push_back(std::move(why));
    } else if (status != 0 || !stage.finished.load()) {
      report_.faults.push_back(why_main_ended(setup, stage, status));
    }
    if (stage.child_came_back.load()) {
      report_.faults.push_back(
          {"child",
           0,
           "",
           "a process that the module forked while it was loaded or unloaded returned from it: "
           "Zabbix would go on twice from there",
           "",
           {}});
    }
  }

  bool is_lost(Setup& setup, pid_t main_pid, Stage& stage, Fault& why) {
    if (interrupted != 0) {
      why = {"host", 0, "", "interrupted", "", {}};
      return true;
    }
    const int64_t now = now_ms();
    const auto step = static_cast<Step>(stage.step.load());
    const uint64_t resident = step == Step::none ? 0 : resident_kb(main_pid);
    if (resident > options_.memory_mb * 1024) {
      why = {"too-much-memory",
             0,
             "",
             "the main process needs " + std::to_string(resident / 1024) +
                 " MB and was still growing while " + describe(step) + " (killed here, at " +
                 std::to_string(options_.memory_mb) + " MB)",
             "",
             {}};
      return true;
    }
    const bool over = step != Step::none && now > stage.since_ms.load() + setup.limit_ms();
    const int64_t silent = now - std::max(stage.beat_ms.load(), stage.since_ms.load());
    if (!over && (step != Step::none || silent < 1000)) return false;
    Waiting waiting = look_at(main_pid, main_pid);
    if (!over && waiting.state != 'T' && silent < kLateBeatMs) return false;
    if (waiting.state != 'T') record_stack(main_pid, main_pid, stage);
    std::vector<std::string> details = describe_stack(stage.stack, setup.module_place());
    details.insert(details.end(), waiting.details.begin(), waiting.details.end());
    why = {"hang",
           0,
           "",
           "the main process did not go on for " + in_seconds(over ? setup.limit_ms() : silent) + " while " +
               (over ? describe(step) : "it watched over its workers") + ": it " + waiting.text +
               " (killed here)",
           "",
           details};
    if (!over) name_suspects(setup, why);
    return true;
  }

  /// Which items the workers were at when the main process was hit; one of them did it.
  void name_suspects(const Setup& setup, Fault& fault) const {
    std::set<std::string> keys;
    for (int number = 1; number <= options_.workers; ++number) {
      const int question = setup.stages[number].key.load();
      if (question >= 0 && static_cast<size_t>(question) < questions_.size())
        keys.insert(questions_[static_cast<size_t>(question)]);
    }
    if (keys.size() == 1) fault.key = *keys.begin();
    for (const std::string& key : keys) {
      if (keys.size() > 1) fault.details.push_back("asked at that time: " + key);
    }
  }

  Fault why_main_ended(Setup& setup, Stage& stage, int status) {
    setup.module_place();
    const auto step = static_cast<Step>(stage.step.load());
    const bool by_signal = WIFSIGNALED(status);
    if (step == Step::none && by_signal) {
      Fault fault{"killed",
                  0,
                  "",
                  "the main process was ended by " + signal_name(WTERMSIG(status)) +
                      ", which zbxmod-host did not send: the module sent it to its parent process or process "
                      "group, and "
                      "Zabbix stops",
                  "",
                  {}};
      name_suspects(setup, fault);
      return fault;
    }
    Fault fault = how_it_ended(status, stage, tail_of(setup.outputs[0].err), setup);
    if (fault.kind == "exit") fault.text += ": Zabbix does not start, and its log does not say why";
    return fault;
  }

  /// What the module started and left behind, which has become this process's own children.
  void end_strays() {
    std::vector<std::string> names;
    const int64_t grace = now_ms() + kStrayGraceMs;
    const int64_t limit = now_ms() + 5000;
    for (;;) {
      bool any = false;
      for (const Process& each : children_of(::getpid())) {
        if (mine_.contains(each.id)) continue;
        any = true;
        if (each.state == 'Z') {
          ::waitpid(each.id, nullptr, WNOHANG);
          continue;
        }
        if (now_ms() < grace) continue;
        const std::string name = "process " + std::to_string(each.id) + ", \"" + each.name + "\"";
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        ::kill(each.id, SIGKILL);
      }
      if (!any || now_ms() > limit) break;
      ::usleep(5000);
    }
    if (!names.empty()) {
      report_.faults.push_back({"child", 0, "",
                                "left " + std::to_string(names.size()) +
                                    (names.size() == 1 ? " process" : " processes") +
                                    " running after Zabbix had ended (killed here)",
                                "", names});
    }
  }

  Bench figures(const Setup& setup) const {
    std::vector<std::vector<const Measured*>> measured;
    for (int worker = 0; worker < options_.workers; ++worker) {
      std::vector<const Measured*> row;
      for (size_t i = 0; i < questions_.size(); ++i) {
        row.push_back(setup.measured + static_cast<size_t>(worker) * kMaxMeasured + i);
      }
      measured.push_back(std::move(row));
    }
    return summarize(questions_, measured,
                     static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  }

  const Layout& layout_;
  const Options& options_;
  Report report_{};
  std::vector<std::string> questions_{};
  std::set<pid_t> mine_{};  // children from before
};

}  // namespace

Report run(const Layout& layout, const Options& options) { return Watch(layout, options).run(); }

void interrupt_run() { interrupted = 1; }

}  // namespace zbxmod::host
