#include "agent/reporting.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/use_awaitable.hpp>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kLookForHosts{
    15};  // how often lists of resources are looked at; how old they may be is [inventory]'s
constexpr seconds kLookForMoreHosts{1};            // while a list is read for the first time
constexpr unsigned kTicksBetweenSpoolCounts = 10;  // the spool walks its chunks for them

std::string file_name(std::string name, const std::string& endpoint) {
  for (const char ch : endpoint)
    name += std::isalnum(static_cast<unsigned char>(ch)) != 0 || ch == '.' ? ch : '_';
  return name + ".db";
}

// Named by the endpoint that is written first.
std::string file_of(const char* kind, const ZabbixConfig& config, const std::string& endpoint) {
  return config.state_dir.empty() ? std::string() : config.state_dir + "/" + file_name(kind, endpoint);
}

}  // namespace

Result<void> check_services(const ZabbixConfig& config) {
  for (const std::string& service : config.discover) {
    if (find_service(service) == nullptr) {
      return fail(ErrorKind::invalid, "[zabbix] discover: service '{}' is not known; known are: {}", service,
                  service_names());
    }
  }
  return {};
}

Result<std::vector<zabbix::Alternatives>> read_destinations(const ZabbixConfig& config) {
  auto destinations = zabbix::parse_destinations(config.server);
  if (!destinations) return fail(destinations.error().with_context("[zabbix] server"));
  std::map<std::string, std::string> files;
  for (const zabbix::Alternatives& destination : *destinations) {
    const std::string name = zabbix::to_string(destination.current());
    const auto [other, alone] = files.emplace(file_name("spool-", name), name);
    if (!alone && !config.state_dir.empty()) {
      return fail(ErrorKind::invalid,
                  "[zabbix] server: {} and {} would have one spool file, {}; write the name of one of them "
                  "otherwise, such as its address",
                  other->second, name, other->first);
    }
  }
  return destinations;
}

bool wants_trapper(const Config& config) { return !config.intake.listen.empty() || !config.sends.empty(); }

std::string spool_file(const ZabbixConfig& config, const zabbix::Alternatives& destination) {
  return file_of("spool-", config, zabbix::to_string(destination.current()));
}

std::string trapper_file(const ZabbixConfig& config, const zabbix::Alternatives& destination) {
  return file_of("trapper-", config, zabbix::to_string(destination.current()));
}

Result<std::shared_ptr<const zabbix::TlsContext>> read_tls(const ZabbixConfig& config) {
  zabbix::TlsConfig settings = config.tls;
  const auto connect = zabbix::parse_tls_connect(config.tls_connect);
  if (!connect) return fail(connect.error().with_context("[zabbix] tls_connect"));
  settings.connect = *connect;
  if (settings.connect == zabbix::TlsConnect::unencrypted) return std::shared_ptr<const zabbix::TlsContext>();
  auto tls = zabbix::TlsContext::make(settings);
  if (!tls) return fail(tls.error().with_context("[zabbix]"));
  return tls;
}

Result<zabbix::Link> make_link(const ZabbixConfig& config) {
  auto tls = read_tls(config);
  if (!tls) return fail(tls.error());
  if (*tls) {
    for (const std::string& warning : (*tls)->warnings()) spdlog::warn("{}", warning);
  }
  zabbix::Link link;
  link.source_ip = config.source_ip;
  link.tls = std::move(*tls);
  return link;
}

Result<void> Reporting::check(const Config& config) {
  if (auto destinations = read_destinations(config.zabbix); !destinations) return fail(destinations.error());
  if (auto known = check_services(config.zabbix); !known) return known;
  if (auto link = make_link(config.zabbix); !link) return fail(link.error());
  return {};
}

Result<std::unique_ptr<Reporting>> Reporting::create(Parts parts) {
  const ZabbixConfig& config = parts.config.zabbix;
  if (config.server.empty()) return std::unique_ptr<Reporting>();
  auto destinations = read_destinations(config);
  if (!destinations) return fail(destinations.error());
  if (auto known = check_services(config); !known) return fail(known.error());
  auto made = make_link(config);
  if (!made) return fail(made.error());
  std::unique_ptr<Reporting> reporting(new Reporting(std::move(parts)));
  reporting->link_ = std::move(*made);
  reporting->checks_ = std::make_unique<Checks>(Checks::Parts{reporting->parts_.io,
                                                              reporting->parts_.items,
                                                              reporting->parts_.collect,
                                                              reporting->parts_.clock,
                                                              {},
                                                              reporting->parts_.config.agent.timeout});
  reporting->set_own_hosts();
  for (const zabbix::Alternatives& alternatives : *destinations) {
    if (auto opened = reporting->open(alternatives); !opened) return fail(opened.error());
  }
  reporting->collect_sends();
  // Until the lists are there.
  std::vector<Hosts::List> lists;
  for (const std::string& name : config.discover) lists.push_back(Hosts::List{find_service(name), nullptr});
  reporting->take_lists(std::move(lists));
  if (auto opened = reporting->open_intake(reporting->parts_.config.intake); !opened)
    return fail(opened.error());
  return reporting;
}

