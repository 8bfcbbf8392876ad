// zbxmod-host: see --help and docs/zbxmod-host.md.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "new.h"
#include "run.h"

namespace {

namespace host = zbxmod::host;

constexpr const char* kAbout =
    R"(zbxmod-host: a stand-in for Zabbix that tells what is wrong with a loadable module.

It does what zabbix_agentd does with a module: loads it in a main process, with the structures, the symbols
and the order of loading of one version of Zabbix, then forks workers and asks each of them for each KEY.
Without a KEY every item is asked with its test parameter, as `zabbix_agentd -p` does.

`zbxmod-host bench` tells how fast it answers; see `zbxmod-host bench --help`.
`zbxmod-host new NAME` makes a project for a module of your own; see `zbxmod-host new --help`.)";

constexpr const char* kFootnote =
    R"(
What condemns a module, each with its cause and what to do: threads, descriptors and changed signals left
from before the fork; hangs, late answers, crashes, escaped exceptions, exit(); success without a value, failure
without a message; output; names and keys that Zabbix has already; memory touched that this version of
Zabbix does not have; trouble at exit. A note does not condemn, and an item that is "not supported" with a message
is a good answer.

Examples:
  zbxmod-host lib/bakusoku.so 'bakusoku.echo[hello,world]'
  zbxmod-host --all-layouts ./my.so                       every version, every item
  zbxmod-host --zabbix 7.0 --workers 8 --requests 100000 ./my.so my.item
  zbxmod-host bench ./my.so my.item

Exit status: 0 passed, 1 condemned, 2 not a usable command line.)";

constexpr const char* kAboutBench =
    R"(zbxmod-host bench: how many answers a second a module gives, and how long each takes.

Loads the module as zbxmod-host does and forks workers, which ask for one KEY after the other, all at the same
time and as fast as it goes. Times are those of the call alone, in the worker around it. The first call of
each worker, which may have to connect, is shown by itself.)";

std::string program_directory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

void on_interrupt(int) { host::interrupt_run(); }

struct CommandLine {
  host::Options options{};
  std::string version = "6.0";
  bool all = false;
  bool json = false;
};

void add_common(CLI::App& app, CommandLine& line) {
  app.add_option("module", line.options.module, "The module, a .so file")->required()->type_name("MODULE.so");
  app.add_option("key", line.options.keys, "Item keys with their parameters, as in Zabbix")->type_name("KEY");
  app.add_option("--zabbix", line.version, "Version to stand in for: 2.2 3.0 3.2 4.0 5.0.0 5.0 6.0 6.4 7.0")
      ->capture_default_str()
      ->type_name("VERSION");
  app.add_option("--workers", line.options.workers, "Worker processes")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--timeout", line.options.timeout_seconds,
                 "Zabbix's Timeout in seconds; a call is killed 2 s after it")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  app.add_option("--memory", line.options.memory_mb, "A process that needs more MB is killed")
      ->capture_default_str()
      ->check(CLI::Range(64, 1'000'000));
  app.add_flag("--json", line.json, "The report as JSON");
}

/// The exit status, once the command line is understood.
int run(CommandLine& line) {
  std::error_code error;
  const auto path = std::filesystem::absolute(line.options.module, error);
  if (error || !std::filesystem::is_regular_file(path, error)) {
    std::fprintf(stderr, "zbxmod-host: there is no file %s\n", line.options.module.c_str());
    return 2;
  }
  line.options.module = path.string();
  line.options.personality_directory = program_directory() + "/../lib/zbxmod-host";

  std::vector<const host::Layout*> layouts = host::all_layouts();
  if (!line.all) {
    const host::Layout* layout = host::find_layout(line.version);
    if (layout == nullptr) {
      std::fprintf(stderr, "zbxmod-host: unknown version %s; see --help\n", line.version.c_str());
      return 2;
    }
    layouts = {layout};
  }
  struct sigaction interrupt {};
  interrupt.sa_handler = on_interrupt;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &interrupt, nullptr);
  std::vector<host::Report> reports;
  bool passed = true;
  for (const host::Layout* layout : layouts) {
    reports.push_back(host::run(*layout, line.options));
    passed = passed && reports.back().passed();
  }
  std::fputs(
      (line.json ? host::as_json(line.options.module, reports) : host::as_text(line.options.module, reports))
          .c_str(),
      stdout);
  return passed ? 0 : 1;
}

int check(int argc, char** argv) {
  CLI::App app{kAbout, "zbxmod-host"};
  app.footer(kFootnote);
  CommandLine line;
  add_common(app, line);
  app.add_flag("--all-layouts", line.all, "Every version from 3.0 to 7.0, one after the other");
  app.add_option("--requests", line.options.requests, "How often each worker asks for each key")
      ->capture_default_str()
      ->check(CLI::Range(1, INT_MAX))
      ->type_name("N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(line);
}

int bench(int argc, char** argv) {
  CLI::App app{kAboutBench, "zbxmod-host bench"};
  CommandLine line;
  line.options.bench = true;
  line.options.workers = 1;
  add_common(app, line);
  CLI::Option* seconds =
      app.add_option("--seconds", line.options.bench_seconds, "For how long each key is asked")
          ->capture_default_str()
          ->check(CLI::Range(0.01, 3600.0));
  CLI::Option* requests = app.add_option("--requests", line.options.bench_requests,
                                         "How often each worker asks for each key, within 60 s or --seconds")
                              ->check(CLI::Range(1, INT_MAX))
                              ->type_name("N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (requests->count() > 0 && seconds->count() == 0) line.options.bench_seconds = 60;
  return run(line);
}

}  // namespace

// What could still be thrown here is CLI11 refusing an option that this file defines wrongly.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "bench") return bench(argc - 1, argv + 1);
  if (command == "new") {
    return host::new_command({argv + 2, argv + argc}, program_directory() + "/../share/zbxmod/template");
  }
  return check(argc, argv);
}
