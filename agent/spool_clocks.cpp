#include "agent/spool_clocks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "agent/spool_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::agent {
namespace {

constexpr size_t kFirstIndexSize = 1024;
constexpr int kStaleLooks = 4;  // places looked at for each new series, so that the hand goes round in time

std::string page_context(size_t page) { return "clocks " + std::to_string(page); }

}  // namespace

SeriesHash hash_series(std::string_view host, std::string_view key) {
  std::array<char, 512> small;
  std::string large;
  const size_t size = host.size() + 1 + key.size();
  char* joined = small.data();
  if (size > small.size()) {
    large.resize(size);
    joined = large.data();
  }
  if (!host.empty()) std::memcpy(joined, host.data(), host.size());
  joined[host.size()] = '\0';
  if (!key.empty()) std::memcpy(joined + host.size() + 1, key.data(), key.size());
  const XXH128_hash_t hash = XXH3_128bits(joined, size);
  return {hash.low64, hash.high64};
}

SeriesHash hash_item(uint64_t itemid) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), itemid).ptr;
  return hash_series({}, {digits.data(), static_cast<size_t>(end - digits.data())});
}

/// Where the series is in the index, or the free place where it would be.
size_t LastClocks::index_of(const SeriesHash& series) const {
  const size_t mask = index_.size() - 1;
  size_t at = series.low & mask;
  while (index_[at] != 0 && places_[index_[at] - 1].series != series) at = (at + 1) & mask;
  return at;
}

std::optional<int64_t> LastClocks::find(const SeriesHash& series) const {
  const uint32_t found = place_of(series);
  if (found == 0) return std::nullopt;
  return places_[found - 1].clock;
}

/// 0: it has none, else its place plus 1.
uint32_t LastClocks::place_of(const SeriesHash& series) const {
  return index_.empty() ? 0 : index_[index_of(series)];
}

void LastClocks::grow_index() {
  std::vector<uint32_t> old = std::move(index_);
  index_.assign(old.empty() ? kFirstIndexSize : old.size() * 2, 0);
  for (const uint32_t entry : old) {
    if (entry != 0) index_[index_of(places_[entry - 1].series)] = entry;
  }
}

void LastClocks::erase_from_index(const SeriesHash& series) {
  const size_t mask = index_.size() - 1;
  size_t hole = index_of(series);
  index_[hole] = 0;
  // What was put further along because this place was taken moves up.
  for (size_t at = (hole + 1) & mask; index_[at] != 0; at = (at + 1) & mask) {
    const size_t home = places_[index_[at] - 1].series.low & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      index_[hole] = index_[at];
      index_[at] = 0;
      hole = at;
    }
  }
}

void LastClocks::move_on(uint32_t place, int64_t clock, int64_t latest) {
  Place& of = places_[place - 1];
  if (clock <= of.clock && of.clock <= latest) return;
  of.clock = clock;
  changed_[(place - 1) / kSeriesPerPage] = true;
}

void LastClocks::raise(const SeriesHash& series, int64_t clock, const Believed& believed) {
  const uint32_t found = place_of(series);
  if (found != 0) return move_on(found, clock, believed.latest);
  insert(series, clock, believed.stale_before);
}

void LastClocks::raise(uint64_t itemid, std::string_view host, std::string_view key, int64_t clock,
                       const Believed& believed) {
  const SeriesHash item = hash_item(itemid);
  const uint32_t found = place_of(item);
  if (found != 0) return move_on(found, clock, believed.latest);
  const SeriesHash by_key = hash_series(host, key);
  if (const uint32_t old = place_of(by_key); old != 0) {
    Place& place = places_[old - 1];
    erase_from_index(by_key);
    if (place.clock <= believed.latest) clock = std::max(clock, place.clock);
    place.clock = kEmpty;
    --used_;
    changed_[(old - 1) / kSeriesPerPage] = true;
  }
  insert(item, clock, believed.stale_before);
}

void LastClocks::insert(const SeriesHash& series, int64_t clock, int64_t stale_before) {
  if ((used_ + 1) * 3 > index_.size() * 2) grow_index();
  size_t place = places_.size();
  for (int look = 0; look < kStaleLooks && !places_.empty(); ++look) {
    hand_ = hand_ + 1 < places_.size() ? hand_ + 1 : 0;
    if (places_[hand_].clock == kEmpty || places_[hand_].clock < stale_before) {
      if (places_[hand_].clock != kEmpty) {
        erase_from_index(places_[hand_].series);
        --used_;
      }
      place = hand_;
      break;
    }
  }
  if (place == places_.size()) places_.emplace_back();
  places_[place] = {series, clock};
  index_[index_of(series)] = static_cast<uint32_t>(place + 1);
  ++used_;
  const size_t page = place / kSeriesPerPage;
  if (page >= changed_.size()) changed_.resize(page + 1);
  changed_[page] = true;
}

std::string LastClocks::encode_page(size_t page) const {
  std::vector<uint64_t> numbers;
  numbers.reserve(kSeriesPerPage * 3);
  const size_t end = std::min(places_.size(), (page + 1) * kSeriesPerPage);
  for (size_t i = page * kSeriesPerPage; i < end; ++i) {
    const Place& place = places_[i];
    numbers.insert(numbers.end(), {place.series.low, place.series.high, static_cast<uint64_t>(place.clock)});
  }
  return seal_numbers(page_context(page), numbers);
}

Result<void> LastClocks::load_page(size_t page, std::string_view bytes) {
  auto numbers = open_numbers(page_context(page), bytes);
  if (!numbers) return fail(numbers.error());
  if (numbers->size() % 3 != 0 || numbers->size() > kSeriesPerPage * 3) {
    return fail(ErrorKind::corrupt, "a page of last clocks has a wrong length");
  }
  const size_t first = page * kSeriesPerPage;
  if (places_.size() < first + numbers->size() / 3) places_.resize(first + numbers->size() / 3);
  if (changed_.size() <= page) changed_.resize(page + 1);
  for (size_t i = 0; i < numbers->size(); i += 3) {
    const SeriesHash series{(*numbers)[i], (*numbers)[i + 1]};
    const auto clock = static_cast<int64_t>((*numbers)[i + 2]);
    if (clock == kEmpty) continue;
    if ((used_ + 1) * 3 > index_.size() * 2) grow_index();
    const size_t at = index_of(series);
    if (index_[at] != 0) continue;
    places_[first + i / 3] = {series, clock};
    index_[at] = static_cast<uint32_t>(first + i / 3 + 1);
    ++used_;
  }
  return {};
}

}  // namespace bakusoku::agent
