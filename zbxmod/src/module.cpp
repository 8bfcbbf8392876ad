#include "zbxmod/module.h"

#include <dlfcn.h>

#include <exception>
#include <string>
#include <string_view>

#include "zbxmod/host.h"

namespace zbxmod::detail {
namespace {

// An empty list: the host starts, and says "unsupported item key" for each of our keys.
abi::Metric empty_list[] = {{nullptr, 0, nullptr, nullptr}};

/// The file this code was loaded from, without its folders.
std::string_view module_file() noexcept {
  Dl_info info{};
  if (::dladdr(empty_list, &info) == 0 || info.dli_fname == nullptr) return "module";
  const std::string_view path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

void log_line(LogLevel level, std::string_view what, std::string_view message) noexcept {
  try {
    std::string line(module_file());
    line += ": ";
    line += what;
    line += valid_text(message);
    log(level, line);
  } catch (...) {
    log(level, "a module has no memory for a line of the log");
  }
}

}  // namespace

int api_version() noexcept { return host().api_version; }

abi::Metric* served(abi::Metric* metrics) noexcept { return host().too_old ? empty_list : metrics; }

int init(const Hooks& hooks) noexcept {
  if (host().too_old) {
    log_line(LogLevel::error, "needs Zabbix 3.0 or later; its items are not available here", "");
    return abi::kModuleOk;
  }
  if (hooks.init == nullptr) return abi::kModuleOk;
  bool started = false;
  try {
    if (const Result<void> done = hooks.init(); done) {
      started = true;
    } else {
      log_line(LogLevel::error, "could not start: ", done.error().message);
    }
  } catch (...) {
    log_current_exception("init failed: ");
  }
  return started || !hooks.init_must_succeed ? abi::kModuleOk : abi::kModuleFail;
}

int uninit(const Hooks& hooks) noexcept {
  if (hooks.uninit == nullptr || host().too_old) return abi::kModuleOk;
  try {
    hooks.uninit();
  } catch (...) {
    log_current_exception("uninit failed: ");
  }
  return abi::kModuleOk;
}

void log_current_exception(const char* where) noexcept {
  try {
    throw;
  } catch (const std::exception& exception) {
    log_line(LogLevel::error, where, exception.what());
  } catch (...) {
    log_line(LogLevel::error, where, "an exception of unknown type");
  }
}

}  // namespace zbxmod::detail