Result<void> Reporting::open(const zabbix::Alternatives& alternatives) {
  const ZabbixConfig& config = parts_.config.zabbix;
  auto destination = std::make_shared<Destination>(Destination{zabbix::to_string(alternatives.current()),
                                                               free_number(), alternatives.endpoints(),
                                                               alternatives, nullptr, nullptr, nullptr});
  if (!config.state_dir.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(config.state_dir, ignored);
  }
  auto spool = open_spool(file_of("spool-", config, destination->name));
  if (!spool) return fail(spool.error());
  destination->spool = std::move(*spool);
  destination->peer = Peer(config.hostname);
  destination->delivery = std::make_unique<Delivery>(
      Delivery::Parts{parts_.io, *destination->spool, destination->alternatives, link_, parts_.clock,
                      zabbix::DataKind::agent, &destination->peer});
  const auto session = destination->spool->session(kSpoolDestination);
  if (!session) return fail(session.error());
  if (auto opened = open_trapper(*destination); !opened) return opened;
  destination->active = std::make_unique<Active>(
      Active::Parts{parts_.io, *checks_, config, destination->alternatives, link_, parts_.clock,
                    destination->items(), *session, destination->peer, &parts_.config.agent});
  checks_->set_spool(destination->items(), destination->spool.get());
  destinations_.push_back(std::move(destination));
  return {};
}

size_t Reporting::free_number() const {
  const auto is_taken = [this](size_t number) {
    const auto has_it = [&](const auto& destination) { return destination->number == number; };
    return std::any_of(destinations_.begin(), destinations_.end(), has_it) ||
           std::any_of(leaving_.begin(), leaving_.end(), has_it);
  };
  size_t number = 0;
  while (is_taken(number)) ++number;
  return number;
}

Result<std::unique_ptr<Spool>> Reporting::open_spool(const std::string& path) {
  const ZabbixConfig& config = parts_.config.zabbix;
  SpoolOptions options;
  options.path = path;
  options.max_bytes = static_cast<uint64_t>(config.spool_bytes);
  options.max_age = config.spool_age;
  options.resend_window = config.resend_window;
  options.memory_if_unwritable = true;
  auto spool = Spool::open(std::move(options), parts_.clock, steady_time());
  if (!spool) return fail(spool.error().with_context("[zabbix] state_dir"));
  for (const Error& warning : (*spool)->take_warnings()) spdlog::warn("{}", warning.message);
  if (auto added = (*spool)->add_destination(kSpoolDestination); !added) return fail(added.error());
  return spool;
}

// A file of its own: these values travel in packets of another kind, whose ids and acknowledgements are
// apart. One that is still needed, because [intake] or [[send]] left the configuration before all was
// delivered, is delivered from until the next start.
Result<void> Reporting::open_trapper(Destination& destination) {
  const std::string path = file_of("trapper-", parts_.config.zabbix, destination.name);
  const bool wanted = wants_trapper(parts_.config);
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
      Delivery::Parts{parts_.io, *destination.trapper_spool, destination.alternatives, link_, parts_.clock,
                      zabbix::DataKind::sender, &destination.peer});
  checks_->set_spool(destination.sends(), destination.trapper_spool.get());
  return {};
}

void Reporting::collect_sends() {
  std::map<std::string, std::vector<zabbix::ActiveItem>> items;
  for (const std::string& host : send_hosts_) items[host];  // none any more, unless it has some still
  send_hosts_.clear();
  for (const SendConfig& send : parts_.config.sends) {
    items[send.host].push_back({.key = send.item, .key_orig = send.key, .delay = send.interval});
    send_hosts_.insert(send.host);
  }
  for (const auto& destination : destinations_) {
    if (!destination->trapper_spool) continue;
    for (const auto& [host, wanted] : items) checks_->replace(destination->sends(), host, wanted);
  }
}

