#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "ask/client.h"
#include "cli/command.h"
#include "cli/report.h"
#include "cli/socket.h"
#include "cli/terminal.h"
#include "zabbix/key.h"

namespace bakusoku::cli {
namespace {

struct Options {
  std::string host;
  std::string key;
  std::string socket;
  std::string config;
  double timeout_seconds = 10;
  bool json = false;
};

int explain(const Options& options) {
  std::vector<std::string> parameters{options.host};
  if (!options.key.empty()) parameters.push_back(options.key);
  const auto question = zabbix::format_key("bakusoku.explain", parameters);
  if (!question) {
    complain(question.error().message);
    return kUsage;
  }
  const auto socket = find_socket(options.socket, options.config);
  if (!socket) {
    complain(socket.error().message);
    return kUsage;
  }
  ask::Client client(*socket);
  const std::chrono::milliseconds timeout(static_cast<int64_t>(options.timeout_seconds * 1000));
  const ask::Answer answer = client.ask(*question, std::chrono::steady_clock::now() + timeout);
  if (answer.outcome != ask::Answer::Outcome::value) {
    complain(answer.text);
    return kFailed;
  }
  if (options.json) {
    print_exactly(answer.text + '\n');
  } else {
    const auto text = explain_text(answer.text, terminal_width());
    if (!text) {
      complain(text.error().message);
      return kFailed;
    }
    print(*text);
  }
  return explains_delivery(answer.text) ? kOk : kFailed;
}

}  // namespace

void add_explain(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "explain", "Tell why an item of a host has the value it has, or none, asked from the running agent");
  auto options = std::make_shared<Options>();
  command->add_option("host", options->host, "The host's technical name in Zabbix")->required();
  command->add_option("key", options->key, "The item's key; without it, a table of all items of the host");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->add_option("-s,--socket", options->socket,
                      "Socket of the agent (default: BAKUSOKU_SOCKET, else the configuration's)");
  command->add_option("-c,--config", options->config, "Configuration file");
  command->add_option("-t,--timeout", options->timeout_seconds, "Seconds for the answer (default: 10)")
      ->check(CLI::Range(0.1, 600.0));
  command->footer(
      "Says who wants the item, the metric behind it, what CloudWatch said last, and where its newest value "
      "is. Only\n"
      "looks: nothing is asked of AWS or Zabbix by it.\n"
      "Exit codes: 0 all values of the item or host are delivered, 1 something is missing, 2 wrong usage.\n"
      "Examples:\n"
      "  bakusoku explain i-0123456789abcdef0\n"
      "  bakusoku explain i-0123456789abcdef0 'aws.resource[ec2,i-0123456789abcdef0,state]'");
  command->callback([&run, options] { run = [options] { return explain(*options); }; });
}

}  // namespace bakusoku::cli
