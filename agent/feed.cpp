#include "agent/feed.h"

#include <algorithm>

namespace bakusoku::agent {

std::vector<Point> Feed::take(std::span<const Point> points, const Window& window) {
  std::vector<Point> sorted;
  for (const Point& point : points) {
    if (point.clock >= window.start && point.clock < window.end && point.clock % period_ == 0)
      sorted.push_back(point);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Point& a, const Point& b) { return a.clock < b.clock; });
  const auto same = [](const Point& a, const Point& b) { return a.clock == b.clock; };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());

  if (next_ == 0) {
    if (sorted.empty()) return {};
    sorted.erase(sorted.begin(), sorted.end() - 1);
    next_ = static_cast<Seconds32>(sorted.front().clock);
  }
  std::vector<Point> taken;
  for (const Point& point : sorted) {
    if (point.clock >= next()) {
      taken.push_back(point);
      continue;
    }
    const int64_t back = (next() - point.clock) / period_ - 1;
    if (back >= kRemembered || (missing_ >> back & 1u) == 0) continue;
    missing_ &= ~(1u << back);
    taken.push_back(point);
  }
  // A hole between what was covered and this window is nobody's to fill any more, or is still to be read: it
  // counts as missing, as far as it is remembered.
  size_t at = 0;
  for (int64_t clock = std::max(next(), window.end - kRemembered * int64_t{period_}); clock < window.end;
       clock += period_) {
    while (at < sorted.size() && sorted[at].clock < clock) ++at;
    const bool there = at < sorted.size() && sorted[at].clock == clock;
    missing_ = missing_ << 1 | (there ? 0u : 1u);
  }
  next_ = static_cast<Seconds32>(std::max(next(), window.end));
  return taken;
}

}  // namespace bakusoku::agent
