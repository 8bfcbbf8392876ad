#include "agent/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/json.h"
#include "base/time_text.h"

namespace bakusoku::agent {
namespace {

constexpr double kQueriesPerCall = 500;
constexpr size_t kStatisticsBilledAsOne = 5;
constexpr int64_t kOtherIntervals[] = {60, 300, 900, 3600};
constexpr size_t kMostSavings = 10;

// A series as the agent reads it: asked for by however many items, at the shortest of their intervals, and
// no more often than it has something new.
struct Read {
  const PlannedSeries* of = nullptr;
  int64_t interval = 0;
};

auto identity(const PlannedSeries& series) {
  return std::tie(series.account, series.region, series.namespace_, series.metric, series.dimensions,
                  series.period, series.statistic);
}

std::vector<Read> distinct(std::span<const PlannedSeries> wanted) {
  std::vector<Read> reads;
  reads.reserve(wanted.size());
  for (const PlannedSeries& series : wanted)
    reads.push_back(Read{&series, std::max<int64_t>({series.interval, series.period, 1})});
  std::sort(reads.begin(), reads.end(), [](const Read& a, const Read& b) {
    const auto left = identity(*a.of);
    const auto right = identity(*b.of);
    return left != right ? left < right : a.interval < b.interval;
  });
  const auto same = [](const Read& a, const Read& b) { return identity(*a.of) == identity(*b.of); };
  reads.erase(std::unique(reads.begin(), reads.end(), same), reads.end());
  return reads;
}

// Metrics requested a month, for each metric: statistics that are read together share one as AWS bills. `use`
// gets the first series of each billed metric, how many statistics there are, and the metrics a month.
template <typename Use>
void each_billed(const std::vector<Read>& reads, int64_t at_least, Use use) {
  const auto metric = [](const Read& read) {
    return std::tie(read.of->account, read.of->region, read.of->namespace_, read.of->metric,
                    read.of->dimensions, read.of->period);
  };
  for (size_t from = 0; from < reads.size();) {
    size_t end = from + 1;
    while (end < reads.size() && metric(reads[end]) == metric(reads[from])) ++end;
    std::map<int64_t, size_t> statistics;  // by interval
    for (size_t at = from; at < end; ++at) {
      ++statistics[at_least == 0 ? reads[at].interval : std::max(at_least, reads[at].of->period)];
    }
    for (const auto& [interval, count] : statistics) {
      const size_t billed = (count + kStatisticsBilledAsOne - 1) / kStatisticsBilledAsOne;
      use(*reads[from].of, interval, count,
          static_cast<double>(billed) * kPlannedMonth / static_cast<double>(interval));
    }
    from = end;
  }
}

Charge charge_of(const PlannedSeries& series) {
  return Charge{series.account, series.region, "GetMetricData", series.namespace_};
}

struct Sums {
  std::map<Charge, double> units;

