#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

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

}  // namespace bakusoku::cli

int main(int argc, char** argv) {
  using namespace bakusoku;
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
    return code == 0 ? cli::kOk : cli::kUsage;
  }
  try {
    return run();
  } catch (const std::exception& error) {
    cli::complain(error.what());
    return cli::kFailed;
  }
}
