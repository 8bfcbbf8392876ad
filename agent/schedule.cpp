#include "agent/schedule.h"

#include <algorithm>
#include <cmath>

#include "aws/cloudwatch_codec.h"

namespace bakusoku::agent {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kLookAgain = 3600;  // for the datapoint of a day
constexpr int64_t kMostEvery = 7 * kDay;
constexpr int64_t kWholeCall =
    static_cast<int64_t>(aws::cloudwatch::kMaxDatapointsPerCall / aws::cloudwatch::kMaxQueriesPerCall);

// The start of the oldest period that CloudWatch surely still has.
int64_t oldest_kept(int64_t now, int64_t period) {
  const int64_t kept = period < 60     ? int64_t{3} * 3600
                       : period < 300  ? 15 * kDay
                       : period < 3600 ? 63 * kDay
                                       : 455 * kDay;
  return now - kept + period;
}

int64_t rounded_down(int64_t clock, int64_t period) { return clock - clock % period; }

}  // namespace

int64_t newest_final(int64_t now, int64_t period, int64_t delay) {
  return rounded_down(std::max<int64_t>(now - delay, 0), period);
}

Pace pace_of(int64_t period, int64_t interval, double stretch, uint32_t place) {
  const double wanted = static_cast<double>(std::max(interval, period)) * std::max(stretch, 1.0);
  const int64_t every =
      std::clamp<int64_t>(std::llround(wanted / static_cast<double>(period)), 1, kMostEvery);
  return Pace{period, every, place % every};
}

int64_t next_end(const Pace& pace, int64_t end) {
  const int64_t next = end / pace.period + 1;
  const int64_t ahead = (pace.phase - next % pace.every + pace.every) % pace.every;
  return (next + ahead) * pace.period;
}

int64_t due_at(const Pace& pace, const Progress& progress, int64_t delay, int64_t now) {
  // What has been read ends before the time of the reading: this clock has been set back since.
  if (progress.read_until == 0 || progress.read_until > now) return 0;
  const int64_t next = next_end(pace, progress.read_until) + delay;
  if (pace.period < kDay || !progress.newest_missing) return next;
  return std::min(next, std::min(progress.last_read, now) + kLookAgain);
}

Window reading_window(int64_t end, int64_t period, int64_t look_back, int64_t from, int64_t now) {
  const int64_t usual = end - look_back * period;
  int64_t start = from == 0 ? usual : std::min(usual, rounded_down(from, period) - (look_back - 1) * period);
  start = std::max(start, std::min(usual, rounded_down(oldest_kept(now, period), period)));
  return Window{start, end};
}

bool is_catching_up(int64_t from, int64_t end, const Pace& pace, int64_t look_back) {
  return from != 0 && (end - from) / pace.period > pace.every + 4 * look_back;
}

Window catching_up_window(int64_t from, int64_t end, int64_t period, int64_t look_back, int64_t reach,
                          int64_t now) {
  const int64_t usual = end - look_back * period;
  const int64_t periods = (end - from) / period;
  const int64_t step = (periods <= 8 * look_back ? look_back : kWholeCall / 5) * period;
  const int64_t shared = end - (end - from + step - 1) / step * step;
  int64_t start = std::max({shared, oldest_kept(now, period), now - reach});
  start = std::min(rounded_down(start, period), usual);
  return Window{start, std::min(end, start + kWholeCall * period)};
}

std::chrono::milliseconds spread(size_t call, size_t calls, int64_t period) {
  constexpr int64_t kLongest = 7'000;
  const int64_t window = std::min(kLongest, period * 1000 / 5);
  return std::chrono::milliseconds(window * static_cast<int64_t>(call) /
                                   static_cast<int64_t>(std::max<size_t>(calls, 1)));
}

std::string_view to_string(Limit limit) {
  switch (limit) {
    case Limit::quota:
      return "quota_share";
    case Limit::calls_in_flight:
      return "calls_in_flight";
    case Limit::all_calls:
      return "all calls";
    case Limit::none:
      break;
  }
  return "";
}

}  // namespace bakusoku::agent
