#include "agent/explain.h"

#include <algorithm>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <set>
#include <utility>

#include "agent/existence.h"
#include "agent/items.h"
#include "agent/metric_key.h"
#include "agent/reporting.h"
#include "agent/similar.h"
#include "zabbix/key.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;   // of the spool, at a time: some milliseconds
constexpr size_t kMostBytes = size_t{128} << 20;  // of the spool, in all
constexpr std::chrono::milliseconds kTimeForTheRest{150};
constexpr size_t kMostSimilar = 3;

// The values of trapper items go another way than those of active ones.
struct Way {
  Spool* spool = nullptr;
  const Delivery* delivery = nullptr;
};

Way way_of(const Reporting::Destination& destination, Origin origin) {
  if (origin == Origin::active) return {destination.spool.get(), destination.delivery.get()};
  return {destination.trapper_spool.get(), destination.trapper_delivery.get()};
}

DestinationFacts facts_of(const Reporting::Destination& destination, const std::string& host) {
  DestinationFacts facts;
  facts.name = zabbix::to_string(destination.alternatives.current());
  if (destination.delivery) {
    facts.no_values = destination.delivery->trouble();
    facts.no_values_since = destination.delivery->trouble_since();
  }
  if (!destination.active) return facts;
  facts.no_answer = destination.active->trouble();
  facts.no_answer_since = destination.active->trouble_since();
  const auto seen = destination.active->seen(host);
  if (!seen) return facts;
  facts.has_host = true;
  facts.host_known = seen->known;
  facts.host_refusal = seen->refusal;
  facts.host_asked = seen->asked;
  facts.host_asks = seen->asks;
  return facts;
}

void add_item(DestinationFacts& facts, const Checks::Seen& seen, const Reporting::Destination& destination,
              const std::string& host) {
  const Way way = way_of(destination, facts.origin);
  facts.wanted = true;
  facts.key = seen.key;
  if (seen.sent_key != seen.key) facts.sent_key = seen.sent_key;
  facts.interval = seen.delay;
  facts.has_interval = seen.has_interval;
  facts.due = seen.due;
  facts.asking = seen.asking;
  facts.error = seen.error;
  facts.put_at = seen.put.at;
  facts.put_clock = seen.put.clock;
  if (!seen.fact.empty()) facts.put_text = seen.fact;
  const Series* series = seen.metric.series;
  if (series != nullptr && series->point_clock != 0 && series->point_clock == seen.put.clock)
    facts.put_text = format_value(series->point_value);
  if (seen.put.id != 0) {
    facts.put_pending = seen.put.id > way.spool->acknowledged(kSpoolDestination);
    facts.acknowledged_at = way.delivery->outcomes().acknowledged_at(seen.put.id).value_or(0);
  } else {
    facts.earlier_clock = way.spool->last_clock(host, seen.sent_key).value_or(0);
  }
}

void add_refusal(DestinationFacts& facts, const Reporting::Destination& destination, const std::string& host,
                 std::string_view key) {
  const Refusal* refusal = way_of(destination, facts.origin).delivery->outcomes().refusal(host, key);
  if (refusal != nullptr) facts.refusal = *refusal;
}

std::vector<std::string> similar_hosts(const Active& active, const std::string& host) {
  const std::vector<std::string> names = active.names();
  const std::vector<std::string_view> views(names.begin(), names.end());
  return similar_names(host, views, kMostSimilar);
}

// The spelling of a key that others may have in another one: unquoted where it can be.
std::string plain(std::string_view key) {
  const auto parsed = zabbix::parse_key(key);
  if (!parsed) return std::string(key);
  return zabbix::format_key(parsed->name, parsed->params).value_or(std::string(key));
}

const Checks::Seen* find_item(const std::vector<Checks::Seen>& items, const std::string& key) {
  const auto named = [&](const Checks::Seen& seen) { return seen.key == key || seen.sent_key == key; };
  const auto found = std::find_if(items.begin(), items.end(), named);
  if (found != items.end()) return &*found;
  const std::string meant = plain(key);
  const Checks::Seen* only = nullptr;
  for (const Checks::Seen& seen : items) {
    if (plain(seen.key) != meant) continue;
    if (only != nullptr) return nullptr;  // two that differ in nothing but quotes
    only = &seen;
  }
  return only;
}

}  // namespace

