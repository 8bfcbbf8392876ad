#include "agent/stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "agent/bill.h"
#include "agent/board.h"
#include "agent/collect.h"
#include "agent/demand.h"
#include "agent/inventory.h"
#include "agent/status.h"
#include "agent/targets.h"

namespace bakusoku::agent {
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void Lag::note(int64_t now, int64_t seconds) {
  const int64_t minute = now / 60;
  Minute& slot = minutes_[static_cast<size_t>(minute) % minutes_.size()];
  if (slot.minute != minute) slot = Minute{minute, 0};
  slot.worst = std::max(slot.worst, seconds);
}

int64_t Lag::worst(int64_t now) const {
  int64_t worst = 0;
  for (const Minute& slot : minutes_) {
    if (slot.minute <= now / 60 && slot.minute >= (now - kRemembered) / 60)
      worst = std::max(worst, slot.worst);
  }
  return worst;
}

std::vector<Stat> all_stats(const Stats& stats, const Targets& targets, const Inventories& inventories,
                            const Demand& demand, const Collect& collect, const Board& board,
                            const Bill& bill, const Status& status, int64_t now) {
  const Bill::Seen cost = bill.seen();
  const aws::ClientCounters calls = targets.calls();
  const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - stats.started;
  const auto count = [](uint64_t value) { return static_cast<double>(value); };
  return {
      {"uptime", static_cast<double>(static_cast<int64_t>(uptime.count()))},
      {"cpu", cpu_seconds()},
      {"memory", resident_bytes()},
      {"questions", count(stats.questions + board.answers())},
      {"questions.unsupported", count(stats.not_supported)},
      {"connections", count(stats.connections_open)},
      {"connections.accepted", count(stats.connections)},
      {"passive.requests", count(stats.passive_requests)},
      {"passive.refused", count(stats.passive_refused)},
      {"board.answers", count(board.answers())},
      {"board.posted", count(board.posted_count())},
      {"keys", count(demand.keys())},
      {"series", count(demand.series())},
      {"aws.calls", count(calls.calls)},
      {"aws.requests", count(calls.attempts)},
      {"aws.throttled", count(calls.throttled)},
      {"aws.paced", count(calls.paced)},
      {"aws.failed", count(calls.failed)},
      {"metrics.calls", count(collect.counters().calls)},
      {"metrics.failed", count(collect.counters().failures)},
      {"metrics.requested", count(collect.counters().metrics_requested)},
      {"metrics.billed", count(collect.counters().metrics_billed)},
      {"metrics.postponed", count(collect.counters().postponed)},
      {"metrics.postponed.now", count(collect.postponed().series)},
      {"active.hosts", count(stats.hosts)},
      {"active.hosts.known", count(stats.hosts_known)},
      {"active.items", count(stats.checks)},
      {"values.delivered", count(stats.delivered)},
      {"values.resent", count(stats.resent)},
      {"values.refused", count(stats.refused)},
      {"values.waiting", count(stats.undelivered)},
      {"values.waiting.oldest", static_cast<double>(stats.oldest_clock)},
      {"intake.processed", count(stats.intake_processed)},
      {"intake.failed", count(stats.intake_failed)},
      {"intake.refused", count(stats.intake_refused)},
      {"intake.commits", count(stats.intake_commits)},
      {"metrics.points", count(collect.counters().datapoints)},
      {"metrics.points.rate", status.datapoints_per_second()},
      {"cost.today", cost.today_usd},
      {"cost.month", cost.month_usd},
      {"cost.forecast", cost.forecast_usd},
      {"budget", cost.budget_usd},
      {"budget.exceeded", cost.exceeded ? 1.0 : 0.0},
      {"budget.waiting", count(cost.waiting)},
      {"budget.stretch", *std::max_element(cost.factors.begin(), cost.factors.end())},
      {"quota.calls.headroom", status.quotas().calls_headroom()},
      {"quota.datapoints.headroom", status.quotas().datapoints_headroom()},
      {"lag", static_cast<double>(stats.lag.worst(now))},
      {"inventory.readings", count(inventories.counters().readings)},
      {"inventory.early", count(inventories.counters().early)},
      {"inventory.failed", count(inventories.counters().failures)},
  };
}

}  // namespace bakusoku::agent
