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

std::string file_name(std::string name, const std::string& endpoint) {
  for (const char ch : endpoint)
    name += std::isalnum(static_cast<unsigned char>(ch)) != 0 || ch == '.' ? ch : '_';
  return name + ".db";
}

}  // namespace

Result<zabbix::Link> make_link(const ZabbixConfig& config) {
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
  return link;
}

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
  auto made = make_link(config);
  if (!made) return fail(made.error());
  const zabbix::Link link = std::move(*made);
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
  for (const auto& destination : reporting->destinations_)
    checks.spools.push_back(destination->trapper_spool.get());
  reporting->checks_ = std::make_unique<Checks>(std::move(checks));
  for (size_t at = 0; at < reporting->destinations_.size(); ++at) {
    Destination& destination = *reporting->destinations_[at];
    const auto session = destination.spool->session(kSpoolDestination);
    if (!session) return fail(session.error());
    destination.active = std::make_unique<Active>(Active::Parts{
        reporting->parts_.io, *reporting->checks_, reporting->parts_.config.zabbix, destination.alternatives,
        link, reporting->parts_.clock, at, *session, destination.peer});
  }
  reporting->collect_sends();
  if (auto opened = reporting->open_intake(); !opened) return fail(opened.error());
  return reporting;
}

Result<void> Reporting::open(const zabbix::Alternatives& alternatives, const zabbix::Link& link) {
  const ZabbixConfig& config = parts_.config.zabbix;
  auto destination = std::make_unique<Destination>(
      Destination{zabbix::to_string(alternatives.current()), alternatives, nullptr, nullptr, nullptr});
  std::string path;
  if (!config.state_dir.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(config.state_dir, ignored);
    path = config.state_dir + "/" + file_name("spool-", destination->name);
  }
  auto spool = open_spool(path);
  if (!spool) return fail(spool.error());
  destination->spool = std::move(*spool);
  destination->peer = Peer(config.hostname);
  destination->delivery = std::make_unique<Delivery>(
      Delivery::Parts{parts_.io, *destination->spool, destination->alternatives, link, parts_.clock,
                      zabbix::DataKind::agent, &destination->peer});
  if (auto opened = open_trapper(*destination, link); !opened) return opened;
  destinations_.push_back(std::move(destination));
  return {};
}

Result<std::unique_ptr<Spool>> Reporting::open_spool(const std::string& path) {
  const ZabbixConfig& config = parts_.config.zabbix;
  SpoolOptions options;
  options.path = path;
  options.max_bytes = static_cast<uint64_t>(config.spool_bytes);
  options.max_age = config.spool_age;
  options.resend_window = config.resend_window;
  options.memory_if_unwritable = true;
  auto spool = Spool::open(std::move(options), parts_.clock);
  if (!spool) return fail(spool.error().with_context("[zabbix] state_dir"));
  for (const Error& warning : (*spool)->take_warnings()) spdlog::warn("{}", warning.message);
  if (auto added = (*spool)->add_destination(kSpoolDestination); !added) return fail(added.error());
  return spool;
}

// A file of its own: these values travel in packets of another kind, whose ids and acknowledgements are
// apart. One that is still needed, because [intake] or [[send]] left the configuration before all was
// delivered, is delivered from until the next start.
Result<void> Reporting::open_trapper(Destination& destination, const zabbix::Link& link) {
  const std::string& folder = parts_.config.zabbix.state_dir;
  std::string path;
  if (!folder.empty()) path = folder + "/" + file_name("trapper-", destination.name);
  const bool wanted = !parts_.config.intake.listen.empty() || !parts_.config.sends.empty();
  std::error_code ignored;
  if (!wanted && (path.empty() || !std::filesystem::exists(path, ignored))) return {};
  auto spool = open_spool(path);
  if (!spool) return fail(spool.error());
  if (!wanted) {
    const SpoolStats stats = (*spool)->stats();
    const bool waiting = std::any_of(stats.destinations.begin(), stats.destinations.end(),
                                     [](const SpoolStats::Destination& one) { return one.waiting > 0; });
    if (stats.chunks == 0 && !waiting) return {};
  }
  destination.trapper_spool = std::move(*spool);
  destination.trapper_delivery = std::make_unique<Delivery>(
      Delivery::Parts{parts_.io, *destination.trapper_spool, destination.alternatives, link, parts_.clock,
                      zabbix::DataKind::sender});
  return {};
}

void Reporting::collect_sends() {
  std::map<std::string, std::vector<zabbix::ActiveItem>> items;
  for (const SendConfig& send : parts_.config.sends) {
    items[send.host].push_back({.key = send.item, .key_orig = send.key, .delay = send.interval});
  }
  const size_t count = destinations_.size();
  for (size_t at = 0; at < count; ++at) {
    for (const auto& [host, wanted] : items) checks_->replace(count + at, host, wanted);
  }
}

Result<void> Reporting::open_intake() {
  if (parts_.config.intake.listen.empty()) return {};
  Intake::Parts parts{parts_.io, parts_.stats, parts_.clock, {}, [this] {
                        for (const auto& destination : destinations_) destination->trapper_delivery->wake();
                      }};
  for (const auto& destination : destinations_) parts.spools.push_back(destination->trapper_spool.get());
  parts.on_disk = !parts_.config.zabbix.state_dir.empty();
  intake_ = std::make_unique<Intake>(std::move(parts));
  return intake_->open(parts_.config.intake);
}

void Reporting::start() {
  spawn(parts_.io, "the list of hosts", discover_loop());
  for (const auto& destination : destinations_) {
    destination->active->start();
    destination->delivery->start();
    if (destination->trapper_delivery) destination->trapper_delivery->start();
  }
}

void Reporting::tick() {
  const uint64_t before = checks_->values();
  checks_->tick();
  const bool brought = checks_->values() != before;
  for (const auto& destination : destinations_) {
    if (brought) destination->delivery->wake();
    if (brought && destination->trapper_delivery) destination->trapper_delivery->wake();
    for (Spool* const spool : {destination->spool.get(), destination->trapper_spool.get()}) {
      if (spool == nullptr) continue;
      for (const SpoolDrop& drop : spool->take_drops()) {
        spdlog::error("{} values for {} were given up ({}), the oldest of {}", drop.values, destination->name,
                      to_string(drop.reason), drop.oldest_clock);
      }
      for (const Error& warning : spool->take_warnings()) spdlog::warn("{}", warning.message);
    }
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
    for (const Delivery* const delivery :
         {destination->delivery.get(), destination->trapper_delivery.get()}) {
      if (delivery == nullptr) continue;
      stats.delivered += delivery->counters().delivered;
      stats.resent += delivery->counters().resent;
      stats.refused += delivery->counters().refused;
    }
  }
  if (ticks_++ % kTicksBetweenSpoolCounts != 0) return;
  stats.undelivered = 0;
  stats.oldest_clock = 0;
  for (const auto& destination : destinations_) {
    for (const Spool* const spool : {destination->spool.get(), destination->trapper_spool.get()}) {
      if (spool == nullptr) continue;
      for (const SpoolStats::Destination& one : spool->stats().destinations) {
        stats.undelivered += one.values + one.waiting;
        if (one.oldest_clock != 0 && (stats.oldest_clock == 0 || one.oldest_clock < stats.oldest_clock)) {
          stats.oldest_clock = one.oldest_clock;
        }
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
