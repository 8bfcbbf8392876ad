#include "agent/explain.h"

#include <algorithm>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <set>
#include <utility>

#include "agent/discovery.h"
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
  if (!seen->from.host.empty()) facts.told_by = zabbix::to_string(seen->from);
  return facts;
}

void add_item(DestinationFacts& facts, const Checks::Seen& seen, const Reporting::Destination& destination,
              const std::string& host) {
  const Way way = way_of(destination, facts.origin);
  facts.wanted = true;
  facts.itemid = seen.itemid;
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
    facts.earlier_clock = way.spool->last_clock(host, seen.sent_key, seen.itemid).value_or(0);
  }
}

void add_refusal(DestinationFacts& facts, const Reporting::Destination& destination, const std::string& host,
                 std::string_view key) {
  const Refusal* refusal =
      way_of(destination, facts.origin).delivery->outcomes().refusal({host, key, facts.itemid});
  if (refusal != nullptr) facts.refusal = *refusal;
}

std::vector<std::string> similar_hosts(const Active& active, const std::string& host) {
  const std::vector<std::string> names = active.names();
  const std::vector<std::string_view> views(names.begin(), names.end());
  return similar_names(host, views, kMostSimilar);
}

// Each destination that does not know the host learns of one that does.
template <typename Destinations, typename FactsOf>
void tell_of_others(Destinations& destinations, const FactsOf& facts_of) {
  for (auto& one : destinations) {
    for (auto& other : destinations) {
      if (!facts_of(one).host_known && facts_of(other).host_known)
        facts_of(one).known_to = facts_of(other).name;
    }
  }
}

// 0: it is none.
uint64_t id_of(std::string_view text) {
  uint64_t id = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? id : 0;
}

// The spelling of a key that others may have in another one: unquoted where it can be.
std::string plain(std::string_view key) {
  const auto parsed = zabbix::parse_key(key);
  if (!parsed) return std::string(key);
  return zabbix::format_key(parsed->name, parsed->params).value_or(std::string(key));
}

// What the empty region and account of a key stand for.
std::string place_text(std::string_view key, const std::string& host, const Hosts& hosts) {
  if (!leaves_place_open(key)) return {};
  const auto home = hosts.home_of(host);
  // Of several places the key itself may choose.
  const auto of_host = key_of_host(key, host, hosts);
  if (!of_host) return {};
  if (*of_host == key && (!home || *home == nullptr)) {
    return "The key leaves region or account empty, and discovery found no host of this name: the default "
           "ones are "
           "meant.";
  }
  return fmt::format(
      "The key leaves region or account empty, which are those of the resource that the host is named by: it "
      "is asked "
      "as {}.",
      *of_host);
}

// Of the newest lists that a discovery's key means.
std::vector<std::string> odd_macros_of(std::string_view key, const Inventories& inventories) {
  const auto parsed = zabbix::parse_key(key);
  if (!parsed || parsed->name != "aws.discovery" || parsed->params.empty()) return {};
  const Service* const service = find_service(parsed->params[0]);
  if (service == nullptr) return {};
  const auto parameter = [&](size_t at) {
    return at < parsed->params.size() ? std::string_view(parsed->params[at]) : std::string_view();
  };
  std::set<std::string> sentences;
  inventories.each(*service, [&](const Target& target, const Inventory& inventory) {
    const std::string_view region = parameter(1).empty() ? target.account->default_region : parameter(1);
    const bool is_meant = (region == "*" || region == target.region) &&
                          (parameter(2) == "*" || parameter(2) == target.account->name ||
                           (!parameter(2).empty() && parameter(2) == target.account->also_named));
    if (!is_meant || !inventory.newest()) return;
    for (const OddMacro& odd : odd_macros(*service, *inventory.newest()))
      sentences.insert(sentence(*service, odd));
  });
  return {sentences.begin(), sentences.end()};
}

