// What a module is told: a fault condemns it, a note does not. Each kind of either is one row of a table,
// with what the author has to do about it; docs/zbxmod-host.md lists the same rows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace zbxmod::host {

struct Fault {
  std::string kind;  // one word: load, thread, hang, crash, no-value, ...
  int worker = 0;    // 0: the main process
  std::string key;   // empty: not about one item
  std::string text;  // the cause, and what Zabbix makes of it
  std::string remedy;
  std::vector<std::string> details{};  // names, stacks
};

struct KindOfFault {
  std::string_view name;
  std::string_view remedy;
};

/// All kinds there are, in the order of a report: what keeps Zabbix from starting first.
[[nodiscard]] const std::vector<KindOfFault>& fault_kinds();
[[nodiscard]] std::string_view remedy_for(std::string_view kind);
/// Where a kind stands in that order.
[[nodiscard]] size_t rank_of(std::string_view kind);

}  // namespace zbxmod::host
