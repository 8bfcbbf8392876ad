// What a thread of another process is doing right now, as far as the kernel tells: running, stopped, or which
// system call it waits in, for what.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace zbxmod::host {

struct Waiting {
  char state = '?';       // as in /proc/PID/stat
  bool for_lock = false;  // futex: a lock, a condition or another thread
  bool for_descriptor = false;
  std::string text;  // one line, such as "waits in futex: for a lock, a condition or another thread"
  std::vector<std::string> details;  // wait channel, kernel stack; or why they could not be read
};

[[nodiscard]] Waiting look_at(pid_t process, pid_t thread);

struct Thread {
  pid_t id = 0;
  std::string name;
};
/// All threads of a process.
[[nodiscard]] std::vector<Thread> threads_of(pid_t process);

/// The whole of a small file of /proc; empty when it cannot be read.
[[nodiscard]] std::string read_proc(const std::string& path);

/// Memory of a process that is really there, in kB; 0 when the process is gone.
[[nodiscard]] uint64_t resident_kb(pid_t process);

struct Process {
  pid_t id = 0;
  std::string name;
  char state = '?';
};
/// The child processes of `parent`, also ended ones that it has not waited for.
[[nodiscard]] std::vector<Process> children_of(pid_t parent);

}  // namespace zbxmod::host
