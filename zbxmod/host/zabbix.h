// What Zabbix's own programs bring along and a module must keep clear of: the symbols that the daemons export
// and the item keys they have built in, from a list that was read from them (zabbix_names.txt), and the
// libraries they load. Read-only after the first call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace zbxmod::host {

/// Who exports a symbol, such as "zabbix_agentd, zabbix_proxy and zabbix_server 6.0"; empty when nobody does.
[[nodiscard]] std::string who_exports(std::string_view symbol);
/// Whether any daemon of that version ("6.0", "7.0") does.
[[nodiscard]] bool exports(std::string_view version, std::string_view symbol);

/// The library of a daemon that such a symbol is most likely of, by its prefix, such as "libcurl"; or empty.
[[nodiscard]] std::string_view library_with(std::string_view symbol);

/// The versions of zabbix_agentd that have an item by themselves, such as "6.0 and 7.0"; empty when none
/// does.
[[nodiscard]] std::string who_has_key(std::string_view key);
/// Whether a server or proxy answers a simple check of that key by itself and never asks a module.
[[nodiscard]] bool is_simple_check(std::string_view key);

}  // namespace zbxmod::host
