// How fast items answer: what a worker counts while it asks, in memory that outlives it, and the figures that
// come of it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace zbxmod::host {

// Times in nanoseconds, in buckets of at most 1/32 of their size.
class Histogram {
 public:
  void add(uint64_t nanoseconds);
  void add(const Histogram& other);
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] uint64_t max() const { return max_; }
  /// The time that this part (0.5, 0.999) of all stayed within; never more than max().
  [[nodiscard]] uint64_t at(double part) const;

  static constexpr int kSubBits = 5;
  static constexpr size_t kBuckets = size_t{40} << kSubBits;

 private:
  static size_t bucket(uint64_t nanoseconds);
  static uint64_t upper_end(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

// What one worker measured of one key. Only its worker writes it.
struct Measured {
  Histogram times;
  uint64_t first_nanoseconds = 0;  // of the first call, which may have to connect; not in `times`
  uint64_t not_supported = 0;
  uint64_t elapsed_nanoseconds = 0;  // from its first counted call to its last
};

struct BenchRow {
  std::string name;  // a key, "all keys", or "worker 1"
  uint64_t answers = 0;
  uint64_t not_supported = 0;
  double per_second = 0;
  double p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0, first = 0;  // microseconds
};

struct Bench {
  int workers = 0;
  int cores = 0;
  std::vector<BenchRow> keys{};
  std::vector<BenchRow> by_worker{};
  BenchRow all{};

  [[nodiscard]] bool cores_are_few() const { return cores < workers; }
};

/// `measured[worker][key]`.
[[nodiscard]] Bench summarize(const std::vector<std::string>& keys,
                              const std::vector<std::vector<const Measured*>>& measured, int cores);

[[nodiscard]] std::string as_text(const Bench& bench);
[[nodiscard]] std::string as_json(const Bench& bench);

}  // namespace zbxmod::host
