// The difference between AWS's clock and ours, learnt from the Date header of its answers. Pure.
#pragma once

#include <chrono>
#include <string_view>

#include "base/clock.h"

namespace bakusoku::aws {

/// AWS accepts a date five minutes off (some services fifteen); a smaller difference is left alone.
inline constexpr std::chrono::seconds kSkewWorthCorrecting{240};

class ClockSkew {
 public:
  /// What to sign with when our clock says `now`.
  [[nodiscard]] WallTime correct(WallTime now) const { return now + offset_; }
  [[nodiscard]] std::chrono::seconds offset() const { return offset_; }

  /// Of an answer that AWS accepted us for, or refused for its date. `date` is the Date header (ignored when
  /// it is not one), `now` our clock. True when the offset was changed, so that the same request deserves
  /// another attempt.
  bool learn(std::string_view date, WallTime now);

 private:
  std::chrono::seconds offset_{0};
};

}  // namespace bakusoku::aws
