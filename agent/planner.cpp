#include "agent/planner.h"

#include <algorithm>
#include <optional>
#include <span>

#include "agent/items.h"
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
constexpr const char* kEvery = "*";

// A list that an item is answered from, and that AWS bills.
struct List {
  const Service* service;
  std::string region;
  std::string account;
};

std::optional<List> list_behind(std::string_view name, std::span<const std::string> parameters) {
  const bool discovery = name == "aws.discovery";
  if ((!discovery && name != "aws.resource") || parameters.empty()) return std::nullopt;
  const Service* const service = find_service(parameters[0]);
  if (service == nullptr || service->billed.empty()) return std::nullopt;
  const size_t region = discovery ? 1 : 3;
  const auto parameter = [&](size_t at) { return at < parameters.size() ? parameters[at] : std::string(); };
  return List{service, parameter(region), parameter(region + 1)};
}

}  // namespace

double readings_per_second(std::chrono::seconds interval, double asked_per_second) {
  return std::min(1 / static_cast<double>(interval.count()), kIdleIntervals * asked_per_second);
}

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
  if (const auto list = list_behind(parsed->name, parsed->params)) {
    const auto seconds = mean_interval(interval);
    if (!seconds) {
      problems_.insert(fmt::format("{}: {}", key, seconds.error().message));
    } else {
      add_list(*list->service, list->region, list->account, *seconds);
    }
    return;
  }
  const auto meant = series_meant(parsed->name, parsed->params);
  if (!meant) {
    ++others_;
    return;
  }
  if (!*meant) {
    problems_.insert(fmt::format("{}: {}", key, meant->error().message));
    return;
  }
  const MetricKey& meaning = **meant;
  const auto linked =
      targets_.may_be_account(meaning.account) ? std::nullopt : parse_linked_account(meaning.account);
  const auto target =
      targets_.find(meaning.region, linked ? linked->account : std::string_view(meaning.account));
  if (!target) {
    problems_.insert(target.error().message);
    return;
  }
  const auto seconds = mean_interval(interval);
  if (!seconds) {
    problems_.insert(fmt::format("{}: {}", key, seconds.error().message));
    return;
  }
  PlannedSeries row;
  row.account = (*target)->account->name;
  row.region = (*target)->region;
  row.period = meaning.period_seconds;
  row.interval = *seconds;
  row.zero = meaning.missing_is_zero;
  const std::string_view owner = linked ? linked->linked : std::string_view();
  if (meaning.inputs.empty()) {
    add(row, owner, meaning.namespace_, meaning.metric, meaning.dimensions, meaning.statistic);
  }
  for (const auto& input : meaning.inputs)
    add(row, owner, input.namespace_, input.metric, input.dimensions, input.statistic);
}

void PlannedItems::add_list(const Service& service, const std::string& region, const std::string& account,
                            int64_t interval) {
  const auto add = [&](const Target* target) {
    lists_[{&service, target}] += 1 / static_cast<double>(std::max<int64_t>(interval, 1));
  };
  if (region == kEvery) {
    for (const Target* const target : targets_.known()) {
      if (account == kEvery || target->account->name == account) add(target);
    }
    return;
  }
  std::vector<std::string> accounts{account};
  if (account == kEvery) {
    accounts.clear();
    for (const auto& one : targets_.accounts()) {
      if (one->asleep.empty()) accounts.push_back(one->name);
    }
  }
  for (const std::string& one : accounts) {
    if (const auto target = targets_.find(region, one)) {
      add(*target);
    } else {
      problems_.insert(target.error().message);
    }
  }
}

void PlannedItems::add(PlannedSeries row, std::string_view owner, const std::string& name_space,
                       const std::string& metric, const Dimensions& dimensions,
                       const std::string& statistic) {
  row.namespace_ = name_space;
  row.metric = metric;
  row.dimensions = dimensions_of_plan(dimensions);
  if (!owner.empty()) row.account += fmt::format("/{}", owner);
  row.statistic = statistic;
  series_.push_back(std::move(row));
}

void PlannedItems::add(const Series& series, int64_t interval, Exists exists, bool waits) {
  const MetricName& name = *series.name;
  PlannedSeries row;
  row.account = series.group->target->account->name;
  row.region = series.group->target->region;
  row.period = series.group->period;
  row.interval = interval;
  row.exists = exists;
  row.waits = waits;
  row.zero = series.zero != 0;
  const std::string_view owner = name.account_id == nullptr ? "" : std::string_view(*name.account_id);
  if (name.inputs == nullptr) {
    add(std::move(row), owner, *name.namespace_, *name.metric, *series.dimensions, *name.statistic);
    return;
  }
  for (const auto& input : *name.inputs)
    add(row, owner, input.namespace_, input.metric, input.dimensions, input.statistic);
}

std::string Planner::json() const {
  PlannedItems items(parts_.targets);
  // Every item at its interval; those of a series that is read already, as it is known.
  if (reporting_ != nullptr) {
    reporting_->checks().each_item([&](const Series* series, std::string_view key, const std::string& delay,
                                       const std::string& host) {
      const auto interval = series == nullptr ? Result<int64_t>(0) : mean_interval(delay);
      if (series == nullptr || !interval) {
        items.add(key_of_host(key, host, reporting_->found_hosts()).value_or(std::string(key)), delay);
      } else {
        items.add(*series, *interval, exists ? exists(*series) : Exists::unknown, waits && waits(*series));
      }
    });
  }
  for (const auto& group : parts_.demand.groups()) {
    for (const Series* series : group->members) {
      if (series->fed != 0) continue;
      const auto gap = static_cast<int64_t>(series->ask_gap);
      items.add(*series, gap == 0 ? group->period : gap, exists ? exists(*series) : Exists::unknown,
                waits && waits(*series));
    }
  }
  PlanTerms terms;
  if (const auto calls = aws::call_quota("cloudwatch", "GetMetricData"))
    terms.calls_per_second = calls->per_second;
  terms.datapoints_per_second = aws::datapoint_quota(true).per_second;
  terms.quota_share = parts_.config.aws.quota_share;
  terms.look_back = parts_.config.metrics.look_back;
  return plan_json(make_plan(items.series(), parts_.prices, terms), "what the agent is asked for now",
                   parts_.config.budget.usd_per_month, parts_.prices.date());
}

}  // namespace bakusoku::agent
