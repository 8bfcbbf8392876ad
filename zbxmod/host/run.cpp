#include "run.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <set>

#include "channel.h"
#include "guard.h"
#include "key.h"
#include "zbxmod/abi.h"
#include "zbxmod/deadline.h"
#include "zbxmod/result.h"

#if defined(__SANITIZE_ADDRESS__)
// Objects that live as long as their process are the rule in a module, and processes here end in many ways.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "detect_leaks=0";
}
#endif

namespace zbxmod::host {
namespace {

// What signal handlers and the log's callback need; of the process they run in.
Stage* current_stage = nullptr;
int event_socket = -1;
volatile sig_atomic_t children_ended = 0;

void on_child(int) { children_ended = children_ended + 1; }

void on_bad_address(int signal, siginfo_t* info, void*) {
  current_stage->bad_address.store(reinterpret_cast<uintptr_t>(info->si_addr));
  ::signal(signal, SIG_DFL);  // returning runs into it again
}

void on_log(int level, const char* format, va_list arguments) {
  char text[2048];
  std::vsnprintf(text, sizeof text, format, arguments);
  static constexpr const char* names[] = {"empty", "critical", "error", "warning", "debug", "trace"};
  const std::string name = level >= 0 && level <= 5 ? names[level]
                           : level == 127           ? "information"
                                                    : "of unknown level";
  send_event(event_socket, EventKind::log, {name + ": " + text});
}

void watch_signals() {
  struct sigaction bad {};
  bad.sa_sigaction = on_bad_address;
  bad.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &bad, nullptr);
  ::sigaction(SIGBUS, &bad, nullptr);
}

size_t count_entries(const char* directory) {
  std::error_code error;
  size_t count = 0;
  for (auto at = std::filesystem::directory_iterator(directory, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    ++count;
  }
  return count;
}

size_t threads() { return count_entries("/proc/self/task"); }

size_t open_sockets() {
  size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) ++count;
  }
  return count;
}

/// Standard output of this process as a file that can be looked at; -1 when that is impossible.
int capture_output() {
  const int file = ::memfd_create("stdout", MFD_CLOEXEC);
  if (file >= 0) ::dup2(file, STDOUT_FILENO);
  return file;
}

/// What has come since the last call.
std::string output_since(int file, off_t& seen) {
  std::fflush(stdout);
  struct stat status {};
  if (::fstat(file, &status) != 0 || status.st_size <= seen) return {};
  std::string text(static_cast<size_t>(std::min<off_t>(status.st_size - seen, 200)), '\0');
  const ssize_t length = ::pread(file, text.data(), text.size(), seen);
  text.resize(length > 0 ? static_cast<size_t>(length) : 0);
  seen = status.st_size;
  return text;
}

/// "was ended by SIGSEGV (Segmentation fault)", or how else a process ended.
std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const char* name = ::sigabbrev_np(signal);
    return "was ended by SIG" + std::string(name != nullptr ? name : "?") + " (" + ::strsignal(signal) + ")";
  }
  return "left through exit(" + std::to_string(WEXITSTATUS(status)) + ")";
}

struct Outcome {
  bool ok = false;
  std::string text;
  std::vector<std::pair<std::string, std::string>> faults;  // kind, text
};

std::string log_text(const abi::Log* log) {
  return log == nullptr || log->value == nullptr ? std::string() : std::string(log->value);
}

