// Status: how the agent is doing, as JSON for `bakusoku status` and the key bakusoku.status; and the rates of
// the last minute, for which it takes a sample each second. Runs on the agent's thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "agent/board.h"
#include "agent/collect.h"
#include "agent/demand.h"
#include "agent/inventory.h"
#include "agent/stats.h"
#include "agent/targets.h"
#include "base/clock.h"

namespace bakusoku::agent {

class Reporting;

/// How much a counter grew per second, over the last minute or since the first sample.
class Rate {
 public:
  /// Once a second.
  void sample(double counter);
  [[nodiscard]] double per_second() const;

 private:
  static constexpr size_t kSamples = 61;
  std::array<double, kSamples> samples_{};
  size_t taken_ = 0;
};

class Status {
 public:
  struct Parts {
    const Stats& stats;
    const Targets& targets;
    const Demand& demand;
    const Collect& collect;
    Clock clock;
  };

  explicit Status(Parts parts);
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  /// Null: there is no [zabbix] server.
  void look_at(const Reporting* reporting) { reporting_ = reporting; }
  /// Once a second.
  void tick();
  /// Walks all items and chunks of the spools.
  [[nodiscard]] std::string json() const;

 private:
  [[nodiscard]] uint64_t put() const;
  [[nodiscard]] uint64_t delivered() const;
  [[nodiscard]] std::string destinations_json(int64_t now) const;
  [[nodiscard]] std::string aws_json() const;

  Parts parts_;
  const Reporting* reporting_ = nullptr;
  Rate put_;
  Rate delivered_;
  Rate calls_;
  Rate cpu_;
  int64_t billed_since_;        // midnight, or the agent's start
  uint64_t billed_before_ = 0;  // until then
};

}  // namespace bakusoku::agent
