#include "agent/items.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <set>

#include "agent/explain.h"
#include "agent/math_key.h"
#include "agent/planner.h"
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

std::string clock_text(WallTime time) { return utc_text(unix_seconds(time), "%Y-%m-%dT%H:%M:%SZ"); }

std::string macro_name(std::string_view field) {
  std::string name;
  for (const char ch : field) {
    const auto byte = static_cast<unsigned char>(ch);
    const bool kept = byte < 0x80 && std::isalnum(byte) != 0;
    name += kept ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return name;
}

void append_labels(std::string& json, const Labels& labels, const Pairs& pairs) {
  // Two keys may give one macro name (env, Env): the first keeps it, both are in the member.
  std::set<std::string> macros;
  for (const auto& [key, value] : pairs) {
    const std::string macro = macro_name(key);
    if (!macros.insert(macro).second) continue;
    json += fmt::format(",\"{{#{}{}}}\":", labels.macro, macro);
    append_json_string(json, value);
  }
  json += fmt::format(",\"{}\":{{", labels.member);
  std::string_view separator;
  std::set<std::string_view> members;
  for (const auto& [key, value] : pairs) {
    if (!members.insert(key).second) continue;  // of several values the first, as in find()
    json += separator;
    append_json_string(json, key);
    json += ':';
    append_json_string(json, value);
    separator = ",";
  }
  json += '}';
}

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
  static constexpr std::array<Row, 17> kTable = {{
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
      {"aws.ec2.name2id", "[<Name tag>,<region>,<account>]", "id of the EC2 instance of that name", 3,
       &Items::name_to_id},
      {"aws.metric",
       "[<namespace>,<metric>,<dimensions>,<statistic>,<period>,<region>,<account>,<missing>,<unit>]",
       "newest final value of a CloudWatch metric", kAnyNumber, &Items::metric},
      {"aws.math", "[<expression>,<name>=<namespace>,<metric>,<dimensions>,<statistic>,<unit>,...]",
       "newest final value of metric math over CloudWatch metrics", kAnyNumber, &Items::math},
      {"aws.discovery", "[<service>,<region>,<account>,<filter>]",
       "low-level discovery of a service's resources, of all or those that fit; * stands for all regions, "
       "all accounts",
       4, &Items::discovery},
      {"aws.resource", "[<service>,<id>,<field>,<region>,<account>]",
       "a fact of a resource: state, type, zone, tag.X, dimension.X, ...", 5, &Items::resource},
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
  return Answer{false,
                fmt::format("{}: {}", key.substr(0, key.find('[')), valid_utf8(value.error().message))};
}

asio::awaitable<Answer> Items::answer(std::string_view key, Deadline deadline) {
  ++parts_.stats.questions;
  const auto refuse = [this](std::string text) {
    ++parts_.stats.not_supported;
    return Answer{false, std::move(text)};
  };
  auto parsed = zabbix::parse_key(key);
  if (!parsed)
    co_return refuse(
        fmt::format("item key '{}': {}", valid_utf8(key.substr(0, 200)), parsed.error().message));
  const auto rows = table();
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const Row& candidate) { return candidate.name == parsed->name; });
  if (row == rows.end()) {
    std::string known;
    for (const Row& candidate : rows) known += fmt::format("{}{}", known.empty() ? "" : ", ", candidate.name);
    co_return refuse(fmt::format("unknown item key '{}'; bakusoku {} knows: {}", valid_utf8(parsed->name),
                                 kVersion, known));
  }
  if (parsed->params.size() > row->max_parameters && row->max_parameters != 0) {
    co_return refuse(fmt::format("{}: {} parameters, at most {}: {}{}", row->name, parsed->params.size(),
                                 row->max_parameters, row->name, row->parameters));
  }
  if (row->max_parameters == 0 && !parsed->params.empty()) {
    co_return refuse(fmt::format("{} takes no parameters", row->name));
  }
  const Parameters parameters(parsed->params);
  auto value = co_await (this->*row->answer)(parameters, key, deadline);
  if (!value) co_return refuse(fmt::format("{}: {}", row->name, valid_utf8(value.error().message)));
  if (value->text.empty())
    co_return refuse(
        fmt::format("{}: the value is empty, which Zabbix takes for a refused connection", row->name));
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
  const std::string_view name = key.substr(0, key.find('['));
  const auto rows = table();
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Row& row) { return row.name == name && row.of_this_machine; });
}

