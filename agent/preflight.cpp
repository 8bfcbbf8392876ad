#include "agent/preflight.h"

#include <simdjson.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <filesystem>
#include <memory>
#include <system_error>

#include "agent/entrance_socket.h"
#include "agent/folder.h"
#include "agent/inventory.h"
#include "agent/port.h"
#include "agent/prices.h"
#include "agent/reporting.h"
#include "agent/spool_look.h"
#include "agent/targets.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using asio::ip::tcp;
using Verdict = Finding::Verdict;

class Look {
 public:
  Look(const Config& of, const Environment& variables, const std::optional<RunningAgent>& other, Purpose why)
      : config(of), environment(variables), running(other), purpose(why) {}

  const Config& config;
  const Environment& environment;
  const std::optional<RunningAgent>& running;
  Purpose purpose;
  asio::io_context io{1};
  std::vector<std::shared_ptr<tcp::acceptor>> claimed{};  // until the end: a port cannot be had twice

  void begin(const char* about) { about_ = about; }
  template <typename... Args>
  void say(Verdict verdict, fmt::format_string<Args...> format, Args&&... args) {
    findings_.push_back(
        {verdict, about_, fmt::format(format, std::forward<Args>(args)...), ErrorKind::invalid});
  }
  void refuse(const Error& error) {
    findings_.push_back({Verdict::refused, about_, error.message, error.kind});
  }
  [[nodiscard]] std::vector<Finding> take() { return std::move(findings_); }

 private:
  const char* about_ = "";
  std::vector<Finding> findings_;
};

void look_at_log_level(Look& look) {
  if (auto good = check_log_level(look.config.agent.log_level); !good) look.refuse(good.error());
}

void look_at_inventory(Look& look) {
  if (auto good = check(look.config.inventory); !good) look.refuse(good.error());
}

void look_at_prices(Look& look) {
  if (auto prices = Prices::load(look.config.budget.prices); !prices) look.refuse(prices.error());
}

void look_at_aws(Look& look) {
  const auto targets = Targets::create(look.io, look.config, look.environment, system_clock(), steady_time());
  if (!targets) return look.refuse(targets.error());
  for (const std::string& warning : (*targets)->warnings()) look.say(Verdict::doubtful, "{}", warning);
}

void look_at_socket(Look& look) {
  const std::string& path = look.config.agent.socket;
  const auto used = SocketEntrance::look(path);
  if (!used) return look.refuse(used.error());
  if (!*used) return look.say(Verdict::good, "{} can be made", path);
  const bool is_own = look.running && look.running->file == configuration_path(look.config);
  if (look.purpose == Purpose::look && is_own)
    return look.say(Verdict::good, "{} is that of the running agent", path);
  look.refuse(Error{ErrorKind::invalid,
                    fmt::format("another agent listens on {}{}; stop it, or set socket in [agent]", path,
                                look.running ? fmt::format(" (process {}, configured by {})",
                                                           look.running->pid, look.running->file)
                                             : std::string()),
                    {}});
}

// Whether only one of the two can be listened on.
bool overlap(const tcp::endpoint& one, const tcp::endpoint& other) {
  if (one.port() != other.port()) return false;
  if (one.address() == other.address()) return true;
  const auto covers = [](const asio::ip::address& all, const asio::ip::address& address) {
    return all.is_unspecified() && (all.is_v6() || address.is_v4());
  };
  return covers(one.address(), other.address()) || covers(other.address(), one.address());
}

bool overlap(const std::string& one, const std::string& other) {
  const auto first = listen_address(one);
  const auto second = listen_address(other);
  return first && second && overlap(*first, *second);
}

void look_at_port(Look& look, const Port::Settings& settings) {
  if (settings.listen.empty()) return;
  if (auto good = Port::read(settings); !good) return look.refuse(good.error());
  auto claimed = Port::claim(look.io, settings);
  if (claimed) {
    look.claimed.push_back(std::move(*claimed));
    return look.say(Verdict::good, "{} is free", settings.listen);
  }
  const bool held = look.running && (overlap(settings.listen, look.running->listen) ||
                                     overlap(settings.listen, look.running->intake));
  if (!held) return look.refuse(claimed.error());
  look.say(Verdict::good, "the running agent listens on {}", settings.listen);
}

void look_at_listen(Look& look) {
  const AgentConfig& agent = look.config.agent;
  look_at_port(look, {"[agent]", agent.listen, agent.allow, "passive check"});
}

void look_at_intake(Look& look) {
  const IntakeConfig& intake = look.config.intake;
  if (overlap(intake.listen, look.config.agent.listen)) {
    return look.refuse(
        Error{ErrorKind::invalid,
              fmt::format("cannot listen on {}: it is that of listen in [agent]; set listen in [intake] to "
                          "another port",
                          intake.listen),
              {}});
  }
  look_at_port(look, {"[intake]", intake.listen, intake.allow, "connection to the intake"});
}

void look_at_servers(Look& look) {
  if (look.config.zabbix.server.empty()) return;
  if (const auto read = read_destinations(look.config.zabbix); !read) look.refuse(read.error());
}

void look_at_discover(Look& look) {
  if (auto known = check_services(look.config.zabbix); !known) look.refuse(known.error());
}

void look_at_tls(Look& look) {
  if (look.config.zabbix.server.empty()) return;
  const auto tls = read_tls(look.config.zabbix);
  if (!tls) return look.refuse(tls.error());
  if (!*tls) return;
  look.say(Verdict::good, "{}: the files can be read and fit", look.config.zabbix.tls_connect);
  for (const std::string& warning : (*tls)->warnings()) look.say(Verdict::doubtful, "{}", warning);
}

