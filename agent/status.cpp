#include "agent/status.h"

#include <unistd.h>

#include <algorithm>
#include <initializer_list>

#include "agent/preflight.h"
#include "agent/reporting.h"
#include "base/json.h"
#include "base/log.h"
#include "base/version.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kMostNamed = 20;  // of the hosts and items that Zabbix does not take

std::string usd_text(double usd) { return fmt::format("{:.5f}", usd); }

std::string number(double value) { return fmt::format("{:.3g}", value); }

std::string problems_json() {
  JsonArray array;
  for (const Problem& problem : recent_problems()) {
    JsonObject json;
    json.add("first", unix_seconds(problem.first)).add("last", unix_seconds(problem.last));
    json.add("times", problem.times).add("level", problem.is_error ? "error" : "warning");
    array.add_raw(json.add("text", problem.text).finish());
  }
  return array.finish();
}

// What Zabbix does not know or take, as far as it can be read at a glance.
void add_strangers(JsonObject& json, const Active& active) {
  JsonArray hosts;
  for (const Active::Stranger& host : active.strangers(kMostNamed)) {
    JsonObject one;
    hosts.add_raw(one.add("host", host.name).add("says", host.refusal).finish());
  }
  json.add_raw("unknown", hosts.finish());
}

void add_refused(JsonObject& json, std::initializer_list<const Delivery*> deliveries) {
  JsonArray items;
  size_t count = 0;
  for (const Delivery* const delivery : deliveries) {
    if (delivery == nullptr) continue;
    const Outcomes& outcomes = delivery->outcomes();
    count += outcomes.refused_now();
    for (const Outcomes::Refused& refused : outcomes.latest_refused(kMostNamed)) {
      JsonObject one;
      one.add("host", refused.item.host).add("key", refused.item.key);
      if (refused.item.itemid != 0) one.add("itemid", refused.item.itemid);
      one.add("times", refused.refusal->times).add("since", refused.refusal->since);
      items.add_raw(one.add("last", refused.refusal->last).finish());
    }
  }
  json.add("items_refused", uint64_t{count}).add_raw("refused_items", items.finish());
}

}  // namespace

Status::Status(Parts parts) : parts_(std::move(parts)) {}

uint64_t Status::put() const {
  return reporting_ == nullptr ? 0 : reporting_->checks().values() + parts_.stats.intake_processed;
}

uint64_t Status::delivered() const {
  uint64_t values = 0;
  if (reporting_ == nullptr) return values;
  for (const auto& destination : reporting_->destinations()) {
    values += destination->delivery->counters().delivered;
    if (destination->trapper_delivery) values += destination->trapper_delivery->counters().delivered;
  }
  return values;
}

void Status::tick() {
  put_.sample(static_cast<double>(put()));
  delivered_.sample(static_cast<double>(delivered()));
  calls_.sample(static_cast<double>(parts_.targets.calls().attempts));
  cpu_.sample(cpu_seconds());
  datapoints_.sample(static_cast<double>(parts_.collect.counters().datapoints));
  quotas_.tick(parts_.targets);
}

std::string Status::json() const {
  const int64_t now = unix_seconds(parts_.clock());
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                                       parts_.stats.started);
  JsonObject json;
  json.add("version", kVersion).add("now", now).add("uptime", uptime.count());
  json.add("memory", static_cast<uint64_t>(resident_bytes()));
  json.add_raw("cpu_percent", number(cpu_.per_second() * 100));
  json.add_raw("holds", holds_json());
  if (reporting_ != nullptr) {
    const Checks& checks = reporting_->checks();
    const Checks::Pace pace = checks.pace();
    json.add_raw("destinations", destinations_json(now));
    JsonObject items;
    items.add("wanted", uint64_t{checks.count()}).add("metrics", uint64_t{pace.metrics});
    items.add("due", uint64_t{pace.due}).add("reading", uint64_t{pace.reading});
    json.add_raw("items", items.add("asking", uint64_t{pace.asking}).finish());
    JsonObject values;
    values.add("put", put()).add("delivered", delivered());
    values.add_raw("put_per_second", number(put_.per_second()));
    values.add_raw("delivered_per_second", number(delivered_.per_second()));
    values.add("not_stored", uint64_t{pace.waiting});
    if (!checks.trouble().empty()) values.add("trouble", checks.trouble());
    json.add_raw("values", values.finish());
  }
  json.add_raw("aws", aws_json());
  json.add_raw("left_out", left_out_json());
  json.add_raw("delays", delays_json());
  json.add_raw("bill", bill_json());
  json.add_raw("quotas", quotas_json());
  return json.add_raw("problems", problems_json()).finish();
}