Result<void> Reporting::open_intake(const IntakeConfig& config) {
  if (config.listen.empty() && !intake_) return {};
  if (!intake_) {
    Intake::Parts parts{parts_.io, parts_.stats, parts_.clock, {}, [this] {
                          for (const auto& destination : destinations_) {
                            if (destination->trapper_delivery) destination->trapper_delivery->wake();
                          }
                        }};
    parts.on_disk = !parts_.config.zabbix.state_dir.empty();
    intake_ = std::make_unique<Intake>(std::move(parts));
  }
  set_intake_spools();
  return intake_->open(config);
}

void Reporting::set_intake_spools() {
  if (!intake_) return;
  std::vector<Spool*> spools;
  for (const auto& destination : destinations_) {
    if (destination->trapper_spool) spools.push_back(destination->trapper_spool.get());
  }
  intake_->set_spools(std::move(spools));
}

void Reporting::set_own_hosts() {
  const ZabbixConfig& config = parts_.config.zabbix;
  std::set<std::string> own(config.hosts.begin(), config.hosts.end());
  own.insert(config.hostname);
  checks_->set_own_hosts(std::move(own));
  checks_->set_timeout(parts_.config.agent.timeout);
}

void Reporting::start() {
  started_ = true;
  changed_ = make_event(parts_.io);
  spawn_loop(parts_.io, "the list of hosts", discover_loop());
  for (const auto& destination : destinations_) start(*destination);
}

void Reporting::start(Destination& destination) {
  destination.active->start();
  destination.delivery->start();
  if (destination.trapper_delivery) destination.trapper_delivery->start();
}

Result<zabbix::Link> Reporting::prepare(const Config& next) {
  if (!next.zabbix.server.empty()) {
    if (auto destinations = read_destinations(next.zabbix); !destinations) return fail(destinations.error());
  }
  if (auto known = check_services(next.zabbix); !known) return fail(known.error());
  auto link = make_link(next.zabbix);
  if (!link) return fail(link.error());
  // One that is turned on for the first time waits for its spools.
  if (!intake_ && !next.intake.listen.empty()) return link;
  if (auto opened = open_intake(next.intake); !opened) return fail(opened.error());
  return link;
}

void Reporting::take_changes(const zabbix::Link& link) {
  const ZabbixConfig& config = parts_.config.zabbix;
  link_ = link;
  set_own_hosts();
  std::vector<zabbix::Alternatives> wanted;
  if (!config.server.empty()) {
    if (auto parsed = zabbix::parse_destinations(config.server)) wanted = std::move(*parsed);
  }
  const auto all = destinations_;
  missing_.clear();
  for (const auto& destination : all) {
    const auto stays = std::find_if(wanted.begin(), wanted.end(), [&](const zabbix::Alternatives& one) {
      return zabbix::to_string(one.current()) == destination->name;
    });
    if (stays == wanted.end()) {
      leave(destination);
      continue;
    }
    if (!(stays->endpoints() == destination->written)) {
      destination->written = stays->endpoints();
      destination->alternatives = *stays;
    }
    wanted.erase(stays);
    destination->active->set_link(link);
    destination->active->take_changes();
    destination->delivery->set_link(link);
    if (destination->trapper_delivery) destination->trapper_delivery->set_link(link);
    for (Spool* const spool : {destination->spool.get(), destination->trapper_spool.get()}) {
      if (spool != nullptr)
        spool->set_limits(static_cast<uint64_t>(config.spool_bytes), config.spool_age, config.resend_window);
    }
    if (!destination->trapper_spool) {
      if (auto opened = open_trapper(*destination); !opened) spdlog::error("{}", opened.error().message);
      if (started_ && destination->trapper_delivery) destination->trapper_delivery->start();
    }
  }
  missing_ = std::move(wanted);
  open_missing();
  collect_sends();
  set_intake_spools();
  if (!intake_) {
    if (auto opened = open_intake(parts_.config.intake); !opened) spdlog::error("{}", opened.error().message);
  }
  if (changed_) changed_->set();
}

void Reporting::ask_again() {
  for (const auto& destination : destinations_) destination->active->ask_again();
}

void Reporting::look_again() {
  checks_->look_again();
  if (changed_) changed_->set();
}

void Reporting::leave(const std::shared_ptr<Destination>& destination) {
  destination->active->stop();
  checks_->set_spool(destination->items(), nullptr);
  checks_->set_spool(destination->sends(), nullptr);
  destination->delivery->stop();
  if (destination->trapper_delivery) destination->trapper_delivery->stop();
  leaving_.push_back(destination);
  std::erase(destinations_, destination);
}

