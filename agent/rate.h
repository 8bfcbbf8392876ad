// Rate: how much a counter grew per second over the last minute (pure).
#pragma once

#include <array>
#include <cstddef>

namespace bakusoku::agent {

class Rate {
 public:
  /// Once a second.
  void sample(double counter);
  /// Over the last minute, or since the first sample.
  [[nodiscard]] double per_second() const;

 private:
  static constexpr size_t kSamples = 61;
  std::array<double, kSamples> samples_{};
  size_t taken_ = 0;
};

}  // namespace bakusoku::agent
