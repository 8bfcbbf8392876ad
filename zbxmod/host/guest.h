// What Zabbix's processes do with a module, once forked off the watching process: the main process loads it,
// forks workers and watches over them as Zabbix does, and tells what it finds through its stage. Nothing here
// outlives the process it runs in.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench.h"
#include "calls.h"
#include "channel.h"
#include "fault.h"
#include "guard.h"
#include "history.h"
#include "key.h"
#include "layout.h"
#include "run.h"
#include "stack.h"
#include "state.h"
#include "zbxmod/abi.h"

namespace zbxmod::host {

inline constexpr size_t kMaxQuestions = 4096;
inline constexpr size_t kMaxMeasured = 128;  // keys of a benchmark

// The memory that all processes of a run share.
struct Board {
  std::atomic<uintptr_t> module_base{0};
  std::atomic<uintptr_t> module_end{0};
  std::atomic<int> threads_left{0};           // by the module, before the fork
  std::atomic<int> arrived{0};                // workers of a benchmark at their next key
  std::atomic<bool> given_up[kMaxQuestions];  // crashed or hung somewhere
};

// Standard output and standard error of a process, as files that can be looked at.
struct Output {
  int out = -1;
  int err = -1;
};

struct Question {
  std::string text;
  ItemKey key;
  unsigned flags = 0;
  abi::ItemFunction function = nullptr;
};

// What main process and workers know.
struct Setup {
  const Layout& layout;
  const Options& options;
  Board& board;
  Stage* stages;                // [0] the main process, [n] worker n, then history_stage() and child_stage()
  Measured* measured;           // of a benchmark: [worker * kMaxMeasured + question]
  std::vector<Output> outputs;  // [0] the main process, then those of workers, which share the last
  Loaded loaded;
  std::vector<Question> questions;
  ZbxmodHostHistory history{};
  // What the module is handed, at the same place in all processes.
  std::unique_ptr<Guarded> request;
  std::unique_ptr<Guarded> result;
  std::vector<std::unique_ptr<HistoryRows>> rows;  // by type

  [[nodiscard]] Stage& history_stage() const { return stages[options.workers + 1]; }
  [[nodiscard]] Stage& child_stage() const { return stages[options.workers + 2]; }
  [[nodiscard]] const Output& output_of(int worker) const {
    return outputs[std::min(static_cast<size_t>(worker), outputs.size() - 1)];
  }
  [[nodiscard]] int64_t limit_ms() const;
  /// `loaded`, also in a process that has not loaded the module itself.
  const Loaded& module_place();
};

// Sends faults and notes of one process; each thing once, however often it happens.
class Teller {
 public:
  Teller(Stage& stage, int worker) : stage_(stage), worker_(worker) {}
  void fault(const std::string& kind, const std::string& text, const std::string& key = {},
             const std::vector<std::string>& details = {}) {
    tell(EventKind::fault, kind, text, key, details, worker_);
  }
  void note(const std::string& kind, const std::string& text, const std::string& key = {},
            const std::vector<std::string>& details = {}) {
    tell(EventKind::note, kind, text, key, details, worker_);
  }
  void fault_of(int worker, const Fault& fault) {
    tell(EventKind::fault, fault.kind, fault.text, fault.key, fault.details, worker);
  }
  void differences(const std::vector<Difference>& all, const std::string& key = {});
  /// Whether this is the first time.
  bool once(const std::string& what) { return told_.insert(what).second; }

 private:
  void tell(EventKind event, const std::string& kind, const std::string& text, const std::string& key,
            const std::vector<std::string>& details, int worker);

  Stage& stage_;
  int worker_;
  std::set<std::string> told_{};
};

/// What came of a process that ended by itself: `status` of waitpid, `said` the end of its standard error.
[[nodiscard]] Fault how_it_ended(int status, const Stage& stage, const std::string& said, const Setup& setup);

/// The last bytes of a file, from `start` on.
[[nodiscard]] std::string tail_of(int file, off_t start = 0);

/// "3 s", "1.5 s".
[[nodiscard]] std::string in_seconds(int64_t milliseconds);

/// "SIGTERM".
[[nodiscard]] std::string signal_name(int signal);

/// Plays the main process; ends the calling process.
[[noreturn]] void play_main_process(Setup& setup) noexcept;

/// Plays worker `number`, from this round and question on; ends the calling process.
[[noreturn]] void play_worker(Setup& setup, int number, uint64_t round, int question) noexcept;

/// Plays the process that exports history, from this type on; ends the calling process.
[[noreturn]] void play_history_syncer(Setup& setup, int type) noexcept;

/// How many children of the main process have ended while SIGCHLD was handled by it, as far as it noticed.
[[nodiscard]] int ended_children();

/// What Zabbix's log functions do here: the line goes into the report.
void log_from_module(int level, const char* format, va_list arguments);

/// The signals that zabbix_agentd 6.0 was seen to handle, as it does: none with SA_RESTART.
void handle_signals(bool main_process);

/// For a process that was just forked: its stage, its output, and the signals that Zabbix's workers handle.
void become(Setup& setup, Stage& stage, const Output& output);

/// Ends the process when it is not the stage's own: one that the module forked and let return.
void end_if_copy(Stage& stage);

}  // namespace zbxmod::host
