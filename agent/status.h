// Status: how the agent is doing, as JSON for `bakusoku status` and the key bakusoku.status; and the rates of
// the last minute, for which it takes a sample each second. Runs on the agent's thread.
#pragma once

#include <cstdint>
#include <string>

#include "agent/bill.h"
#include "agent/board.h"
#include "agent/collect.h"
#include "agent/demand.h"
#include "agent/inventory.h"
#include "agent/quotas.h"
#include "agent/rate.h"
#include "agent/stats.h"
#include "agent/targets.h"
#include "base/clock.h"

namespace bakusoku::agent {

class Reporting;

class Status {
 public:
  struct Parts {
    const Stats& stats;
    const Targets& targets;
    const Inventories& inventories;
    const Demand& demand;
    const Collect& collect;
    const Bill& bill;
    Clock clock;
    const Config& config;
  };

  explicit Status(Parts parts);
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  /// Null: there is no [zabbix] server.
  void look_at(const Reporting* reporting) { reporting_ = reporting; }
  /// Once a second.
  void tick();
  [[nodiscard]] const Quotas& quotas() const { return quotas_; }
  /// Datapoints that came in the last minute, a second.
  [[nodiscard]] double datapoints_per_second() const { return datapoints_.per_second(); }
  /// Walks all items and chunks of the spools.
  [[nodiscard]] std::string json() const;

 private:
  [[nodiscard]] uint64_t put() const;
  [[nodiscard]] uint64_t delivered() const;
  [[nodiscard]] std::string holds_json() const;
  [[nodiscard]] std::string destinations_json(int64_t now) const;
  [[nodiscard]] std::string aws_json() const;
  [[nodiscard]] std::string left_out_json() const;
  [[nodiscard]] std::string delays_json() const;
  [[nodiscard]] std::string bill_json() const;
  [[nodiscard]] std::string quotas_json() const;

  Parts parts_;
  const Reporting* reporting_ = nullptr;
  Rate put_;
  Rate delivered_;
  Rate calls_;
  Rate cpu_;
  Rate datapoints_;
  Quotas quotas_;
};

}  // namespace bakusoku::agent
