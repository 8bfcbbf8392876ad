#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <exception>
#include <memory>
#include <new>

#include "agent/agent.h"
#include "agent/preflight.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/result.h"
#include "base/version.h"
#include "base/watchdog.h"
#include "cli/command.h"
#include "cli/socket.h"

namespace bakusoku::cli {
namespace {

struct Options {
  std::string config;
  std::string log_level;
};

// Askers' connections and AWS's: the usual soft limit of 1024 is less than a large Zabbix server has pollers.
void allow_many_connections() {
  constexpr rlim_t kWanted = 16384;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(kWanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What was promised is on disk. An agent that goes on without what it could not allocate would answer with
// less than the truth; the service manager starts it again, with all its memory free.
[[noreturn]] void end_without_memory() {
  static constexpr char kWords[] =
      "error: out of memory; the agent ends, and goes on from its files when it is started again (as systemd "
      "does); "
      "give it more (MemoryMax=, ulimit -v)\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kWords, sizeof kWords - 1);
  ::_exit(kFailed);
}

// Reads the configuration again at each SIGHUP.
void reload_on(asio::signal_set& signal, agent::Agent& agent, const Options& options) {
  signal.async_wait([&signal, &agent, &options](const asio::error_code& error, int) {
    if (error) return;
    auto config = agent::load_config(options.config);
    if (config && !options.log_level.empty()) config->agent.log_level = options.log_level;
    const Result<void> done = config ? agent.reload(std::move(*config)) : Result<void>(fail(config.error()));
    if (!done) spdlog::error("{}; the agent goes on as it was configured before", done.error().message);
    reload_on(signal, agent, options);
  });
}

// What the configuration says wrongly is told from what the machine does not grant.
int refuse(const Error& error) {
  complain(error.message);
  return error.kind == ErrorKind::invalid ? kUsage : kFailed;
}

// All that stands in the way, so that nobody mends one thing only to meet the next.
int look_first(const agent::Config& config) {
  int code = kOk;
  for (const agent::Finding& finding :
       agent::preflight(config, Environment::of_process(), running_agent(config), agent::Purpose::start)) {
    if (finding.verdict != agent::Finding::Verdict::refused) continue;
    complain(finding.text);
    code = agent::blames_configuration(finding) ? kUsage : std::max(code, kFailed);
  }
  return code;
}

int run_agent(const Options& options) {
  std::set_new_handler(end_without_memory);
  auto config = agent::load_config(options.config);
  if (!config) {
    complain(config.error().message);
    return kUsage;
  }
  if (!options.log_level.empty()) config->agent.log_level = options.log_level;
  // Under systemd the journal stamps the lines.
  const bool journal = Environment::of_process().get("JOURNAL_STREAM").has_value();
  if (auto log = set_up_log(config->agent.log_level, journal); !log) {
    complain(log.error().message);
    return kUsage;
  }
  if (const int wrong = look_first(*config); wrong != kOk) return wrong;
  allow_many_connections();
  // A file-size limit is an error like a full disk, which the spool gets over.
  std::signal(SIGXFSZ, SIG_IGN);
  // Zabbix's daemons take these for commands; by itself either would end a process.
  std::signal(SIGUSR1, SIG_IGN);
  std::signal(SIGUSR2, SIG_IGN);
  asio::io_context io(1);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  asio::signal_set hang_up(io, SIGHUP);
  signals.async_wait([&io](const asio::error_code& error, int number) {
    if (error) return;
    spdlog::info("stopping on signal {}", number);
    io.stop();
  });
  auto agent = agent::Agent::create(io, std::move(*config), Environment::of_process());
  if (!agent) return refuse(agent.error());
  for (const std::string& warning : (*agent)->targets().warnings()) spdlog::warn("{}", warning);
  if (auto opened = (*agent)->open_entrances(); !opened) return refuse(opened.error());
  if (auto opened = (*agent)->open_reporting(); !opened) return refuse(opened.error());
  (*agent)->open_weblogs();
  (*agent)->open_ledger();
  (*agent)->start();
  reload_on(hang_up, **agent, options);
  const agent::Config& running = (*agent)->config();
  spdlog::info("bakusoku {} answers on {}{}{}; configuration: {}", kVersion, running.agent.socket,
               running.agent.listen.empty() ? "" : " and ", running.agent.listen,
               running.file.empty() ? "defaults" : running.file);
  int status = kOk;
  try {
    const Watchdog watchdog((*agent)->hearts(), Watchdog::settings_of(Environment::of_process()));
    io.run();
  } catch (const std::exception& exception) {
    spdlog::error("{}; the agent ends, so that the service manager starts it again", exception.what());
    status = kFailed;
  }
  (*agent)->write_ledger();
  return status;
}

}  // namespace

void add_run(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "run", "Run the agent in the foreground until SIGTERM or SIGINT; SIGHUP reads the configuration again");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config,
                      "Configuration file (default: " + std::string(agent::kDefaultConfigFile) +
                          " if it is there; without one the AWS tools' own settings are enough)");
  command->add_option("--log-level", options->log_level, "trace, debug, info, warning, error or off");
  command->footer(
      "Credentials and region are found as the AWS tools find them: environment, /etc/zabbix/aws.env, "
      "~/.aws,\n"
      "container or instance role. Check them with: bakusoku check");
  command->callback([&run, options] { run = [options] { return run_agent(*options); }; });
}

}  // namespace bakusoku::cli