std::optional<Result<Wanted>> Items::metric_behind(std::string_view key) {
  const auto parsed = zabbix::parse_key(key);
  const auto meant = parsed ? series_meant(parsed->name, parsed->params) : std::nullopt;
  if (!meant) return std::nullopt;
  auto found = *meant ? parts_.demand.add(**meant) : Result<Wanted>(fail(meant->error()));
  if (!found) return fail(found.error().with_context(parsed->name));
  return found;
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
  co_return discovery_json(*service, **snapshot, **target, *filter);
}

// All parts or an error: what a list lacks, Zabbix takes for gone, and deletes its hosts.
Items::Value Items::discovery_of_all(const Service& service, std::string region, std::string account,
                                     const Filter& filter, Deadline deadline) {
  const auto targets = co_await parts_.targets.find_all(std::move(region), std::move(account), deadline);
  if (!targets) co_return fail(targets.error());
  for (const Target* const target : *targets) (void)parts_.inventories.of(service, *target).now_or_start();
  std::string json;
  std::string failures;
  std::optional<ErrorKind> kind;
  size_t failed = 0;
  for (const Target* const target : *targets) {
    const auto snapshot = co_await parts_.inventories.of(service, *target).get(deadline);
    if (!snapshot) {
      if (!kind) kind = snapshot.error().kind;
      if (failed++ < kMaxNamedInError)
        failures += fmt::format("{}{}", failures.empty() ? "" : "; ", snapshot.error().message);
      continue;
    }
    append_discovery(json, service, **snapshot, *target, filter);
  }
  if (kind) {
    co_return fail(*kind,
                   "{} of {} lists cannot be read, and without them hosts would be taken for gone: {}{}",
                   failed, targets->size(), failures, failed > kMaxNamedInError ? "; ..." : "");
  }
  co_return "[" + json + "]";
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
  if (tally.requests() != 0 && !tally.timed()) {
    co_return fail(
        ErrorKind::invalid,
        "the lines of {} do not say how long a request took: let the web server write it behind them "
        "(nginx: $request_time, Apache: %D)",
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
  if (!wanted.empty()) {
    co_return fail(ErrorKind::invalid, "'{}' (parameter 2) is not known; known are {}", wanted, known);
  }
  json += "\"error\":";
  append_json_string(json, follower.trouble() ? follower.trouble()->message : "");
  co_return json + "}";
}

std::string discovery_json(const Service& service, const Snapshot& snapshot, const Target& target,
                           const Filter& filter) {
  std::string json;
  append_discovery(json, service, snapshot, target, filter);
  return "[" + json + "]";
}

void append_discovery(std::string& json, const Service& service, const Snapshot& snapshot,
                      const Target& target, const Filter& filter) {
  for (const Resource* const resource : snapshot.matching(filter)) {
    if (!json.empty()) json += ',';
    json += "{\"{#ID}\":";
    append_json_string(json, resource->id);
    json += ",\"{#NAME}\":";
    append_json_string(json, resource->name);
    json += ",\"{#REGION}\":";
    append_json_string(json, target.region);
    json += ",\"{#ACCOUNT}\":";
    append_json_string(json, target.account->name);
    for (const auto& [field, value] : resource->fields) {
      json += fmt::format(",\"{{#{}}}\":", macro_name(field));
      append_json_string(json, value);
    }
    append_labels(json, *service.labels, resource->*service.labels->of);
    json += '}';
  }
}

}  // namespace bakusoku::agent
