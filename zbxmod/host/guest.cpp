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

#include "process.h"
#include "symbols.h"
#include "zabbix.h"
#include "zbxmod/deadline.h"

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

void on_log(int level, const char* format, va_list arguments) {
  char text[2048];
  std::vsnprintf(text, sizeof text, format, arguments);
  static constexpr const char* names[] = {"empty", "critical", "error", "warning", "debug", "trace"};
  const std::string name = level >= 0 && level <= 5 ? names[level]
                           : level == 127           ? "information"
                                                    : "of unknown level";
  if (log_stage != nullptr) send_event(*log_stage, EventKind::log, {name + ": " + text});
}

std::string plural(size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

/// The signals that zabbix_agentd 6.0 was seen to handle; none with SA_RESTART.
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

class MainProcess {
 public:
  explicit MainProcess(Setup& setup) : setup_(setup), stage_(setup.stages[0]), teller_(stage_, 0) {}

  void play() {
    if (load()) {
      leave_in_child();
      if (find_questions()) run_workers();
      if (!setup_.options.bench) run_history_syncer();
      unload();
    }
    check_output();
  }

 private:
  // ---- loading

  template <typename Function>
  Function symbol(const char* name) const {
    return reinterpret_cast<Function>(::dlsym(module_, name));
  }

  /// Runs a part of the module in the main process, and tells what it left there.
  template <typename Part>
  void run(Step step, const std::string& who, Part part) {
    const State before = take_state(false);
    const int ended_before = children_ended;
    enter(stage_, step);
    part();
    enter(stage_, Step::none);
    end_if_copy(stage_);
    State after = take_state(false);
    check_threads(before, after, who);
    teller_.differences(left_before_fork(before, after, who));
    if (children_ended != ended_before && !setup_.layout.survives_forks_in_init) {
      teller_.fault(
          "fork",
          who +
              " forked a child that ended: Zabbix up to 6.4 takes it for one of its own workers (\"One "
              "child process died\") and stops");
    }
    if (stage_.child_came_back.exchange(false)) {
      teller_.fault("child",
                    who + " forked a process that returned from it: Zabbix would start twice from here on");
    }
    siginfo_t ended{};
    const bool none = ::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == -1;
    if (!none && children_ended == ended_before && teller_.once("children of init")) {
      std::vector<std::string> names;
      for (const Process& each : children_of(::getpid()))
        names.push_back("process " + std::to_string(each.id) + ", \"" + each.name + "\"");
      const std::string text = who + " left a child process running: ";
      if (setup_.layout.survives_forks_in_init) {
        teller_.note("child", text + "nobody waits for it when it ends", "", names);
      } else {
        teller_.fault(
            "fork",
            text +
                "when it ends, Zabbix up to 6.4 takes it for one of its own workers (\"One child process "
                "died\") and stops",
            "", names);
      }
    }
  }

  void check_threads(const State& before, State& after, const std::string& who) {
    const auto is_new = [&](const Thread& each) {
      return std::none_of(before.threads.begin(), before.threads.end(),
                          [&](const Thread& old) { return old.id == each.id; });
    };
    if (std::none_of(after.threads.begin(), after.threads.end(), is_new)) return;
    ::usleep(50'000);  // one that only does something short may end, another comes to where it waits
    after.threads = threads_of(::getpid());
    std::vector<std::string> details;
    for (const Thread& each : after.threads) {
      if (!is_new(each)) continue;
      const Waiting waiting = look_at(::getpid(), each.id);
      std::string line = "\"" + each.name + "\" " + waiting.text;
      if (record_stack(::getpid(), each.id, stage_)) {
        const auto frames = describe_stack(stage_.stack, setup_.loaded);
        for (size_t i = 0; i < frames.size() && i < 6; ++i) line += (i == 0 ? ", " : " < ") + frames[i];
      }
      details.push_back(line);
    }
    stage_.stack.count.store(0);
    if (details.empty()) return;
    setup_.board.threads_left.fetch_add(static_cast<int>(details.size()));
    teller_.fault("thread",
                  (details.size() == 1
                       ? "1 thread was started before the fork and does not exist in the workers: "
                       : std::to_string(details.size()) +
                             " threads were started before the fork and do not exist in the workers: ") +
                      who + " left " + (details.size() == 1 ? "it" : "them") +
                      " running, then Zabbix forks. Whatever waits in a worker for what " +
                      (details.size() == 1 ? "it" : "they") +
                      " should do, or for a lock held at the fork, waits for ever",
                  "", details);
  }

  bool load_personality() {
    const std::string path =
        setup_.options.personality_directory + "/zabbix-" + std::string(setup_.layout.personality) + ".so";
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      teller_.fault("host", std::string("zbxmod-host lacks a part of its own: ") + ::dlerror());
      return false;
    }
    using LogHook = void (*)(int, const char*, va_list);
    *reinterpret_cast<LogHook*>(::dlsym(library, "zbxmod_host_log")) = on_log;
    *reinterpret_cast<int*>(::dlsym(library, "CONFIG_TIMEOUT")) = setup_.options.timeout_seconds;
    return true;
  }

  void check_symbols() {
    std::vector<std::string> wanted, replaced, shared;
    for (const SymbolFinding& each : compare_symbols(setup_.loaded.elf, is_in_libc)) {
      // Wanted from the host, but a library of the module's own has it.
      if (each.kind == SymbolFinding::Kind::host_symbol && module_ != nullptr &&
          ::dlsym(module_, each.name.c_str()) != nullptr) {
        continue;
      }
      auto& list = each.kind == SymbolFinding::Kind::host_symbol ? wanted
                   : each.kind == SymbolFinding::Kind::replaced  ? replaced
                                                                 : shared;
      list.push_back(each.name + ": " +
                     (each.kind == SymbolFinding::Kind::host_symbol ? "exported by " : "also in ") +
                     each.whose);
    }
    if (!wanted.empty()) {
      teller_.fault("undefined-symbol",
                    "wants " + plural(wanted.size(), "symbol", "symbols") +
                        " of Zabbix's when it is loaded: a version or build of Zabbix that does not export " +
                        (wanted.size() == 1 ? "it" : "them") + " does not start with this module",
                    "", wanted);
    }
    if (!replaced.empty()) {
      teller_.fault(
          "symbol",
          "calls " + plural(replaced.size(), "function or variable", "functions or variables") +
              " of its own under a name that the host has too: the module's calls reach the host's instead",
          "", replaced);
    }
    if (!shared.empty()) {
      teller_.note("symbol",
                   "exports " + plural(shared.size(), "name", "names") +
                       " that the host has too; the module does not call " +
                       (shared.size() == 1 ? "it" : "them") + " by name",
                   "", shared);
    }
  }

  void find_place() {
    link_map* map = nullptr;
    if (::dlinfo(module_, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return;
    struct Search {
      uintptr_t base;
      uintptr_t end;
    } search{map->l_addr, 0};
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* data) {
          auto* wanted = static_cast<Search*>(data);
          if (info->dlpi_addr != wanted->base) return 0;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& header = info->dlpi_phdr[i];
            if (header.p_type == PT_LOAD)
              wanted->end = std::max(wanted->end, info->dlpi_addr + header.p_vaddr + header.p_memsz);
          }
          return 1;
        },
        &search);
    setup_.loaded.base = search.base;
    setup_.loaded.end = search.end;
    setup_.board.module_base.store(search.base);
    setup_.board.module_end.store(search.end);
  }

  bool load() {
    if (!load_personality()) return false;
    run(Step::load, "loading the module", [&] {
      module_ = zbxmod_host_call_dlopen(setup_.options.module.c_str(), RTLD_NOW);
      if (module_ == nullptr)
        load_error_ = ::dlerror();
      else
        find_place();
    });
    if (module_ == nullptr) {
      check_symbols();
      std::string text = "cannot be loaded: " + load_error_;
      static constexpr std::string_view undefined = "undefined symbol: ";
      if (const size_t at = load_error_.find(undefined); at != std::string::npos) {
        std::string name = load_error_.substr(at + undefined.size());
        name.resize(std::min(name.size(), name.find_first_of(", ")));
        const std::string who = who_exports(name);
        text += who.empty() ? " (no Zabbix that is known here exports it: a library is missing from the "
                              "module's link command, or "
                              "a function from the module)"
                            : " (exported by " + who + ")";
        teller_.fault(who.empty() ? "load" : "undefined-symbol", text);
      } else {
        teller_.fault("load", text);
      }
      return false;
    }
    check_symbols();

    const auto version = symbol<int (*)()>("zbx_module_api_version");
    if (version == nullptr) {
      teller_.fault("load", "does not export zbx_module_api_version: it is no Zabbix module");
      return false;
    }
    int number = 0;
    run(Step::api_version, "zbx_module_api_version", [&] { number = zbxmod_host_call_number(version); });
    if (number != setup_.layout.api_version) {
      teller_.fault("load", "unsupported module version: zbx_module_api_version says " +
                                std::to_string(number) + ", this version of Zabbix takes only " +
                                std::to_string(setup_.layout.api_version));
      return false;
    }
    if (!init()) return false;
    if (setup_.layout.timeout_before_items) item_timeout();
    if (!item_list()) return false;
    if (!setup_.layout.timeout_before_items) item_timeout();
    if (setup_.layout.api_version > 1) history_callbacks();
    return true;
  }

  bool init() {
    const auto function = symbol<int (*)()>("zbx_module_init");
    if (function == nullptr) {
      if (setup_.layout.api_version > 1) return true;
      teller_.fault("load", "does not export zbx_module_init, which Zabbix 3.0 asks for");
      return false;
    }
    int code = 0;
    run(Step::init, "zbx_module_init", [&] { code = zbxmod_host_call_number(function); });
    if (code == abi::kModuleOk) return true;
    teller_.fault("load", "zbx_module_init returns " + std::to_string(code) + ": Zabbix does not start");
    return false;
  }

  void item_timeout() {
    const auto function = symbol<void (*)(int)>("zbx_module_item_timeout");
    if (function == nullptr) return;
    run(Step::item_timeout, "zbx_module_item_timeout",
        [&] { zbxmod_host_call_timeout(function, setup_.options.timeout_seconds); });
  }

  void history_callbacks() {
    const auto function = symbol<ZbxmodHostHistory (*)()>("zbx_module_history_write_cbs");
    if (function == nullptr) return;
    run(Step::history_callbacks, "zbx_module_history_write_cbs",
        [&] { setup_.history = zbxmod_host_call_history(function); });
  }

  bool item_list() {
    const auto function = symbol<void* (*)()>("zbx_module_item_list");
    if (function == nullptr) {
      if (setup_.layout.api_version > 1) return true;
      teller_.fault("load", "does not export zbx_module_item_list, which Zabbix 3.0 asks for");
      return false;
    }
    abi::Metric* list = nullptr;
    run(Step::item_list, "zbx_module_item_list",
        [&] { list = static_cast<abi::Metric*>(zbxmod_host_call_pointer(function)); });
    enter(stage_, Step::write_item_list);
    for (abi::Metric* each = list; each != nullptr && each->key != nullptr; ++each) {
      each->flags &= abi::kHaveParams;
      each->flags |= abi::kFromModule;
      items_.push_back({each->key, each->flags, each->function, each->test_param});
      names_.emplace_back(each->key);
      tests_.emplace_back(each->test_param != nullptr ? each->test_param : "");
    }
    enter(stage_, Step::none);
    bool usable = true;
    std::set<std::string> seen;
    for (size_t i = 0; i < items_.size(); ++i) {
      const std::string& name = names_[i];
      send_event(stage_, EventKind::item, {name});
      if (!seen.insert(name).second) {
        teller_.fault(
            "duplicate",
            "key \"" + name + "\" already exists: the module brings it twice, and Zabbix does not start",
            name);
        usable = false;
      } else if (const std::string versions = who_has_key(name); !versions.empty()) {
        teller_.fault("duplicate",
                      "key \"" + name + "\" already exists: it is built into zabbix_agentd " + versions +
                          ", which does not start with this module",
                      name);
        usable = false;
      } else if (is_simple_check(name)) {
        teller_.note("simple-check",
                     "is a simple check of Zabbix's own: a server or proxy never asks the module for it",
                     name);
      }
      const auto parsed = parse_key(name);
      if (!parsed || !parsed->params.empty()) {
        teller_.fault("key", "cannot be asked: a key's name has letters, digits, '_', '-' and '.' only",
                      name);
      }
      if (items_[i].function == nullptr) {
        teller_.fault("function", "has no function", name);
        usable = false;
      }
    }
    return usable;
  }

  /// Zabbix has helper processes that leave through exit(), with the destructors of everything loaded.
  void leave_in_child() {
    Stage& stage = setup_.child_stage();
    enter(stage, Step::leave_child);
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      own(stage);
      watch_signals(stage);
      handle_signals(false);
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

  bool find_questions() {
    std::vector<std::string> keys = setup_.options.keys;
    if (keys.empty()) {
      for (size_t i = 0; i < names_.size(); ++i)
        keys.push_back(tests_[i].empty() ? names_[i] : names_[i] + "[" + tests_[i] + "]");
    }
    const size_t most = setup_.options.bench ? kMaxMeasured : kMaxQuestions;
    for (const std::string& text : keys) {
      if (setup_.questions.size() == most) {
        teller_.fault("question", "no more than " + std::to_string(most) + " questions are asked", text);
        break;
      }
      auto key = parse_key(text);
      if (!key) {
        teller_.fault("question", key.error().message, text);
        continue;
      }
      const auto found = std::find(names_.begin(), names_.end(), key->name);
      if (found == names_.end()) {
        teller_.fault("question", "the module has no such item", text);
        continue;
      }
      send_event(stage_, EventKind::question, {text});
      const auto& item = items_[static_cast<size_t>(found - names_.begin())];
      setup_.questions.push_back({text, std::move(*key), item.flags, item.function});
    }
    return !setup_.questions.empty();
  }

  // ---- watching over workers

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

  std::vector<std::string> details_of(const Waiting& waiting, const Stage& stage) {
    std::vector<std::string> details = describe_stack(stage.stack, setup_.loaded);
    if (details.size() > 10) details.resize(10);
    details.insert(details.end(), waiting.details.begin(), waiting.details.end());
    return details;
  }

  pid_t start_worker(Running& running, uint64_t round, int question) {
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

  void run_workers() {
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

  void run_history_syncer() {
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

  /// Until all have ended. `ended_badly` starts a process anew and says whether it did.
  template <typename EndedBadly>
  void watch(std::vector<Running>& all, EndedBadly ended_badly) {
    size_t running = all.size();
    unsigned passes = 0;
    while (running > 0) {
      beat();
      check_stop(all);
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
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

  void kill_if_lost(Running& running, bool look_at_memory) {
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
      if (step == Step::none || now_ms() < stage.since_ms.load() + setup_.limit_ms()) return;
      running.why = why_it_hangs(running.pid, stage, step);
    }
    ::kill(running.pid, SIGKILL);
    running.killed = true;
  }

  Fault why_it_hangs(pid_t pid, Stage& stage, Step step) {
    Waiting waiting = look_at(pid, pid);
    if (waiting.state != 'T') record_stack(pid, pid, stage);
    Fault fault{"hang", 0, "", "", "", details_of(waiting, stage)};
    const std::string seconds = in_seconds(setup_.limit_ms());
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
  void check_stop(const std::vector<Running>& all) {
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

  // ---- the end

  void unload() {
    const auto function = symbol<int (*)()>("zbx_module_uninit");
    if (function == nullptr) return;
    enter(stage_, Step::uninit);
    zbxmod_host_call_number(function);
    enter(stage_, Step::none);
    end_if_copy(stage_);
  }

  void check_output() {
    std::fflush(stdout);
    if (const std::string text = tail_of(setup_.outputs[0].out); !text.empty())
      teller_.fault("output", "wrote on standard output while it was loaded or unloaded: " + text);
    if (const std::string text = tail_of(setup_.outputs[0].err); !text.empty())
      teller_.note("stderr", "wrote on standard error while it was loaded or unloaded: " + text);
  }

  Setup& setup_;
  Stage& stage_;
  Teller teller_;
  void* module_ = nullptr;
  std::string load_error_{};
  std::vector<abi::Metric> items_{};
  std::vector<std::string> names_{};
  std::vector<std::string> tests_{};
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