// What another agent cannot have meanwhile.
std::string Status::holds_json() const {
  const Config& config = parts_.config;
  JsonObject json;
  json.add("pid", int64_t{::getpid()}).add("configuration", configuration_path(config));
  json.add("listen", config.agent.listen).add("intake", config.intake.listen);
  return json.add("state_dir", whole_path(config.zabbix.state_dir)).finish();
}

std::string Status::destinations_json(int64_t now) const {
  JsonArray array;
  for (const auto& destination : reporting_->destinations()) {
    JsonObject json;
    json.add("name", zabbix::to_string(destination->alternatives.current()));
    JsonArray others;
    for (const zabbix::Endpoint& endpoint : destination->alternatives.endpoints()) {
      if (!(endpoint == destination->alternatives.current()))
        others.add_raw(json_string(zabbix::to_string(endpoint)));
    }
    json.add_raw("alternatives", others.finish());
    const Delivery& delivery = *destination->delivery;
    const Active* active = destination->active.get();
    // Values come first; without any under way, what asking for items meets is all that is known.
    const bool asking = delivery.trouble().empty() && active != nullptr;
    const std::string& trouble = asking ? active->trouble() : delivery.trouble();
    if (!trouble.empty()) {
      json.add("trouble", trouble);
      json.add("trouble_since", asking ? active->trouble_since() : delivery.trouble_since());
    }
    if (active != nullptr) {
      json.add("hosts", uint64_t{active->hosts()}).add("hosts_known", uint64_t{active->known_hosts()});
      json.add("hosts_unknown", uint64_t{active->unknown_hosts()});
      add_strangers(json, *active);
    }
    add_refused(json, {&delivery, destination->trapper_delivery.get()});
    uint64_t values = 0;
    uint64_t waiting = 0;
    uint64_t bytes = 0;
    int64_t oldest = 0;
    uint64_t stored = 0;
    uint64_t given_up = 0;
    for (const Spool* const spool : {destination->spool.get(), destination->trapper_spool.get()}) {
      if (spool == nullptr) continue;
      const SpoolStats stats = spool->stats();
      stored += stats.bytes;
      for (const SpoolStats::Destination& one : stats.destinations) {
        values += one.values;
        waiting += one.waiting;
        bytes += one.bytes;
        if (one.values > 0 && one.oldest_put != 0 && (oldest == 0 || one.oldest_put < oldest))
          oldest = one.oldest_put;
      }
      for (const auto& by_reason : stats.dropped) {
        for (const uint64_t count : by_reason) given_up += count;
      }
    }
    DeliveryCounters counters = delivery.counters();
    if (destination->trapper_delivery) {
      const DeliveryCounters& more = destination->trapper_delivery->counters();
      counters.delivered += more.delivered;
      counters.resent += more.resent;
      counters.refused += more.refused;
      counters.failures += more.failures;
    }
    json.add("pending", values).add("pending_bytes", values == 0 ? uint64_t{0} : bytes);
    json.add("pending_age", oldest == 0 ? int64_t{0} : std::max<int64_t>(now - oldest, 0));
    json.add("stored_bytes", stored).add("refused_waiting", waiting).add("given_up", given_up);
    json.add("delivered", counters.delivered).add("resent", counters.resent).add("refused", counters.refused);
    array.add_raw(json.add("failures", counters.failures).finish());
  }
  return array.finish();
}

