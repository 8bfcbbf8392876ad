// Planner: which metrics items will have read, as rows of a plan: from keys and intervals, wherever they are
// from, and of the running agent, from what it is asked for now. Asks nothing of AWS. Runs on the agent's
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config.h"
#include "agent/demand.h"
#include "agent/inventory.h"
#include "agent/plan.h"
#include "agent/prices.h"
#include "agent/targets.h"

namespace bakusoku::agent {

class Reporting;

/// Dimensions as plans write them: "InstanceId=i-1;Name=x", sorted.
[[nodiscard]] std::string dimensions_of_plan(const Dimensions& dimensions);

/// Rows of a plan, item by item.
class PlannedItems {
 public:
  explicit PlannedItems(Targets& targets) : targets_(targets) {}

  /// An item with its interval as Zabbix writes it. One that is no metric costs nothing here; one that cannot
  /// be read is a problem.
  void add(std::string_view key, std::string_view interval);
  void add(const Series& series, int64_t interval, Exists exists, bool waits = false);

  [[nodiscard]] std::vector<PlannedSeries>& series() { return series_; }
  /// The lists of resources that items are answered from and that AWS bills, and how often they are asked a
  /// second.
  using Lists = std::map<std::pair<const Service*, const Target*>, double>;
  [[nodiscard]] const Lists& lists() const { return lists_; }
  /// Items that are neither.
  [[nodiscard]] size_t others() const { return others_; }
  /// What is wrong with keys or intervals, each sentence once.
  [[nodiscard]] const std::set<std::string>& problems() const { return problems_; }

 private:
  void add(PlannedSeries row, std::string_view owner, const std::string& name_space,
           const std::string& metric, const Dimensions& dimensions, const std::string& statistic);

  void add_list(const Service& service, const std::string& region, const std::string& account,
                int64_t interval);

  Targets& targets_;
  std::vector<PlannedSeries> series_;
  Lists lists_;
  size_t others_ = 0;
  std::set<std::string> problems_;
};

/// How often a second a list is read that is asked so often: once per `interval`, unless nobody asks for
/// several of them.
[[nodiscard]] double readings_per_second(std::chrono::seconds interval, double asked_per_second);

/// The mean time between two checks of an interval in Zabbix's syntax, in seconds. Errors: invalid.
[[nodiscard]] Result<int64_t> mean_interval(std::string_view text);

class Planner {
 public:
  struct Parts {
    Targets& targets;
    const Demand& demand;
    const Config& config;
    const Prices& prices;
  };

  explicit Planner(Parts parts) : parts_(parts) {}
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  /// Null: there is no [zabbix] server.
  void look_at(const Reporting* reporting) { reporting_ = reporting; }
  /// What is known of whether CloudWatch has a metric; unset: nothing.
  std::function<Exists(const Series&)> exists;
  /// Whether it waits for the month's budget; unset: none does.
  std::function<bool(const Series&)> waits;

  /// The plan of what is asked for now, see plan_json().
  [[nodiscard]] std::string json() const;

 private:
  Parts parts_;
  const Reporting* reporting_ = nullptr;
};

}  // namespace bakusoku::agent
