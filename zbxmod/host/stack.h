// Where a thread is inside a module: recorded by the thread's own signal handlers, on demand or when a signal
// ends the process, and put into words afterwards by whoever reads the stage. Addresses are the same in the
// watching process, the main process and the workers, as each is forked from the one before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "channel.h"
#include "library.h"

namespace zbxmod::host {

// Where the module is loaded, and what is in it.
struct Loaded {
  std::string path;
  uintptr_t base = 0;
  uintptr_t end = 0;
  Elf elf;
};

/// Installs the handlers in the calling process, which records into `stage`; forked children inherit them and
/// call it again with a stage of their own.
void watch_signals(Stage& stage);

/// Records in the stage when something calls exit() or quick_exit(), and from where. Once per process tree.
void watch_exit();

/// Has one thread of a process record its stack, waiting for it only briefly; false when it did not.
bool record_stack(pid_t process, pid_t thread, Stage& stage);

/// The frames inside the module and what they called, innermost first, such as "in pthread_cond_wait
/// (libc.so.6)"; empty when nothing was recorded.
[[nodiscard]] std::vector<std::string> describe_stack(const Stack& stack, const Loaded& module);

}  // namespace zbxmod::host
