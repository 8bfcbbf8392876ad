// The names by which a module and its host could take each other for somebody else: what the module exports
// and calls by name although the host, its libraries or the C library have the same name, and what it wants
// from the host at link time.
#pragma once

#include <string>
#include <vector>

#include "library.h"

namespace zbxmod::host {

struct SymbolFinding {
  enum class Kind {
    replaced,    // the module's own calls would reach the host's
    shared,      // exported under a name of the host's, but not called by name
    host_symbol  // wanted from the host
  };
  Kind kind = Kind::replaced;
  std::string name;
  std::string whose;  // such as "zabbix_agentd 6.0", "the C library", "libcurl, which Zabbix's daemons load"
};

/// `found_in_libc` says whether the C library that is loaded here has a symbol of that name.
[[nodiscard]] std::vector<SymbolFinding> compare_symbols(const Elf& elf,
                                                         bool (*found_in_libc)(const char* name));

/// For compare_symbols(): looks into the libraries that every program has.
[[nodiscard]] bool is_in_libc(const char* name);

}  // namespace zbxmod::host
