// What differs between versions of Zabbix for a module: the size of the two structures it is handed, the API
// number, the order of loading, and the symbols the host exports, which are a small library per version
// (personality.cpp).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace zbxmod::host {

struct Layout {
  std::string_view name;    // as given to --zabbix
  std::string_view covers;  // the versions that look alike
  int api_version;
  size_t request_bytes;
  size_t result_bytes;
  bool old_result;               // 2.2 and 2.4 have the members of the answer in another order
  bool timeout_before_items;     // 3.0 tells the timeout before it asks for the items
  bool survives_forks_in_init;   // later versions ignore the death of a child they did not start
  std::string_view personality;  // lib/zbxmod-host/zabbix-<this>.so
};

/// Nothing when there is no such version.
[[nodiscard]] const Layout* find_layout(std::string_view name);

/// Those of --all-layouts: every one a module may be asked to serve.
[[nodiscard]] std::vector<const Layout*> all_layouts();

}  // namespace zbxmod::host
