#include "agent/board.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/inventory.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010  // Linux 5.1; C libraries of that time do not name it
#endif

namespace bakusoku::agent {
namespace {

constexpr uint32_t kFewestSlots = 1024;
constexpr uint32_t kMostSlots = 1u << 22;
constexpr uint32_t kPostedBits = (1u << 23) - 1;  // of Series::posted

// Linear probing is still quick when seven slots of eight are taken.
constexpr size_t room(uint32_t slots) { return size_t{slots} / 8 * 7; }

uint32_t wanted_slots(size_t live) {
  return std::bit_ceil(static_cast<uint32_t>(std::max<size_t>(live * 3 / 2, kFewestSlots)));
}

uint64_t random_seed() {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = ask::beat_clock_ms();
  return seed;
}

struct Mapping {
  int fd = -1;
  void* at = nullptr;
};

/// A memory file of that size, mapped for us; `seals` are applied afterwards. fd -1: see errno.
Mapping make_file(const char* name, size_t bytes, int seals) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return {};
  if (::ftruncate(fd, static_cast<off_t>(bytes)) == 0) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) {
      if (::fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) return {fd, at};
      const int why = errno;
      ::munmap(at, bytes);
      errno = why;
    }
  }
  const int why = errno;
  ::close(fd);
  errno = why;
  return {};
}

}  // namespace

Board::Board() {
  if (!make_table(kFewestSlots, random_seed())) {
    spdlog::info("no shared answers for Zabbix's workers, each check asks the agent: {}",
                 std::strerror(errno));
  }
}

Board::~Board() { release(table_); }

bool Board::make_table(uint32_t slots, uint64_t seed) {
  const Mapping board = make_file("bakusoku-board", ask::board_bytes(slots), F_SEAL_FUTURE_WRITE);
  if (board.fd < 0) return false;
  const Mapping marks = make_file("bakusoku-marks", ask::marks_bytes(slots), 0);
  if (marks.fd < 0) {
    const int why = errno;
    ::munmap(board.at, ask::board_bytes(slots));
    ::close(board.fd);
    errno = why;
    return false;
  }
  table_ = Table{{board.fd, marks.fd},        board.at, marks.at, slots, std::vector<Owner>(slots),
                 std::vector<uint32_t>(slots)};
  used_ = live_ = of_inventories_ = 0;
  ask::BoardHeader& head = header();
  head.version = ask::kBoardVersion;
  head.slots = slots;
  head.seed = seed;
  head.magic = ask::kBoardMagic;
  beat();
  return true;
}

void Board::release(Table& table) {
  if (table.board == nullptr) return;
  answers_before_ += static_cast<ask::MarksHeader*>(table.marks)->answers.load(std::memory_order_relaxed);
  static_cast<ask::BoardHeader*>(table.board)->closed.store(1, std::memory_order_relaxed);
  ::munmap(table.board, ask::board_bytes(table.slots));
  ::munmap(table.marks, ask::marks_bytes(table.slots));
  ::close(table.files.board);
  ::close(table.files.marks);
  table = Table{};
}

bool Board::rebuild(uint32_t slots) {
  Table before = std::move(table_);
  if (!make_table(slots, static_cast<ask::BoardHeader*>(before.board)->seed)) {
    table_ = std::move(before);
    return false;
  }
  for (uint32_t from = 0; from < before.slots; ++from) {
    const Owner owner = before.owners[from];
    if (owner.none()) continue;
    const ask::BoardEntry content = entry(before, from);
    const uint32_t at = place(content.hash);
    if (at != kNone) {
      write(at, content);
      set_owner(at, owner);
      ++used_;
    } else if (Series* series = owner.metric().series) {
      series->posted = 0;
    }
  }
  release(before);
  return true;
}

uint32_t Board::place(const ask::BoardHash& hash) const {
  for (uint32_t probe = 0; probe < ask::kMaxProbe; ++probe) {
    const uint32_t at = (hash.words[0] + probe) & (table_.slots - 1);
    const ask::BoardHash there = entry(table_, at).hash;
    if (there == hash || there.is_zero()) return at;
  }
  return kNone;
}

ask::BoardSlot& Board::slot(const Table& table, uint32_t at) {
  return reinterpret_cast<ask::BoardSlot*>(static_cast<ask::BoardHeader*>(table.board) + 1)[at];
}

std::atomic<uint32_t>& Board::mark(uint32_t at) const {
  return reinterpret_cast<std::atomic<uint32_t>*>(static_cast<ask::MarksHeader*>(table_.marks) + 1)[at];
}

