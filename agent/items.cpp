#include "agent/items.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "agent/discovery.h"
#include "agent/explain.h"
#include "agent/math_key.h"
#include "agent/planner.h"
#include "agent/rare_metrics.h"
#include "agent/status.h"
#include "base/json.h"
#include "base/time_text.h"
#include "base/version.h"
#include "weblog/logs.h"
#include "zabbix/key.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kAnyNumber = SIZE_MAX;
constexpr size_t kMaxNamedInError = 5;

const std::string& parameter(Parameters parameters, size_t at) {
  static const std::string kEmpty;
  return at < parameters.size() ? parameters[at] : kEmpty;
}

std::string_view name_of(std::string_view key) { return key.substr(0, key.find('[')); }

const Items::Row* find_row(std::string_view name) {
  const auto rows = Items::table();
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const Items::Row& one) { return one.name == name; });
  return row == rows.end() ? nullptr : &*row;
}

// Region and account in a key.
struct PlaceInKey {
  zabbix::ParsedKey key;
  int at = Items::kNoRegion;  // as in the table
  std::string region{};
  std::string account{};

  [[nodiscard]] bool is_open() const { return region.empty() || account.empty(); }
  [[nodiscard]] Result<std::string> with(const Target& home) const;
};

constexpr std::string_view kRegionIs = "region=";
constexpr std::string_view kAccountIs = "account=";

// Nothing: the key has no place for them, or cannot be read.
std::optional<PlaceInKey> place_in(std::string_view key) {
  const Items::Row* const row = find_row(name_of(key));
  if (row == nullptr || row->region == Items::kNoRegion) return std::nullopt;
  auto parsed = zabbix::parse_key(key);
  if (!parsed) return std::nullopt;
  PlaceInKey place{std::move(*parsed), row->region};
  const Parameters parameters(place.key.params);
  if (place.at != Items::kNamedRegion) {
    place.region = parameter(parameters, static_cast<size_t>(place.at));
    place.account = parameter(parameters, static_cast<size_t>(place.at) + 1);
    return place;
  }
  for (const std::string& one : parameters.subspan(std::min<size_t>(parameters.size(), 1))) {
    if (one.starts_with(kRegionIs)) place.region = one.substr(kRegionIs.size());
    if (one.starts_with(kAccountIs)) place.account = one.substr(kAccountIs.size());
  }
  return place;
}

Result<std::string> PlaceInKey::with(const Target& home) const {
  std::vector<std::string> params = key.params;
  const std::string& of_region = region.empty() ? home.region : region;
  const std::string& of_account = account.empty() ? home.account->name : account;
  if (at != Items::kNamedRegion) {
    const auto first = static_cast<size_t>(at);
    params.resize(std::max(params.size(), first + 2));
    params[first] = of_region;
    params[first + 1] = of_account;
  } else {
    std::erase_if(params, [](const std::string& one) { return one == kRegionIs || one == kAccountIs; });
    if (region.empty()) params.push_back(std::string(kRegionIs) + of_region);
    if (account.empty()) params.push_back(std::string(kAccountIs) + of_account);
  }
  return zabbix::format_key(key.name, params);
}

std::string clock_text(WallTime time) { return utc_text(unix_seconds(time), "%Y-%m-%dT%H:%M:%SZ"); }

/// The value of the newest reading, which succeeded; nothing when the metric has no datapoint.
std::optional<std::string> text_of(const Wanted& wanted) {
  if (wanted.series->point_clock != 0) return format_value(wanted.series->point_value);
  if (wanted.missing_is_zero) return "0";
  return std::nullopt;
}

Lease lease_of(Inventory& inventory) { return Lease{{}, &inventory, inventory.current_span()}; }

// What was read from the board counts as asked and answered.
void note_read(Series& series, int64_t at, int64_t now) {
  // Asked later than now: the clock has been set back since.
  if (at <= series.last_asked && series.last_asked <= now) return;
  Demand::note_asked(series, at);
  if (at >= series.last_read) series.answered = 1;
}
void note_read(Inventory& inventory, int64_t, int64_t) { inventory.note_asked(); }

}  // namespace

