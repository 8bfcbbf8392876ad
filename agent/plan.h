// Plan: what collecting a set of metrics will ask of AWS and cost, before anything is asked: calls and
// datapoints against the quotas, US$ a month, the same at other intervals, and what would save most. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "agent/exists.h"
#include "agent/prices.h"

namespace bakusoku::agent {

/// A month of plans: a twelfth of 365.25 days.
inline constexpr double kPlannedMonth = 2'629'800;  // seconds

/// One metric that an item wants.
struct PlannedSeries {
  std::string account{};
  std::string region{};
  std::string namespace_{};
  std::string metric{};
  std::string dimensions{};  // in one order and spelling
  std::string statistic{};
  int64_t period = 300;
  int64_t interval = 300;  // between two readings that the item wants
  Exists exists = Exists::unknown;
  bool waits = false;  // for the month's budget, and is not read until then
  bool zero = false;   // what is missing counts as 0
};

struct PlanTerms {
  double calls_per_second = 50;              // AWS's quota of GetMetricData
  double datapoints_per_second = 180'000;    // of windows that begin within the last three hours
  double quota_share = 0.5;                  // [aws] quota_share
  int64_t look_back = 5;                     // periods that each reading asks for, at least
  std::map<std::string, double> requests{};  // a month, by action, of what is paid by request
};

struct Plan {
  size_t items = 0;   // as given
  size_t series = 0;  // distinct ones
  size_t there = 0;   // metrics that CloudWatch lists
  size_t absent = 0;  // metrics that it does not list: they are not asked for
  size_t zero = 0;    // of those, metrics that count as 0
  size_t unknown = 0;
  size_t waiting = 0;  // series that are wanted and wait for the budget; counted as if they were read
  double calls_per_minute = 0;
  double usd_per_month = 0;
  double usd_of_absent = 0;   // what those would cost besides
  double usd_of_waiting = 0;  // of usd_per_month, what those are

  struct Place {
    std::string account{};
    std::string region{};
    size_t series = 0;
    double calls_per_minute = 0;
    double datapoints_per_second = 0;
    double of_calls = 0;  // of what quota_share leaves to the agent; 1 is all of it
    double of_datapoints = 0;
  };
  std::vector<Place> places;

  struct Row {
    std::string namespace_{};
    size_t series = 0;
    size_t absent = 0;
    double usd_per_month = 0;
  };
  std::vector<Row> rows;  // the dearest first

  struct AtInterval {
    int64_t interval = 0;
    double calls_per_minute = 0;
    double usd_per_month = 0;
  };
  std::vector<AtInterval> at_intervals;  // 1 min, 5 min, 15 min, 1 h

  struct Saving {
    std::string what{};
    std::string change{};
    double usd_per_month = 0;
  };
  std::vector<Saving> savings;  // the largest first
};

[[nodiscard]] Plan make_plan(std::span<const PlannedSeries> wanted, const Prices& prices,
                             const PlanTerms& terms);

/// The plan as JSON, with the budget (0: none) and where the items come from.
[[nodiscard]] std::string plan_json(const Plan& plan, const std::string& source, double budget_usd,
                                    const std::string& prices_date);

}  // namespace bakusoku::agent
