#include "zbxmod/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <vector>

namespace zbxmod {
namespace {

using ::testing::HasSubstr;

std::string json(Discovery&& discovery) {
  EXPECT_EQ(discovery.error(), "");
  return std::string(discovery.take().view());
}

TEST(Discovery, RowsBecomeAnArray) {
  EXPECT_EQ(json(Discovery()), "[]");
  Discovery found;
  found.add({{"DISK", "sda"}, {"SIZE", 512110190592}}).add({{"DISK", std::string("sdb")}, {"SIZE", -1}});
  EXPECT_EQ(found.rows(), 2u);
  EXPECT_EQ(json(std::move(found)),
            R"([{"{#DISK}":"sda","{#SIZE}":512110190592},{"{#DISK}":"sdb","{#SIZE}":-1}])");
}

TEST(Discovery, RowsMayBeMadeAtRunTime) {
  const std::vector<Macro> row = {{"A", 1}, {"B", std::numeric_limits<uint64_t>::max()}, {"C", 0.1}};
  Discovery found;
  found.add(row.data(), row.size());
  EXPECT_EQ(json(std::move(found)), R"([{"{#A}":1,"{#B}":18446744073709551615,"{#C}":0.1}])");
}

TEST(Discovery, NamesBecomeMacros) {
  Discovery found;
  found.add({{"{#DISK}", "a"}, {"tag.Name_1", "b"}});
  EXPECT_EQ(json(std::move(found)), R"([{"{#DISK}":"a","{#TAG.NAME_1}":"b"}])");
  for (const char* wrong : {"", "{#}", "{DISK}", "{#DISK", "a b", "a-b", "\xC3\xA9", "a\"b"}) {
    Discovery refused;
    refused.add({{"FIRST", 1}, {wrong, "x"}}).add({{"SECOND", 2}});
    EXPECT_THAT(refused.error(), HasSubstr(std::string("'") + wrong + "' is no name of a macro"));
  }
}

TEST(Discovery, TextIsEscapedAndMadeValid) {
  Discovery found;
  found.add({{"A", "q\" b\\ n\n t\t \x01\x1f /"}, {"B", "caf\xE9"}, {"C", std::string_view("a\0b", 3)}});
  EXPECT_EQ(json(std::move(found)),
            "[{\"{#A}\":\"q\\\" b\\\\ n\\u000a t\\u0009 \\u0001\\u001f /\",\"{#B}\":\"caf\xEF\xBF\xBD\","
            "\"{#C}\":\"a\xEF\xBF\xBD"
            "b\"}]");
}

TEST(Discovery, NumbersMustBeFinite) {
  Discovery found;
  found.add({{"A", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_THAT(found.error(), HasSubstr("'A' is no finite number"));
}

}  // namespace
}  // namespace zbxmod
