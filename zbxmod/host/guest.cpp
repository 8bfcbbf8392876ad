#include "guest.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "loading.h"
#include "workers.h"

#if defined(__SANITIZE_ADDRESS__)
// Objects that live as long as their process are the rule in a module, and processes here end in many ways.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "detect_leaks=0";
}
#endif

namespace zbxmod::host {
namespace {

Stage* log_stage = nullptr;
volatile sig_atomic_t children_ended = 0;

void on_child(int) { children_ended = children_ended + 1; }

void on_nothing(int) {}

void on_stop(int signal, siginfo_t* info, void*) {
  if (log_stage == nullptr || log_stage->owner.load() != ::getpid()) return;
  log_stage->signal_from.store(info->si_pid);
  log_stage->signal.store(signal);
}

class MainProcess {
 public:
  explicit MainProcess(Setup& setup)
      : setup_(setup), teller_(setup.stages[0], 0), loading_(setup, teller_), workers_(setup, teller_) {}

  void play() {
    const bool loaded = loading_.load();
    handle_signals(true);  // whatever the module made of them: the workers' ends must be seen
    if (loaded) {
      workers_.leave_in_child();
      if (loading_.find_questions()) workers_.run_workers();
      if (!setup_.options.bench) workers_.run_history_syncer();
      loading_.unload();
    }
    check_output();
  }

 private:
  void check_output() {
    std::fflush(stdout);
    if (const std::string text = tail_of(setup_.outputs[0].out); !text.empty())
      teller_.fault("output", "wrote on standard output while it was loaded or unloaded: " + text);
    if (const std::string text = tail_of(setup_.outputs[0].err); !text.empty())
      teller_.note("stderr", "wrote on standard error while it was loaded or unloaded: " + text);
  }

  Setup& setup_;
  Teller teller_;
  Loading loading_;
  Workers workers_;
};

}  // namespace

int64_t Setup::limit_ms() const { return int64_t{options.timeout_seconds} * 1000 + options.grace.count(); }

const Loaded& Setup::module_place() {
  loaded.base = board.module_base.load();
  loaded.end = board.module_end.load();
  return loaded;
}

void Teller::tell(EventKind event, const std::string& kind, const std::string& text, const std::string& key,
                  const std::vector<std::string>& details, int worker) {
  if (!once(kind + '\n' + key + '\n' + text)) return;
  std::string lines;
  for (const std::string& each : details) lines += (lines.empty() ? "" : "\n") + each;
  send_event(stage_, event, {kind, std::to_string(worker), key, text, lines});
}

void Teller::differences(const std::vector<Difference>& all, const std::string& key) {
  for (const Difference& each : all) {
    if (each.note)
      note(each.kind, each.text, key, each.details);
    else
      fault(each.kind, each.text, key, each.details);
  }
}

std::string tail_of(int file, off_t start) {
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0 || status.st_size <= start) return {};
  constexpr off_t kMost = 4000;
  const off_t from = std::max(start, status.st_size - kMost);
  std::string text(static_cast<size_t>(status.st_size - from), '\0');
  const ssize_t length = ::pread(file, text.data(), text.size(), from);
  text.resize(length > 0 ? static_cast<size_t>(length) : 0);
  return text;
}

int ended_children() { return children_ended; }

void log_from_module(int level, const char* format, va_list arguments) {
  char text[2048];
  std::vsnprintf(text, sizeof text, format, arguments);
  static constexpr const char* names[] = {"empty", "critical", "error", "warning", "debug", "trace"};
  const std::string name = level >= 0 && level <= 5 ? names[level]
                           : level == 127           ? "information"
                                                    : "of unknown level";
  if (log_stage != nullptr) send_event(*log_stage, EventKind::log, {name + ": " + text});
}

void handle_signals(bool main_process) {
  struct sigaction nothing {};
  nothing.sa_handler = on_nothing;
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM})
    ::sigaction(signal, &nothing, nullptr);
  struct sigaction stop {};
  stop.sa_sigaction = on_stop;
  stop.sa_flags = SA_SIGINFO;
  for (const int signal : {SIGINT, SIGQUIT, SIGTERM}) {
    if (main_process)
      ::sigaction(signal, &stop, nullptr);
    else
      ::signal(signal, SIG_DFL);
  }
  struct sigaction child {};
  child.sa_handler = main_process ? on_child : SIG_DFL;
  ::sigaction(SIGCHLD, &child, nullptr);
}

void become(Setup& setup, Stage& stage, const Output& output) {
  own(stage);
  log_stage = &stage;
  watch_signals(stage);
  const bool main_process = &stage == &setup.stages[0];
  handle_signals(main_process);
  if (output.out >= 0) ::dup2(output.out, STDOUT_FILENO);
  if (output.err >= 0) ::dup2(output.err, STDERR_FILENO);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void end_if_copy(Stage& stage) {
  if (stage.owner.load() == ::getpid()) return;
  stage.child_came_back.store(true);
  ::_exit(0);
}

void play_main_process(Setup& setup) noexcept {
  Stage& stage = setup.stages[0];
  become(setup, stage, setup.outputs[0]);
  // As Zabbix's daemons do.
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  if (null > STDERR_FILENO) ::close(null);
  if (::chdir("/") != 0) ::_exit(1);
  ::umask(0002);
  watch_exit();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Beyond what is watched for from outside, in case it grows too fast for that.
  const rlim_t most = (setup.options.memory_mb + 512) * 1024 * 1024;
  const rlimit limit{most, most};
  ::setrlimit(RLIMIT_DATA, &limit);
#endif
  MainProcess(setup).play();
  stage.finished.store(true);
  enter(stage, Step::leave);
  std::exit(0);
}

}  // namespace zbxmod::host
