// Which series go into which GetMetricData call, over which window (pure). A call is of one account and
// region; it may mix periods and windows, as far as that saves calls and AWS's limits allow.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/charge.h"
#include "agent/demand.h"
#include "agent/schedule.h"
#include "aws/cloudwatch_codec.h"

namespace bakusoku::agent {

/// A series and the window it is to be read over.
struct Due {
  Series* series = nullptr;
  Window window{};
  bool cut = false;    // newer periods are final too, and do not fit
  Seconds32 from = 0;  // what was wanted of it, as of Collect::read_from()
};

/// One GetMetricData call. Its window begins at a multiple of every period in it, and covers the windows of
/// all that are due: what it brings outside of a series' own window is not for that series.
struct Batch {
  const Target* target = nullptr;
  Window window{};
  std::vector<Due> due;
};

/// The calls that read what is due of one target, in its order as far as that costs no calls. None has more
/// than 500 queries, inputs of metric math included, or room for more than 100,800 datapoints. The statistics
/// of a metric over one window stay in one call, because AWS bills up to five of them in one request as one
/// metric; only more than a call holds are split, after a multiple of five. Each due is in one call; a window
/// of more datapoints than a call brings is cut.
///
/// Series of one period and window share calls first. What then does not fill a call goes together with what
/// others left over, where that makes a call ask for at most 3,600 datapoints more than its series need: what
/// AWS's quotas give for the fiftieth of a second that the saved call would have cost.
///
/// How many there are: with metrics of at most 24 queries each, and no windows so long that 500 do not fit a
/// call, at most 5 % more than the queries fill, and one more for each distinct period and window; of
/// windows that may share a call whatever fills it, at most 5 % more than the queries fill, and one. That is
/// so of each part of about 25,000 series, which are planned one after the other.
[[nodiscard]] std::vector<Batch> plan_batches(const Target& target, std::vector<Due> due);

/// In how many sixtieths of a billed metric a series of a call has a part: the statistics that are billed as
/// one share it evenly, and so do those that want the same statistic. The sum is kSharesOfUnit x the metrics
/// that AWS bills.
struct Share {
  size_t due = 0;                 // index into batch.due
  std::string_view namespace_{};  // of the metric that is billed
  uint32_t sixtieths = 0;
};
/// Of one call as AWS bills it: each distinct metric counts once per five statistics, also as an input of
/// metric math; an expression itself costs nothing.
[[nodiscard]] std::vector<Share> shares_of(const Batch& batch);
/// The metrics that AWS bills, of all shares of a call.
[[nodiscard]] uint64_t billed_metrics(const std::vector<Share>& shares);

/// The call: its queries are those of `due`, in the same order.
[[nodiscard]] aws::cloudwatch::MetricDataRequest request_of(const Batch& batch);

}  // namespace bakusoku::agent
