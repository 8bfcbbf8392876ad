// How long requests took, in windows that slide: for each ten seconds of the last hour a histogram whose
// buckets are so narrow that a percentile is off by at most 1 %. Count, sum, minimum and maximum are exact.
// Only the slot that is written to is kept unfolded; the others are the bytes of their buckets, in memory as
// in the state file. Pure; time is a parameter.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::weblog {

inline constexpr int64_t kSlotSeconds = 10;
inline constexpr int64_t kLongestWindow = 3600;

// Values below 128 have a bucket each; above, each power of two is divided into 64.
inline constexpr size_t kBuckets = 2304;

[[nodiscard]] size_t bucket_of(uint64_t micros);
/// The middle of what falls into a bucket.
[[nodiscard]] uint64_t value_of(size_t bucket);

/// Of a window.
struct Distribution {
  uint64_t count = 0;
  uint64_t sum = 0;  // microseconds, as all values
  uint64_t min = UINT64_MAX;
  uint64_t max = 0;
  std::vector<uint64_t> buckets{};

  /// The smallest value that at least `percent` of all are not above; 0 < percent <= 100, count > 0.
  [[nodiscard]] uint64_t percentile(double percent) const;
  /// "avg", "min", "max", "count", "sum" or "p95", "p99.9": in seconds, but for the count; nothing where
  /// there were no requests to take it of. Errors: invalid.
  [[nodiscard]] Result<std::optional<double>> statistic(std::string_view name) const;
};

class Times {
 public:
  /// A request at `at` (unix seconds, not after `now`) that took so long. One of more than an hour ago is in
  /// no window any more.
  void add(int64_t at, uint64_t micros, int64_t now);

  /// What was added of the last `window` seconds before `now`; the window reaches back by up to one slot
  /// more.
  [[nodiscard]] Distribution of(int64_t now, int64_t window) const;

  /// Appends all of it to a state file. What read() takes off the front of `bytes` is the same. Errors:
  /// corrupt.
  void write(std::string& out) const;
  [[nodiscard]] static Result<Times> read(std::string_view& bytes);

 private:
  struct Slot {
    uint64_t count = 0;
    uint64_t sum = 0;
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;
    std::string buckets{};  // pairs of varints: how many buckets further, how many values
  };

  void open(int64_t number, int64_t newest);
  [[nodiscard]] Slot folded() const;

  std::map<int64_t, Slot> slots_;  // by unix seconds / kSlotSeconds; without the open one
  int64_t open_ = INT64_MIN;
  Slot head_{};  // of the open slot, without its buckets
  std::vector<uint32_t> unfolded_;
};

}  // namespace bakusoku::weblog