// Those that are wanted and whose file is free.
void Reporting::open_missing() {
  std::erase_if(missing_, [this](const zabbix::Alternatives& wanted) {
    const std::string name = zabbix::to_string(wanted.current());
    const bool in_use = std::any_of(leaving_.begin(), leaving_.end(),
                                    [&](const auto& destination) { return destination->name == name; });
    if (in_use) return false;
    if (auto opened = open(wanted); !opened) {
      if (std::exchange(missing_trouble_, opened.error().message) != opened.error().message)
        spdlog::error("{}", opened.error().message);
      return false;
    }
    missing_trouble_.clear();
    Destination& destination = *destinations_.back();
    destination.active->set_hosts(hosts_);
    if (started_) start(destination);
    return true;
  });
}

void Reporting::tick() {
  std::erase_if(leaving_, [](const auto& one) {
    return one->active->ended() && one->delivery->ended() &&
           (!one->trapper_delivery || one->trapper_delivery->ended());
  });
  if (!missing_.empty()) {
    const size_t before = missing_.size();
    open_missing();
    if (missing_.size() != before) {
      collect_sends();
      set_intake_spools();
    }
  }
  bring();
  for (const auto& destination : destinations_) {
    for (Spool* const spool : {destination->spool.get(), destination->trapper_spool.get()}) {
      if (spool == nullptr) continue;
      if (const auto kept = spool->keep_file(); !kept && file_trouble_ != kept.error().message) {
        file_trouble_ = kept.error().message;
        spdlog::error("{}", file_trouble_);
      }
      for (const SpoolDrop& drop : spool->take_drops()) {
        spdlog::error("{} values for {} were given up ({}), the oldest of {}", drop.values, destination->name,
                      to_string(drop.reason), drop.oldest_clock);
      }
      for (const Error& warning : spool->take_warnings()) spdlog::warn("{}", warning.message);
    }
  }
  count();
}

void Reporting::bring() {
  const uint64_t before = checks_->values();
  checks_->tick();
  if (checks_->values() == before) return;
  for (const auto& destination : destinations_) {
    destination->delivery->wake();
    if (destination->trapper_delivery) destination->trapper_delivery->wake();
  }
}

void Reporting::on_added(std::function<void()> call) { checks_->on_added = std::move(call); }

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

// The lists that hosts are named by, whatever became of their newest reading: empty never means failed, and
// nobody waits for an account that does not answer. False: some list has not been read yet.
bool Reporting::discover() {
  bool complete = true;
  std::vector<Hosts::List> lists;
  for (const std::string& name : parts_.config.zabbix.discover) {
    const Service* service = find_service(name);
    if (service == nullptr) continue;
    for (const Target* const target : parts_.targets.known()) {
      Inventory& inventory = parts_.inventories.of(*service, *target);
      Hosts::List& list = lists.emplace_back(Hosts::List{service, target, inventory.now_or_start(), {}});
      if (list.snapshot) continue;
      complete = complete && inventory.failure();
      if (inventory.failure()) list.trouble = inventory.failure()->message;
    }
    // Where more lists are to come.
    if (!parts_.targets.members_unknown().empty())
      lists.push_back(Hosts::List{service, nullptr, nullptr, parts_.targets.members_unknown()});
    for (const auto& account : parts_.targets.accounts()) {
      const auto& regions = account->found_regions;
      if (!account->asleep.empty() || !account->config.regions.all || !regions.names.empty()) continue;
      lists.push_back(
          Hosts::List{service, nullptr, nullptr, regions.failure ? regions.failure->message : std::string()});
    }
  }
  take_lists(std::move(lists));
  return complete;
}

void Reporting::take_lists(std::vector<Hosts::List> lists) {
  const ZabbixConfig& config = parts_.config.zabbix;
  Hosts::Named named{{config.hosts.begin(), config.hosts.end()}, send_hosts_};
  if (!config.hostname.empty()) named.own.insert(config.hostname);
  hosts_ = named.own;
  const bool moved = parts_.hosts.take(std::move(lists), std::move(named));
  hosts_.insert(parts_.hosts.found().begin(), parts_.hosts.found().end());
  if (moved) checks_->look_again();
}

asio::awaitable<void> Reporting::discover_loop() {
  for (;;) {
    const bool complete = discover();
    for (const auto& destination : destinations_) destination->active->set_hosts(hosts_);
    changed_ = make_event(parts_.io);
    const EventPtr changed = changed_;
    (void)co_await changed->wait(std::chrono::steady_clock::now() +
                                 (complete ? kLookForHosts : kLookForMoreHosts));
  }
}

}  // namespace bakusoku::agent
