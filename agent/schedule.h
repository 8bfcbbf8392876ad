// Schedule: when a series is due to be read, and over which window (pure). A period can be read when it is
// final: ended, and its publication delay has passed. A series wanted at an interval up to its period is read
// once per period, one wanted more rarely once per interval, at one of the periods' moments that its place (a
// hash of its metric) chooses: so the load is even, statistics of a metric are read together, and each
// reading covers what came since the one before. All times are unix seconds, so neither a month's end nor
// daylight saving is anything special; a clock that jumps is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bakusoku::agent {

/// How many final periods one reading looks back over, unless configured otherwise. They cost neither money
/// nor call quota (AWS gives 7.2 datapoints for each of 25,000 metrics a second), and repair late datapoints.
inline constexpr int64_t kLookBackPeriods = 5;

/// Unix seconds, start inclusive, end exclusive, both multiples of the period.
struct Window {
  int64_t start = 0;
  int64_t end = 0;
};

/// End of the newest period that is final at `now`: ended, and `delay` seconds for its publication have
/// passed.
[[nodiscard]] int64_t newest_final(int64_t now, int64_t period, int64_t delay);

/// At which periods' ends a series is read: each `every`th, counted from 1970, those that leave `phase`.
struct Pace {
  int64_t period = 60;
  int64_t every = 1;
  int64_t phase = 0;
};

/// For a series wanted every `interval` seconds times `stretch`, rounded to whole periods, one at least.
[[nodiscard]] Pace pace_of(int64_t period, int64_t interval, double stretch, uint32_t place);

/// The first end of a period after `end` at which the series is read.
[[nodiscard]] int64_t next_end(const Pace& pace, int64_t end);

/// What the readings of a series have come to.
struct Progress {
  int64_t read_until = 0;       // end of the newest period read; 0: never read
  int64_t last_read = 0;        // when
  bool newest_missing = false;  // it has had datapoints, but not (yet) that of the newest period
};

/// When the series is due; a time that has passed: now. A period of a day or more whose datapoint was not
/// there yet is looked for again every hour.
[[nodiscard]] int64_t due_at(const Pace& pace, const Progress& progress, int64_t delay, int64_t now);

/// What a reading that ends at `end` covers: `look_back` periods, or all from `from` (the start of the oldest
/// period that no reading has covered; 0: there is none) and behind it as many as complete a look-back; not
/// further back than CloudWatch keeps datapoints of the period.
[[nodiscard]] Window reading_window(int64_t end, int64_t period, int64_t look_back, int64_t from,
                                    int64_t now);

/// True when so much more than a reading of `every` periods is to be read from `from` on that it must not
/// hold up others: what an item missed, not an interval.
[[nodiscard]] bool is_catching_up(int64_t from, int64_t end, const Pace& pace, int64_t look_back);

/// The window of a series that missed something: from `from` on, or a little earlier, so that series which
/// were left off at different times share calls; as long as one call of 500 such series may be, no further
/// back than `reach` seconds and CloudWatch's own keeping; it ends at `end` unless that is too far.
[[nodiscard]] Window catching_up_window(int64_t from, int64_t end, int64_t period, int64_t look_back,
                                        int64_t reach, int64_t now);

/// What readings wait for that are due and are not made.
enum class Limit {
  none,
  quota,            // our share of AWS's quotas
  calls_in_flight,  // as many calls to the target as are configured
  all_calls,        // as many calls as the whole agent makes at once
};
/// "quota_share", "calls_in_flight", "all calls"; empty: none.
[[nodiscard]] std::string_view to_string(Limit limit);

/// How long after its moment the call number `call` of `calls` is sent: they are spread over a fifth of the
/// period, seven seconds at most.
[[nodiscard]] std::chrono::milliseconds spread(size_t call, size_t calls, int64_t period);

}  // namespace bakusoku::agent