// Says so when it cannot keep anything there; the agent goes on in memory then.
bool look_at_folder(Look& look) {
  const ZabbixConfig& zabbix = look.config.zabbix;
  const auto takes = takes_files(zabbix.state_dir);
  if (takes) return true;
  const bool values = !zabbix.server.empty();
  look.say(values ? Verdict::harmful : Verdict::doubtful,
           "{}; {} kept in memory and go{} with the agent: make the folder and give it to the agent's user, "
           "or set another state_dir in [zabbix]",
           takes.error().message,
           values ? "values that Zabbix has not taken, and how far each item is, are" : "what AWS bills is",
           values ? "" : "es");
  return false;
}

// One file of it. False: nothing more is to be said of the folder.
bool look_at_file(Look& look, const std::string& path, bool& held) {
  const auto seen = look_at_spool(path);
  if (seen) return true;
  const Error& error = seen.error();
  switch (error.kind) {
    case ErrorKind::unavailable: {
      const auto holder = holder_of_database(path);
      const bool by_running =
          look.running && (look.running->state_dir == whole_path(look.config.zabbix.state_dir) ||
                           holder == static_cast<pid_t>(look.running->pid));
      if (by_running) {
        held = true;
        return true;
      }
      look.refuse(error.with_context("[zabbix] state_dir"));
      return false;
    }
    case ErrorKind::corrupt:
      look.say(Verdict::doubtful, "{}; the agent will move it aside and begin a new one", error.message);
      return true;
    case ErrorKind::io:
    case ErrorKind::denied:
      look.say(Verdict::harmful, "{}; values are kept in memory and go with the agent", error.message);
      return false;
    default:
      look.refuse(error.with_context("[zabbix] state_dir"));
      return false;
  }
}

void look_at_state(Look& look) {
  const ZabbixConfig& zabbix = look.config.zabbix;
  if (zabbix.state_dir.empty()) {
    if (!zabbix.server.empty()) look.say(Verdict::good, "none: values are kept in memory");
    return;
  }
  if (!look_at_folder(look)) return;
  bool held = false;
  const auto destinations =
      zabbix.server.empty() ? Result<std::vector<zabbix::Alternatives>>() : read_destinations(zabbix);
  if (!destinations) return;  // said of the servers
  for (const zabbix::Alternatives& destination : *destinations) {
    if (!look_at_file(look, spool_file(zabbix, destination), held)) return;
    // Also one that is wanted no more is opened, because it may hold something.
    if (!look_at_file(look, trapper_file(zabbix, destination), held)) return;
  }
  // Without a server only what AWS bills is kept there, if nobody else does.
  const auto ledger = holder_of_database(zabbix.state_dir + "/ledger.sqlite");
  const bool of_running = look.running && (look.running->state_dir == whole_path(zabbix.state_dir) ||
                                           ledger == static_cast<pid_t>(look.running->pid));
  if (ledger && !of_running) {
    return look.say(
        Verdict::doubtful,
        "another agent{} keeps what AWS bills in {}; this one counts in memory (another state_dir "
        "in [zabbix] would keep it)",
        *ledger == 0 ? std::string() : fmt::format(" (process {})", *ledger), zabbix.state_dir);
  }
  look.say(Verdict::good, "{} {}", zabbix.state_dir,
           held || (ledger && of_running) ? "is that of the running agent" : "can be used");
}

struct Row {
  const char* about;
  void (*look)(Look&);
};

// In the order in which the agent opens things.
constexpr std::array kRows = {
    Row{"[agent] log_level", look_at_log_level},
    Row{"[inventory]", look_at_inventory},
    Row{"[budget] prices", look_at_prices},
    Row{"AWS configuration", look_at_aws},
    Row{"[agent] socket", look_at_socket},
    Row{"[agent] listen", look_at_listen},
    Row{"[zabbix] server", look_at_servers},
    Row{"[zabbix] discover", look_at_discover},
    Row{"[zabbix] TLS", look_at_tls},
    Row{"[zabbix] state_dir", look_at_state},
    Row{"[intake] listen", look_at_intake},
};

std::string text(const simdjson::dom::element& of, std::string_view name) {
  std::string_view value;
  return of[name].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

}  // namespace

std::string whole_path(const std::string& file) {
  if (file.empty()) return {};
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(file, failed);
  if (failed) return file;
  auto whole = std::filesystem::weakly_canonical(absolute, failed);
  if (failed) whole = absolute.lexically_normal();
  std::string path = whole.string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string configuration_path(const Config& config) {
  return whole_path(config.file.empty() ? kDefaultConfigFile : config.file);
}

std::optional<RunningAgent> read_running_agent(std::string_view status) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::element holds;
  const simdjson::padded_string padded(status);
  if (parser.parse(padded).get(root) != simdjson::SUCCESS || root["holds"].get(holds) != simdjson::SUCCESS)
    return std::nullopt;
  RunningAgent agent;
  agent.version = text(root, "version");
  if (holds["pid"].get(agent.pid) != simdjson::SUCCESS) agent.pid = 0;
  agent.file = text(holds, "configuration");
  agent.listen = text(holds, "listen");
  agent.intake = text(holds, "intake");
  agent.state_dir = text(holds, "state_dir");
  return agent;
}

std::vector<Finding> preflight(const Config& config, const Environment& environment,
                               const std::optional<RunningAgent>& running, Purpose purpose) {
  Look look(config, environment, running, purpose);
  for (const Row& row : kRows) {
    look.begin(row.about);
    row.look(look);
  }
  return look.take();
}

bool blames_configuration(const Finding& finding) {
  return finding.kind == ErrorKind::invalid || finding.kind == ErrorKind::not_found;
}

}  // namespace bakusoku::agent
