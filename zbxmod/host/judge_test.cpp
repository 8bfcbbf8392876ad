#include "judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "text.h"

namespace zbxmod::host {
namespace {

std::vector<std::string> kinds(const Outcome& outcome) {
  std::vector<std::string> all;
  for (const auto& [kind, text] : outcome.faults) all.push_back(kind);
  return all;
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Judge, OneValueIsGood) {
  abi::Result result{};
  result.type = abi::kTypeUnsigned;
  result.ui64 = std::numeric_limits<uint64_t>::max();
  const Outcome outcome = judge(0, result);
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.text, "18446744073709551615");
  EXPECT_THAT(kinds(outcome), IsEmpty());
}

TEST(Judge, ANumberIsShownAsZabbixPrintsIt) {
  abi::Result result{};
  result.type = abi::kTypeDouble;
  result.dbl = 1.0 / 3;
  EXPECT_EQ(judge(0, result).text, "0.333333");
  result.dbl = std::numeric_limits<double>::infinity();
  EXPECT_THAT(kinds(judge(0, result)), ElementsAre("not-finite"));
}

TEST(Judge, FailureWantsAMessage) {
  abi::Result result{};
  EXPECT_THAT(kinds(judge(1, result)), ElementsAre("no-message"));
  char message[] = "no such disk";
  result.msg = message;
  result.type = abi::kTypeMessage;
  const Outcome outcome = judge(1, result);
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.text, "no such disk");
  EXPECT_THAT(kinds(outcome), IsEmpty());
}

TEST(Judge, ALogEntryHasAText) {
  abi::Result result{};
  abi::Log log{};
  result.log = &log;
  result.type = abi::kTypeLog;
  EXPECT_THAT(kinds(judge(0, result)), ElementsAre("no-value"));
  char value[] = "line";
  log.value = value;
  EXPECT_EQ(judge(0, result).text, "line");
}

TEST(Judge, CharactersCountAndNotBytes) {
  std::string text;
  for (int i = 0; i < 65535; ++i) text += "\xE7\x88\x86";
  abi::Result result{};
  result.text = text.data();
  result.type = abi::kTypeText;
  EXPECT_THAT(judge(0, result).notes, IsEmpty());
  text += "x";
  result.text = text.data();
  EXPECT_EQ(judge(0, result).notes.size(), 1u);
}

TEST(Judge, ReadsTheOldOrderOfMembers) {
  const Layout& layout = *find_layout("2.2");
  Guarded memory(layout.result_bytes);
  memory.clear();
  const int type = abi::kTypeUnsigned | abi::kTypeLog;
  const uint64_t number = 42;
  std::memcpy(memory.get(), &type, sizeof type);
  std::memcpy(static_cast<char*>(memory.get()) + 8, &number, sizeof number);
  EXPECT_EQ(judge(0, decode(layout, memory)).text, "42");
}

TEST(Text, ReachesNoTerminalAsControlCharacters) {
  EXPECT_EQ(one_line("a\x1B[2Jb\nc\x7F"), "a?[2Jb\\nc?");
  EXPECT_EQ(quoted("a\"b\\c\n\x01\xFF"), "\"a\\\"b\\\\c\\n\\u0001\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace zbxmod::host
