#include "process.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "zbxmod/deadline.h"

namespace zbxmod::host {
namespace {

struct Call {
  long number;
  const char* name;
  const char* meaning;
  bool first_is_descriptor;
};
constexpr Call calls[] = {
    {SYS_read, "read", "for input", true},
    {SYS_write, "write", "for room to write", true},
    {SYS_readv, "readv", "for input", true},
    {SYS_writev, "writev", "for room to write", true},
    {SYS_recvfrom, "recvfrom", "for an answer", true},
    {SYS_recvmsg, "recvmsg", "for an answer", true},
    {SYS_sendto, "sendto", "for room to send", true},
    {SYS_sendmsg, "sendmsg", "for room to send", true},
    {SYS_connect, "connect", "for a connection", true},
    {SYS_accept4, "accept4", "for somebody to connect", true},
    {SYS_accept, "accept", "for somebody to connect", true},
    {SYS_futex, "futex", "for a lock, a condition or another thread", false},
    {SYS_ppoll, "ppoll", "for descriptors to become ready", false},
    {SYS_pselect6, "pselect6", "for descriptors to become ready", false},
    {SYS_epoll_pwait, "epoll_pwait", "for descriptors to become ready", true},
#ifdef SYS_poll
    {SYS_poll, "poll", "for descriptors to become ready", false},
    {SYS_select, "select", "for descriptors to become ready", false},
    {SYS_epoll_wait, "epoll_wait", "for descriptors to become ready", true},
    {SYS_pause, "pause", "for a signal", false},
#endif
    {SYS_rt_sigsuspend, "rt_sigsuspend", "for a signal", false},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", "for a signal", false},
    {SYS_nanosleep, "nanosleep", "for time to pass: it sleeps", false},
    {SYS_clock_nanosleep, "clock_nanosleep", "for time to pass: it sleeps", false},
    {SYS_wait4, "wait4", "for a child process to end", false},
    {SYS_waitid, "waitid", "for a child process to end", false},
    {SYS_flock, "flock", "for a lock on a file", true},
    {SYS_fcntl, "fcntl", "for a lock on a file", true},
    {SYS_fsync, "fsync", "for the disk", true},
    {SYS_openat, "openat", "for a file to open, such as a FIFO or a network file system", false},
    {SYS_semtimedop, "semtimedop", "for a semaphore", false},
    {SYS_msgrcv, "msgrcv", "for a message", false},
};

std::string task_path(pid_t process, pid_t thread, const char* file) {
  return "/proc/" + std::to_string(process) + "/task/" + std::to_string(thread) + "/" + file;
}

std::string descriptor_target(pid_t process, unsigned long long number) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + std::to_string(process) + "/fd/" + std::to_string(number),
                                       error)
      .string();
}

/// Of "pid (name) state ppid ..."; the name may contain anything.
bool split_stat(const std::string& stat, std::string& name, char& state, pid_t& parent) {
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open || close + 4 > stat.size())
    return false;
  name = stat.substr(open + 1, close - open - 1);
  state = stat[close + 2];
  parent = static_cast<pid_t>(std::strtol(stat.c_str() + close + 3, nullptr, 10));
  return true;
}

}  // namespace

std::string read_proc(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t length = uninterrupted([&] { return ::read(file, buffer, sizeof buffer); });
    if (length <= 0 || text.size() > 1'000'000) break;
    text.append(buffer, static_cast<size_t>(length));
  }
  const int error = errno;
  ::close(file);
  errno = error;
  return text;
}

