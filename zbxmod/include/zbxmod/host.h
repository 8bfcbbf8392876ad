// What is known about the Zabbix that has loaded this module, found by looking for its exported symbols
// (dlsym), never by linking against them. Looked up once, in the main process; the workers inherit it.
#pragma once

#include <chrono>

namespace zbxmod {

struct Host {
  int api_version = 2;  // 1: Zabbix 3.0, 2: 3.2 and later
  bool has_request_types = false;
  bool has_request_timeout = false;  // 7.0 and later
  bool too_old = false;              // 2.2 or 2.4: another layout of the answer, so no item may run
  // 3.0 to 5.2, which cannot be told apart further: 3.0 and 4.0 read discovery as {"data":[...]} only, and
  // the later ones take both.
  bool wraps_discovery = false;
};

/// The host of this process.
[[nodiscard]] const Host& host();

/// The daemon's Timeout as told by the host, 3 s before that.
[[nodiscard]] std::chrono::seconds item_timeout();

}  // namespace zbxmod