/// What Zabbix makes of an answer, and what is wrong with it.
Outcome judge(int code, const abi::Result& result) {
  Outcome outcome;
  const auto fault = [&](const char* kind, std::string text) {
    outcome.faults.emplace_back(kind, std::move(text));
  };
  const auto text_of = [&](const char* what, const char* text) {
    if (text == nullptr) {
      fault("no-value", std::string("says that it gives ") + what + ", but the pointer is null");
      return std::string();
    }
    std::string copy = text;
    if (!is_valid_text(copy)) fault("encoding", std::string("the ") + what + " is not valid UTF-8");
    return copy;
  };
  if (code == abi::kItemFail) {
    if ((result.type & abi::kTypeMessage) == 0 || result.msg == nullptr) {
      fault("no-message", "fails without a message: Zabbix shows \"Unknown error.\"");
      outcome.text = "Unknown error.";
    } else {
      outcome.text = text_of("message", result.msg);
    }
    return outcome;
  }
  if (code != abi::kItemOk) {
    fault("code", "returns " + std::to_string(code) + ": only 0 (success) and 1 (failure) have a meaning");
    return outcome;
  }
  outcome.ok = true;
  const int values = result.type & (abi::kTypeUnsigned | abi::kTypeDouble | abi::kTypeString |
                                    abi::kTypeText | abi::kTypeLog | abi::kTypeBinary);
  if (values == 0) {
    fault("no-value",
          "succeeds without a value: zabbix_agentd closes the connection with no answer, a server or proxy "
          "stores "
          "nothing");
  }
  if ((values & (values - 1)) != 0)
    fault("two-values", "sets more than one kind of value: Zabbix takes whichever it looks for");
  if ((values & abi::kTypeText) != 0) {
    outcome.text = text_of("text", result.text);
  } else if ((values & abi::kTypeString) != 0) {
    outcome.text = text_of("string", result.str);
  } else if ((values & abi::kTypeUnsigned) != 0) {
    outcome.text = std::to_string(result.ui64);
  } else if ((values & abi::kTypeDouble) != 0) {
    char number[512];
    std::snprintf(number, sizeof number, "%f", result.dbl);
    outcome.text = number;
    if (!std::isfinite(result.dbl)) fault("not-finite", "gives a number that is not finite: " + outcome.text);
  } else if ((values & abi::kTypeLog) != 0) {
    if (result.log == nullptr || result.log->value == nullptr)
      fault("no-value", "gives a log entry without text");
    outcome.text = log_text(result.log);
  } else if ((values & abi::kTypeBinary) != 0) {
    outcome.text = text_of("binary value", result.bin);
  }
  return outcome;
}

/// The answer's bytes in the one order of members that the rest of the program knows.
abi::Result decode(const Layout& layout, const Guarded& memory) {
  abi::Result result{};
  if (!layout.old_result) {
    std::memcpy(&result, memory.get(), memory.size());
    return result;
  }
  const auto* bytes = static_cast<const char*>(memory.get());
  std::memcpy(&result.type, bytes, sizeof result.type);
  std::memcpy(&result.ui64, bytes + 8, 4 * sizeof(uint64_t));  // ui64, dbl, str, text
  std::memcpy(&result.msg, bytes + 40, sizeof result.msg);
  result.type &= ~abi::kTypeLog;
  return result;
}

void free_result(const abi::Result& result) {
  std::free(result.str);
  std::free(result.text);
  std::free(result.msg);
  std::free(result.bin);
  if (result.log != nullptr) {
    std::free(result.log->value);
    std::free(result.log->source);
    std::free(result.log);
  }
}

char* copy_of(const std::string& text) {
  char* copy = ::strdup(text.c_str());
  if (copy == nullptr) throw std::bad_alloc();
  return copy;
}

/// Zabbix is written in C: an exception that reaches it ends the process.
int call(abi::ItemFunction function, const Guarded& request, const Guarded& result) noexcept {
  return function(static_cast<abi::Request*>(request.get()), static_cast<abi::Result*>(result.get()));
}

struct Question {
  std::string text;
  ItemKey key;
  unsigned flags = 0;
  abi::ItemFunction function = nullptr;
};

// Zabbix's main process and, after the fork, one of its workers.
class Guest {
 public:
  Guest(const Layout& layout, const Options& options, Stage* stages, unsigned char* given_up)
      : layout_(layout),
        options_(options),
        stages_(stages),
        given_up_(given_up),
        request_(layout.request_bytes),
        result_(layout.result_bytes) {}

