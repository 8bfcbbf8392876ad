// The agent's side of the board (ask/board.h): posts answers that are current, for who asks over the socket
// again and again, and learns from the marks which of them are still read. What is posted belongs to a metric
// series or to an inventory; whoever ends those withdraws it. Without a board, where the system has no sealed
// memory files, everything is answered over the socket. Runs on the agent's thread; the only other writers of
// this memory are the askers, in the marks, which are taken for hints and never trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/demand.h"
#include "ask/board.h"

namespace bakusoku::agent {

class Inventory;

/// For how long an answer may be given without asking the agent, and whose it is.
struct Lease {
  Wanted metric{};                 // either
  Inventory* inventory = nullptr;  // or
  Span span{};
};

class Board {
 public:
  Board();
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  /// Posts the answer to `key`, in place of an earlier one. An answer that is too long, or a second spelling
  /// of a series, is left to the socket.
  void post(std::string_view key, std::string_view text, const Lease& lease);
  /// Replaces the answer posted for a series, if one is, by what a newer reading brought.
  void renew(const Series& series, std::string_view text, Span span);
  /// What the key that is posted for `series` stands for; its series is null when none is.
  [[nodiscard]] Wanted posted(const Series& series) const;
  void withdraw(Series& series);
  void withdraw(const Inventory& inventory);
  /// Gives back the room that is no longer needed; once a minute.
  void shrink();
  [[nodiscard]] uint32_t slots() const { return table_.slots; }
  /// Answers from inventories that are posted at once: anybody may find any number of spellings for one.
  static constexpr size_t kMostOfInventories = size_t{1} << 18;

  /// Once a second: readers do not trust a board whose beat is old.
  void beat();

  /// Calls seen(Series&, second) or seen(Inventory&, second) for everything that was read since the last
  /// call.
  template <typename Seen>
  void take_marks(int64_t now, Seen seen);

  struct Descriptors {
    int board = -1;
    int marks = -1;
  };
  /// To be handed to an asker; they stay the board's. Nothing: there is no board here.
  [[nodiscard]] std::optional<Descriptors> descriptors() const;

  /// Answers given by all boards so far.
  [[nodiscard]] uint64_t answers() const;
  /// Answers posted now.
  [[nodiscard]] size_t posted_count() const { return live_; }

 private:
  // A series, with the key's wish for missing values, or an inventory: a pointer and two bits.
  class Owner {
   public:
    Owner() = default;
    explicit Owner(const Lease& lease)
        : bits_(lease.inventory != nullptr ? reinterpret_cast<uintptr_t>(lease.inventory) | kInventory
                                           : reinterpret_cast<uintptr_t>(lease.metric.series) |
                                                 (lease.metric.missing_is_zero ? kZero : 0)) {}
    [[nodiscard]] bool none() const { return bits_ == 0; }
    [[nodiscard]] Wanted metric() const {
      if ((bits_ & kInventory) != 0) return {};
      return {reinterpret_cast<Series*>(bits_ & ~uintptr_t{kZero}), (bits_ & kZero) != 0};
    }
    [[nodiscard]] Inventory* inventory() const {
      return (bits_ & kInventory) != 0 ? reinterpret_cast<Inventory*>(bits_ & ~uintptr_t{kInventory})
                                       : nullptr;
    }

   private:
    static constexpr uintptr_t kInventory = 1;
    static constexpr uintptr_t kZero = 2;
    uintptr_t bits_ = 0;
  };

  // The two files, mapped, and what the agent keeps of each slot.
  struct Table {
    Descriptors files{};
    void* board = nullptr;
    void* marks = nullptr;
    uint32_t slots = 0;
    std::vector<Owner> owners{};
    std::vector<uint32_t> seen{};  // the newest mark that was taken
  };
  /// Makes an empty table the current one. False, and the current one stays: see errno.
  [[nodiscard]] bool make_table(uint32_t slots, uint64_t seed);
  void release(Table& table);
  /// A table of that many slots with what is posted now, so that there is room again. False: out of memory.
  [[nodiscard]] bool rebuild(uint32_t slots);
  /// The slot that holds `hash`, or the free one where it belongs; kNone when there is neither within reach.
  [[nodiscard]] uint32_t place(const ask::BoardHash& hash) const;
  [[nodiscard]] static ask::BoardEntry entry(const Table& table, uint32_t slot);
  void write(uint32_t slot, const ask::BoardEntry& entry);
  void expire(uint32_t slot);
  void set_owner(uint32_t slot, Owner owner);
  [[nodiscard]] ask::BoardHeader& header() const { return *static_cast<ask::BoardHeader*>(table_.board); }
  [[nodiscard]] static ask::BoardSlot& slot(const Table& table, uint32_t at);
  [[nodiscard]] std::atomic<uint32_t>& mark(uint32_t at) const;

  static constexpr uint32_t kNone = UINT32_MAX;

  Table table_{};
  size_t used_ = 0;              // slots with a hash
  size_t live_ = 0;              // of them with an owner
  size_t of_inventories_ = 0;    // of them those of inventories
  uint64_t answers_before_ = 0;  // given by boards that are closed
};

template <typename Seen>
void Board::take_marks(int64_t now, Seen seen) {
  for (uint32_t at = 0; at < table_.slots; ++at) {
    const uint32_t newest = mark(at).load(std::memory_order_relaxed);
    if (newest == table_.seen[at]) continue;
    table_.seen[at] = newest;
    const Owner owner = table_.owners[at];
    if (owner.none() || newest > now) continue;
    if (Inventory* inventory = owner.inventory()) {
      seen(*inventory, static_cast<int64_t>(newest));
    } else {
      seen(*owner.metric().series, static_cast<int64_t>(newest));
    }
  }
}

}  // namespace bakusoku::agent
