#include "zbxmod/log.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace zbxmod {
namespace {

// The three forms the host's log has had.
struct HostLog {
  using Write = void (*)(int level, const char* format, ...);
  using Level = int (*)();
  using Check = int (*)(int level);

  Write write = nullptr;
  const int* level_variable = nullptr;  // 4.0 to 6.4
  Level level_function = nullptr;       // 7.0
  Check check = nullptr;                // up to 3.2: 0 when the level is written
};

template <typename Pointer>
Pointer find(const char* symbol) {
  return reinterpret_cast<Pointer>(::dlsym(RTLD_DEFAULT, symbol));
}

HostLog look() {
  HostLog found;
  found.write = find<HostLog::Write>("zbx_log_handle");
  if (found.write == nullptr) found.write = find<HostLog::Write>("__zbx_zabbix_log");
  if (found.write == nullptr) found.write = find<HostLog::Write>("zabbix_log");
  found.level_function = find<HostLog::Level>("zbx_get_log_level");
  found.level_variable = find<const int*>("zbx_log_level");
  found.check = find<HostLog::Check>("zabbix_check_log_level");
  return found;
}

const HostLog& host_log() {
  static const HostLog found = look();
  return found;
}

}  // namespace

bool log_enabled(LogLevel level) noexcept {
  const HostLog& host = host_log();
  if (host.write == nullptr) return false;
  if (level == LogLevel::information) return true;
  const int number = static_cast<int>(level);
  if (host.level_function != nullptr) return number <= host.level_function();
  if (host.level_variable != nullptr) return number <= *host.level_variable;
  if (host.check != nullptr) return host.check(number) == 0;
  return level != LogLevel::debug && level != LogLevel::trace;
}

void log(LogLevel level, std::string_view text) noexcept {
  if (!log_enabled(level)) return;
  const int length = static_cast<int>(std::min<size_t>(text.size(), std::numeric_limits<int>::max()));
  host_log().write(static_cast<int>(level), "%.*s", length, text.data());
}

}  // namespace zbxmod
