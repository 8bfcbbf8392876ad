// Feed: which datapoints of a series one item has had, so that each is delivered once: new ones as they
// become final, and late ones that CloudWatch published after their period had been read, found by the
// look-back of every reading (pure).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/batch.h"
#include "agent/demand.h"
#include "aws/cloudwatch_codec.h"

namespace bakusoku::agent {

/// One datapoint of one reading; the clock is the start of its period, unix seconds.
using Point = aws::cloudwatch::Datapoint;

class Feed {
 public:
  /// `delivered` is the clock of the newest datapoint the item has had, perhaps with another period before, 0
  /// when it has had none: then it begins with the newest one that is read.
  Feed(int32_t period, int64_t delivered)
      : next_(static_cast<Seconds32>(delivered == 0 ? 0 : delivered - delivered % period + period)),
        period_(period) {}

  /// What of a reading the item has not had yet, oldest first. `points` are all datapoints of the window, in
  /// any order; a window that ends before what was read already adds late points only.
  [[nodiscard]] std::vector<Point> take(std::span<const Point> points, const Window& window);

  /// Readings have to start here for the item to miss nothing; 0: anywhere.
  [[nodiscard]] int64_t next() const { return next_; }

 private:
  static constexpr int kRemembered =
      32;  // periods before next_ of which it is known whether they were delivered

  // Kept small: there is one for each item.
  Seconds32 next_;  // start of the first period that no reading has covered
  int32_t period_;
  uint32_t missing_ =
      0;  // bit n: the period that starts at next_ - (n + 1) * period_ had no datapoint so far
};

}  // namespace bakusoku::agent