  /// Ends the process.
  [[noreturn]] void main_process() noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    output_ = capture_output();
    struct sigaction child {};
    child.sa_handler = on_child;
    ::sigaction(SIGCHLD, &child, nullptr);
    watch_signals();
    if (load()) {
      leave_in_child();
      if (find_questions()) run_workers();
      unload();
    }
    check_output("");
    enter(*current_stage, Step::leave);
    std::exit(0);
  }

  [[nodiscard]] std::string crash(int status, const Stage& stage) const {
    const uintptr_t address = stage.bad_address.load();
    std::string text =
        "the process " + how_it_ended(status) + " while " + describe(static_cast<Step>(stage.step.load()));
    if (request_.behind(address)) {
      text += "; it read or wrote behind the end of AGENT_REQUEST, which has " +
              std::to_string(layout_.request_bytes) + " bytes in this version of Zabbix";
    } else if (result_.behind(address)) {
      text += "; it read or wrote behind the end of AGENT_RESULT, which has " +
              std::to_string(layout_.result_bytes) + " bytes in this version of Zabbix";
    }
    return text;
  }

 private:
  void fault(const std::string& kind, const std::string& text, int worker = 0, const std::string& key = {}) {
    // One line for each thing that is wrong, however often it happens.
    if (!told_.insert(kind + '\n' + key + '\n' + text).second) return;
    send_event(event_socket, EventKind::fault, {kind, std::to_string(worker), key, text});
  }

  void check_output(const std::string& key, int worker = 0) {
    const std::string text = output_since(output_, output_seen_);
    if (!text.empty()) fault("output", "wrote on standard output: " + text, worker, key);
  }

  void check_guest(Step step, size_t threads_before, size_t sockets_before, int ended_before) {
    const std::string who = step == Step::load ? "loading the module" : "zbx_module_init";
    const size_t threads_now = threads();
    if (threads_now > threads_before) {
      fault("thread", who + " left " + std::to_string(threads_now - threads_before) +
                          " thread(s) running: Zabbix forks its workers afterwards, and no thread exists in "
                          "them, so that "
                          "whatever waits for one there waits for ever");
    }
    if (open_sockets() > sockets_before) {
      fault("socket", who + " left a socket open: all workers would share it, and take each other's answers");
    }
    if (children_ended != ended_before && !layout_.survives_forks_in_init) {
      fault(
          "fork",
          who +
              " forked a child that ended: Zabbix up to 6.4 takes it for one of its own workers (\"One child "
              "process died\") and stops. Wrap fork and waitpid in SIGCHLD = SIG_DFL, or do not fork");
    }
  }

  template <typename Function>
  Function symbol(const char* name) const {
    return reinterpret_cast<Function>(::dlsym(module_, name));
  }

  bool load_personality() {
    const std::string path =
        options_.personality_directory + "/zabbix-" + std::string(layout_.personality) + ".so";
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      fault("host", std::string("zbxmod-host lacks a part of its own: ") + ::dlerror());
      return false;
    }
    using LogHook = void (*)(int, const char*, va_list);
    *reinterpret_cast<LogHook*>(::dlsym(library, "zbxmod_host_log")) = on_log;
    *reinterpret_cast<int*>(::dlsym(library, "CONFIG_TIMEOUT")) = options_.timeout_seconds;
    return true;
  }

  bool load() {
    if (!load_personality()) return false;
    const size_t threads_before = threads();
    const size_t sockets_before = open_sockets();
    int ended_before = children_ended;
    enter(*current_stage, Step::load);
    module_ = ::dlopen(options_.module.c_str(), RTLD_NOW);
    enter(*current_stage, Step::none);
    if (module_ == nullptr) {
      fault("load", std::string("cannot be loaded: ") + ::dlerror());
      return false;
    }
    check_guest(Step::load, threads_before, sockets_before, ended_before);

    const auto version = symbol<int (*)()>("zbx_module_api_version");
    if (version == nullptr) {
      fault("load", "does not export zbx_module_api_version: it is no Zabbix module");
      return false;
    }
    enter(*current_stage, Step::api_version);
    const int number = version();
    enter(*current_stage, Step::none);
    if (number != layout_.api_version) {
      fault("load", "unsupported module version: zbx_module_api_version says " + std::to_string(number) +
                        ", this version of Zabbix takes only " + std::to_string(layout_.api_version));
      return false;
    }
    if (!init()) return false;
    if (layout_.timeout_before_items) item_timeout();
    if (!item_list()) return false;
    if (!layout_.timeout_before_items) item_timeout();
    return true;
  }

  bool init() {
    const auto function = symbol<int (*)()>("zbx_module_init");
    if (function == nullptr) {
      if (layout_.api_version > 1) return true;
      fault("load", "does not export zbx_module_init, which Zabbix 3.0 asks for");
      return false;
    }
    const size_t threads_before = threads();
    const size_t sockets_before = open_sockets();
    const int ended_before = children_ended;
    enter(*current_stage, Step::init);
    const int code = function();
    enter(*current_stage, Step::none);
    check_guest(Step::init, threads_before, sockets_before, ended_before);
    if (code == abi::kModuleOk) return true;
    fault("load", "zbx_module_init returns " + std::to_string(code) +
                      ": Zabbix does not start. Return 0 and let the items say what is wrong");
    return false;
  }

  void item_timeout() {
    const auto function = symbol<void (*)(int)>("zbx_module_item_timeout");
    if (function == nullptr) return;
    enter(*current_stage, Step::item_timeout);
    function(options_.timeout_seconds);
    enter(*current_stage, Step::none);
  }

  bool item_list() {
    const auto function = symbol<abi::Metric* (*)()>("zbx_module_item_list");
    if (function == nullptr) {
      if (layout_.api_version > 1) return true;
      fault("load", "does not export zbx_module_item_list, which Zabbix 3.0 asks for");
      return false;
    }
    enter(*current_stage, Step::item_list);
    abi::Metric* list = function();
    enter(*current_stage, Step::write_item_list);
    std::set<std::string> seen;
    bool usable = true;
    for (abi::Metric* each = list; each != nullptr && each->key != nullptr; ++each) {
      each->flags &= abi::kHaveParams;
      each->flags |= abi::kFromModule;
      items_.push_back({each->key, each->flags, each->function, each->test_param});
      names_.emplace_back(each->key);
      tests_.emplace_back(each->test_param != nullptr ? each->test_param : "");
    }
    enter(*current_stage, Step::none);
    for (size_t i = 0; i < items_.size(); ++i) {
      const std::string& name = names_[i];
      send_event(event_socket, EventKind::item, {name});
      if (!seen.insert(name).second || is_built_in(name)) {
        fault("duplicate", "key \"" + name + "\" already exists: Zabbix does not start", 0, name);
        usable = false;
      }
      const auto parsed = parse_key(name);
      if (!parsed || !parsed->params.empty()) {
        fault("key", "cannot be asked: a key's name has letters, digits, '_', '-' and '.' only", 0, name);
      }
      if (items_[i].function == nullptr) {
        fault("function", "has no function", 0, name);
        usable = false;
      }
    }
    return usable;
  }

  /// Zabbix has helper processes that leave through exit(), with the destructors of everything loaded.
  void leave_in_child() {
    Stage& stage = stages_[1];
    enter(stage, Step::leave_child);
    const pid_t child = ::fork();
    if (child == 0) {
      current_stage = &stage;
      ::signal(SIGCHLD, SIG_DFL);
      std::exit(0);
    }
    int status = 0;
    const int64_t limit = stage.since_ms.load() + limit_ms();
    while (::waitpid(child, &status, WNOHANG) == 0) {
      if (now_ms() > limit) {
        ::kill(child, SIGKILL);
        uninterrupted([&] { return ::waitpid(child, &status, 0); });
        fault("exit",
              "a forked child that leaves through exit() never ends: a destructor of the module waits there");
        return;
      }
      ::usleep(1000);
    }
    if (status != 0) fault("exit", crash(status, stage));
  }

  bool find_questions() {
    std::vector<std::string> keys = options_.keys;
    if (keys.empty()) {
      for (size_t i = 0; i < names_.size(); ++i)
        keys.push_back(tests_[i].empty() ? names_[i] : names_[i] + "[" + tests_[i] + "]");
    }
    for (const std::string& text : keys) {
      auto key = parse_key(text);
      if (!key) {
        fault("question", key.error().message, 0, text);
        continue;
      }
      const auto found = std::find(names_.begin(), names_.end(), key->name);
      if (found == names_.end()) {
        fault("question", "the module has no such item", 0, text);
        continue;
      }
      const auto& item = items_[static_cast<size_t>(found - names_.begin())];
      questions_.push_back({text, std::move(*key), item.flags, item.function});
    }
    return !questions_.empty();
  }

  [[nodiscard]] int64_t limit_ms() const {
    return int64_t{options_.timeout_seconds} * 1000 + std::chrono::milliseconds(kGrace).count();
  }

  // ---- the main process and its workers

  pid_t start_worker(int number, uint64_t round, int key) {
    Stage& stage = stages_[number];
    stage.bad_address.store(0);
    enter(stage, Step::none);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      current_stage = &stage;
      ::signal(SIGCHLD, SIG_DFL);
      worker(number, round, key);
      ::_exit(0);
    }
    return pid;
  }

  void run_workers() {
    std::vector<pid_t> pids(static_cast<size_t>(options_.workers) + 1, 0);
    std::vector<bool> killed(pids.size(), false);
    for (int number = 1; number <= options_.workers; ++number)
      pids[static_cast<size_t>(number)] = start_worker(number, 0, 0);
    size_t running = static_cast<size_t>(options_.workers);
    while (running > 0) {
      int status = 0;
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended <= 0) {
        kill_hung(pids, killed);
        ::usleep(2000);
        continue;
      }
      const auto found = std::find(pids.begin() + 1, pids.end(), ended);
      if (found == pids.end()) continue;
      const auto number = static_cast<size_t>(found - pids.begin());
      const Stage& stage = stages_[number];
      if (status == 0) {
        pids[number] = 0;
        --running;
        continue;
      }
      tell_end(static_cast<int>(number), status, killed[number]);
      killed[number] = false;
      pids[number] = start_worker(static_cast<int>(number), stage.round.load(), stage.key.load() + 1);
    }
    uint64_t asked = 0;
    for (int number = 1; number <= options_.workers; ++number) asked += stages_[number].asked.load();
    send_event(event_socket, EventKind::asked, {std::to_string(asked)});
  }

  void kill_hung(const std::vector<pid_t>& pids, std::vector<bool>& killed) {
    for (size_t number = 1; number < pids.size(); ++number) {
      const Stage& stage = stages_[number];
      if (pids[number] == 0 || killed[number] || static_cast<Step>(stage.step.load()) == Step::none) continue;
      if (now_ms() < stage.since_ms.load() + limit_ms()) continue;
      ::kill(pids[number], SIGKILL);
      killed[number] = true;
    }
  }

  /// A worker that did not end well; its item is not asked again.
  void tell_end(int number, int status, bool killed) {
    const Stage& stage = stages_[number];
    const auto key = static_cast<size_t>(std::max(stage.key.load(), 0));
    given_up_[key] = 1;
    if (killed) {
      fault("hang",
            "has not answered " + std::to_string(limit_ms() / 1000) +
                " s after it was asked, with a Timeout of " + std::to_string(options_.timeout_seconds) +
                " s: Zabbix ends no module, so this worker would be lost for ever (killed here)",
            number, questions_[key].text);
    } else {
      fault("crash", crash(status, stage) + ". Zabbix stops altogether when a worker ends", number,
            questions_[key].text);
    }
  }

  // ---- a worker

  void worker(int number, uint64_t round, int key) {
    output_ = capture_output();
    output_seen_ = 0;
    for (; round < options_.repeat; ++round, key = 0) {
      for (; key < static_cast<int>(questions_.size()); ++key) {
        if (given_up_[key] != 0) continue;
        current_stage->key.store(key);
        current_stage->round.store(round);
        ask(number, questions_[static_cast<size_t>(key)], round == 0);
        current_stage->asked.fetch_add(1);
      }
    }
  }

  void ask(int number, const Question& question, bool first) {
    if (!question.key.params.empty() && (question.flags & abi::kHaveParams) == 0) {
      if (first) tell_answer(number, question.text, false, "Item does not allow parameters.", 0);
      return;
    }
    std::vector<char*> params;
    for (const std::string& each : question.key.params) params.push_back(copy_of(each));
    std::vector<int> types = question.key.types;
    abi::Request request{};
    request.key = copy_of(question.key.name);
    request.nparam = static_cast<int>(params.size());
    request.params = params.data();
    request.types = types.data();
    request.timeout = options_.timeout_seconds;
    std::memcpy(request_.get(), &request, request_.size());
    result_.clear();

    enter(*current_stage, Step::ask);
    const auto start = std::chrono::steady_clock::now();
    const int code = call(question.function, request_, result_);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    enter(*current_stage, Step::none);

    const abi::Result result = decode(layout_, result_);
    const Outcome outcome = judge(code, result);
    for (const auto& [kind, text] : outcome.faults) fault(kind, text, number, question.text);
    if (took > std::chrono::seconds(options_.timeout_seconds)) {
      fault("late", "answers after the Timeout of " + std::to_string(options_.timeout_seconds) + " s", number,
            question.text);
    }
    if (request_.front_touched() || result_.front_touched()) {
      fault("memory", "wrote in front of AGENT_REQUEST or AGENT_RESULT", number, question.text);
    }
    check_output(question.text, number);
    if (first) tell_answer(number, question.text, outcome.ok, outcome.text, took.count());

    enter(*current_stage, Step::free_answer);
    free_result(result);
    for (char* each : params) std::free(each);
    std::free(request.key);
    enter(*current_stage, Step::none);
  }

  void tell_answer(int number, const std::string& key, bool ok, const std::string& text,
                   double milliseconds) {
    send_event(event_socket, EventKind::answer,
               {std::to_string(number), key, ok ? "1" : "0", std::to_string(text.size()),
                std::to_string(milliseconds), text});
  }

  void unload() {
    const auto function = symbol<int (*)()>("zbx_module_uninit");
    if (function == nullptr) return;
    enter(*current_stage, Step::uninit);
    function();
    enter(*current_stage, Step::none);
  }

  const Layout& layout_;
  const Options& options_;
  Stage* stages_;            // [0] the main process, [n] worker n
  unsigned char* given_up_;  // by question: crashed or hung somewhere
  Guarded request_;
  Guarded result_;
  void* module_ = nullptr;
  std::vector<abi::Metric> items_{};
  std::vector<std::string> names_{};
  std::vector<std::string> tests_{};
  std::vector<Question> questions_{};
  std::set<std::string> told_{};
  int output_ = -1;
  off_t output_seen_ = 0;
};

