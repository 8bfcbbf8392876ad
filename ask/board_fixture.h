// Boards made by hand, for the tests of who reads them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

#include "ask/board.h"

namespace bakusoku::ask {

// A memory file of zeros.
struct File {
  int fd = ::memfd_create("test", MFD_ALLOW_SEALING);
  ~File() { ::close(fd); }
  File(size_t bytes, bool sealed) {
    (void)!::ftruncate(fd, static_cast<off_t>(bytes));
    if (sealed) ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  void write(const void* data, size_t size, size_t at) const {
    ASSERT_EQ(::pwrite(fd, data, size, static_cast<off_t>(at)), static_cast<ssize_t>(size));
  }
};

// A good header of a board of four slots.
struct Head {
  uint32_t magic = kBoardMagic, version = kBoardVersion, slots = 4, closed = 0;
  uint64_t seed = 7, beat_ms = beat_clock_ms(), reserved[4] = {};
};

// A board that answers "key" with "ok", from whatever slot its search begins at.
class SmallBoard {
 public:
  SmallBoard() {
    entry.hash = board_hash("key", Head().seed);
    entry.valid_from = 1;
    entry.valid_until = UINT32_MAX;
    entry.length = 2;
    entry.text[0] = 'o';
    entry.text[1] = 'k';
  }
  void write(const Head& head, uint32_t sequence = 2) const {
    board.write(&head, sizeof head, 0);
    for (size_t at = 0; at < 4; ++at) {
      const size_t slot = sizeof(BoardHeader) + at * sizeof(BoardSlot);
      board.write(&sequence, sizeof sequence, slot);
      board.write(&entry, sizeof entry, slot + sizeof sequence);
    }
  }

  BoardEntry entry;
  File board{board_bytes(4), true};
  File marks{marks_bytes(4), true};
};

}  // namespace bakusoku::ask
