// zbxmod-host: see --help and docs/zbxmod-host.md.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <cstdio>
#include <filesystem>

#include "new.h"
#include "run.h"

namespace {

namespace host = zbxmod::host;

constexpr const char* kAbout =
    R"(zbxmod-host: a stand-in for Zabbix that tells what is wrong with a loadable module.

It does what zabbix_agentd does with a module: loads it in a main process, with the structures, the symbols
and the order of loading of one version of Zabbix, then forks workers and asks each of them for each KEY.
Without a KEY every item is asked with its test parameter, as `zabbix_agentd -p` does.)";

constexpr const char* kFootnote =
    R"(A module is condemned for: not loading; threads, sockets or children left by its loading; a hang; a crash;
success without a value, or with two; failure without a message; text that is not UTF-8; output on standard
output; memory touched that this version of Zabbix does not have; keys that exist already; trouble at exit.
An item that is "not supported" with a message is a good answer.

Examples:
  zbxmod-host lib/bakusoku.so 'bakusoku.echo[hello,world]'
  zbxmod-host --all-layouts ./my.so                       every version, every item
  zbxmod-host --zabbix 7.0 --workers 8 --repeat 100000 ./my.so my.item

Exit status: 0 passed, 1 condemned, 2 not a usable command line.)";

std::string program_directory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

}  // namespace

// What could still be thrown here is CLI11 refusing an option that this file defines wrongly.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "new") {
    return host::new_command({argv + 2, argv + argc}, program_directory() + "/../share/zbxmod/template");
  }
  CLI::App app{kAbout, "zbxmod-host"};
  app.footer(kFootnote);
  host::Options options;
  std::string version = "6.0";
  bool all = false;
  bool json = false;
  app.add_option("module", options.module, "The module, a .so file")->required()->type_name("MODULE.so");
  app.add_option("key", options.keys, "Item keys with their parameters, as in Zabbix")->type_name("KEY");
  app.add_option("--zabbix", version, "Version to stand in for: 2.2 3.0 3.2 4.0 5.0.0 5.0 6.0 6.4 7.0")
      ->capture_default_str()
      ->type_name("VERSION");
  app.add_flag("--all-layouts", all, "Every version from 3.0 to 7.0, one after the other");
  app.add_option("--workers", options.workers, "Worker processes")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--timeout", options.timeout_seconds,
                 "Zabbix's Timeout in seconds; a call is killed 2 s after it")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  app.add_option("--repeat", options.repeat, "How often each worker asks for each key")
      ->capture_default_str()
      ->type_name("N");
  app.add_flag("--json", json, "The report as JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  std::error_code error;
  const auto path = std::filesystem::absolute(options.module, error);
  if (error || !std::filesystem::exists(path, error)) {
    std::fprintf(stderr, "zbxmod-host: there is no file %s\n", options.module.c_str());
    return 2;
  }
  options.module = path.string();
  options.personality_directory = program_directory() + "/../lib/zbxmod-host";

  std::vector<const host::Layout*> layouts = host::all_layouts();
  if (!all) {
    const host::Layout* layout = host::find_layout(version);
    if (layout == nullptr) {
      std::fprintf(stderr, "zbxmod-host: unknown version %s; see --help\n", version.c_str());
      return 2;
    }
    layouts = {layout};
  }
  std::vector<host::Report> reports;
  bool passed = true;
  for (const host::Layout* layout : layouts) {
    reports.push_back(host::run(*layout, options));
    passed = passed && reports.back().passed();
  }
  std::fputs((json ? host::as_json(options.module, reports) : host::as_text(options.module, reports)).c_str(),
             stdout);
  return passed ? 0 : 1;
}
