#include "library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "symbols.h"

namespace zbxmod::host {
namespace {

using ::testing::HasSubstr;

std::string module_file(const std::string& name) { return BAKUSOKU_BINARY_DIR "/tests/bad/" + name + ".so"; }

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

const ElfSymbol* find(const Elf& elf, const std::string& name) {
  const auto found = std::find_if(elf.dynamic.begin(), elf.dynamic.end(),
                                  [&](const ElfSymbol& each) { return each.name == name; });
  return found == elf.dynamic.end() ? nullptr : &*found;
}

TEST(Library, TellsWhatIsDefinedWantedAndReachedByName) {
  const auto elf = read_elf_file(module_file("c_replaced_symbol"));
  ASSERT_TRUE(elf) << elf.error().message;
  const ElfSymbol* process = find(*elf, "process");
  ASSERT_NE(process, nullptr);
  EXPECT_TRUE(process->defined);
  EXPECT_TRUE(process->by_relocation);
  const ElfSymbol* help = find(*elf, "help");
  ASSERT_NE(help, nullptr);
  EXPECT_FALSE(help->by_relocation);
  EXPECT_FALSE(elf->symbolic);
  EXPECT_THAT(elf->needed, ::testing::Contains("libc.so.6"));
}

TEST(Library, TellsStrongFromWeakWants) {
  const auto elf = read_elf_file(module_file("c_needs_host_symbol"));
  ASSERT_TRUE(elf);
  const ElfSymbol* strong = find(*elf, "__zbx_zabbix_log");
  const ElfSymbol* weak = find(*elf, "zbx_log_handle");
  ASSERT_NE(strong, nullptr);
  ASSERT_NE(weak, nullptr);
  EXPECT_FALSE(strong->defined);
  EXPECT_FALSE(strong->weak);
  EXPECT_TRUE(weak->weak);
  const auto findings = compare_symbols(*elf, [](const char*) { return false; });
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].name, "__zbx_zabbix_log");
}

TEST(Library, NamesFunctionsByTheirPlace) {
  const auto elf = read_elf_file(module_file("c_crash"));
  ASSERT_TRUE(elf);
  const auto found = std::find_if(elf->functions.begin(), elf->functions.end(),
                                  [](const ElfSymbol& each) { return each.name == "item"; });
  ASSERT_NE(found, elf->functions.end());
  EXPECT_EQ(elf->name_of(found->value), "item");
  EXPECT_EQ(elf->name_of(found->value + found->size - 1), "item");
  EXPECT_EQ(elf->name_of(0), "");
  EXPECT_EQ(demangled("_ZN3bad4giveEPKc"), "bad::give(char const*)");
}

TEST(Library, ASymbolicLibraryKeepsItsNames) {
  Elf elf;
  elf.dynamic.push_back({"process", 16, 8, true, true, false, true});
  ASSERT_EQ(compare_symbols(elf, [](const char*) { return false; }).size(), 1u);
  EXPECT_EQ(compare_symbols(elf, [](const char*) { return false; })[0].kind, SymbolFinding::Kind::replaced);
  elf.symbolic = true;
  EXPECT_EQ(compare_symbols(elf, [](const char*) { return false; })[0].kind, SymbolFinding::Kind::shared);
}

TEST(Library, WhatIsNoneSaysWhy) {
  EXPECT_THAT(read_elf("").error().message, HasSubstr("no ELF file"));
  EXPECT_THAT(read_elf("#!/bin/sh\n").error().message, HasSubstr("no ELF file"));
  EXPECT_THAT(read_elf_file("/nowhere/module.so").error().message, HasSubstr("cannot be read"));
  std::string other = bytes_of(module_file("c_crash"));
  other[4] = 1;
  EXPECT_THAT(read_elf(other).error().message, HasSubstr("another kind of machine"));
}

TEST(Library, CutAndDamagedOnesDoNoHarm) {
  const std::string whole = bytes_of(module_file("c_crash"));
  ASSERT_GT(whole.size(), 1000u);
  for (size_t length = 0; length < whole.size(); length += 97) {
    const std::string cut = whole.substr(0, length);
    EXPECT_FALSE(read_elf(cut).has_value()) << length;  // the list of sections stands at the end
  }
  for (size_t at = 0; at < whole.size(); at += 13) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0xFF);
    if (const auto elf = read_elf(damaged)) static_cast<void>(elf->name_of(at));
  }
}

}  // namespace
}  // namespace zbxmod::host
