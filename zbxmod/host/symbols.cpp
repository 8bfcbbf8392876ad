#include "symbols.h"

#include <dlfcn.h>
#include <link.h>

#include <string_view>

#include "zabbix.h"

namespace zbxmod::host {
namespace {

/// Whose such a symbol of the module's own could also be; empty when nobody's.
std::string owner_of(const std::string& name, bool (*found_in_libc)(const char*)) {
  if (std::string who = who_exports(name); !who.empty()) return who;
  if (found_in_libc(name.c_str())) return "the C library";
  if (const std::string_view library = library_with(name); !library.empty()) {
    return std::string(library) + ", which Zabbix's daemons load where they are built with it";
  }
  return {};
}

}  // namespace

std::vector<SymbolFinding> compare_symbols(const Elf& elf, bool (*found_in_libc)(const char* name)) {
  std::vector<SymbolFinding> findings;
  for (const ElfSymbol& each : elf.dynamic) {
    if (each.name.starts_with("zbx_module_")) continue;
    if (!each.defined) {
      if (each.weak) continue;
      if (const std::string who = who_exports(each.name); !who.empty() && !found_in_libc(each.name.c_str())) {
        findings.push_back({SymbolFinding::Kind::host_symbol, each.name, who});
      }
      continue;
    }
    // Templates and inline functions of C++ are the same wherever they come from, and Zabbix has none.
    if (each.weak && each.name.starts_with("_Z")) continue;
    if (const std::string who = owner_of(each.name, found_in_libc); !who.empty()) {
      const bool replaced = each.by_relocation && !elf.symbolic;
      findings.push_back(
          {replaced ? SymbolFinding::Kind::replaced : SymbolFinding::Kind::shared, each.name, who});
    }
  }
  return findings;
}

bool is_in_libc(const char* name) {
  // Asked one by one: the program's own symbols must not count, and Zabbix has no C++ runtime.
  for (const char* library : {"libc.so.6", "libm.so.6"}) {
    void* handle = ::dlopen(library, RTLD_NOW | RTLD_NOLOAD);
    if (handle == nullptr) continue;
    void* address = ::dlsym(handle, name);
    ::dlclose(handle);
    Dl_info info{};
    if (address != nullptr && ::dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
      const std::string_view file = info.dli_fname;
      if (file.find("/libc.so") != std::string_view::npos ||
          file.find("/libm.so") != std::string_view::npos || file.find("/ld-") != std::string_view::npos) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace zbxmod::host