SeriesFacts Explain::facts_of(const Series& series, int64_t now) const {
  const Group& group = *series.group;
  SeriesFacts facts;
  facts.description = series.description();
  facts.namespace_ = *series.name->namespace_;
  facts.metric = *series.name->metric;
  for (const auto& dimension : *series.dimensions)
    facts.dimensions.emplace_back(dimension.name, dimension.value);
  facts.statistic = *series.name->statistic;
  facts.period = group.period;
  facts.region = group.target->region;
  facts.account = group.target->account->name;
  if (series.name->account_id != nullptr && !series.name->account_id->empty()) {
    facts.account += (facts.account.empty() ? "" : "/") + *series.name->account_id;
  }
  facts.delay = parts_.collect.delay(series);
  facts.readings = series.readings;
  facts.last_read = series.last_read;
  if (series.read_until != 0) {
    facts.window_end = series.read_until;
    facts.window_start = series.read_until - parts_.collect.look_back() * group.period;
  }
  facts.point_clock = series.point_clock;
  if (series.point_clock != 0) facts.point_value = format_value(series.point_value);
  facts.reading = series.reading != nullptr;
  if (facts.reading) facts.waiting_calls = parts_.collect.calls_waiting_for_quota(*group.target);
  const Collect::Postponed postponed = parts_.collect.postponed(series);
  facts.postponed_since = postponed.since;
  facts.postponed_by = postponed.by;
  facts.most_calls =
      postponed.by == Limit::all_calls ? kAllCallsInFlight : parts_.collect.most_calls_in_flight();
  facts.priority = to_string(static_cast<Priority>(series.priority));
  facts.last_asked = series.last_asked;
  facts.ask_gap = static_cast<int64_t>(series.ask_gap);
  facts.fed = series.fed != 0;
  const int64_t behind = Collect::behind(series);
  if (behind != 0 &&
      behind < newest_final(now, group.period, facts.delay) - parts_.collect.look_back() * group.period)
    facts.behind_from = behind;
  if (parts_.existence.of(series) == Exists::absent) {
    facts.absent = true;
    facts.looks_again = parts_.existence.looks_again(series);
  }
  if (const double stretch = parts_.collect.stretch(series); stretch > 1) {
    const Bill::Seen bill = parts_.bill.seen();
    facts.own_interval = std::max<int64_t>(facts.ask_gap, group.period);
    facts.stretched_interval = static_cast<int64_t>(stretch * static_cast<double>(facts.own_interval) + 0.5);
    facts.forecast_usd = bill.unstretched_usd;
    facts.budget_usd = bill.budget_usd;
  }
  if (series.failure()) {
    facts.failure = series.failure()->message;
    facts.waits_for_budget = series.failure()->code == kWaitsForBudget;
    facts.retry = parts_.collect.held_until(series);
  }
  return facts;
}

