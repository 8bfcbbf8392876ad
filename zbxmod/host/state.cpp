#include "state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

extern char** environ;

namespace zbxmod::host {
namespace {

constexpr const char* kLimitNames[] = {"CPU time",       "file size",     "data size",  "stack size",
                                       "core file size", "resident set",  "processes",  "open files",
                                       "locked memory",  "address space", "file locks", "pending signals",
                                       "message queues", "nice priority", "realtime",   "realtime time"};

// Those that Zabbix's daemons handle or send.
constexpr int kZabbixSignals[] = {SIGINT,  SIGQUIT, SIGTERM, SIGHUP, SIGUSR1,
                                  SIGUSR2, SIGCHLD, SIGALRM, SIGPIPE};

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number);
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) out += (i > 0 ? ", " : "") + words[i];
  return out;
}

bool is_zabbix_signal(int number) {
  return std::find(std::begin(kZabbixSignals), std::end(kZabbixSignals), number) != std::end(kZabbixSignals);
}

/// A descriptor that may stay open across the fork without harm, as far as one can tell from outside.
bool is_harmless(const Descriptor& each) {
  if (each.target == "/dev/null" || each.target == "/dev/zero") return true;
  const bool is_file = each.target.starts_with('/') && !each.target.starts_with("/memfd:");
  return is_file && (each.flags & O_ACCMODE) == O_RDONLY;
}

std::string words_for(const Descriptor& each) {
  if (each.target.starts_with("socket:")) return "a socket";
  if (each.target.starts_with("pipe:")) return "a pipe";
  if (each.target.starts_with("/memfd:")) return "a memory file (" + each.target + ")";
  if (each.target.starts_with("anon_inode:")) {
    std::string kind = each.target.substr(std::strlen("anon_inode:"));
    std::erase_if(kind, [](char c) { return c == '[' || c == ']'; });
    if (kind == "eventpoll") return "an epoll instance";
    return (kind == "eventfd" || kind == "inotify" ? "an " : "a ") + kind;
  }
  return each.target + ((each.flags & O_ACCMODE) == O_RDONLY ? " (for reading)" : " (for writing)");
}

void compare_signals(const State& before, const State& after, const std::string& who,
                     std::vector<Difference>& out) {
  std::vector<std::string> handlers, other_handlers, blocked, other_blocked;
  for (size_t i = 1; i < after.signals.size(); ++i) {
    const int number = static_cast<int>(i);
    const bool real_time = number >= 32;
    if (after.signals[i].function != before.signals[i].function) {
      (is_zabbix_signal(number) ? handlers : other_handlers).push_back(signal_name(number));
    }
    if (after.signals[i].blocked != before.signals[i].blocked) {
      if (is_zabbix_signal(number))
        blocked.push_back(signal_name(number));
      else if (!real_time)
        other_blocked.push_back(signal_name(number));
    }
  }
  if (!handlers.empty()) {
    out.push_back({"signal",
                   false,
                   who + " replaced the handler of " + listed(handlers) +
                       ", which is Zabbix's: it can no longer stop, reload or watch its processes by it",
                   {}});
  }
  if (!blocked.empty()) {
    out.push_back({"signal",
                   false,
                   who + " changed whether " + listed(blocked) +
                       " is blocked: a process that blocks Zabbix's signals cannot be stopped, a restart of "
                       "Zabbix waits for "
                       "it",
                   {}});
  }
  if (!other_handlers.empty()) {
    out.push_back({"signal", true, who + " installed a handler for " + listed(other_handlers), {}});
  }
  if (!other_blocked.empty()) {
    out.push_back({"signal", true, who + " changed whether " + listed(other_blocked) + " is blocked", {}});
  }
  std::vector<std::string> timers;
  static constexpr const char* names[] = {"ITIMER_REAL or alarm() (SIGALRM)", "ITIMER_VIRTUAL (SIGVTALRM)",
                                          "ITIMER_PROF (SIGPROF)"};
  for (size_t i = 0; i < after.timers.size(); ++i) {
    if (after.timers[i] && !before.timers[i]) timers.emplace_back(names[i]);
  }
  if (!timers.empty()) {
    out.push_back({"signal",
                   false,
                   who + " left a timer running: " + listed(timers) +
                       ". Its signal ends or disturbs whatever Zabbix does when it comes",
                   {}});
  }
}

