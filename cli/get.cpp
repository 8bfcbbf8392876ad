#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "agent/agent.h"
#include "ask/client.h"
#include "base/environment.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/socket.h"

namespace bakusoku::cli {
namespace {

struct Options {
  std::vector<std::string> keys;
  std::string socket;
  std::string config;
  double timeout_seconds = 0;
  bool direct = false;
  bool json = false;
};

constexpr double kAskTimeout = 3;
constexpr double kDirectTimeout = 30;  // credentials, a whole inventory and a metric, from nothing

void print_answer(const Options& options, const std::string& key, bool supported, const std::string& text) {
  if (options.json) {
    print_exactly(fmt::format("{{\"key\":{},\"{}\":{}}}\n", json_string(key), supported ? "value" : "error",
                              json_string(text)));
  } else if (supported) {
    const std::string prefix = options.keys.size() > 1 ? key + ": " : "";
    print_exactly(prefix + text + '\n');
  } else {
    std::fflush(stdout);
    const bool is_named = text.find(key) != std::string::npos;
    complain(is_named ? "not supported: " + text : fmt::format("{}: not supported: {}", key, text));
  }
}

std::chrono::milliseconds timeout_of(const Options& options, double otherwise) {
  const double seconds = options.timeout_seconds > 0 ? options.timeout_seconds : otherwise;
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

int ask_agent(const Options& options) {
  const auto socket = find_socket(options.socket, options.config);
  if (!socket) {
    complain(socket.error().message);
    return kUsage;
  }
  ask::Client client(*socket);
  bool all = true;
  for (const std::string& key : options.keys) {
    const auto deadline = std::chrono::steady_clock::now() + timeout_of(options, kAskTimeout);
    const ask::Answer answer = client.ask(key, deadline);
    const bool supported = answer.outcome == ask::Answer::Outcome::value;
    print_answer(options, key, supported, answer.text);
    all = all && supported;
  }
  return all ? kOk : kFailed;
}

asio::awaitable<void> evaluate(agent::Agent& agent, const Options& options, bool& all) {
  co_await agent.targets().find_default_region();
  for (const std::string& key : options.keys) {
    const auto deadline = std::chrono::steady_clock::now() + timeout_of(options, kDirectTimeout);
    const agent::Answer answer = co_await agent.items().answer(key, deadline);
    print_answer(options, key, answer.supported, answer.text);
    all = all && answer.supported;
  }
}

int evaluate_directly(const Options& options) {
  auto config = agent::load_config(options.config);
  if (!config) {
    complain(config.error().message);
    return kUsage;
  }
  if (auto log = set_up_log("error", false); !log) return kFailed;
  asio::io_context io(1);
  auto agent = agent::Agent::create(io, std::move(*config), Environment::of_process());
  if (!agent) {
    complain(agent.error().message);
    return kUsage;
  }
  for (const std::string& warning : (*agent)->targets().warnings()) complain("warning: " + warning);
  bool all = true;
  asio::co_spawn(io, evaluate(**agent, options, all), [&io](const std::exception_ptr& failure) {
    io.stop();
    if (failure) std::rethrow_exception(failure);
  });
  io.run();
  return all ? kOk : kFailed;
}

}  // namespace

void add_get(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("get", "Print the values of items, asked from the running agent");
  auto options = std::make_shared<Options>();
  command->add_option("key", options->keys, "Item keys, such as 'aws.ec2.name2id[web-1]'")->required();
  command->add_flag("--direct", options->direct, "Ask AWS from this process instead of a running agent");
  command->add_option("-s,--socket", options->socket,
                      "Socket of the agent (default: BAKUSOKU_SOCKET, else the configuration's)");
  command->add_option("-c,--config", options->config, "Configuration file");
  command
      ->add_option("-t,--timeout", options->timeout_seconds,
                   "Seconds for each key (default: 3; with --direct 30)")
      ->check(CLI::Range(0.1, 600.0));
  command->add_flag("--json", options->json,
                    R"(Print one line {"key":..,"value":..} or {"key":..,"error":..} per key)");
  command->footer(
      "Examples:\n"
      "  bakusoku get 'aws.ec2.name2id[web-1]'\n"
      "  bakusoku get --direct 'aws.metric[AWS/EC2,CPUUtilization,\"InstanceId=i-0123\",Average,300]'\n"
      "  bakusoku get 'bakusoku.stats[]'");
  command->callback([&run, options] {
    run = [options] { return options->direct ? evaluate_directly(*options) : ask_agent(*options); };
  });
}

}  // namespace bakusoku::cli
