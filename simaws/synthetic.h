// The simulated metrics: which series exist and the value of every statistic of every period, as pure
// functions that tests recompute. A series is a sequence of samples in millionths of its unit, one at each
// multiple of its step; every statistic is computed from the samples of [start, start + period), so that Sum
// = Average x SampleCount, longer periods are made of shorter ones, and so on. The formula is written down in
// docs/simaws.md.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simaws/fleet.h"

namespace bakusoku::simaws {

struct Dimension {
  std::string name;
  std::string value;
  friend auto operator<=>(const Dimension&, const Dimension&) = default;
};
using Dimensions = std::vector<Dimension>;

/// One statistic as CloudWatch writes it: Average, Sum, Minimum, Maximum, SampleCount, IQM, pNN(.N), tmNN,
/// wmNN, tcNN, tsNN, and TM, WM, TC, TS, PR with a range such as (10%:90%), (:200) or (100:).
struct Statistic {
  enum class Kind {
    average,
    sum,
    minimum,
    maximum,
    sample_count,
    percentile,
    trimmed_mean,
    winsorized_mean,
    trimmed_count,
    trimmed_sum,
    percentile_rank
  };
  Kind kind = Kind::average;
  bool percent = true;  // bounds are percentiles, in 1e-10 of a percent; otherwise values, in millionths
  std::optional<int64_t> low{};   // exclusive
  std::optional<int64_t> high{};  // inclusive; the percentile itself for pNN
};

/// Nothing when CloudWatch would refuse the name.
[[nodiscard]] std::optional<Statistic> parse_statistic(std::string_view name);

/// How the samples of one metric look.
struct Shape {
  enum class Kind { wave, flag, sparse };
  const char* namespace_;
  const char* metric;
  const char* unit;
  int64_t low;              // millionths
  int64_t span;             // millionths above low
  int64_t quantum;          // samples are low plus a multiple of this
  int32_t step = 15;        // seconds between samples
  int32_t resolution = 60;  // seconds; shorter periods have points only at multiples of it
  Kind kind = Kind::wave;
};

class Series {
 public:
  Series(const Shape& shape, uint64_t hash) : shape_(&shape), hash_(hash) {}

  /// The statistic over [start, start + period), in millionths; nothing when the period has no point. `start`
  /// and `period` in seconds, both positive.
  [[nodiscard]] std::optional<int64_t> point(const Statistic& statistic, int32_t period, int64_t start) const;
  /// The sample at `time`, a multiple of the step, in millionths; nothing where a sparse series has none.
  [[nodiscard]] std::optional<int64_t> sample(int64_t time) const;
  [[nodiscard]] const Shape& shape() const { return *shape_; }
  /// The seconds that a point's samples are from: [start, end), or of the resolution for shorter periods.
  [[nodiscard]] int64_t end_of(int32_t period, int64_t start) const;
  [[nodiscard]] uint64_t hash() const { return hash_; }

 private:
  const Shape* shape_;
  uint64_t hash_;
};

/// Nothing when no such metric exists; the dimensions may come in any order.
[[nodiscard]] std::optional<Series> find_series(const World& world, std::string_view region,
                                                std::string_view name_space, std::string_view metric,
                                                Dimensions dimensions);

/// For tests: the final value, whenever CloudWatch shows it (world.publication), or nothing where there is no
/// point. `statistic` is valid.
[[nodiscard]] std::optional<double> value(const World& world, std::string_view region,
                                          std::string_view name_space, std::string_view metric,
                                          const Dimensions& dimensions, std::string_view statistic,
                                          int32_t period, int64_t start);

struct MetricName {
  std::string namespace_;
  std::string metric;
  Dimensions dimensions{};
};

/// All metrics of a region in a fixed order: position 0 .. metric_slots - 1. A slot may be empty (an instance
/// that does not run, a metric its type does not have).
[[nodiscard]] size_t metric_slots(const World& world);
[[nodiscard]] std::optional<MetricName> metric_at(const World& world, std::string_view region, size_t slot);
/// The slots of one instance's, one volume's, and Sim/Load's, metrics: [first, second).
[[nodiscard]] std::pair<size_t, size_t> slots_of_instance(size_t index);
[[nodiscard]] std::pair<size_t, size_t> slots_of_volume(const World& world, size_t index);
[[nodiscard]] std::pair<size_t, size_t> slots_of_load(const World& world);

/// `millionths` as the shortest decimal number, always with a point: "12.5", "3.0", "-0.000001".
void append_millionths(std::string& out, int64_t millionths);

}  // namespace bakusoku::simaws
