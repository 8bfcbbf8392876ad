#include "zbxmod/per_worker.h"

#include <sys/mman.h>
#include <unistd.h>

namespace zbxmod::detail {
namespace {

/// A page that is all zeros in a forked child, or null where there is none: before Linux 4.14, and in
/// sandboxes.
pid_t* wiped_on_fork() noexcept {
  const long size = ::sysconf(_SC_PAGESIZE);
  if (size <= 0) return nullptr;
  const auto bytes = static_cast<size_t>(size);
  void* page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  // Some emulators say yes to any advice and do nothing; they say yes to this one as well.
  constexpr int kNoAdvice = -1;
  if (::madvise(page, bytes, kNoAdvice) == 0 || ::madvise(page, bytes, MADV_WIPEONFORK) != 0) {
    ::munmap(page, bytes);
    return nullptr;
  }
  return static_cast<pid_t*>(page);
}

}  // namespace

pid_t this_process() noexcept {
  static pid_t* const known = wiped_on_fork();
  if (known == nullptr) return ::getpid();
  if (*known == 0) *known = ::getpid();
  return *known;
}

}  // namespace zbxmod::detail
