#include "cli/socket.h"

#include <chrono>

#include "ask/client.h"
#include "ask/protocol.h"
#include "base/environment.h"

namespace bakusoku::cli {

Result<std::string> find_socket(const std::string& given, const std::string& config_file) {
  if (!given.empty()) return given;
  if (const auto named = Environment::of_process().get(ask::kSocketVariable)) return *named;
  const auto config = agent::load_config(config_file);
  if (!config) return fail(config.error());
  return config->agent.socket;
}

std::string status_of_running(const agent::Config& config) {
  constexpr std::chrono::seconds kAnswerWithin{2};
  ask::Client client(config.agent.socket);
  const auto answer = client.ask("bakusoku.status", std::chrono::steady_clock::now() + kAnswerWithin);
  return answer.outcome == ask::Answer::Outcome::value ? answer.text : std::string();
}

std::optional<agent::RunningAgent> running_agent(const agent::Config& config) {
  const std::string status = status_of_running(config);
  return status.empty() ? std::nullopt : agent::read_running_agent(status);
}

}  // namespace bakusoku::cli
