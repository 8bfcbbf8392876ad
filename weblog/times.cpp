#include "weblog/times.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "weblog/bytes.h"

namespace bakusoku::weblog {
namespace {

constexpr unsigned kSubBits = 6;
constexpr uint64_t kSub = uint64_t{1} << kSubBits;
constexpr uint64_t kLargest = (uint64_t{1} << 41) - 1;  // 25 days
constexpr int64_t kSlots = kLongestWindow / kSlotSeconds;

int64_t slot_of(int64_t at) {
  return at >= 0 ? at / kSlotSeconds : -((-at + kSlotSeconds - 1) / kSlotSeconds);
}

// Calls use(bucket, count) for each; false when the bytes are not what the format says.
template <typename Use>
bool each_bucket(std::string_view bytes, Use use) {
  size_t bucket = 0;
  while (!bytes.empty()) {
    const auto further = take_number(bytes);
    const auto count = take_number(bytes);
    if (!further || !count || *further >= kBuckets || bucket + *further >= kBuckets) return false;
    bucket += *further;
    use(bucket, *count);
  }
  return true;
}

}  // namespace

size_t bucket_of(uint64_t micros) {
  const uint64_t value = std::min(micros, kLargest);
  if (value < 2 * kSub) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
  return kSub + shift * kSub + ((value >> shift) - kSub);
}

uint64_t value_of(size_t bucket) {
  if (bucket < 2 * kSub) return bucket;
  const uint64_t shift = bucket / kSub - 1;
  const uint64_t low = (kSub + bucket % kSub) << shift;
  return low + (uint64_t{1} << shift) / 2;
}

uint64_t Distribution::percentile(double percent) const {
  const auto rank = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(percent / 100.0 * static_cast<double>(count) - 1e-9)));
  if (rank >= count) return max;
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    seen += buckets[bucket];
    if (seen >= rank) return std::clamp(value_of(bucket), min, max);
  }
  return max;
}

Result<std::optional<double>> Distribution::statistic(std::string_view name) const {
  const auto seconds = [](uint64_t micros) { return static_cast<double>(micros) / 1e6; };
  if (name == "count") return static_cast<double>(count);
  if (name == "sum") return seconds(sum);
  double percent = 0;
  const bool is_percentile = name.starts_with('p');
  if (is_percentile) {
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), percent);
    if (error != std::errc() || end != name.data() + name.size() || !(percent > 0 && percent <= 100)) {
      return fail(ErrorKind::invalid, "'{}' is not a percentile; write p50, p95, p99.9", name);
    }
  } else if (name != "avg" && name != "min" && name != "max") {
    return fail(ErrorKind::invalid,
                "'{}' is not a statistic; known are avg, min, max, count, sum, p95 and the like", name);
  }
  if (count == 0) return std::nullopt;
  if (is_percentile) return seconds(percentile(percent));
  if (name == "avg") return seconds(sum) / static_cast<double>(count);
  return seconds(name == "min" ? min : max);
}

void Times::add(int64_t at, uint64_t micros, int64_t now) {
  const int64_t number = slot_of(at);
  const int64_t newest = slot_of(now);
  if (number < newest - kSlots) return;
  if (number != open_) open(number, newest);
  ++unfolded_[bucket_of(micros)];
  ++head_.count;
  head_.sum += micros;
  head_.min = std::min(head_.min, micros);
  head_.max = std::max(head_.max, micros);
}

Times::Slot Times::folded() const {
  Slot slot = head_;
  size_t last = 0;
  for (size_t bucket = 0; bucket < unfolded_.size(); ++bucket) {
    if (unfolded_[bucket] == 0) continue;
    append_number(slot.buckets, bucket - last);
    append_number(slot.buckets, unfolded_[bucket]);
    last = bucket;
  }
  return slot;
}

void Times::open(int64_t number, int64_t newest) {
  if (open_ != INT64_MIN) slots_[open_] = folded();
  unfolded_.assign(kBuckets, 0);
  head_ = Slot{};
  open_ = number;
  slots_.erase(slots_.begin(), slots_.lower_bound(newest - kSlots));
  slots_.erase(slots_.upper_bound(newest), slots_.end());  // the clock was set back
  const auto before = slots_.find(number);
  if (before == slots_.end()) return;
  head_ = before->second;
  each_bucket(head_.buckets,
              [this](size_t bucket, uint64_t count) { unfolded_[bucket] = static_cast<uint32_t>(count); });
  head_.buckets.clear();
  slots_.erase(before);
}

Distribution Times::of(int64_t now, int64_t window) const {
  Distribution all;
  all.buckets.assign(kBuckets, 0);
  const int64_t last = slot_of(now);
  const int64_t first = slot_of(now - window);
  const auto take = [&](const Slot& slot) {
    all.count += slot.count;
    all.sum += slot.sum;
    all.min = std::min(all.min, slot.min);
    all.max = std::max(all.max, slot.max);
  };
  for (auto at = slots_.lower_bound(first); at != slots_.end() && at->first <= last; ++at) {
    take(at->second);
    each_bucket(at->second.buckets, [&](size_t bucket, uint64_t count) { all.buckets[bucket] += count; });
  }
  if (open_ >= first && open_ <= last) {
    take(head_);
    for (size_t bucket = 0; bucket < unfolded_.size(); ++bucket) all.buckets[bucket] += unfolded_[bucket];
  }
  return all;
}

void Times::write(std::string& out) const {
  const bool has_open = open_ != INT64_MIN;
  append_number(out, slots_.size() + (has_open ? 1 : 0));
  const auto append = [&out](int64_t number, const Slot& slot) {
    append_number(out, static_cast<uint64_t>(number));
    append_number(out, slot.count);
    append_number(out, slot.sum);
    append_number(out, slot.min);
    append_number(out, slot.max);
    append_text(out, slot.buckets);
  };
  for (const auto& [number, slot] : slots_) append(number, slot);
  if (has_open) append(open_, folded());
}

Result<Times> Times::read(std::string_view& bytes) {
  Times times;
  const auto broken = [] { return fail(ErrorKind::corrupt, "its times are not what was written"); };
  const auto count = take_number(bytes);
  if (!count || *count > static_cast<uint64_t>(kSlots) + 2) return broken();
  for (uint64_t at = 0; at < *count; ++at) {
    const auto number = take_number(bytes);
    Slot slot;
    const auto values = take_number(bytes);
    const auto sum = take_number(bytes);
    const auto min = take_number(bytes);
    const auto max = take_number(bytes);
    const auto buckets = take_text(bytes);
    if (!number || !values || !sum || !min || !max || !buckets) return broken();
    uint64_t in_buckets = 0;
    bool fits = true;
    const bool good = each_bucket(*buckets, [&](size_t, uint64_t many) {
      fits = fits && many <= UINT32_MAX;
      in_buckets += many;
    });
    if (!good || !fits || in_buckets != *values) return broken();
    slot.count = *values;
    slot.sum = *sum;
    slot.min = *min;
    slot.max = *max;
    slot.buckets = *buckets;
    const auto key = static_cast<int64_t>(*number);
    // Far from any time there is, so that arithmetic on it stays in range.
    if (key > INT64_MAX / kSlotSeconds / 2 || key < INT64_MIN / kSlotSeconds / 2) return broken();
    times.slots_[key] = std::move(slot);
  }
  return times;
}

}  // namespace bakusoku::weblog
