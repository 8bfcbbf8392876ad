// An item key as text, taken apart the way Zabbix does before it calls a module: name, parameters without
// their quotes, and the kind of each. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "zbxmod/result.h"

namespace zbxmod::host {

struct ItemKey {
  std::string name;
  std::vector<std::string> params;  // an array is the text between its brackets
  std::vector<int> types;           // abi::kParamUndefined when empty, kParamString, kParamArray
};

/// The key, or where and why it is not one.
[[nodiscard]] Result<ItemKey> parse_key(std::string_view text);

}  // namespace zbxmod::host
