// The grammar of Zabbix's item keys, as its own agent reads them (parse_item_key in Zabbix's sysinfo.c, 3.0
// to 7.0):
//
//   key        name | name[param,param,...]
//   name       letters, digits, '_', '-', '.'
//   param      spaces before it are skipped; then
//              "..."   \" stands for a quote and nothing else is escaped; only spaces may follow
//              [...]   an array: quoted and unquoted elements, no further array; only spaces may follow
//              else    up to the next ',', trailing spaces included; holds no ']'
//
// Pure values; no process or thread matters.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::zabbix {

struct ParsedKey {
  std::string name{};
  /// Unquoted. Empty for `key`; one empty parameter for `key[]`. An array is one parameter: its text without
  /// the outer brackets, quotes kept, spaces between its elements dropped, as Zabbix hands it to its own
  /// items.
  std::vector<std::string> params{};

  friend bool operator==(const ParsedKey&, const ParsedKey&) = default;
};

/// Fails with kind `invalid` and a sentence that names the position (from 1, in bytes).
[[nodiscard]] Result<ParsedKey> parse_key(std::string_view key);

/// The key that parse_key() reads as `name` and `params`, quoted only where needed. Fails where the grammar
/// has no way to write it: a bad name, a NUL, or a parameter that must be quoted and ends with a backslash.
[[nodiscard]] Result<std::string> format_key(std::string_view name, const std::vector<std::string>& params);

}  // namespace bakusoku::zabbix
