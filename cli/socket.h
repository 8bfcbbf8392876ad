// Which agent a command talks to.
#pragma once

#include <optional>
#include <string>

#include "agent/config.h"
#include "agent/preflight.h"
#include "base/result.h"

namespace bakusoku::cli {

/// The path of the running agent's socket: `given`, else BAKUSOKU_SOCKET, else that of the configuration
/// file. Errors: of the configuration.
[[nodiscard]] Result<std::string> find_socket(const std::string& given, const std::string& config_file);

/// The status of the agent that answers on the configured socket; empty: none does.
[[nodiscard]] std::string status_of_running(const agent::Config& config);
[[nodiscard]] std::optional<agent::RunningAgent> running_agent(const agent::Config& config);

}  // namespace bakusoku::cli