void compare_process(const State& before, const State& after, const std::string& who,
                     std::vector<Difference>& out) {
  const auto changed = [&](const std::string& what, bool note = false) {
    out.push_back({"process", note, who + " changed " + what, {}});
  };
  if (after.directory != before.directory) {
    changed("the working directory of the process from " + before.directory + " to " + after.directory);
  }
  if (after.mask != before.mask) {
    char text[64];
    std::snprintf(text, sizeof text, "the process's umask from %03o to %03o", before.mask, after.mask);
    changed(text);
  }
  if (after.user != before.user || after.group != before.group) {
    changed("the user or group that the process runs as");
  }
  if (after.priority != before.priority) {
    changed("the priority (nice value) of the process from " + std::to_string(before.priority) + " to " +
                std::to_string(after.priority),
            true);
  }
  for (size_t i = 0; i < after.limits.size(); ++i) {
    const rlimit& now = after.limits[i];
    const rlimit& then = before.limits[i];
    const std::string name = i < std::size(kLimitNames) ? kLimitNames[i] : std::to_string(i);
    if (now.rlim_cur < then.rlim_cur || now.rlim_max < then.rlim_max) {
      changed("a limit of the process: " + name + " is now lower");
    } else if (now.rlim_cur != then.rlim_cur || now.rlim_max != then.rlim_max) {
      changed("a limit of the process: " + name + " is now higher", true);
    }
  }
  if (after.decimal_point != before.decimal_point) {
    out.push_back({"locale",
                   false,
                   who + " changed how numbers are written (locale " + after.locale +
                       "): Zabbix would write and read 0" + after.decimal_point + "5 instead of 0" +
                       before.decimal_point + "5",
                   {}});
  } else if (after.locale != before.locale) {
    out.push_back({"locale", true, who + " changed the locale of the process to " + after.locale, {}});
  }
  std::vector<std::string> variables;
  for (const auto& [name, value] : after.environment) {
    const auto found = before.environment.find(name);
    if (found == before.environment.end() || found->second != value) variables.push_back(name);
  }
  for (const auto& [name, value] : before.environment) {
    if (!after.environment.contains(name)) variables.push_back(name + " (removed)");
  }
  if (!variables.empty()) {
    out.push_back({"environment",
                   true,
                   who + " changed the environment, which Zabbix's user parameters and scripts inherit: " +
                       listed(variables),
                   {}});
  }
}

}  // namespace

