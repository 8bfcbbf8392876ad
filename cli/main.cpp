#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "agent/similar.h"
#include "base/utf8.h"
#include "base/version.h"
#include "cli/command.h"

namespace bakusoku::cli {

void complain(const std::string& message) {
  std::fprintf(stderr, "bakusoku: %s\n", printable(message, Newlines::kept).c_str());
}

void print(const std::string& text) { std::fputs(printable(text, Newlines::kept).c_str(), stdout); }

void print_exactly(const std::string& text) {
  if (::isatty(STDOUT_FILENO) == 1) {
    print(text);
  } else {
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

namespace {

// "statsu" is no command: which was meant?
void suggest(const CLI::App& app, std::string_view word) {
  if (word.empty() || word.front() == '-') return;
  std::vector<std::string_view> names;
  for (const CLI::App* const command : app.get_subcommands({})) names.push_back(command->get_name());
  for (const std::string_view name : names) {
    if (name == word) return;
  }
  const auto similar = agent::similar_names(word, names, 1);
  complain(similar.empty()
               ? fmt::format("there is no command '{}'; bakusoku --help lists them", word)
               : fmt::format("there is no command '{}'; did you mean: bakusoku {}", word, similar.front()));
}

}  // namespace

// Keys and tokens are in memory: no core dump, and no other process of this user reads them there.
static void keep_memory_private() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace bakusoku::cli

int main(int argc, char** argv) {
  using namespace bakusoku;
  cli::keep_memory_private();
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{
      "Bakusoku, the Zabbix agent for AWS.\n\n"
      "  bakusoku run      answers Zabbix: through bakusoku.so, a passive-agent port, or both\n"
      "  bakusoku get      asks for items by hand, as Zabbix would\n"
      "  bakusoku check    tells whether configuration, credentials and permissions are in order\n"
      "  bakusoku plan     tells what the wanted metrics cost, before they are read\n"
      "  bakusoku explain  tells why an item of a host has the value it has, or none\n"
      "  bakusoku status   shows how the running agent is doing\n",
      "bakusoku"};
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 fine, 1 failed or not supported, 2 wrong usage or configuration.");
  cli::Run run;
  cli::add_run(app, run);
  cli::add_get(app, run);
  cli::add_check(app, run);
  cli::add_plan(app, run);
  cli::add_explain(app, run);
  cli::add_status(app, run);
  cli::add_version(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    if (code == 0) return cli::kOk;
    if (argc > 1) cli::suggest(app, argv[1]);
    return cli::kUsage;
  }
  try {
    return run();
  } catch (const std::exception& error) {
    cli::complain(error.what());
    return cli::kFailed;
  }
}