ask::BoardEntry Board::entry(const Table& table, uint32_t at) {
  ask::BoardEntry found;
  uint32_t words[ask::kSlotWords];
  for (size_t word = 0; word < ask::kSlotWords; ++word) {
    words[word] = slot(table, at).words[word].load(std::memory_order_relaxed);
  }
  std::memcpy(&found, words, sizeof found);
  return found;
}

void Board::write(uint32_t at, const ask::BoardEntry& entry) {
  uint32_t words[ask::kSlotWords];
  std::memcpy(words, &entry, sizeof entry);
  ask::BoardSlot& written = slot(table_, at);
  const uint32_t sequence = written.sequence.load(std::memory_order_relaxed);
  written.sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (size_t word = 0; word < ask::kSlotWords; ++word) {
    written.words[word].store(words[word], std::memory_order_relaxed);
  }
  written.sequence.store(sequence + 2, std::memory_order_release);
}

void Board::expire(uint32_t at) {
  ask::BoardEntry content = entry(table_, at);
  content.valid_until = 0;
  write(at, content);
  set_owner(at, Owner());
}

void Board::set_owner(uint32_t at, Owner owner) {
  if (Series* before = table_.owners[at].metric().series) before->posted = 0;
  if (table_.owners[at].none() != owner.none()) live_ += owner.none() ? size_t{0} - 1 : 1;
  if (table_.owners[at].inventory() != nullptr) --of_inventories_;
  if (owner.inventory() != nullptr) ++of_inventories_;
  table_.owners[at] = owner;
  if (Series* series = owner.metric().series) series->posted = (at + 1) & kPostedBits;
}

void Board::post(std::string_view key, std::string_view text, const Lease& lease) {
  if (table_.board == nullptr || text.size() > ask::kMaxPostedBytes || lease.span.until <= lease.span.from)
    return;
  if (lease.inventory != nullptr && of_inventories_ >= kMostOfInventories) return;
  if (used_ >= room(table_.slots)) {
    const auto wanted = wanted_slots(live_);
    if (wanted > kMostSlots || !rebuild(wanted)) return;
  }
  ask::BoardEntry content;
  content.hash = ask::board_hash(key, header().seed);
  const uint32_t at = place(content.hash);
  if (at == kNone) return;
  if (const Series* series = lease.metric.series;
      series != nullptr && series->posted != 0 && series->posted != at + 1)
    return;
  content.valid_from = lease.span.from;
  content.valid_until = lease.span.until;
  content.length = static_cast<uint8_t>(text.size());
  std::memcpy(content.text, text.data(), text.size());
  const ask::BoardEntry before = entry(table_, at);
  if (before.hash.is_zero()) ++used_;
  if (std::memcmp(&before, &content, sizeof content) != 0) write(at, content);
  set_owner(at, Owner(lease));
}

void Board::renew(const Series& series, std::string_view text, Span span) {
  if (series.posted == 0 || text.size() > ask::kMaxPostedBytes) return;
  const auto at = static_cast<uint32_t>(series.posted) - 1;
  ask::BoardEntry content;
  content.hash = entry(table_, at).hash;
  content.valid_from = span.from;
  content.valid_until = span.until;
  content.length = static_cast<uint8_t>(text.size());
  std::memcpy(content.text, text.data(), text.size());
  write(at, content);
}

Wanted Board::posted(const Series& series) const {
  if (series.posted == 0) return {};
  return table_.owners[series.posted - 1].metric();
}

void Board::withdraw(Series& series) {
  if (series.posted != 0) expire(static_cast<uint32_t>(series.posted) - 1);
}

void Board::withdraw(const Inventory& inventory) {
  for (uint32_t at = 0; at < table_.slots; ++at) {
    if (table_.owners[at].inventory() == &inventory) expire(at);
  }
}

void Board::shrink() {
  if (table_.board == nullptr) return;
  const uint32_t wanted = wanted_slots(live_);
  if (table_.slots / 4 >= wanted) (void)rebuild(wanted);
}

void Board::beat() {
  if (table_.board != nullptr) header().beat_ms.store(ask::beat_clock_ms(), std::memory_order_relaxed);
}

std::optional<Board::Descriptors> Board::descriptors() const {
  if (table_.board == nullptr) return std::nullopt;
  return table_.files;
}

uint64_t Board::answers() const {
  if (table_.marks == nullptr) return answers_before_;
  return answers_before_ +
         static_cast<ask::MarksHeader*>(table_.marks)->answers.load(std::memory_order_relaxed);
}

}  // namespace bakusoku::agent