void add(Report& report, const Event& event) {
  const auto field = [&](size_t index) {
    return index < event.fields.size() ? event.fields[index] : std::string();
  };
  const auto whole = [&](size_t index) { return std::strtoull(field(index).c_str(), nullptr, 10); };
  switch (event.kind) {
    case EventKind::item:
      report.items.push_back(field(0));
      break;
    case EventKind::answer:
      report.answers.push_back({static_cast<int>(whole(0)), field(1), field(2) == "1", field(5), whole(3),
                                std::strtod(field(4).c_str(), nullptr)});
      break;
    case EventKind::fault:
      report.faults.push_back({field(0), static_cast<int>(whole(1)), field(2), field(3)});
      break;
    case EventKind::log:
      report.log.push_back(field(0));
      break;
    case EventKind::asked:
      report.asked = whole(0);
      break;
  }
}

/// Several workers find the same faults; one line with the first worker's number says it.
void drop_repeated_faults(Report& report) {
  std::set<std::string> seen;
  std::erase_if(report.faults, [&](const Fault& each) {
    return !seen.insert(each.kind + '\n' + each.key + '\n' + each.text).second;
  });
}

}  // namespace

Report run(const Layout& layout, const Options& options) {
  Report report;
  report.layout = &layout;
  const auto failed = [&](const char* what) {
    report.faults.push_back({"host", 0, "", std::string(what) + ": " + std::strerror(errno)});
    return report;
  };
  const size_t processes = static_cast<size_t>(options.workers) + 1;
  void* stage_memory = shared_memory(processes * sizeof(Stage));
  void* question_memory = shared_memory(65536);  // more questions than a command line holds
  int sockets[2];
  if (stage_memory == nullptr || question_memory == nullptr) return failed("no memory");
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return failed("no socket");
  Stage* stages = new (stage_memory) Stage[processes];
  Guest guest(layout, options, stages, static_cast<unsigned char*>(question_memory));
  enter(stages[0], Step::none);

  const pid_t main_pid = ::fork();
  if (main_pid == -1) return failed("cannot fork");
  if (main_pid == 0) {
    ::close(sockets[0]);
    event_socket = sockets[1];
    current_stage = &stages[0];
    guest.main_process();
  }
  ::close(sockets[1]);

  // Steps of the main process other than its watch over the workers are short, unless the module hangs.
  const int64_t limit = int64_t{options.timeout_seconds} * 1000 + std::chrono::milliseconds(kGrace).count();
  int status = 0;
  bool killed = false;
  for (;;) {
    pollfd watched{sockets[0], POLLIN, 0};
    ::poll(&watched, 1, 10);
    Event event;
    while (receive_event(sockets[0], event)) add(report, event);
    const pid_t ended = ::waitpid(main_pid, &status, WNOHANG);
    if (ended == main_pid || (ended == -1 && errno == ECHILD)) break;
    const auto step = static_cast<Step>(stages[0].step.load());
    if (!killed && step != Step::none && now_ms() > stages[0].since_ms.load() + limit) {
      ::kill(main_pid, SIGKILL);
      killed = true;
    }
  }
  Event event;
  while (receive_event(sockets[0], event)) add(report, event);
  ::close(sockets[0]);
  if (killed) {
    report.faults.push_back({"hang", 0, "",
                             std::string("the main process did not go on for ") +
                                 std::to_string(limit / 1000) + " s while " +
                                 describe(static_cast<Step>(stages[0].step.load())) + " (killed here)"});
  } else if (status != 0) {
    report.faults.push_back({"crash", 0, "", guest.crash(status, stages[0])});
  }
  drop_repeated_faults(report);
  ::munmap(stage_memory, processes * sizeof(Stage));
  ::munmap(question_memory, 65536);
  return report;
}

}  // namespace zbxmod::host