std::string Status::aws_json() const {
  const aws::ClientCounters calls = parts_.targets.calls();
  const CollectCounters& metrics = parts_.collect.counters();
  JsonObject json;
  json.add_raw("requests_per_second", number(calls_.per_second()));
  json.add("requests", calls.attempts).add("failed", calls.failed).add("throttled", calls.throttled);
  json.add("in_flight", uint64_t{parts_.collect.calls_in_flight()});
  json.add("queued", uint64_t{parts_.collect.calls_queued()});
  const Collect::Postponed postponed = parts_.collect.postponed();
  json.add("postponed", uint64_t{postponed.series}).add("postponed_since", postponed.since);
  json.add("postponed_by", to_string(postponed.by));
  json.add_raw("datapoints_per_second", number(datapoints_.per_second()));
  return json.add("series", uint64_t{parts_.demand.series()}).add("billed", metrics.metrics_billed).finish();
}

// What lists over all regions go without.
std::string Status::left_out_json() const {
  JsonArray array;
  for (const Inventory* const inventory : parts_.inventories.closed()) {
    JsonObject json;
    json.add("account", inventory->target().account->name).add("region", inventory->target().region);
    json.add("service", inventory->service().name).add("why", inventory->failure()->message);
    array.add_raw(json.finish());
  }
  return array.finish();
}

std::string Status::delays_json() const {
  JsonArray array;
  for (const Delays::Known& known : parts_.collect.delays().all()) {
    JsonObject json;
    json.add("namespace", known.name_space).add("periods", name_of(known.of)).add("seconds", known.seconds);
    array.add_raw(json.add("at_first", known.at_first).add("configured", known.configured).finish());
  }
  return array.finish();
}

std::string Status::bill_json() const {
  const Bill::Seen seen = parts_.bill.seen();
  JsonObject json;
  json.add_raw("today", usd_text(seen.today_usd)).add_raw("month", usd_text(seen.month_usd));
  json.add_raw("forecast", usd_text(seen.forecast_usd));
  json.add("since", seen.since).add("on_disk", seen.on_disk).add("prices", parts_.bill.prices().date());
  if (seen.budget_usd > 0) {
    json.add_raw("budget", usd_text(seen.budget_usd)).add_raw("unstretched", usd_text(seen.unstretched_usd));
    JsonObject factors;
    factors.add_raw("high", number(seen.factors[0])).add_raw("normal", number(seen.factors[1]));
    json.add_raw("stretch", factors.add_raw("low", number(seen.factors[2])).finish());
    json.add("exceeded", seen.exceeded).add("waiting", uint64_t{seen.waiting});
  }
  JsonArray namespaces;
  for (const auto& [name, usd] : parts_.bill.by_namespace()) {
    JsonObject one;
    namespaces.add_raw(one.add("namespace", name).add_raw("month", usd_text(usd)).finish());
  }
  json.add_raw("namespaces", namespaces.finish());
  JsonArray places;
  for (const auto& [place, usd] : parts_.bill.by_account_and_region()) {
    JsonObject one;
    one.add("account", place.first).add("region", place.second);
    places.add_raw(one.add_raw("month", usd_text(usd)).finish());
  }
  json.add_raw("targets", places.finish());
  return json.finish();
}

std::string Status::quotas_json() const {
  JsonArray array;
  for (const Quotas::Seen& seen : quotas_.seen()) {
    JsonObject json;
    json.add("account", seen.account).add("region", seen.region);
    json.add_raw("calls", number(seen.calls)).add_raw("calls_limit", number(seen.calls_limit));
    json.add_raw("datapoints", number(seen.datapoints));
    array.add_raw(json.add_raw("datapoints_limit", number(seen.datapoints_limit)).finish());
  }
  return array.finish();
}

}  // namespace bakusoku::agent