State take_state(bool with_children) {
  State state;
  std::error_code error;
  std::vector<int> numbers;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    numbers.push_back(static_cast<int>(std::strtol(at->path().filename().c_str(), nullptr, 10)));
  }
  for (const int number : numbers) {
    const int flags = ::fcntl(number, F_GETFL);
    if (flags == -1) continue;  // the directory itself, which is closed by now
    std::error_code gone;
    state.descriptors[number] = {
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(number), gone).string(), flags};
  }
  state.threads = threads_of(::getpid());
  if (with_children) state.children = children_of(::getpid());
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  for (size_t i = 1; i < state.signals.size(); ++i) {
    struct sigaction action {};
    if (::sigaction(static_cast<int>(i), nullptr, &action) != 0) continue;
    state.signals[i].function = reinterpret_cast<void*>(action.sa_handler);
    state.signals[i].blocked = ::sigismember(&blocked, static_cast<int>(i)) == 1;
  }
  static constexpr int timers[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
  for (size_t i = 0; i < state.timers.size(); ++i) {
    itimerval value{};
    state.timers[i] = ::getitimer(static_cast<__itimer_which>(timers[i]), &value) == 0 &&
                      (value.it_value.tv_sec != 0 || value.it_value.tv_usec != 0);
  }
  for (size_t i = 0; i < state.limits.size(); ++i) {
    ::getrlimit(static_cast<__rlimit_resource>(i), &state.limits[i]);
  }
  state.mask = ::umask(0);
  ::umask(state.mask);
  state.user = ::geteuid();
  state.group = ::getegid();
  state.priority = ::getpriority(PRIO_PROCESS, 0);
  state.directory = std::filesystem::current_path(error).string();
  const lconv* conventions = std::localeconv();
  state.decimal_point = conventions != nullptr ? conventions->decimal_point : ".";
  const char* locale = std::setlocale(LC_ALL, nullptr);
  state.locale = locale != nullptr ? locale : "";
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string entry = *each;
    const size_t equals = entry.find('=');
    state.environment[entry.substr(0, equals)] = equals == std::string::npos ? "" : entry.substr(equals + 1);
  }
  return state;
}

std::vector<Difference> left_before_fork(const State& before, const State& after, const std::string& who) {
  std::vector<Difference> out;
  std::vector<std::string> shared, harmless, gone;
  for (const auto& [number, each] : after.descriptors) {
    const auto found = before.descriptors.find(number);
    if (found != before.descriptors.end() && found->second.target == each.target) continue;
    (is_harmless(each) ? harmless : shared).push_back(std::to_string(number) + ": " + words_for(each));
  }
  for (const auto& [number, each] : before.descriptors) {
    const auto found = after.descriptors.find(number);
    if (found == after.descriptors.end()) gone.push_back(std::to_string(number) + " (" + each.target + ")");
  }
  if (!shared.empty()) {
    out.push_back({"descriptor", false,
                   who + " left " + std::to_string(shared.size()) +
                       (shared.size() == 1 ? " descriptor" : " descriptors") +
                       " open before the fork: all workers share it and take each other's data",
                   shared});
  }
  if (!harmless.empty()) {
    out.push_back({"file", true,
                   who + " left a file open for reading: the workers share its position (pread() is safe, "
                         "read() is not)",
                   harmless});
  }
  if (!gone.empty()) {
    out.push_back({"descriptor",
                   false,
                   who + " closed descriptors that are not its own, such as Zabbix's log: " + listed(gone),
                   {}});
  }
  compare_signals(before, after, who, out);
  compare_process(before, after, who, out);
  return out;
}

std::vector<Difference> left_by_item(const State& before, const State& after) {
  const std::string who = "the item";
  std::vector<Difference> out;
  std::vector<std::string> gone;
  for (const auto& [number, each] : before.descriptors) {
    const auto found = after.descriptors.find(number);
    if (found == after.descriptors.end() || found->second.target != each.target) {
      gone.push_back(std::to_string(number) + " (" + each.target + ")");
    }
  }
  if (!gone.empty()) {
    out.push_back({"descriptor", false,
                   "the item closed or replaced descriptors that are not its own (" +
                       std::to_string(gone.size()) +
                       " of them): in Zabbix these are its log, its listening socket and its "
                       "connection to the database",
                   gone});
  }
  compare_signals(before, after, who, out);
  compare_process(before, after, who, out);
  if (after.threads.size() > before.threads.size()) {
    std::vector<std::string> names;
    for (const Thread& each : after.threads) {
      if (std::none_of(before.threads.begin(), before.threads.end(),
                       [&](const Thread& old) { return old.id == each.id; })) {
        names.push_back("\"" + each.name + "\"");
      }
    }
    out.push_back({"thread", true,
                   "the item starts threads in its worker, where they may live; they must block all signals, "
                   "which are for Zabbix's own thread",
                   names});
  }
  return out;
}

}  // namespace zbxmod::host
