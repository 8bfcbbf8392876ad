#include "library.h"

#include <cxxabi.h>
#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

namespace zbxmod::host {
namespace {

constexpr uint64_t kMaxSymbols = 4'000'000;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<Elf> read() {
    const auto header = at<Elf64_Ehdr>(0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
      return not_supported("it is no ELF file, so no library of Linux");
    }
    constexpr unsigned char order = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != order) {
      return not_supported("it is built for another kind of machine (32-bit, or the other byte order)");
    }
    if (header->e_type != ET_DYN) return not_supported("it is no shared library");
    if (header->e_shentsize != sizeof(Elf64_Shdr)) return not_supported("it has no list of sections");
    for (uint64_t i = 0; i < header->e_shnum; ++i) {
      const auto section = at<Elf64_Shdr>(header->e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) return not_supported("its list of sections is cut off");
      sections_.push_back(*section);
    }
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type == SHT_DYNSYM) symbols(section, true);
      if (section.sh_type == SHT_SYMTAB) symbols(section, false);
      if (section.sh_type == SHT_DYNAMIC) dynamic(section);
    }
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type == SHT_RELA) relocations<Elf64_Rela>(section);
      if (section.sh_type == SHT_REL) relocations<Elf64_Rel>(section);
    }
    for (auto& each : places_) {
      if (each.symbol) elf_.dynamic.push_back(std::move(*each.symbol));
    }
    std::sort(elf_.functions.begin(), elf_.functions.end(), [](const ElfSymbol& a, const ElfSymbol& b) {
      return a.value != b.value ? a.value < b.value : a.size > b.size;
    });
    return std::move(elf_);
  }

 private:
  struct Place {
    std::optional<ElfSymbol> symbol;
  };

  template <typename T>
  std::optional<T> at(uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  std::string string_at(const Elf64_Shdr& table, uint64_t offset) const {
    if (table.sh_link >= sections_.size()) return {};
    const Elf64_Shdr& strings = sections_[table.sh_link];
    if (strings.sh_type != SHT_STRTAB || offset >= strings.sh_size || strings.sh_offset > bytes_.size())
      return {};
    const std::string_view rest = bytes_.substr(strings.sh_offset, strings.sh_size);
    if (offset >= rest.size()) return {};
    const size_t end = rest.find('\0', offset);
    return end == std::string_view::npos ? std::string() : std::string(rest.substr(offset, end - offset));
  }

  /// How many whole entries of a section lie inside the file.
  uint64_t entries(const Elf64_Shdr& section, size_t bytes) const {
    if (section.sh_offset >= bytes_.size()) return 0;
    return std::min({section.sh_size / bytes, (bytes_.size() - section.sh_offset) / bytes, kMaxSymbols});
  }

  void symbols(const Elf64_Shdr& section, bool is_dynamic) {
    const uint64_t count = entries(section, sizeof(Elf64_Sym));
    if (is_dynamic) places_.resize(count);
    for (uint64_t i = 0; i < count; ++i) {
      const auto raw = at<Elf64_Sym>(section.sh_offset + i * sizeof(Elf64_Sym));
      if (!raw) return;
      const int binding = ELF64_ST_BIND(raw->st_info);
      const int type = ELF64_ST_TYPE(raw->st_info);
      ElfSymbol symbol;
      symbol.name = string_at(section, raw->st_name);
      if (symbol.name.empty()) continue;
      symbol.value = raw->st_value;
      symbol.size = raw->st_size;
      symbol.defined = raw->st_shndx != SHN_UNDEF;
      symbol.function = type == STT_FUNC || type == STT_GNU_IFUNC;
      symbol.weak = binding == STB_WEAK;
      if (symbol.defined && symbol.function) elf_.functions.push_back(symbol);
      const int visibility = ELF64_ST_VISIBILITY(raw->st_other);
      // A unique symbol is shared on purpose, a protected one cannot be taken over.
      if (is_dynamic && (binding == STB_GLOBAL || binding == STB_WEAK) &&
          (!symbol.defined || visibility == STV_DEFAULT)) {
        places_[i].symbol = std::move(symbol);
      }
    }
  }

  template <typename Relocation>
  void relocations(const Elf64_Shdr& section) {
    if (section.sh_link >= sections_.size() || sections_[section.sh_link].sh_type != SHT_DYNSYM) return;
    const uint64_t count = entries(section, sizeof(Relocation));
    for (uint64_t i = 0; i < count; ++i) {
      const auto raw = at<Relocation>(section.sh_offset + i * sizeof(Relocation));
      if (!raw) return;
      const uint64_t symbol = ELF64_R_SYM(raw->r_info);
      if (symbol < places_.size() && places_[symbol].symbol) places_[symbol].symbol->by_relocation = true;
    }
  }

  void dynamic(const Elf64_Shdr& section) {
    const uint64_t count = entries(section, sizeof(Elf64_Dyn));
    for (uint64_t i = 0; i < count; ++i) {
      const auto raw = at<Elf64_Dyn>(section.sh_offset + i * sizeof(Elf64_Dyn));
      if (!raw || raw->d_tag == DT_NULL) return;
      if (raw->d_tag == DT_SYMBOLIC || (raw->d_tag == DT_FLAGS && (raw->d_un.d_val & DF_SYMBOLIC) != 0)) {
        elf_.symbolic = true;
      }
      if (raw->d_tag == DT_NEEDED) elf_.needed.push_back(string_at(section, raw->d_un.d_val));
    }
  }

  std::string_view bytes_;
  std::vector<Elf64_Shdr> sections_{};
  std::vector<Place> places_{};  // of the dynamic symbols, as relocations number them
  Elf elf_{};
};

}  // namespace

std::string Elf::name_of(uint64_t offset) const {
  auto after = std::upper_bound(functions.begin(), functions.end(), offset,
                                [](uint64_t value, const ElfSymbol& each) { return value < each.value; });
  if (after == functions.begin()) return {};
  const uint64_t start = std::prev(after)->value;
  // Of several names of one function the first is as good as any.
  while (after != functions.begin() && std::prev(after)->value == start) --after;
  if (after->size != 0 && offset - start > after->size) return {};
  return demangled(after->name);
}

Result<Elf> read_elf(std::string_view bytes) { return Reader(bytes).read(); }

Result<Elf> read_elf_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_supported("it cannot be read");
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return read_elf(bytes);
}

std::string demangled(const std::string& name) {
  if (!name.starts_with("_Z")) return name;
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 && text != nullptr ? text : name;
  std::free(text);
  return result;
}

}  // namespace zbxmod::host
