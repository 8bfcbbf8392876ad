// Reads a board whose every byte somebody else chose; the marks file is of the size the board asks for, or
// not.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ask/board.h"

namespace {

int memory_file(const void* data, size_t size) {
  const int fd = ::memfd_create("fuzz", MFD_ALLOW_SEALING);
  if (fd < 0 || ::write(fd, data, size) != static_cast<ssize_t>(size)) std::abort();
  ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
  return fd;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace ask = bakusoku::ask;
  const size_t slots =
      size > sizeof(ask::BoardHeader) ? (size - sizeof(ask::BoardHeader)) / sizeof(ask::BoardSlot) : 0;
  const std::string zeros(ask::marks_bytes(static_cast<uint32_t>(slots)), '\0');
  const int board = memory_file(data, size);
  const int marks = memory_file(zeros.data(), zeros.size());
  if (const auto view = ask::BoardView::map(board, marks)) {
    std::string text;
    for (const char* key : {"key", "", "another"}) {
      if (view->find(key, 1'700'000'000, text) && text.size() > ask::kMaxPostedBytes) std::abort();
    }
    (void)view->closed();
  }
  ::close(board);
  ::close(marks);
  return 0;
}
