#include "guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace zbxmod::host {
namespace {

constexpr unsigned char kUntouched = 0xA5;

}  // namespace

Guarded::Guarded(size_t bytes) : bytes_(bytes), page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
  void* pages = ::mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || ::mprotect(static_cast<char*>(pages) + page_, page_, PROT_NONE) != 0)
    std::abort();
  pages_ = static_cast<unsigned char*>(pages);
  start_ = pages_ + page_ - bytes_;
  std::memset(pages_, kUntouched, page_ - bytes_);
}

Guarded::~Guarded() { ::munmap(pages_, 2 * page_); }

void Guarded::clear() { std::memset(start_, 0, bytes_); }

bool Guarded::front_touched() const {
  return std::any_of(pages_, start_, [](unsigned char byte) { return byte != kUntouched; });
}

bool Guarded::behind(uintptr_t address) const {
  const auto end = reinterpret_cast<uintptr_t>(pages_ + page_);
  return address >= end && address < end + page_;
}

bool Guarded::inside(uintptr_t address) const {
  const auto start = reinterpret_cast<uintptr_t>(pages_);
  return address >= start && address < start + page_;
}

void Guarded::revoke() { ::mprotect(pages_, page_, PROT_NONE); }

}  // namespace zbxmod::host
