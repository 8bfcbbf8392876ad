// Ledger: what AWS will bill for, counted as AWS counts it, in one SQLite file that survives restarts. Sums
// are kept per UTC day and charge for thirteen months, written once a second; a killed process loses no more
// than that second's. What each item has cost is kept per day for five weeks, in sixtieths of a metric
// requested, so that up to five statistics which AWS bills as one metric share it exactly; it is written
// every few minutes. What could not be written stays in memory and is written the next time.
//
//   charge(day, account, region, action, namespace, units)   day: days since 1970-01-01, UTC
//   item(id, host, key)
//   item_day(day, shares)    varints, two for each item by its id: id less the one before, sixtieths
//   note(name, value)        what else has to survive a restart: by how much the budget stretches intervals,
//                            what was learnt of publication delays (Delays::text()); "day": by which
//                            things are old, which a clock that leaps does not move at once
//
// Runs on the agent's thread.
#pragma once

#include <tsl/robin_set.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/charge.h"
#include "agent/kept_file.h"
#include "base/clock.h"
#include "base/result.h"

struct sqlite3;

namespace bakusoku::agent {

/// The days of a month, both inclusive.
struct Month {
  int64_t first = 0;
  int64_t last = 0;
};
[[nodiscard]] Month month_of(int64_t day);

class Ledger {
 public:
  /// Opens or makes the file; empty: a temporary one, or memory where none can be made, that goes with the
  /// process. A damaged file is moved aside, take_warnings() says so.
  /// Errors: unavailable (another process has it), io, denied, invalid (a newer version of Bakusoku wrote
  /// it).
  [[nodiscard]] static Result<std::unique_ptr<Ledger>> open(const std::string& path, const Clock& clock);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void add(const Charge& charge, uint64_t units);

  /// Stands for an item; good until the next call of write_items().
  using ItemId = uint32_t;
  /// An item of a host; the host is empty where nobody named one. Beyond a million all are
  /// one, and beyond half a million those without a host.
  [[nodiscard]] ItemId item(std::string_view host, std::string_view key);
  /// Whether the item has cost anything in the last five weeks.
  [[nodiscard]] bool knows(std::string_view host, std::string_view key) const;
  void add_shares(ItemId item, uint32_t sixtieths);

  /// Writes the sums that changed and some of the names of new items. Errors: io; nothing is lost by them.
  [[nodiscard]] Result<void> write();
  /// Whether write() should not wait for its second: many items are new.
  [[nodiscard]] bool has_much_to_write() const;
  /// Writes what the items have cost, and forgets those that cost nothing for five weeks.
  [[nodiscard]] Result<void> write_items();

  [[nodiscard]] int64_t day();
  [[nodiscard]] const Charges& today();
  [[nodiscard]] const Charges& yesterday();
  /// Of the present month, today included.
  [[nodiscard]] const Charges& month();
  /// When counting began, unix seconds; 0: nothing was counted yet.
  [[nodiscard]] int64_t since() const { return since_; }

  struct Line {
    int64_t day = 0;
    Charge charge{};
    uint64_t units = 0;
  };
  /// Of the days from `first` to `last`, in their order. Errors: io, corrupt.
  [[nodiscard]] Result<std::vector<Line>> lines(int64_t first, int64_t last);

  struct ItemLine {
    std::string host{};
    std::string key{};
    uint64_t sixtieths = 0;
  };
  /// The items that cost most from `first` to `last`, the dearest first, `most` of them. Errors: io, corrupt.
  [[nodiscard]] Result<std::vector<ItemLine>> items(int64_t first, int64_t last, size_t most);
  [[nodiscard]] size_t item_count() const { return ids_.size(); }

  [[nodiscard]] std::string note(std::string_view name);
  [[nodiscard]] Result<void> set_note(std::string_view name, std::string_view value);

  [[nodiscard]] std::vector<Error> take_warnings() { return std::exchange(warnings_, {}); }
  /// False: it is counted in memory only.
  [[nodiscard]] bool on_disk() const { return on_disk_; }
  /// Whether somebody has removed its file, which was made again then: open() goes on from there. Errors: io.
  [[nodiscard]] Result<bool> made_again();

 private:
  struct Name {
    ItemId id = 0;
    uint32_t host_size = 0;
    std::string text;  // host, then key

    [[nodiscard]] std::string_view host() const { return std::string_view(text).substr(0, host_size); }
    [[nodiscard]] std::string_view key() const { return std::string_view(text).substr(host_size); }
  };
  explicit Ledger(Clock clock);
  [[nodiscard]] Result<void> open_file(const std::string& path);
  [[nodiscard]] Result<void> read_items();
  void roll();
  [[nodiscard]] Result<void> load_sums();
  [[nodiscard]] Result<void> load_item_day();
  [[nodiscard]] Result<void> each_item_day(int64_t first, int64_t last,
                                           const std::function<void(int64_t, ItemId, uint64_t)>& take);
  void forget_items(std::vector<ItemId>& gone);
  void make_room(size_t items);
  [[nodiscard]] Result<void> in_transaction(const std::function<Result<void>()>& work);
  [[nodiscard]] std::string encode_today() const;

  using Key = std::pair<int64_t, Charge>;  // day
  Clock clock_;
  sqlite3* database_ = nullptr;
  bool on_disk_ = false;
  KeptFile file_;
  int64_t day_ = 0;
  int64_t believed_ = 0;  // the day by which things are old: a clock that jumps far is believed a day later
  int64_t since_ = 0;
  Charges today_;
  Charges yesterday_;
  Charges month_;
  std::map<Key, uint64_t> unwritten_;  // units, on top of what the file holds

  // By the hash of host and key that each id has: a hundred thousand of them take two megabytes.
  struct HashOf {
    const std::vector<uint64_t>* hashes = nullptr;
    size_t operator()(ItemId id) const { return (*hashes)[id]; }
    size_t operator()(uint64_t hash) const { return hash; }
  };
  struct Same {
    using is_transparent = void;
    const std::vector<uint64_t>* hashes = nullptr;
    bool operator()(ItemId a, ItemId b) const { return a == b; }
    bool operator()(uint64_t hash, ItemId id) const { return hash == (*hashes)[id]; }
    bool operator()(ItemId id, uint64_t hash) const { return hash == (*hashes)[id]; }
  };
  std::vector<uint64_t> hashes_;  // by item
  tsl::robin_set<ItemId, HashOf, Same> ids_;
  std::vector<ItemId> free_ids_;
  std::vector<uint32_t> shares_;    // of today, by item
  std::vector<uint16_t> last_day_;  // on which the item cost something
  std::vector<Name> unwritten_names_;
  int64_t looked_for_old_ = 0;  // the day on which forget_items() was called last
  std::map<int64_t, std::string> unwritten_days_;
  std::vector<Error> warnings_;
};

}  // namespace bakusoku::agent
