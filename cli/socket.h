// Which agent a command talks to.
#pragma once

#include <string>

#include "base/result.h"

namespace bakusoku::cli {

/// The path of the running agent's socket: `given`, else BAKUSOKU_SOCKET, else that of the configuration
/// file. Errors: of the configuration.
[[nodiscard]] Result<std::string> find_socket(const std::string& given, const std::string& config_file);

}  // namespace bakusoku::cli
