#include "ask/board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cstring>
#include <ctime>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::ask {
namespace {

constexpr uint32_t kMaxSlots = 1u << 24;
constexpr int kReadTries = 4;

bool is_sealed(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

size_t file_bytes(int fd) {
  struct stat file {};
  return ::fstat(fd, &file) == 0 && file.st_size > 0 ? static_cast<size_t>(file.st_size) : 0;
}

}  // namespace

BoardHash board_hash(std::string_view key, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), seed);
  BoardHash kept{{static_cast<uint32_t>(hash.low64), static_cast<uint32_t>(hash.low64 >> 32),
                  static_cast<uint32_t>(hash.high64)}};
  if (kept.is_zero()) kept.words[0] = 1;
  return kept;
}

uint64_t beat_clock_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000 + static_cast<uint64_t>(time.tv_nsec) / 1'000'000;
}

bool read_slot(const BoardSlot& slot, BoardEntry& entry) {
  uint32_t words[kSlotWords];
  for (int tries = 0; tries < kReadTries; ++tries) {
    const uint32_t before = slot.sequence.load(std::memory_order_acquire);
    for (size_t at = 0; at < kSlotWords; ++at) words[at] = slot.words[at].load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && slot.sequence.load(std::memory_order_relaxed) == before) {
      std::memcpy(&entry, words, sizeof entry);
      return true;
    }
  }
  return false;
}

std::unique_ptr<BoardView> BoardView::map(int board, int marks) {
  const size_t size = file_bytes(board);
  if (!is_sealed(board) || !is_sealed(marks) || size < board_bytes(1)) return nullptr;
  const size_t slots = (size - sizeof(BoardHeader)) / sizeof(BoardSlot);
  if (slots > kMaxSlots || !std::has_single_bit(slots)) return nullptr;
  const auto count = static_cast<uint32_t>(slots);
  if (size != board_bytes(count) || file_bytes(marks) != marks_bytes(count)) return nullptr;
  void* read = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, board, 0);
  if (read == MAP_FAILED) return nullptr;
  void* written = ::mmap(nullptr, marks_bytes(count), PROT_READ | PROT_WRITE, MAP_SHARED, marks, 0);
  if (written == MAP_FAILED) {
    ::munmap(read, size);
    return nullptr;
  }
  std::unique_ptr<BoardView> view(new BoardView(read, written, count));
  const BoardHeader& header = view->header();
  if (header.magic != kBoardMagic || header.version != kBoardVersion || header.slots != count) return nullptr;
  return view;
}

BoardView::~BoardView() {
  ::munmap(board_, board_bytes(slots_));
  ::munmap(marks_, marks_bytes(slots_));
}

bool BoardView::find(std::string_view key, int64_t now, std::string& text) {
  const uint64_t beat = header().beat_ms.load(std::memory_order_relaxed);
  const uint64_t clock = beat_clock_ms();
  if (clock > beat + kMaxBeatAgeMs || beat > clock + kMaxBeatAgeMs) return false;
  const BoardHash hash = board_hash(key, header().seed);
  const auto* slots =
      reinterpret_cast<const BoardSlot*>(static_cast<const char*>(board_) + sizeof(BoardHeader));
  for (uint32_t probe = 0; probe < kMaxProbe; ++probe) {
    const uint32_t at = (hash.words[0] + probe) & (slots_ - 1);
    BoardEntry entry;
    if (!read_slot(slots[at], entry) || entry.hash.is_zero()) return false;
    if (entry.hash != hash) continue;
    if (now < entry.valid_from || now >= entry.valid_until || entry.length > kMaxPostedBytes) return false;
    text.assign(entry.text, entry.length);
    auto& head = *static_cast<MarksHeader*>(marks_);
    head.answers.fetch_add(1, std::memory_order_relaxed);
    auto* marks = reinterpret_cast<std::atomic<uint32_t>*>(&head + 1);
    const auto mark = static_cast<uint32_t>(now);
    if (marks[at].load(std::memory_order_relaxed) != mark) marks[at].store(mark, std::memory_order_relaxed);
    return true;
  }
  return false;
}

}  // namespace bakusoku::ask