Deadline answer_deadline(std::chrono::milliseconds timeout) {
  constexpr std::chrono::milliseconds kMargin{50};
  constexpr std::chrono::milliseconds kLongest{600'000};  // Zabbix's own limit on an item's timeout
  const auto asked = std::min(timeout, kLongest);
  return std::chrono::steady_clock::now() + std::max(asked - kMargin, asked / 2);
}

std::string format_value(double value) {
  constexpr double kExactWhole = 9007199254740992.0;  // 2^53: beyond it not every whole number is a double
  if (value == std::floor(value) && std::fabs(value) < kExactWhole) {
    return fmt::format("{}", static_cast<int64_t>(value));
  }
  return fmt::format("{}", value);
}

std::span<const Items::Row> Items::table() {
  static constexpr std::array<Row, 20> kTable = {{
      {"bakusoku.echo", "[...]", "its parameters, joined by a space", kAnyNumber, &Items::echo},
      {"bakusoku.ping", "", "1: the agent answers", 0, &Items::ping},
      {"bakusoku.version", "", "the agent's version", 0, &Items::version},
      {"bakusoku.stats", "[<name>]", "one of the agent's own counters; without a name all of them as JSON", 1,
       &Items::statistics},
      {"bakusoku.status", "", "how the agent is doing, as JSON", 0, &Items::status},
      {"bakusoku.plan", "", "what collecting the metrics that are asked for now costs, as JSON", 0,
       &Items::plan},
      {"bakusoku.explain", "[<host>,<key>]",
       "why an item of a host has the value it has, or none, as JSON; without a key all items of the host", 2,
       &Items::explain},
      {"agent.ping", "", "1: the agent answers; as Zabbix's own agents call it", 0, &Items::ping, true},
      {"agent.version", "", "the agent's version", 0, &Items::version, true},
      {"agent.hostname", "", "the name of the agent's own host", 0, &Items::hostname, true},
      {"aws.ec2.name2id", "[<Name tag>,<region>,<account>]", "id of the EC2 instance of that name", 3,
       &Items::name_to_id, false, 1},
      {"aws.metric",
       "[<namespace>,<metric>,<dimensions>,<statistic>,<period>,<region>,<account>,<missing>,<unit>]",
       "newest final value of a CloudWatch metric", kAnyNumber, &Items::metric, false, 5},
      {"aws.math", "[<expression>,<name>=<namespace>,<metric>,<dimensions>,<statistic>,<unit>,...]",
       "newest final value of metric math over CloudWatch metrics", kAnyNumber, &Items::math, false,
       kNamedRegion},
      {"aws.discovery", "[<service>,<region>,<account>,<filter>]",
       "low-level discovery of a service's resources, of all or those that fit; * stands for all regions, "
       "all accounts",
       4, &Items::discovery, false, 1},
      {"aws.resource", "[<service>,<id>,<field>,<region>,<account>]",
       "a fact of a resource: state, type, zone, tag.X, dimension.X, ...", 5, &Items::resource, false, 3},
      {"weblog.requests", "[<path>]", "requests in an access log of this machine, since it is watched", 1,
       &Items::weblog_requests, true},
      {"weblog.status", "[<path>,<class, code or regexp>]", "of them, those with such a status", 2,
       &Items::weblog_status, true},
      {"weblog.bytes", "[<path>]", "bytes sent for them", 1, &Items::weblog_bytes, true},
      {"weblog.time", "[<path>,<statistic>,<window>,<missing>]",
       "how long the requests of the last minutes took: avg, min, max, count, sum, p95, ...", 4,
       &Items::weblog_time, true},
      {"weblog.state", "[<path>,<name>]", "how a log is followed; without a name all of it as JSON", 2,
       &Items::weblog_state, true},
  }};
  return kTable;
}

std::optional<Answer> Items::answer_now(std::string_view key) {
  const Wanted wanted = parts_.demand.find(key);
  if (wanted.series == nullptr || !parts_.collect.is_current(*wanted.series)) return std::nullopt;
  ++parts_.stats.questions;
  Demand::note_asked(*wanted.series, unix_seconds(parts_.clock()));
  auto value = value_of(wanted);
  if (value) return Answer{true, std::move(value->text), value->lease};
  ++parts_.stats.not_supported;
  return Answer{false, valid_utf8(value.error().message)};
}

asio::awaitable<Answer> Items::answer(std::string_view key, Deadline deadline, std::string_view host) {
  ++parts_.stats.questions;
  const auto refuse = [this](std::string text) {
    ++parts_.stats.not_supported;
    return Answer{false, std::move(text)};
  };
  const auto meant = key_of_host(key, host, parts_.hosts);
  if (!meant) co_return refuse(valid_utf8(meant.error().message));
  key = *meant;
  auto parsed = zabbix::parse_key(key);
  if (!parsed) {
    std::string_view why = parsed.error().message;
    constexpr std::string_view kSaid = "invalid item key: ";
    if (why.starts_with(kSaid)) why.remove_prefix(kSaid.size());
    co_return refuse(fmt::format("invalid item key '{}': {}", valid_utf8(key.substr(0, 200)), why));
  }
  const Row* const row = find_row(parsed->name);
  if (row == nullptr) {
    std::string known;
    for (const Row& candidate : table())
      known += fmt::format("{}{}", known.empty() ? "" : ", ", candidate.name);
    co_return refuse(fmt::format("unknown item key '{}'; bakusoku {} knows: {}", valid_utf8(parsed->name),
                                 kVersion, known));
  }
  if (parsed->params.size() > row->max_parameters && row->max_parameters != 0) {
    co_return refuse(fmt::format("{} parameters, at most {}: {}{}", parsed->params.size(),
                                 row->max_parameters, row->name, row->parameters));
  }
  if (row->max_parameters == 0 && !parsed->params.empty()) {
    co_return refuse(fmt::format("{} takes no parameters", row->name));
  }
  // Of an active item it is the host that has it, as agents with several host names answer.
  if (row->answer == &Items::hostname && !host.empty()) co_return Answer{true, std::string(host)};
  const Parameters parameters(parsed->params);
  auto value = co_await (this->*row->answer)(parameters, key, deadline);
  if (!value) co_return refuse(valid_utf8(value.error().message));
  if (value->text.empty())
    co_return refuse("the value is empty, which Zabbix takes for a refused connection");
  co_return Answer{true, std::move(value->text), value->lease};
}

void Items::keep_board() {
  parts_.board.beat();
  const int64_t now = unix_seconds(parts_.clock());
  parts_.board.take_marks(now, [now](auto& owner, int64_t asked_at) { note_read(owner, asked_at, now); });
  for (Series* series : parts_.collect.take_read()) {
    const Wanted wanted = parts_.board.posted(*series);
    if (wanted.series == nullptr) continue;
    const auto span = parts_.collect.current_span(*series);
    if (!span) continue;
    if (const auto text = text_of(wanted)) parts_.board.renew(*series, *text, *span);
  }
  for (const Inventory* inventory : parts_.inventories.take_renewed()) parts_.board.withdraw(*inventory);
}

// The article's first item.
Items::Value Items::echo(Parameters parameters, std::string_view, Deadline) {
  std::string joined;
  for (size_t at = 0; at < parameters.size(); ++at) {
    if (at > 0) joined += ' ';
    joined += parameters[at];
  }
  co_return valid_utf8(joined);
}

Items::Value Items::ping(Parameters, std::string_view, Deadline) { co_return std::string("1"); }

Items::Value Items::version(Parameters, std::string_view, Deadline) { co_return std::string(kVersion); }

Items::Value Items::hostname(Parameters, std::string_view, Deadline) {
  if (parts_.zabbix.hostname.empty())
    co_return fail(ErrorKind::not_found, "the configuration has no [zabbix] hostname");
  co_return std::string(parts_.zabbix.hostname);
}

Items::Value Items::statistics(Parameters parameters, std::string_view, Deadline) {
  const std::string& name = parameter(parameters, 0);
  const auto stats =
      all_stats(parts_.stats, parts_.targets, parts_.inventories, parts_.demand, parts_.collect, parts_.board,
                parts_.bill, parts_.status, unix_seconds(parts_.clock()));
  if (name.empty()) {
    std::string json = "{";
    for (const Stat& stat : stats) {
      if (json.size() > 1) json += ',';
      json += fmt::format("{}:{}", json_string(stat.name), format_value(stat.value));
    }
    co_return json + "}";
  }
  std::string known;
  for (const Stat& stat : stats) {
    if (stat.name == name) co_return format_value(stat.value);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", stat.name);
  }
  co_return fail(ErrorKind::invalid, "no statistic '{}'; known are: {}", name, known);
}

Items::Value Items::status(Parameters, std::string_view, Deadline) { co_return parts_.status.json(); }

Items::Value Items::plan(Parameters, std::string_view, Deadline) { co_return parts_.planner.json(); }

Items::Value Items::explain(Parameters parameters, std::string_view, Deadline deadline) {
  const std::string& host = parameter(parameters, 0);
  const std::string& key = parameter(parameters, 1);
  if (host.empty()) co_return fail(ErrorKind::invalid, "the host (parameter 1) is missing");
  if (key.empty()) co_return parts_.explain.host(host);
  co_return co_await parts_.explain.item(host, key, deadline);
}

// The article's second item.
Items::Value Items::name_to_id(Parameters parameters, std::string_view, Deadline deadline) {
  const std::string& name = parameter(parameters, 0);
  if (name.empty()) co_return fail(ErrorKind::invalid, "the Name tag (parameter 1) is missing");
  auto target = parts_.targets.find(parameter(parameters, 1), parameter(parameters, 2));
  if (!target) co_return fail(target.error());
  Inventory& inventory = parts_.inventories.of(*find_service("ec2"), **target);
  auto snapshot = inventory.now();
  if (!snapshot) {
    auto waited = co_await inventory.get(deadline);
    if (!waited) co_return fail(waited.error());
    snapshot = std::move(*waited);
  }
  if (const Resource* only = snapshot->only_by_name(name)) {
    co_return Found(std::string(only->id), lease_of(inventory));
  }
  auto found = snapshot->by_name(name);
  if (found.empty()) {
    auto newer = co_await inventory.newer_than(snapshot, deadline);
    if (!newer) co_return fail(newer.error());
    snapshot = std::move(*newer);
    found = snapshot->by_name(name);
  }
  if (found.empty()) {
    co_return fail(
        ErrorKind::not_found,
        "no EC2 instance with the Name tag '{}' in {} (list of {}; it is read every {} s, and once more in "
        "between for an unknown name)",
        name, (*target)->description(), clock_text(snapshot->read_at()), inventory.interval().count());
  }
  if (found.size() == 1) co_return Found(std::string(found.front()->id), lease_of(inventory));
  std::string ids;
  for (size_t at = 0; at < std::min(found.size(), kMaxNamedInError); ++at) {
    ids += fmt::format("{}{}", at == 0 ? "" : ", ", found[at]->id);
  }
  if (found.size() > kMaxNamedInError) ids += ", ...";
  co_return fail(ErrorKind::invalid, "{} EC2 instances with the Name tag '{}' in {}: {}", found.size(), name,
                 (*target)->description(), ids);
}

Items::Value Items::metric(Parameters parameters, std::string_view key, Deadline deadline) {
  return value_of_series(parameters, key, parse_metric_key, deadline);
}

Items::Value Items::math(Parameters parameters, std::string_view key, Deadline deadline) {
  return value_of_series(parameters, key, parse_math_key, deadline);
}

Items::Value Items::value_of_series(Parameters parameters, std::string_view key, Meaning meaning,
                                    Deadline deadline) {
  const auto known = wanted(key, parameters, meaning);
  if (!known) co_return fail(known.error());
  Demand::note_asked(*known->series, unix_seconds(parts_.clock()));
  auto current = co_await parts_.collect.make_current(*known->series, deadline);
  if (!current) co_return fail(current.error());
  co_return value_of(*known);
}

Result<Wanted> Items::wanted(std::string_view key, Parameters parameters, Meaning meaning) {
  const Wanted known = parts_.demand.find(key);
  if (known.series != nullptr) return known;
  const auto meant = meaning(parameters);
  if (!meant) return fail(meant.error());
  return parts_.demand.add(key, *meant);
}

std::optional<Result<MetricKey>> series_meant(std::string_view name, Parameters parameters) {
  if (name == "aws.metric") return parse_metric_key(parameters);
  if (name == "aws.math") return parse_math_key(parameters);
  return std::nullopt;
}

bool Items::is_of_this_machine(std::string_view key) {
  const Row* const row = find_row(name_of(key));
  return row != nullptr && row->of_this_machine;
}

bool leaves_place_open(std::string_view key) {
  const auto place = place_in(key);
  return place && place->is_open();
}

Result<std::string> key_of_host(std::string_view key, std::string_view host, const Hosts& hosts) {
  if (host.empty() || hosts.none()) return std::string(key);
  const auto place = place_in(key);
  if (!place || !place->is_open()) return std::string(key);
  const auto home = hosts.home_of(host, place->region, place->account);
  if (!home) return fail(home.error());
  if (*home == nullptr) return std::string(key);
  return place->with(**home);
}

std::optional<Result<Wanted>> Items::metric_behind(std::string_view key, std::string_view host) {
  if (name_of(key) != "aws.metric" && name_of(key) != "aws.math") return std::nullopt;
  const auto of_host = key_of_host(key, host, parts_.hosts);
  if (!of_host) return fail(of_host.error());
  const auto parsed = zabbix::parse_key(*of_host);
  const auto meant = parsed ? series_meant(parsed->name, parsed->params) : std::nullopt;
  if (!meant) return std::nullopt;
  if (!*meant) return fail(meant->error());
  return parts_.demand.add(**meant);
}

Result<Found> Items::value_of(const Wanted& wanted) const {
  Series& series = *wanted.series;
  series.answered = 1;
  if (series.failure()) return fail(*series.failure());
  if (auto text = text_of(wanted)) {
    std::optional<Lease> lease;
    if (const auto span = parts_.collect.current_span(series)) lease = Lease{wanted, nullptr, *span};
    return Found(std::move(*text), lease);
  }
  const std::string rare =
      series.name->metric == nullptr
          ? std::string()
          : rare_metric_words(*series.group->namespace_, *series.name->metric, series.group->period);
  if (!rare.empty()) {
    return fail(ErrorKind::not_found, "CloudWatch has no datapoint of {} in {}. {}", series.description(),
                series.group->target->description(), rare);
  }
  if (parts_.existence.of(series) == Exists::absent) {
    const int64_t again = parts_.existence.looks_again(series);
    return fail(
        ErrorKind::not_found,
        "CloudWatch lists no metric {} in {}, so it is not asked for; it is looked for again at {}. Does "
        "the resource exist there, and publish this metric under exactly these dimensions?",
        series.description(), series.group->target->description(),
        clock_text(WallTime(std::chrono::seconds(again))));
  }
  return fail(ErrorKind::not_found,
              "CloudWatch has no datapoint of {} (period {} s) in {} for the last {} periods until {}; does "
              "the resource "
              "exist there and publish this metric?",
              series.description(), series.group->period, series.group->target->description(),
              parts_.collect.look_back(), clock_text(WallTime(std::chrono::seconds(series.read_until))));
}

Items::Value Items::discovery(Parameters parameters, std::string_view, Deadline deadline) {
  const std::string& name = parameter(parameters, 0);
  const Service* service = find_service(name);
  if (service == nullptr) {
    co_return fail(ErrorKind::invalid, "service (parameter 1) '{}' is not known; known are: {}", name,
                   service_names());
  }
  const std::string& region = parameter(parameters, 1);
  const std::string& account = parameter(parameters, 2);
  const auto filter = parse_filter(parameter(parameters, 3), *service);
  if (!filter) co_return fail(filter.error());
  if (region == "*" || account == "*")
    co_return co_await discovery_of_all(*service, region, account, *filter, deadline);
  auto target = parts_.targets.find(region, account);
  if (!target) co_return fail(target.error());
  auto snapshot = co_await parts_.inventories.of(*service, **target).get(deadline);
  if (!snapshot) co_return fail(snapshot.error());
  tell_odd_macros(parts_.inventories.of(*service, **target), *snapshot, *service);
  co_return discovery_json(*service, **snapshot, **target, *filter);
}

// All parts or an error: what a list lacks, Zabbix takes for gone, and deletes its hosts. Of regions that
// nobody in the account can read it is whole without them, unless these are all.
Items::Value Items::discovery_of_all(const Service& service, std::string region, std::string account,
                                     const Filter& filter, Deadline deadline) {
  const bool all_regions = region == "*";
  const auto targets = co_await parts_.targets.find_all(std::move(region), std::move(account), deadline);
  if (!targets) co_return fail(targets.error());
  for (const Target* const target : *targets) (void)parts_.inventories.of(service, *target).now_or_start();
  std::string json;
  std::string failures;
  std::optional<ErrorKind> kind;
  size_t failed = 0;
  std::map<const Account*, std::optional<Error>> closed;  // accounts without a region that could be read
  std::set<const Account*> open;
  for (const Target* const target : *targets) {
    const Inventory& inventory = parts_.inventories.of(service, *target);
    const auto snapshot = co_await parts_.inventories.of(service, *target).get(deadline);
    if (all_regions && !snapshot && inventory.closed()) {
      closed[target->account] = snapshot.error();
      continue;
    }
    open.insert(target->account);
    if (!snapshot) {
      if (!kind) kind = snapshot.error().kind;
      if (failed++ < kMaxNamedInError)
        failures += fmt::format("{}{}", failures.empty() ? "" : "; ", snapshot.error().message);
      continue;
    }
    tell_odd_macros(parts_.inventories.of(service, *target), *snapshot, service);
    append_discovery(json, service, **snapshot, *target, filter);
  }
  for (const auto& [one, error] : closed) {
    if (!open.contains(one)) co_return fail(error->with_context("no region is open"));
  }
  if (kind) {
    co_return fail(*kind,
                   "{} of {} lists cannot be read, and without them hosts would be taken for gone: {}{}",
                   failed, targets->size(), failures, failed > kMaxNamedInError ? "; ..." : "");
  }
  co_return "[" + json + "]";
}

void Items::tell_odd_macros(const Inventory& inventory, const std::shared_ptr<const Snapshot>& snapshot,
                            const Service& service) {
  constexpr size_t kMostTold = 200;
  auto& before = looked_through_[&inventory];
  if (before.lock() == snapshot) return;
  before = snapshot;
  for (const OddMacro& odd : odd_macros(service, *snapshot)) {
    std::string text = sentence(service, odd);
    if (told_.size() < kMostTold && told_.insert(text).second)
      spdlog::warn("aws.discovery[{}]: {}", service.name, text);
  }
}

Items::Value Items::resource(Parameters parameters, std::string_view, Deadline deadline) {
  const std::string& name = parameter(parameters, 0);
  const std::string& id = parameter(parameters, 1);
  const std::string& field = parameter(parameters, 2);
  const Service* service = find_service(name);
  if (service == nullptr) {
    co_return fail(ErrorKind::invalid, "service (parameter 1) '{}' is not known; known are: {}", name,
                   service_names());
  }
  if (id.empty()) co_return fail(ErrorKind::invalid, "the id (parameter 2) is missing");
  if (!service->knows(field)) {
    co_return fail(ErrorKind::invalid, "field (parameter 3) '{}' is not known; known are: {}", field,
                   service->known_fields());
  }
  auto target = parts_.targets.find(parameter(parameters, 3), parameter(parameters, 4));
  if (!target) co_return fail(target.error());
  Inventory& inventory = parts_.inventories.of(*service, **target);
  auto snapshot = co_await inventory.get(deadline);
  if (!snapshot) co_return fail(snapshot.error());
  const Resource* found = (*snapshot)->by_id(id);
  if (found == nullptr) {
    const auto seen = *snapshot;
    snapshot = co_await inventory.newer_than(seen, deadline);
    if (!snapshot) co_return fail(snapshot.error());
    found = (*snapshot)->by_id(id);
  }
  if (found == nullptr) {
    co_return fail(ErrorKind::not_found, "no {} '{}' in {} (list of {})", service->person, id,
                   (*target)->description(), clock_text((*snapshot)->read_at()));
  }
  const std::string_view fact = found->find(field).value_or("");
  if (fact.empty()) co_return fail(ErrorKind::not_found, "{} {} has no {}", service->person, id, field);
  co_return Found(std::string(fact), lease_of(inventory));
}

Items::Value Items::weblog_requests(Parameters parameters, std::string_view, Deadline) {
  const auto log = parts_.weblogs.ask(parameter(parameters, 0));
  if (!log) co_return fail(log.error());
  co_return fmt::format("{}", (*log)->tally().requests());
}

Items::Value Items::weblog_status(Parameters parameters, std::string_view, Deadline) {
  const auto log = parts_.weblogs.ask(parameter(parameters, 0));
  if (!log) co_return fail(log.error());
  const auto count = (*log)->tally().with_status(parameter(parameters, 1));
  if (!count) co_return fail(count.error().with_context("parameter 2"));
  co_return fmt::format("{}", *count);
}

Items::Value Items::weblog_bytes(Parameters parameters, std::string_view, Deadline) {
  const auto log = parts_.weblogs.ask(parameter(parameters, 0));
  if (!log) co_return fail(log.error());
  co_return fmt::format("{}", (*log)->tally().bytes());
}

Items::Value Items::weblog_time(Parameters parameters, std::string_view, Deadline) {
  constexpr int64_t kDefaultWindow = 60;
  const std::string& statistic = parameter(parameters, 1);
  const std::string& written = parameter(parameters, 2);
  const std::string& missing = parameter(parameters, 3);
  int64_t window = kDefaultWindow;
  if (!written.empty()) {
    const bool is_number = written.find_first_not_of("0123456789") == std::string::npos;
    const auto time = parse_duration(is_number ? written + "s" : written);
    window = time ? std::chrono::duration_cast<std::chrono::seconds>(*time).count() : 0;
    if (window < weblog::kSlotSeconds || window > weblog::kLongestWindow) {
      co_return fail(ErrorKind::invalid, "'{}' (parameter 3) is not a window of 10s to 1h", written);
    }
  }
  if (!missing.empty() && missing != "skip" && missing != "zero") {
    co_return fail(ErrorKind::invalid, "'{}' (parameter 4) is neither skip nor zero", missing);
  }
  const std::string name = statistic.empty() ? "avg" : statistic;
  if (const auto known = weblog::Distribution().statistic(name); !known) {
    co_return fail(known.error().with_context("parameter 2"));
  }
  const auto log = parts_.weblogs.ask(parameter(parameters, 0));
  if (!log) co_return fail(log.error());
  const weblog::Tally& tally = (*log)->tally();
  if (tally.newest() && !tally.newest()->micros && !tally.timed()) {
    if (tally.newest()->evidence == weblog::Evidence::doubtful) {
      co_return fail(ErrorKind::invalid,
                     "the lines of {} end in a whole number, which may be a time or not: say time_unit in a "
                     "[[weblog.file]] of the configuration (Apache's %D: \"us\", %T: \"s\")",
                     (*log)->path());
    }
    co_return fail(
        ErrorKind::invalid,
        "the lines of {} do not say how long a request took: let the web server write it behind them "
        "(nginx: $request_time, Apache: %D and time_unit = \"us\")",
        (*log)->path());
  }
  const auto found = tally.times().of(unix_seconds(parts_.clock()), window).statistic(name);
  if (!found) co_return fail(found.error());
  if (*found) co_return format_value(**found);
  if (missing == "zero") co_return std::string("0");
  co_return fail(ErrorKind::not_found, "no requests in the last {} s", window);
}

Items::Value Items::weblog_state(Parameters parameters, std::string_view, Deadline) {
  const auto log = parts_.weblogs.watch(parameter(parameters, 0));
  if (!log) co_return fail(log.error());
  const std::string& wanted = parameter(parameters, 1);
  const weblog::Follower& follower = **log;
  const std::pair<std::string_view, uint64_t> numbers[] = {{"requests", follower.tally().requests()},
                                                           {"unreadable", follower.tally().unreadable()},
                                                           {"behind", follower.behind()},
                                                           {"rotations", follower.rotations()},
                                                           {"lost", follower.lost()}};
  std::string json = "{";
  std::string known;
  for (const auto& [name, number] : numbers) {
    if (name == wanted) co_return fmt::format("{}", number);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    json += fmt::format("\"{}\":{},", name, number);
  }
  const auto& newest = follower.tally().newest();
  const std::string format = newest ? weblog::describe(*newest, follower.format()) : "not known yet";
  if (wanted == "format") co_return format;
  if (!wanted.empty()) {
    co_return fail(ErrorKind::invalid, "'{}' (parameter 2) is not known; known are {}, format", wanted,
                   known);
  }
  json += "\"format\":";
  append_json_string(json, format);
  json += ",\"error\":";
  append_json_string(json, follower.trouble() ? follower.trouble()->message : "");
  co_return json + "}";
}

}  // namespace bakusoku::agent
