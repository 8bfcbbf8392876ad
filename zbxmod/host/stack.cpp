#include "stack.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace zbxmod::host {
namespace {

Stage* watched = nullptr;
alignas(16) char signal_stack[64 * 1024];

int show_signal() { return SIGRTMAX - 1; }

/// Of the caller's caller on; `own_frames` are those of handlers and of the kernel's frame between.
__attribute__((noinline)) void record(Stack& stack, int own_frames) {
  const int count = ::backtrace(static_cast<void**>(stack.frames), Stack::kMaxFrames);
  stack.own_frames.store(own_frames);
  stack.count.store(count);
}

// record(), the handler, and what the kernel puts in between.
constexpr int kHandlerFrames = 3;

/// What the process has allocated, in kB, read without allocating.
uint64_t memory_kb() {
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128] = {};
  const ssize_t length = ::read(file, text, sizeof text - 1);
  ::close(file);
  // Seven numbers of pages; the second is what lies in memory.
  uint64_t pages = 0;
  bool second = false;
  for (ssize_t i = 0; i < length; ++i) {
    if (text[i] == ' ') {
      if (second) break;
      second = true;
    } else if (second && text[i] >= '0' && text[i] <= '9') {
      pages = pages * 10 + static_cast<uint64_t>(text[i] - '0');
    }
  }
  return pages * 4;
}

void on_fatal(int signal, siginfo_t* info, void*) {
  ::signal(signal, SIG_DFL);  // returning runs into it again
  if (watched == nullptr || watched->owner.load() != ::getpid()) {
    ::raise(signal);
    return;
  }
  if (signal == SIGSEGV || signal == SIGBUS) {
    watched->bad_address.store(reinterpret_cast<uintptr_t>(info->si_addr));
  }
  watched->memory_kb.store(memory_kb());
  record(watched->stack, kHandlerFrames);
  if (info->si_code <= 0) ::raise(signal);  // sent by somebody, so it would not come again
}

void on_show(int) {
  const int error = errno;
  if (watched != nullptr && watched->owner.load() == ::getpid()) record(watched->stack, kHandlerFrames);
  errno = error;
}

std::string hex(uintptr_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "+0x%llx", static_cast<unsigned long long>(number));
  return text;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void on_exit_called(int status, void*) {
  if (watched == nullptr || watched->owner.load() != ::getpid()) return;
  const auto step = static_cast<Step>(watched->step.load());
  if (step == Step::leave || step == Step::leave_child) return;
  watched->left.store(static_cast<int>(Left::by_exit));
  watched->left_with.store(status);
  record(watched->stack, 2);  // record() and this function
}

void on_quick_exit_called() {
  if (watched == nullptr || watched->owner.load() != ::getpid()) return;
  watched->left.store(static_cast<int>(Left::by_quick_exit));
  record(watched->stack, 2);
}

}  // namespace

void watch_exit() {
  ::on_exit(on_exit_called, nullptr);
  ::at_quick_exit(on_quick_exit_called);
}

void watch_signals(Stage& stage) {
  watched = &stage;
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // loads what it needs, which a signal handler must not
  const stack_t other{signal_stack, 0, sizeof signal_stack};
  ::sigaltstack(&other, nullptr);
  struct sigaction fatal {};
  fatal.sa_sigaction = on_fatal;
  fatal.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) ::sigaction(signal, &fatal, nullptr);
  struct sigaction show {};
  show.sa_handler = on_show;
  show.sa_flags = SA_RESTART;
  ::sigaction(show_signal(), &show, nullptr);
}

bool record_stack(pid_t process, pid_t thread, Stage& stage) {
  stage.stack.count.store(0);
  if (::syscall(SYS_tgkill, process, thread, show_signal()) != 0) return false;
  for (int i = 0; i < 200; ++i) {
    if (stage.stack.count.load() > 0) return true;
    ::usleep(1000);
  }
  return false;
}

std::vector<std::string> describe_stack(const Stack& stack, const Loaded& module) {
  std::vector<std::string> lines;
  const int count = std::clamp(stack.count.load(), 0, Stack::kMaxFrames);
  size_t last_of_module = 0;
  for (int i = std::max(stack.own_frames.load(), 0); i < count; ++i) {
    const auto address = reinterpret_cast<uintptr_t>(stack.frames[i]);
    // All but the innermost are where a call returns to, which may lie behind the function's end.
    const uintptr_t within = i == stack.own_frames.load() ? address : address - 1;
    if (address >= module.base && address < module.end) {
      const std::string name = module.elf.name_of(within - module.base);
      lines.push_back("in " + (name.empty() ? "?" : name) + " (" + base_name(module.path) +
                      hex(address - module.base) + ")");
      last_of_module = lines.size();
      continue;
    }
    Dl_info info{};
    void* raw = nullptr;
    if (::dladdr1(static_cast<char*>(stack.frames[i]) - (address - within), &info, &raw, RTLD_DL_SYMENT) ==
            0 ||
        info.dli_sname == nullptr || info.dli_fname == nullptr || raw == nullptr) {
      continue;  // of no use without a name
    }
    const auto* symbol = static_cast<const ElfW(Sym)*>(raw);
    if (within - reinterpret_cast<uintptr_t>(info.dli_saddr) > symbol->st_size) continue;
    lines.push_back("in " + demangled(info.dli_sname) + " (" + base_name(info.dli_fname) + ")");
  }
  lines.resize(last_of_module);  // what stands below is the host
  return lines;
}

}  // namespace zbxmod::host
