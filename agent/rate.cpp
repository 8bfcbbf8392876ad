#include "agent/rate.h"

namespace bakusoku::agent {

void Rate::sample(double counter) { samples_[taken_++ % kSamples] = counter; }

double Rate::per_second() const {
  if (taken_ < 2) return 0;
  const size_t newest = taken_ - 1;
  const size_t oldest = taken_ > kSamples ? taken_ - kSamples : 0;
  return (samples_[newest % kSamples] - samples_[oldest % kSamples]) / static_cast<double>(newest - oldest);
}

}  // namespace bakusoku::agent