// By its key, or by its id, since two items may have one key.
const Checks::Seen* find_item(const std::vector<Checks::Seen>& items, const std::string& key) {
  const auto named = [&](const Checks::Seen& seen) {
    return seen.key == key || seen.sent_key == key ||
           (seen.itemid != 0 && std::to_string(seen.itemid) == key);
  };
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
  facts.remark = series.remark();
  facts.zero = series.zero != 0;
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
    facts.absent_since = series.absent_since;
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

// What an id stands for; else the key as it is.
std::string Explain::key_of(const std::string& host, const std::string& key) const {
  if (reporting_ == nullptr || key.empty() || key.find_first_not_of("0123456789") != std::string::npos)
    return key;
  for (const auto& destination : reporting_->destinations()) {
    const std::vector<Checks::Seen> items = reporting_->checks().seen(destination->items(), host);
    if (const Checks::Seen* const seen = find_item(items, key)) return std::string(seen->key);
  }
  return key;
}

asio::awaitable<std::string> Explain::item(std::string host, std::string named, Deadline deadline) const {
  const std::string key = key_of(host, named);
  ItemFacts facts;
  facts.now = unix_seconds(parts_.clock());
  facts.host = host;
  facts.key = key;
  static const Hosts kNone;
  const Hosts& found_hosts = reporting_ == nullptr ? kNone : reporting_->found_hosts();
  const auto of_host = key_of_host(key, host, found_hosts);
  const auto parsed = zabbix::parse_key(of_host.value_or(key));
  std::optional<Result<MetricKey>> meant;
  if (!of_host) facts.key_error = of_host.error().message;
  if (!parsed) {
    facts.key_error = fmt::format("This is no item key as Zabbix writes them: {}.", parsed.error().message);
  } else {
    meant = series_meant(parsed->name, parsed->params);
    facts.is_metric = meant.has_value();
    const auto rows = Items::table();
    if (std::none_of(rows.begin(), rows.end(),
                     [&](const Items::Row& row) { return row.name == parsed->name; })) {
      facts.key_error =
          id_of(named) != 0 && key == named
              ? fmt::format(
                    "Zabbix wants no item with the id {} of this host now: it was disabled, deleted or "
                    "moved to another host.",
                    named)
              : fmt::format("{} is no item of this agent's own, so it collects nothing for it.",
                            parsed->name);
    }
  }
  const Series* series = of_host ? parts_.demand.find(*of_host).series : nullptr;
  if (series == nullptr && facts.is_metric && of_host) {
    if (*meant) {
      series = parts_.demand.find(**meant);
    } else {
      facts.key_error = meant->error().message;
    }
  }
  int64_t due = 0;
  bool zero = false;
  std::string evaluated = key;
  std::vector<std::pair<std::shared_ptr<const Reporting::Destination>, std::string>>
      looked_for;  // and the key there
  if (reporting_ != nullptr) {
    for (const auto& destination : reporting_->destinations()) {
      DestinationFacts& of = facts.destinations.emplace_back(agent::facts_of(*destination, host));
      std::string sent_key = key;
      const std::vector<Checks::Seen> items = reporting_->checks().seen(destination->items(), host);
      of.items = items.size();
      const Checks::Seen* seen = find_item(items, named);
      if (seen == nullptr) seen = find_item(items, key);
      // [[send]]'s items count as those of further destinations.
      std::vector<Checks::Seen> sends;
      if (seen == nullptr && destination->trapper_spool) {
        sends = reporting_->checks().seen(destination->sends(), host);
        seen = find_item(sends, key);
        const bool refused = destination->trapper_delivery->outcomes().refusal({host, key}) != nullptr;
        of.origin = seen != nullptr ? Origin::send : refused ? Origin::intake : Origin::active;
        if (of.origin != Origin::active) of.no_values = destination->trapper_delivery->trouble();
      }
      if (seen != nullptr) {
        add_item(of, *seen, *destination, host);
        for (const Checks::Seen& other : of.origin == Origin::active ? items : sends) {
          if (other.key == seen->key && &other != seen) of.same_key.push_back(other.itemid);
        }
        of.unstored = reporting_->checks().trouble();
        sent_key = seen->sent_key;
        evaluated = seen->key;
        if (seen->metric.series != nullptr) {
          series = seen->metric.series;
          zero = seen->metric.missing_is_zero;
        }
        due = due == 0 ? seen->due : std::min(due, seen->due);
      } else {
        std::vector<std::string_view> keys;
        for (const Checks::Seen& other : items) keys.push_back(other.key);
        of.similar = similar_names(key, keys, kMostSimilar);
        of.itemid = id_of(named);
      }
      add_refusal(of, *destination, host, sent_key);
      if (destination->active) {
        facts.hosts = std::max(facts.hosts, static_cast<int64_t>(destination->active->hosts()));
        if (!of.has_host) facts.similar_hosts = similar_hosts(*destination->active, host);
      }
      looked_for.emplace_back(destination, std::move(sent_key));
    }
  }
  tell_of_others(facts.destinations, [](DestinationFacts& of) -> DestinationFacts& { return of; });
  if (reporting_ != nullptr) {
    facts.place = place_text(evaluated, host, found_hosts);
    facts.odd_macros = odd_macros_of(key_of_host(evaluated, host, found_hosts).value_or(evaluated),
                                     reporting_->inventories());
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
      if (!spool->look_for(kSpoolDestination, {host, sent_key, of.itemid}, kPieceBytes, trace)) break;
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
  tell_of_others(facts.destinations,
                 [](HostFacts::Destination& of) -> DestinationFacts& { return of.facts; });
  return explanation_json(facts);
}

}  // namespace bakusoku::agent