asio::awaitable<std::string> Explain::item(std::string host, std::string key, Deadline deadline) const {
  ItemFacts facts;
  facts.now = unix_seconds(parts_.clock());
  facts.host = host;
  facts.key = key;
  const auto parsed = zabbix::parse_key(key);
  std::optional<Result<MetricKey>> meant;
  if (!parsed) {
    facts.key_error = fmt::format("This is no item key as Zabbix writes them: {}.", parsed.error().message);
  } else {
    meant = series_meant(parsed->name, parsed->params);
    facts.is_metric = meant.has_value();
    const auto rows = Items::table();
    if (std::none_of(rows.begin(), rows.end(),
                     [&](const Items::Row& row) { return row.name == parsed->name; })) {
      facts.key_error =
          fmt::format("{} is no item of this agent's own, so it collects nothing for it.", parsed->name);
    }
  }
  const Series* series = parts_.demand.find(key).series;
  if (series == nullptr && facts.is_metric) {
    if (*meant) {
      series = parts_.demand.find(**meant);
    } else {
      facts.key_error = meant->error().message;
    }
  }
  int64_t due = 0;
  bool zero = false;
  std::vector<std::pair<std::shared_ptr<const Reporting::Destination>, std::string>>
      looked_for;  // and the key there
  if (reporting_ != nullptr) {
    for (const auto& destination : reporting_->destinations()) {
      DestinationFacts& of = facts.destinations.emplace_back(agent::facts_of(*destination, host));
      std::string sent_key = key;
      const std::vector<Checks::Seen> items = reporting_->checks().seen(destination->items(), host);
      of.items = items.size();
      const Checks::Seen* seen = find_item(items, key);
      // [[send]]'s items count as those of further destinations.
      std::vector<Checks::Seen> sends;
      if (seen == nullptr && destination->trapper_spool) {
        sends = reporting_->checks().seen(destination->sends(), host);
        seen = find_item(sends, key);
        const bool refused = destination->trapper_delivery->outcomes().refusal(host, key) != nullptr;
        of.origin = seen != nullptr ? Origin::send : refused ? Origin::intake : Origin::active;
        if (of.origin != Origin::active) of.no_values = destination->trapper_delivery->trouble();
      }
      if (seen != nullptr) {
        add_item(of, *seen, *destination, host);
        of.unstored = reporting_->checks().trouble();
        sent_key = seen->sent_key;
        if (seen->metric.series != nullptr) {
          series = seen->metric.series;
          zero = seen->metric.missing_is_zero;
        }
        due = due == 0 ? seen->due : std::min(due, seen->due);
      } else {
        std::vector<std::string_view> keys;
        for (const Checks::Seen& other : items) keys.push_back(other.key);
        of.similar = similar_names(key, keys, kMostSimilar);
      }
      add_refusal(of, *destination, host, sent_key);
      if (destination->active) {
        facts.hosts = std::max(facts.hosts, static_cast<int64_t>(destination->active->hosts()));
        if (!of.has_host) facts.similar_hosts = similar_hosts(*destination->active, host);
      }
      looked_for.emplace_back(destination, std::move(sent_key));
    }
  }
  if (series != nullptr) {
    facts.series = facts_of(*series, facts.now);
    facts.series->missing_is_zero = zero;
    const int64_t next_final = facts.series->window_end + facts.series->period + facts.series->delay;
    if (due != 0 && series->fed != 0) {
      const int64_t next = parts_.collect.next_reading(*series);
      facts.series->next_reading = next != 0 ? next : std::max(next_final, due);
      if (facts.series->window_end == 0) facts.series->next_reading = due;
      // A reading that failed is tried again by the item's next check.
      if (facts.series->retry != 0) facts.series->retry = std::max(facts.series->retry, due);
    }
  }
  // From here on others run in between: nothing of the stages is held but the destinations.
  for (size_t at = 0; at < looked_for.size(); ++at) {
    const auto& [destination, sent_key] = looked_for[at];
    DestinationFacts& of = facts.destinations[at];
    // What nobody has asked the agent for may come from another program.
    const bool maybe_intake = of.origin == Origin::active && !of.wanted && destination->trapper_spool;
    Spool* const spool = way_of(*destination, maybe_intake ? Origin::intake : of.origin).spool;
    SpoolTrace trace;
    for (size_t looked = 0; !trace.complete && looked < kMostBytes; looked += kPieceBytes) {
      if (std::chrono::steady_clock::now() + kTimeForTheRest > deadline) break;
      if (!spool->look_for(kSpoolDestination, host, sent_key, kPieceBytes, trace)) break;
      co_await asio::post(parts_.io, asio::use_awaitable);
    }
    if (maybe_intake && trace.newest_id != 0) {
      of.origin = Origin::intake;
      of.no_values = destination->trapper_delivery->trouble();
    }
    if (!of.put_text && trace.newest_id != 0 && trace.newest_clock == of.put_clock && trace.newest_supported)
      of.put_text = trace.newest_text;
    if (trace.complete && trace.pending == 0 && of.put_pending && trace.newest_id == 0) {
      of.put_pending = false;
      of.given_up = true;
    }
    of.trace = std::move(trace);
  }
  co_return explanation_json(facts);
}

std::string Explain::host(const std::string& host) const {
  HostFacts facts;
  facts.now = unix_seconds(parts_.clock());
  facts.host = host;
  if (reporting_ == nullptr) return explanation_json(facts);
  for (const auto& destination : reporting_->destinations()) {
    HostFacts::Destination& of = facts.destinations.emplace_back();
    of.facts = agent::facts_of(*destination, host);
    for (const Checks::Seen& seen : reporting_->checks().seen(destination->items(), host)) {
      DestinationFacts item = of.facts;
      add_item(item, seen, *destination, host);
      item.unstored = reporting_->checks().trouble();
      add_refusal(item, *destination, host, seen.sent_key);
      std::optional<SeriesFacts> series;
      if (seen.metric.series != nullptr) {
        series = SeriesFacts();
        series->window_end = seen.metric.series->read_until;
        series->point_clock = seen.metric.series->point_clock;
        series->reading = seen.metric.series->reading != nullptr;
        series->missing_is_zero = seen.metric.missing_is_zero;
        if (seen.metric.series->failure()) series->failure = seen.metric.series->failure()->message;
      }
      ItemRow& row = of.rows.emplace_back();
      row.key = item.key;
      row.interval = item.interval;
      row.state = state_of(item, series);
      row.clock = item.put_clock != 0 ? item.put_clock : item.earlier_clock;
      row.value = std::move(item.put_text);
      row.due = item.due;
      row.error = !item.error.empty() ? item.error : series ? series->failure : std::string();
    }
    if (destination->active) {
      facts.hosts = std::max(facts.hosts, static_cast<int64_t>(destination->active->hosts()));
      if (!of.facts.has_host) facts.similar_hosts = similar_hosts(*destination->active, host);
    }
  }
  return explanation_json(facts);
}

}  // namespace bakusoku::agent
