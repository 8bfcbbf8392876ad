// A shared library as a file: the symbols it defines and wants, which of its own it reaches in a way that
// another library can take over, and the functions it has, to name an address of a stack. Of 64-bit ELF in
// the machine's byte order; whatever the file claims is checked before it is used. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "zbxmod/result.h"

namespace zbxmod::host {

struct ElfSymbol {
  std::string name;
  uint64_t value = 0;
  uint64_t size = 0;
  bool defined = false;
  bool function = false;
  bool weak = false;
  bool by_relocation = false;  // the dynamic linker looks it up by name for the library itself
};

struct Elf {
  std::vector<ElfSymbol> dynamic;    // global and weak ones that others can see
  std::vector<ElfSymbol> functions;  // all with a name, also static ones unless stripped; by address
  std::vector<std::string> needed;   // libraries
  bool symbolic = false;             // finds its own symbols before those of others

  /// The function at an offset from where the library is loaded, or nothing.
  [[nodiscard]] std::string name_of(uint64_t offset) const;
};

/// What is in the bytes of a file, or why they are no shared library of this machine.
[[nodiscard]] Result<Elf> read_elf(std::string_view bytes);
/// The same of a file.
[[nodiscard]] Result<Elf> read_elf_file(const std::string& path);

/// A C++ name as its author wrote it; others as they are.
[[nodiscard]] std::string demangled(const std::string& name);

}  // namespace zbxmod::host
