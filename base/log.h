// The process's log: one spdlog logger on standard error, used through spdlog's own functions
// (spdlog::info("...", ...)). Called once from main; the module never links this.
#pragma once

#include <string_view>

#include "base/result.h"

namespace bakusoku {

/// Sets the default logger. `level`: trace, debug, info, warning, error, off. Timestamps are UTC unless
/// `plain`, which leaves them to the service manager's own journal.
[[nodiscard]] Result<void> set_up_log(std::string_view level, bool plain);

}  // namespace bakusoku
