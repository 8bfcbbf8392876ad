// The last clock of every item, in memory: 32 to 40 bytes an item, kept in pages so that the spool can write
// those that changed. An item is known by a hash of its id, or of host and key where Zabbix tells no ids. One
// that has not moved for long is forgotten when its place is wanted for another. Used by the spool alone, on
// its thread.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::agent {

/// XXH3-128 of host, a zero byte, key; of an item with an id: of a zero byte and the id in decimal, which no
/// host's name can be.
struct SeriesHash {
  uint64_t low = 0;
  uint64_t high = 0;

  friend bool operator==(const SeriesHash&, const SeriesHash&) = default;
};

[[nodiscard]] SeriesHash hash_series(std::string_view host, std::string_view key);
[[nodiscard]] SeriesHash hash_item(uint64_t itemid);

class LastClocks {
 public:
  /// As many as fit one page of SQLite's.
  static constexpr size_t kSeriesPerPage = 160;

  [[nodiscard]] std::optional<int64_t> find(const SeriesHash& series) const;
  /// What is to be believed of a clock: a series before `stale_before` may be forgotten, and one beyond
  /// `latest` is of a time when this machine's clock was wrong, and gives way to any other.
  struct Believed {
    int64_t stale_before = 0;
    int64_t latest = std::numeric_limits<int64_t>::max();
  };
  /// The series' clock becomes `clock` if that is later.
  void raise(const SeriesHash& series, int64_t clock, const Believed& believed);
  /// The same of an item that has an id. Its first time it takes over what is known by host and key, where
  /// versions before kept it.
  void raise(uint64_t itemid, std::string_view host, std::string_view key, int64_t clock,
             const Believed& believed);

  [[nodiscard]] size_t series() const { return used_; }
  [[nodiscard]] size_t pages() const { return changed_.size(); }
  [[nodiscard]] bool changed(size_t page) const { return changed_[page]; }
  void set_changed(size_t page, bool changed) { changed_[page] = changed; }

  /// A page as it is written; its number is part of the checksum.
  [[nodiscard]] std::string encode_page(size_t page) const;
  /// Takes the series of a written page, each into its own place. All pages are read before the first
  /// raise().
  [[nodiscard]] Result<void> load_page(size_t page, std::string_view bytes);

 private:
  static constexpr int64_t kEmpty = std::numeric_limits<int64_t>::min();

  struct Place {
    SeriesHash series;
    int64_t clock = kEmpty;
  };

  [[nodiscard]] size_t index_of(const SeriesHash& series) const;
  [[nodiscard]] uint32_t place_of(const SeriesHash& series) const;
  void erase_from_index(const SeriesHash& series);
  void grow_index();
  void insert(const SeriesHash& series, int64_t clock, int64_t stale_before);
  void move_on(uint32_t place, int64_t clock, int64_t latest);

  std::vector<Place> places_;
  std::vector<uint32_t> index_;  // open addressing with linear probing; 0: free, else a place plus 1
  std::vector<bool> changed_;    // one per page
  size_t used_ = 0;
  size_t hand_ = 0;  // where the next stale series is looked for
};

}  // namespace bakusoku::agent
