// Logging through the host, into Zabbix's own log file, subject to its DebugLevel. A host whose log functions
// cannot be found (built without exported symbols) hears nothing. One call at a time: not for threads of the
// module's own.
#pragma once

#include <string_view>

namespace zbxmod {

enum class LogLevel : int { critical = 1, error = 2, warning = 3, debug = 4, trace = 5, information = 127 };

/// Whether the host writes messages of this level; false also when it has no log.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

/// One line. The text is taken as it is; it is no format.
void log(LogLevel level, std::string_view text) noexcept;

}  // namespace zbxmod
