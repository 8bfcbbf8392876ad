// The process's log: one spdlog logger on standard error, used through spdlog's own functions
// (spdlog::info("...", ...)). Called once from main; the module never links this.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace bakusoku {

/// Sets the default logger. `level`: trace, debug, info, warning, error, off. Timestamps are UTC unless
/// `plain`, which leaves them to the service manager's own journal.
[[nodiscard]] Result<void> set_up_log(std::string_view level, bool plain);

/// Errors: invalid.
[[nodiscard]] Result<void> check_log_level(std::string_view level);
/// Of the log that is set up; nothing happens with a level that is none.
void set_log_level(std::string_view level);

/// A warning or an error of this process.
struct Problem {
  WallTime first{};
  WallTime last{};
  uint64_t times = 0;  // that the same words were logged
  bool is_error = false;
  std::string text{};
};

/// The latest problems that were logged, whatever the log's level, the newest last.
[[nodiscard]] std::vector<Problem> recent_problems();

/// Writes what waits for a reader that did not take it at once; once a second.
void flush_log();

}  // namespace bakusoku
