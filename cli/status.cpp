#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ask/client.h"
#include "base/time_text.h"
#include "cli/command.h"
#include "cli/report.h"
#include "cli/socket.h"
#include "cli/terminal.h"

namespace bakusoku::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAnswerWithin{2000};

struct Options {
  std::string socket;
  std::string config;
  double interval_seconds = 1;
  bool json = false;
  bool once = false;
};

ask::Answer ask_agent(ask::Client& client) {
  return client.ask("bakusoku.status", steady_clock::now() + kAnswerWithin);
}

int show_once(const ask::Answer& answer, bool json) {
  if (json) {
    print_exactly(answer.text + '\n');
    return kOk;
  }
  const auto lines = status_lines(answer.text, terminal_width());
  if (!lines) {
    complain(lines.error().message);
    return kFailed;
  }
  for (const std::string& line : *lines) print(line + '\n');
  return kOk;
}

// The agent may go and come back: the newest figures stay, with a word above them.
int show_live(ask::Client& client, ask::Answer answer, milliseconds interval) {
  std::string newest = answer.text;
  steady_clock::time_point answered = steady_clock::now();
  Terminal terminal;
  for (;;) {
    std::vector<std::string> lines;
    if (answer.outcome == ask::Answer::Outcome::value) {
      newest = answer.text;
      answered = steady_clock::now();
    } else {
      const auto ago = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - answered);
      for (const std::string& line : wrapped(fmt::format("No answer for {}; it is asked again. {}",
                                                         duration_text(ago.count()), answer.text),
                                             terminal.width())) {
        lines.push_back(line);
      }
      lines.emplace_back();
    }
    const auto shown = status_lines(newest, terminal.width());
    if (shown) {
      lines.insert(lines.end(), shown->begin(), shown->end());
    } else {
      lines.push_back(shown.error().message);
    }
    if (lines.size() < terminal.height()) {
      lines.resize(terminal.height() - 1);
      lines.push_back(cut("q: quit   space: now", terminal.width()));
    }
    terminal.show(lines);
    switch (terminal.wait(interval)) {
      case Terminal::Wake::quit:
        return kOk;
      case Terminal::Wake::redraw:
        continue;
      case Terminal::Wake::time:
      case Terminal::Wake::refresh:
        answer = ask_agent(client);
    }
  }
}

int status(const Options& options) {
  const auto socket = find_socket(options.socket, options.config);
  if (!socket) {
    complain(socket.error().message);
    return kUsage;
  }
  ask::Client client(*socket);
  ask::Answer answer = ask_agent(client);
  if (answer.outcome != ask::Answer::Outcome::value) {
    complain(answer.text);
    return kFailed;
  }
  const bool live =
      !options.json && !options.once && ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1;
  if (!live) return show_once(answer, options.json);
  return show_live(client, std::move(answer),
                   milliseconds(static_cast<int64_t>(options.interval_seconds * 1000)));
}

}  // namespace

void add_status(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "status", "Show how the running agent is doing; in a terminal a view that refreshes");
  auto options = std::make_shared<Options>();
  command->add_option("-i,--interval", options->interval_seconds, "Seconds between two looks (default: 1)")
      ->check(CLI::Range(0.2, 3600.0));
  command->add_flag("--once", options->once, "Print once, also in a terminal");
  command->add_flag("--json", options->json, "Print one JSON object, once");
  command->add_option("-s,--socket", options->socket,
                      "Socket of the agent (default: BAKUSOKU_SOCKET, else the configuration's)");
  command->add_option("-c,--config", options->config, "Configuration file");
  command->footer(
      "Destinations and what waits for them, items, rates, calls to AWS and their cost, the last warnings "
      "and errors.\n"
      "In the view: q quits, space looks at once. It goes on when the agent is restarted.");
  command->callback([&run, options] { run = [options] { return status(*options); }; });
}

}  // namespace bakusoku::cli
