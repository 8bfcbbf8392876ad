#include "aws/clock_skew.h"

#include "aws/timestamp.h"

namespace bakusoku::aws {

bool ClockSkew::learn(std::string_view date, WallTime now) {
  const Result<WallTime> theirs = parse_http_date(date);
  if (!theirs) return false;
  const auto apart = std::chrono::round<std::chrono::seconds>(*theirs - now);
  // Our clock was set right in the meantime.
  if (offset_ != std::chrono::seconds(0) && std::chrono::abs(apart) <= kSkewWorthCorrecting) {
    offset_ = std::chrono::seconds(0);
    return true;
  }
  if (std::chrono::abs(apart - offset_) <= kSkewWorthCorrecting) return false;
  offset_ = apart;
  return true;
}

}  // namespace bakusoku::aws
