#include "agent/reporting.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kLookForHosts{
    15};  // how often lists of resources are looked at; how old they may be is [inventory]'s
constexpr seconds kReadingTakes{120};
constexpr unsigned kTicksBetweenSpoolCounts = 10;  // the spool walks its chunks for them

std::string file_name(const std::string& endpoint) {
  std::string name = "spool-";
  for (const char ch : endpoint)
    name += std::isalnum(static_cast<unsigned char>(ch)) != 0 || ch == '.' ? ch : '_';
  return name + ".db";
}

}  // namespace

Result<std::unique_ptr<Reporting>> Reporting::create(Parts parts) {
  const ZabbixConfig& config = parts.config.zabbix;
  if (config.server.empty()) return std::unique_ptr<Reporting>();
  auto destinations = zabbix::parse_destinations(config.server);
  if (!destinations) return fail(destinations.error());
  for (const std::string& service : config.discover) {
    if (find_service(service) == nullptr) {
      return fail(ErrorKind::invalid, "[zabbix] discover: service '{}' is not known; known are: {}", service,
                  service_names());
    }
  }
  zabbix::Link link;
  link.source_ip = config.source_ip;
  zabbix::TlsConfig settings = config.tls;
  const auto connect = zabbix::parse_tls_connect(config.tls_connect);
  if (!connect) return fail(connect.error().with_context("[zabbix] tls_connect"));
  settings.connect = *connect;
  if (settings.connect != zabbix::TlsConnect::unencrypted) {
    auto tls = zabbix::TlsContext::make(settings);
    if (!tls) return fail(tls.error().with_context("[zabbix]"));
    for (const std::string& warning : (*tls)->warnings()) spdlog::warn("{}", warning);
    link.tls = std::move(*tls);
  }
  std::unique_ptr<Reporting> reporting(new Reporting(std::move(parts)));
  for (const zabbix::Alternatives& alternatives : *destinations) {
    if (auto opened = reporting->open(alternatives, link); !opened) return fail(opened.error());
  }
  Checks::Parts checks{
      reporting->parts_.io,
      reporting->parts_.items,
      reporting->parts_.collect,
      reporting->parts_.clock,
      {},
      reporting->parts_.config.agent.timeout,
      {reporting->parts_.config.zabbix.hosts.begin(), reporting->parts_.config.zabbix.hosts.end()}};
  checks.own_hosts.insert(reporting->parts_.config.zabbix.hostname);
  for (const auto& destination : reporting->destinations_) checks.spools.push_back(destination->spool.get());
  reporting->checks_ = std::make_unique<Checks>(std::move(checks));
  for (size_t at = 0; at < reporting->destinations_.size(); ++at) {
    Destination& destination = *reporting->destinations_[at];
    const auto session = destination.spool->session(kSpoolDestination);
    if (!session) return fail(session.error());
    destination.active = std::make_unique<Active>(
        Active::Parts{reporting->parts_.io, *reporting->checks_, reporting->parts_.config.zabbix,
                      destination.alternatives, link, reporting->parts_.clock, at, *session});
  }
  return reporting;
}

Result<void> Reporting::open(const zabbix::Alternatives& alternatives, const zabbix::Link& link) {
  const ZabbixConfig& config = parts_.config.zabbix;
  auto destination = std::make_unique<Destination>(
      Destination{zabbix::to_string(alternatives.current()), alternatives, nullptr, nullptr, nullptr});
  SpoolOptions options;
  if (!config.state_dir.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(config.state_dir, ignored);
    options.path = config.state_dir + "/" + file_name(destination->name);
  }
  options.max_bytes = static_cast<uint64_t>(config.spool_bytes);
  options.max_age = config.spool_age;
  options.resend_window = config.resend_window;
  auto spool = Spool::open(std::move(options), parts_.clock);
  if (!spool) {
    return fail(spool.error().with_context("[zabbix] state_dir"));
  }
  destination->spool = std::move(*spool);
  for (const Error& warning : destination->spool->take_warnings()) spdlog::warn("{}", warning.message);
  if (auto added = destination->spool->add_destination(kSpoolDestination); !added) return added;
  destination->delivery = std::make_unique<Delivery>(
      Delivery::Parts{parts_.io, *destination->spool, destination->alternatives, link, parts_.clock});
  destinations_.push_back(std::move(destination));
  return {};
}

void Reporting::start() {
  spawn(parts_.io, "the list of hosts", discover_loop());
  for (const auto& destination : destinations_) {
    destination->active->start();
    destination->delivery->start();
  }
}

void Reporting::tick() {
  const uint64_t before = checks_->values();
  checks_->tick();
  for (const auto& destination : destinations_) {
    if (checks_->values() != before) destination->delivery->wake();
    for (const SpoolDrop& drop : destination->spool->take_drops()) {
      spdlog::error("{} values for {} were given up ({}), the oldest of {}", drop.values, destination->name,
                    to_string(drop.reason), drop.oldest_clock);
    }
    for (const Error& warning : destination->spool->take_warnings()) spdlog::warn("{}", warning.message);
  }
  count();
}

void Reporting::count() {
  Stats& stats = parts_.stats;
  stats.hosts = stats.hosts_known = stats.delivered = stats.resent = stats.refused = 0;
  stats.checks = checks_->count();
  for (const auto& destination : destinations_) {
    stats.hosts += destination->active->hosts();
    stats.hosts_known += destination->active->known_hosts();
    stats.delivered += destination->delivery->counters().delivered;
    stats.resent += destination->delivery->counters().resent;
    stats.refused += destination->delivery->counters().refused;
  }
  if (ticks_++ % kTicksBetweenSpoolCounts != 0) return;
  stats.undelivered = 0;
  stats.oldest_clock = 0;
  for (const auto& destination : destinations_) {
    for (const SpoolStats::Destination& one : destination->spool->stats().destinations) {
      stats.undelivered += one.values + one.waiting;
      if (one.oldest_clock != 0 && (stats.oldest_clock == 0 || one.oldest_clock < stats.oldest_clock)) {
        stats.oldest_clock = one.oldest_clock;
      }
    }
  }
}

// A list that cannot be read leaves the hosts it named before: empty never means failed.
asio::awaitable<void> Reporting::discover_loop() {
  const ZabbixConfig& config = parts_.config.zabbix;
  std::set<std::string> fixed(config.hosts.begin(), config.hosts.end());
  if (!config.hostname.empty()) fixed.insert(config.hostname);
  std::map<const Inventory*, std::set<std::string>> discovered;
  asio::steady_timer timer(parts_.io);
  for (bool first = true;; first = false) {
    for (const std::string& name : config.discover) {
      const Service& service = *find_service(name);
      for (const auto& account : parts_.targets.accounts()) {
        const auto target = parts_.targets.find("", account->name);
        if (!target) {
          if (first) spdlog::warn("[zabbix] discover {}: {}", name, target.error().message);
          continue;
        }
        Inventory& inventory = parts_.inventories.of(service, **target);
        const auto snapshot = co_await inventory.get(std::chrono::steady_clock::now() + kReadingTakes);
        if (!snapshot) continue;  // the inventory has said why
        auto& ids = discovered[&inventory];
        ids.clear();
        for (const Resource& resource : (*snapshot)->resources()) {
          if (!resource.gone) ids.emplace(resource.id);
        }
      }
    }
    std::set<std::string> hosts = fixed;
    for (const auto& [inventory, ids] : discovered) hosts.insert(ids.begin(), ids.end());
    for (const auto& destination : destinations_) destination->active->set_hosts(hosts);
    timer.expires_after(kLookForHosts);
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
  }
}

}  // namespace bakusoku::agent