Waiting look_at(pid_t process, pid_t thread) {
  Waiting waiting;
  std::string name;
  pid_t parent = 0;
  split_stat(read_proc(task_path(process, thread, "stat")), name, waiting.state, parent);
  if (waiting.state == 'T' || waiting.state == 't') {
    waiting.text = "is stopped: something sent it SIGSTOP";
    return waiting;
  }
  errno = 0;
  const std::string syscall = read_proc(task_path(process, thread, "syscall"));
  const int syscall_error = errno;
  if (syscall.empty() && syscall_error != 0) {
    waiting.details.push_back(std::string("its system call cannot be read: ") + std::strerror(syscall_error));
  }
  if (waiting.state == 'R' || syscall.starts_with("running")) {
    waiting.text = "does not wait for anything: it computes";
  } else if (waiting.state == 'D') {
    waiting.text = "waits in the kernel and cannot be interrupted (a disk or a network file system)";
  } else {
    waiting.text = "waits";
  }
  char* rest = nullptr;
  const long number = std::strtol(syscall.c_str(), &rest, 10);
  if (!syscall.empty() && rest != syscall.c_str()) {
    const Call* found = nullptr;
    for (const Call& each : calls) {
      if (each.number == number) found = &each;
    }
    if (found != nullptr) {
      waiting.text = std::string("waits in ") + found->name + ", " + found->meaning;
      waiting.for_lock = number == SYS_futex;
      waiting.for_descriptor = found->first_is_descriptor;
      if (found->first_is_descriptor) {
        const unsigned long long descriptor = std::strtoull(rest, nullptr, 16);
        waiting.text += ", descriptor " + std::to_string(descriptor);
        if (const std::string target = descriptor_target(process, descriptor); !target.empty()) {
          waiting.text += " (" + target + ")";
        }
      }
    } else if (number >= 0) {
      waiting.text = "waits in system call " + std::to_string(number);
    }
  }
  const std::string channel = read_proc(task_path(process, thread, "wchan"));
  if (!channel.empty() && channel != "0") waiting.details.push_back("kernel wait channel: " + channel);
  errno = 0;
  const std::string stack = read_proc(task_path(process, thread, "stack"));
  const int stack_error = errno;
  if (!stack.empty()) {
    std::string line = "kernel stack:";
    size_t at = 0;
    for (int frames = 0; frames < 5 && at < stack.size(); ++frames) {
      const size_t end = std::min(stack.find('\n', at), stack.size());
      const std::string frame = stack.substr(at, end - at);
      const size_t start = frame.find("] ");
      if (start != std::string::npos) line += " " + frame.substr(start + 2, frame.find('+') - start - 2);
      at = end + 1;
    }
    waiting.details.push_back(line);
  } else if (stack_error != 0) {
    waiting.details.push_back(std::string("its kernel stack cannot be read: ") + std::strerror(stack_error) +
                              " (root may)");
  }
  return waiting;
}

std::vector<Thread> threads_of(pid_t process) {
  std::vector<Thread> threads;
  std::error_code error;
  const std::string directory = "/proc/" + std::to_string(process) + "/task";
  for (auto at = std::filesystem::directory_iterator(directory, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    Thread thread;
    thread.id = static_cast<pid_t>(std::strtol(at->path().filename().c_str(), nullptr, 10));
    thread.name = read_proc(at->path().string() + "/comm");
    if (!thread.name.empty() && thread.name.back() == '\n') thread.name.pop_back();
    threads.push_back(std::move(thread));
  }
  return threads;
}

uint64_t resident_kb(pid_t process) {
  const std::string statm = read_proc("/proc/" + std::to_string(process) + "/statm");
  const size_t second = statm.find(' ');
  if (second == std::string::npos) return 0;
  static const auto page_kb = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
  return std::strtoull(statm.c_str() + second, nullptr, 10) * page_kb;
}

std::vector<Process> children_of(pid_t parent) {
  std::vector<Process> children;
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator("/proc", error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.empty() || name[0] < '0' || name[0] > '9') continue;
    Process process;
    pid_t its_parent = 0;
    if (!split_stat(read_proc(at->path().string() + "/stat"), process.name, process.state, its_parent))
      continue;
    if (its_parent != parent) continue;
    process.id = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
    children.push_back(std::move(process));
  }
  return children;
}

}  // namespace zbxmod::host
