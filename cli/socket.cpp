#include "cli/socket.h"

#include "agent/config.h"
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

}  // namespace bakusoku::cli
