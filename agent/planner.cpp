#include "agent/planner.h"

#include <algorithm>

#include "agent/metric_key.h"
#include "agent/reporting.h"
#include "aws/call_rate.h"
#include "zabbix/interval.h"
#include "zabbix/key.h"

namespace bakusoku::agent {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kMonday = 4 * kDay;  // 1970-01-05
constexpr int kMostChecks = 100'000;

}  // namespace

std::string dimensions_of_plan(const Dimensions& dimensions) {
  std::vector<std::string> texts;
  for (const auto& dimension : dimensions)
    texts.push_back(fmt::format("{}={}", dimension.name, dimension.value));
  std::sort(texts.begin(), texts.end());
  std::string text;
  for (const std::string& one : texts) {
    if (!text.empty()) text += ';';
    text += one;
  }
  return text;
}

Result<int64_t> mean_interval(std::string_view text) {
  const auto interval = zabbix::Interval::parse(text);
  if (!interval) return fail(interval.error());
  if (interval->simple_seconds() > 0) return interval->simple_seconds();
  // Over a week, whose hours and days it may speak of.
  constexpr int64_t kWeek = 7 * kDay;
  int64_t checks = 0;
  int64_t now = kMonday;
  while (checks < kMostChecks) {
    const auto next = interval->next_check(now, 0);
    if (!next || *next <= now || *next > kMonday + kWeek) break;
    now = *next;
    ++checks;
  }
  return checks == 0 ? kWeek : std::max<int64_t>((checks < kMostChecks ? kWeek : now - kMonday) / checks, 1);
}

void PlannedItems::add(std::string_view key, std::string_view interval) {
  const auto parsed = zabbix::parse_key(key);
  if (!parsed) {
    problems_.insert(fmt::format("{}: {}", key, parsed.error().message));
    return;
  }
  if (parsed->name != "aws.metric") {
    ++others_;
    return;
  }
  const auto meaning = parse_metric_key(parsed->params);
  if (!meaning) {
    problems_.insert(fmt::format("{}: {}", key, meaning.error().message));
    return;
  }
  const auto target = targets_.find(meaning->region, meaning->account);
  if (!target) {
    problems_.insert(target.error().message);
    return;
  }
  const auto seconds = mean_interval(interval);
  if (!seconds) {
    problems_.insert(fmt::format("{}: {}", key, seconds.error().message));
    return;
  }
  PlannedSeries& row = series_.emplace_back();
  row.account = (*target)->account->name;
  row.region = (*target)->region;
  row.namespace_ = meaning->namespace_;
  row.metric = meaning->metric;
  row.dimensions = dimensions_of_plan(meaning->dimensions);
  row.statistic = meaning->statistic;
  row.period = meaning->period_seconds;
  row.interval = *seconds;
}

void PlannedItems::add(const Series& series, int64_t interval, PlannedSeries::Exists exists) {
  PlannedSeries& row = series_.emplace_back();
  row.account = series.group->target->account->name;
  row.region = series.group->target->region;
  row.namespace_ = *series.name->namespace_;
  row.metric = *series.name->metric;
  row.dimensions = dimensions_of_plan(*series.dimensions);
  row.statistic = *series.name->statistic;
  row.period = series.group->period;
  row.interval = interval;
  row.exists = exists;
}

std::string Planner::json() const {
  PlannedItems items(parts_.targets);
  // Every item at its interval; those of a series that is read already, as it is known.
  if (reporting_ != nullptr) {
    reporting_->checks().each_item([&](const std::string&, const std::string& key, const std::string& delay) {
      const Series* const series = parts_.demand.find(key).series;
      const auto interval = series == nullptr ? Result<int64_t>(0) : mean_interval(delay);
      if (series == nullptr || !interval) {
        items.add(key, delay);
      } else {
        items.add(*series, *interval, exists ? exists(*series) : PlannedSeries::Exists::unknown);
      }
    });
  }
  for (const auto& group : parts_.demand.groups()) {
    for (const Series* series : group->members) {
      if (series->fed != 0) continue;
      const auto gap = static_cast<int64_t>(series->ask_gap);
      items.add(*series, gap == 0 ? group->period : gap,
                exists ? exists(*series) : PlannedSeries::Exists::unknown);
    }
  }
  PlanTerms terms;
  if (const auto calls = aws::call_quota("cloudwatch", "GetMetricData"))
    terms.calls_per_second = calls->per_second;
  terms.datapoints_per_second = aws::datapoint_quota(true).per_second;
  terms.quota_share = parts_.config.aws.quota_share;
  terms.look_back = kLookBackPeriods;
  return plan_json(make_plan(items.series(), parts_.prices, terms), "what the agent is asked for now",
                   parts_.config.budget.usd_per_month, parts_.prices.date());
}

}  // namespace bakusoku::agent
