#include "zbxmod/host.h"

#include <dlfcn.h>

#include "zbxmod/log.h"
#include "zbxmod/module.h"

namespace zbxmod {
namespace {

int daemon_timeout_seconds = 0;

bool exports(const char* symbol) { return ::dlsym(RTLD_DEFAULT, symbol) != nullptr; }

Host look() {
  Host found;
  // Up to 3.0 the host's loader is called load_modules. A host that exports nothing at all is taken for a
  // modern one.
  const bool first_api = exports("load_modules") && !exports("zbx_load_modules");
  found.api_version = first_api ? 1 : 2;
  found.too_old = first_api && !exports("program_type");
  found.has_request_timeout = exports("zbx_validate_item_timeout");
  // Parameter types came in patch releases (4.0.21, 4.4.9, 5.0.1) that no symbol tells apart; scheduled
  // reports, whose symbol this is, came with 5.4.
  const bool from_5_4 = found.has_request_timeout || exports("zbx_get_report_nextcheck");
  found.has_request_types = from_5_4;
  found.wraps_discovery = !from_5_4 && (first_api || exports("zbx_load_modules"));
  return found;
}

}  // namespace

const Host& host() {
  static const Host found = look();
  return found;
}

std::chrono::seconds item_timeout() {
  return std::chrono::seconds(daemon_timeout_seconds > 0 ? daemon_timeout_seconds : 3);
}

namespace detail {

void set_item_timeout(int seconds) noexcept { daemon_timeout_seconds = seconds; }

}  // namespace detail
}  // namespace zbxmod
