// zbxmod-host's reader of shared libraries, which is handed whatever file somebody calls a module.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "library.h"
#include "symbols.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = zbxmod::host::read_elf(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!elf) return 0;
  for (const zbxmod::host::ElfSymbol& each : elf->functions)
    static_cast<void>(elf->name_of(each.value + each.size));
  static_cast<void>(zbxmod::host::compare_symbols(*elf, [](const char*) { return false; }));
  return 0;
}