  [[nodiscard]] Charges rounded() const {
    Charges charges;
    for (const auto& [charge, amount] : units)
      charges[charge] = static_cast<uint64_t>(std::llround(std::max(amount, 0.0)));
    return charges;
  }
};

Sums cost_of(const std::vector<Read>& reads, int64_t at_least) {
  Sums sums;
  each_billed(reads, at_least, [&](const PlannedSeries& series, int64_t, size_t, double units) {
    sums.units[charge_of(series)] += units;
  });
  return sums;
}

void add_requests(Sums& sums, const PlanTerms& terms) {
  for (const auto& [action, count] : terms.requests) {
    if (count > 0) sums.units[Charge{{}, {}, action, {}}] = count;
  }
}

// Series of one place that are read at the same interval travel together.
double calls_per_minute(const std::vector<Read>& reads, int64_t at_least) {
  std::map<std::tuple<std::string_view, std::string_view, int64_t>, size_t> together;
  for (const Read& read : reads) {
    const int64_t interval = at_least == 0 ? read.interval : std::max(at_least, read.of->period);
    ++together[{read.of->account, read.of->region, interval}];
  }
  double calls = 0;
  for (const auto& [key, count] : together) {
    calls +=
        std::ceil(static_cast<double>(count) / kQueriesPerCall) * 60 / static_cast<double>(std::get<2>(key));
  }
  return calls;
}

std::vector<Plan::Place> places_of(const std::vector<Read>& reads, const PlanTerms& terms) {
  std::map<std::pair<std::string, std::string>, std::vector<Read>> by_place;
  for (const Read& read : reads) by_place[{read.of->account, read.of->region}].push_back(read);
  std::vector<Plan::Place> places;
  for (const auto& [name, own] : by_place) {
    Plan::Place place{name.first, name.second, own.size(), calls_per_minute(own, 0)};
    for (const Read& read : own) {
      const int64_t periods =
          std::max(terms.look_back, read.interval / std::max<int64_t>(read.of->period, 1));
      place.datapoints_per_second += static_cast<double>(periods) / static_cast<double>(read.interval);
    }
    place.of_calls = place.calls_per_minute / 60 / (terms.calls_per_second * terms.quota_share);
    place.of_datapoints = place.datapoints_per_second / (terms.datapoints_per_second * terms.quota_share);
    places.push_back(std::move(place));
  }
  return places;
}

std::vector<Plan::Saving> savings_of(const std::vector<Read>& reads, const Prices& prices) {
  struct Group {
    size_t series = 0;
    double usd = 0;
  };
  std::map<std::tuple<std::string_view, std::string_view, int64_t>, Group> groups;
  each_billed(reads, 0, [&](const PlannedSeries& series, int64_t interval, size_t count, double units) {
    Group& group = groups[{series.namespace_, series.metric, interval}];
    group.series += count;
    group.usd += units * prices.usd_per_unit("GetMetricData", series.region);
  });
  std::vector<Plan::Saving> savings;
  for (const auto& [key, group] : groups) {
    const auto& [namespace_, metric, interval] = key;
    const int64_t longer = interval < 900 ? 900 : 3600;
    if (interval >= longer) continue;
    savings.push_back(
        {fmt::format("{} {}, {} series every {}", namespace_, metric, group.series, duration_text(interval)),
         fmt::format("every {}", duration_text(longer)),
         group.usd * (1 - static_cast<double>(interval) / static_cast<double>(longer))});
  }
  std::sort(savings.begin(), savings.end(), [](const Plan::Saving& a, const Plan::Saving& b) {
    return a.usd_per_month != b.usd_per_month ? a.usd_per_month > b.usd_per_month : a.what < b.what;
  });
  if (savings.size() > kMostSavings) savings.resize(kMostSavings);
  return savings;
}

std::string money(double usd) { return fmt::format("{:.4f}", usd); }
std::string number(double value) { return fmt::format("{:.4g}", value); }

}  // namespace

Plan make_plan(std::span<const PlannedSeries> wanted, const Prices& prices, const PlanTerms& terms) {
  const std::vector<Read> all = distinct(wanted);
  std::vector<Read> read;
  std::vector<Read> absent;
  for (const Read& one : all) (one.of->exists == Exists::absent ? absent : read).push_back(one);

  Plan plan;
  plan.items = wanted.size();
  plan.series = all.size();
  std::map<Exists, std::set<std::tuple<std::string_view, std::string_view, std::string_view, std::string_view,
                                       std::string_view>>>
      metrics;
  for (const Read& one : all) {
    const PlannedSeries& of = *one.of;
    metrics[of.exists].insert({of.account, of.region, of.namespace_, of.metric, of.dimensions});
  }
  plan.there = metrics[Exists::there].size();
  plan.absent = metrics[Exists::absent].size();
  plan.unknown = metrics[Exists::unknown].size();

  Sums sums = cost_of(read, 0);
  const double of_metrics = prices.usd_of_month(sums.rounded());
  Sums with_absent = sums;
  for (const auto& [charge, units] : cost_of(absent, 0).units) with_absent.units[charge] += units;
  plan.usd_of_absent = prices.usd_of_month(with_absent.rounded()) - of_metrics;
  std::vector<Read> begun;
  std::copy_if(read.begin(), read.end(), std::back_inserter(begun),
               [](const Read& one) { return !one.of->waits; });
  plan.waiting = read.size() - begun.size();
  if (plan.waiting != 0) plan.usd_of_waiting = of_metrics - prices.usd_of_month(cost_of(begun, 0).rounded());
  add_requests(sums, terms);
  const Charges charges = sums.rounded();
  plan.usd_per_month = prices.usd_of_month(charges);
  plan.calls_per_minute = calls_per_minute(read, 0);
  plan.places = places_of(read, terms);

  std::map<std::string, Plan::Row> rows;
  for (const auto& [name, usd] : prices.usd_by_namespace(charges)) rows[name].usd_per_month = usd;
  for (const Read& one : read) ++rows[one.of->namespace_].series;
  for (const Read& one : absent) ++rows[one.of->namespace_].absent;
  for (auto& [name, row] : rows) {
    row.namespace_ = name;
    plan.rows.push_back(std::move(row));
  }
  std::stable_sort(plan.rows.begin(), plan.rows.end(),
                   [](const Plan::Row& a, const Plan::Row& b) { return a.usd_per_month > b.usd_per_month; });

  for (const int64_t interval : kOtherIntervals) {
    Sums at = cost_of(read, interval);
    add_requests(at, terms);
    plan.at_intervals.push_back(
        Plan::AtInterval{interval, calls_per_minute(read, interval), prices.usd_of_month(at.rounded())});
  }
  plan.savings = savings_of(read, prices);
  return plan;
}

std::string plan_json(const Plan& plan, const std::string& source, double budget_usd,
                      const std::string& prices_date) {
  JsonObject json;
  json.add("source", source).add("prices", prices_date);
  json.add("items", uint64_t{plan.items}).add("series", uint64_t{plan.series});
  JsonObject metrics;
  metrics.add("there", uint64_t{plan.there}).add("absent", uint64_t{plan.absent});
  json.add_raw("metrics", metrics.add("unknown", uint64_t{plan.unknown}).finish());
  json.add_raw("calls_per_minute", number(plan.calls_per_minute));
  json.add_raw("usd_per_month", money(plan.usd_per_month));
  json.add_raw("usd_of_absent", money(plan.usd_of_absent));
  if (budget_usd > 0) json.add_raw("budget", money(budget_usd));
  if (plan.waiting != 0) {
    json.add("waiting", uint64_t{plan.waiting}).add_raw("usd_of_waiting", money(plan.usd_of_waiting));
  }
  JsonArray rows;
  for (const Plan::Row& row : plan.rows) {
    JsonObject one;
    one.add("namespace", row.namespace_).add("series", uint64_t{row.series});
    one.add("absent", uint64_t{row.absent});
    rows.add_raw(one.add_raw("usd_per_month", money(row.usd_per_month)).finish());
  }
  json.add_raw("namespaces", rows.finish());
  JsonArray places;
  for (const Plan::Place& place : plan.places) {
    JsonObject one;
    one.add("account", place.account).add("region", place.region).add("series", uint64_t{place.series});
    one.add_raw("calls_per_minute", number(place.calls_per_minute));
    one.add_raw("datapoints_per_second", number(place.datapoints_per_second));
    one.add_raw("of_calls_quota", number(place.of_calls));
    places.add_raw(one.add_raw("of_datapoints_quota", number(place.of_datapoints)).finish());
  }
  json.add_raw("targets", places.finish());
  JsonArray intervals;
  for (const Plan::AtInterval& at : plan.at_intervals) {
    JsonObject one;
    one.add("interval", at.interval).add_raw("calls_per_minute", number(at.calls_per_minute));
    intervals.add_raw(one.add_raw("usd_per_month", money(at.usd_per_month)).finish());
  }
  json.add_raw("intervals", intervals.finish());
  JsonArray savings;
  for (const Plan::Saving& saving : plan.savings) {
    JsonObject one;
    one.add("what", saving.what).add("change", saving.change);
    savings.add_raw(one.add_raw("usd_per_month", money(saving.usd_per_month)).finish());
  }
  return json.add_raw("savings", savings.finish()).finish();
}

}  // namespace bakusoku::agent
