// The board: memory that the agent shares with whoever asks it, where it posts the answers that are current,
// so that a Zabbix worker reads what is known without waking the agent. Two anonymous files come over the
// socket (ask/protocol.h): the board itself, which only the agent can write (sealed), and the marks, in which
// a reader notes when it has read an answer, so that the agent knows what is still wanted.
//
//   board   header, 64 bytes: magic u32 | version u32 | slots u32 | closed u32 | seed u64 | beat u64
//   (milliseconds of
//           CLOCK_MONOTONIC) | zeros; then the slots, 48 bytes each:
//           sequence u32 (odd: being written) | hash u32 u32 u32 | valid from u32 | valid until u32 (unix
//           seconds, [from, until)) | length u8 | text, 23 bytes
//   marks   header, 64 bytes: answers given u64 | zeros; then per slot the unix second of the newest reading,
//   u32
//
// A key stands in the slot that its hash names or in one of the next kMaxProbe; a slot with hash 0 ends the
// search. The hash has 96 bits and a seed that each board draws anew, so two keys of a million have the same
// one with a chance of 1e-17. A reader trusts an answer only while the agent's beat is fresh: a stopped
// agent's board goes silent. Both sides run on one machine, so numbers have the machine's byte order.
//
// Built into the module, so: the standard library, POSIX, and xxHash's header.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bakusoku::ask {

inline constexpr uint32_t kBoardMagic = 0x4B414221;  // "!BAK"
inline constexpr uint32_t kBoardVersion = 1;
inline constexpr uint32_t kMaxProbe = 4096;      // the board may be nearly full
inline constexpr uint64_t kMaxBeatAgeMs = 3000;  // the agent beats once a second
inline constexpr size_t kMaxPostedBytes = 23;
inline constexpr size_t kSlotWords = 11;

struct BoardHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t slots;                // a power of two
  std::atomic<uint32_t> closed;  // 1: a newer board has replaced this one
  uint64_t seed;
  std::atomic<uint64_t> beat_ms;
  uint64_t reserved[4];
};

struct BoardSlot {
  std::atomic<uint32_t> sequence;
  std::atomic<uint32_t> words[kSlotWords];
};

struct MarksHeader {
  std::atomic<uint64_t> answers;
  uint64_t reserved[7];
};

static_assert(sizeof(BoardHeader) == 64 && sizeof(BoardSlot) == 48 && sizeof(MarksHeader) == 64);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

struct BoardHash {
  uint32_t words[3] = {};

  [[nodiscard]] bool is_zero() const { return (words[0] | words[1] | words[2]) == 0; }
  friend bool operator==(const BoardHash&, const BoardHash&) = default;
};

/// What a slot holds, taken out or to be put in.
struct BoardEntry {
  BoardHash hash{};
  uint32_t valid_from = 0;
  uint32_t valid_until = 0;
  uint8_t length = 0;
  char text[kMaxPostedBytes] = {};
};
static_assert(sizeof(BoardEntry) == sizeof(BoardSlot::words));

/// Never zero.
[[nodiscard]] BoardHash board_hash(std::string_view key, uint64_t seed);

/// Size in bytes of the two files for that many slots.
[[nodiscard]] constexpr size_t board_bytes(uint32_t slots) {
  return sizeof(BoardHeader) + size_t{slots} * sizeof(BoardSlot);
}
[[nodiscard]] constexpr size_t marks_bytes(uint32_t slots) {
  return sizeof(MarksHeader) + size_t{slots} * sizeof(uint32_t);
}

/// The slot's content; false when a writer was at it each time (or died there).
[[nodiscard]] bool read_slot(const BoardSlot& slot, BoardEntry& entry);

/// Milliseconds of the clock that beat_ms is in; coarse.
[[nodiscard]] uint64_t beat_clock_ms();

/// A reader's view of a board. Belongs to one process; whatever the files hold, reading them is safe.
class BoardView {
 public:
  /// Maps both files and keeps neither descriptor. Null when they are not a board that can be read safely:
  /// the wrong size or version, or not sealed against shrinking.
  [[nodiscard]] static std::unique_ptr<BoardView> map(int board, int marks);
  ~BoardView();
  BoardView(const BoardView&) = delete;
  BoardView& operator=(const BoardView&) = delete;

  /// The answer to `key`, if one is posted that is valid at `now` (unix seconds) and the agent's beat is
  /// fresh. Leaves a mark that it was read.
  [[nodiscard]] bool find(std::string_view key, int64_t now, std::string& text);
  /// A newer board has replaced this one.
  [[nodiscard]] bool closed() const { return header().closed.load(std::memory_order_relaxed) != 0; }

 private:
  BoardView(void* board, void* marks, uint32_t slots) : board_(board), marks_(marks), slots_(slots) {}
  [[nodiscard]] const BoardHeader& header() const { return *static_cast<const BoardHeader*>(board_); }

  void* board_;
  void* marks_;
  uint32_t slots_;  // as it was when it was checked: the header may say something else later
};

}  // namespace bakusoku::ask
