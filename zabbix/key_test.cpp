#include "zabbix/key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bakusoku::zabbix {
namespace {

using namespace std::string_literals;
using Params = std::vector<std::string>;

struct Good {
  const char* why;
  std::string key;
  Params params;
};

// What parse_item_key() of Zabbix 6.0's sysinfo.c makes of these keys, all named "k".
const Good kGood[] = {
    {"no brackets, no parameters", "k", {}},
    {"empty brackets hold one empty parameter", "k[]", {""}},
    {"so do brackets around spaces", "k[  ]", {""}},
    {"each comma separates", "k[,]", {"", ""}},
    {"plain parameters", "k[a,b]", {"a", "b"}},
    {"spaces before a parameter are skipped, after it kept", "k[ a , b ]", {"a ", "b "}},
    {"quotes keep leading spaces and commas", "k[\" a,b\",c]", {" a,b", "c"}},
    {"spaces around quotes are skipped", "k[ \"a\" , \"b\" ]", {"a", "b"}},
    {"an escaped quote", R"(k["a\"b"])", {"a\"b"}},
    {"no other escape", R"(k["a\nb\\c"])", {R"(a\nb\\c)"}},
    {"the second backslash escapes the quote", R"(k["a\\"b"])", {R"(a\"b)"}},
    {"a quote within an unquoted parameter is a character", "k[a\"b\"]", {"a\"b\""}},
    {"an opening bracket within an unquoted parameter too", "k[a[b]", {"a[b"}},
    {"a closing bracket may stand in quotes", "k[\"a]b\"]", {"a]b"}},
    {"an empty quoted parameter", "k[\"\"]", {""}},
    {"an array is one parameter without its brackets", "k[[a,b],c]", {"a,b", "c"}},
    {"an array keeps its quotes", "k[[a,\"b,]\"]]", {"a,\"b,]\""}},
    {"an array keeps its escapes", R"(k[["a\"b"]])", {R"("a\"b")"}},
    {"an array drops spaces before elements and after quotes",
     "k[ [ a , \"b\" , c ] ,d]",
     {"a ,\"b\",c ", "d"}},
    {"an empty array", "k[[]]", {""}},
    {"what an AWS item looks like",
     "k[AWS/EC2,CPUUtilization,\"InstanceId=i-1;A=b\",Average,300]",
     {"AWS/EC2", "CPUUtilization", "InstanceId=i-1;A=b", "Average", "300"}},
    {"any bytes in parameters", "k[爆速,\xFF]", {"爆速", "\xFF"}},
    {"control characters too", "k[a\n\tb]", {"a\n\tb"}},
};

TEST(ItemKey, IsReadAsZabbixReadsIt) {
  for (const Good& good : kGood) {
    const auto parsed = parse_key(good.key);
    ASSERT_TRUE(parsed) << good.why << ": " << parsed.error().message;
    EXPECT_EQ(parsed->name, "k") << good.why;
    EXPECT_EQ(parsed->params, good.params) << good.why;
  }
}

TEST(ItemKey, IsReadTheSameAfterItWasWritten) {
  for (const Good& good : kGood) {
    const auto text = format_key("k", good.params);
    ASSERT_TRUE(text) << good.why;
    EXPECT_EQ(parse_key(*text).value(), (ParsedKey{"k", good.params})) << good.why << ": " << *text;
  }
}

TEST(ItemKey, NameHoldsLettersDigitsUnderscoreDashAndDot) {
  EXPECT_EQ(parse_key("aws.ec2.name2id_X-9[a]").value().name, "aws.ec2.name2id_X-9");
}

TEST(ItemKey, IsRefusedWhereZabbixRefusesIt) {
  const struct {
    std::string key;
    std::string message;
  } bad[] = {
      {"", "invalid item key: it starts with no letter, digit, '_', '-' or '.'"},
      {"[a]", "invalid item key: it starts with no letter, digit, '_', '-' or '.'"},
      {" k", "invalid item key: it starts with no letter, digit, '_', '-' or '.'"},
      {"爆", "invalid item key: it starts with no letter, digit, '_', '-' or '.'"},
      {"k ", "invalid item key: a character that no key name holds at position 2"},
      {"k{$MACRO}", "invalid item key: a character that no key name holds at position 2"},
      {"k]", "invalid item key: a character that no key name holds at position 2"},
      {"k[", "invalid item key: it opens '[' at position 2 but does not end with ']'"},
      {"k[a", "invalid item key: it opens '[' at position 2 but does not end with ']'"},
      {"k[a]b", "invalid item key: it opens '[' at position 2 but does not end with ']'"},
      {"k[a] ", "invalid item key: it opens '[' at position 2 but does not end with ']'"},
      {"k[a]]", "invalid item key: ']' in a parameter that is not quoted at position 4"},
      {"k[a][b]", "invalid item key: ']' in a parameter that is not quoted at position 4"},
      {"k[]]", "invalid item key: ']' in a parameter that is not quoted at position 3"},
      {"k[\"a]", "invalid item key: the quote opened at position 3 is not closed"},
      {R"(k["a\"])", "invalid item key: the quote opened at position 3 is not closed"},
      {"k[\"a\"b]", "invalid item key: text after the end of a quoted parameter or array at position 6"},
      {"k[[a]", "invalid item key: the array opened at position 3 is not closed"},
      {"k[x,[a]", "invalid item key: the array opened at position 5 is not closed"},
      {"k[[a]b]", "invalid item key: text after the end of a quoted parameter or array at position 6"},
      {"k[[a,[b]]]", "invalid item key: an array within an array at position 6"},
      {"k[[\"a\"b]]", "invalid item key: text after the end of a quoted element at position 7"},
      {"k[[\"a]]", "invalid item key: the quote opened at position 4 is not closed"},
      {"k[a\0b]"s, "invalid item key: a NUL character at position 4"},
  };
  for (const auto& [key, message] : bad) {
    const auto parsed = parse_key(key);
    ASSERT_FALSE(parsed) << key;
    EXPECT_EQ(parsed.error().kind, ErrorKind::invalid) << key;
    EXPECT_EQ(parsed.error().message, message) << key;
  }
}

TEST(ItemKey, CutAnywhereIsRefusedOrShorter) {
  const std::string key = R"(k[a,"b\"c",[d,"e"],f])";
  const auto whole = parse_key(key).value();
  for (size_t size = 0; size < key.size(); ++size) {
    const auto parsed = parse_key(key.substr(0, size));
    EXPECT_FALSE(parsed && *parsed == whole) << size;
    EXPECT_TRUE(parsed || !parsed.error().message.empty()) << size;
  }
}

TEST(ItemKey, IsQuotedOnlyWhereNeeded) {
  EXPECT_EQ(format_key("k", {}).value(), "k");
  EXPECT_EQ(format_key("k", {""}).value(), "k[]");
  EXPECT_EQ(format_key("k", {"a b", "c\"d", "e\\", "f[g"}).value(), "k[a b,c\"d,e\\,f[g]");
  EXPECT_EQ(format_key("k", {" a"}).value(), "k[\" a\"]");
  EXPECT_EQ(format_key("k", {"a,b"}).value(), "k[\"a,b\"]");
  EXPECT_EQ(format_key("k", {"a]"}).value(), "k[\"a]\"]");
  EXPECT_EQ(format_key("k", {"[a"}).value(), "k[\"[a\"]");
  EXPECT_EQ(format_key("k", {"\"a"}).value(), R"(k["\"a"])");
}

TEST(ItemKey, CannotBeWrittenWhereTheGrammarHasNoWay) {
  EXPECT_FALSE(format_key("", {}));
  EXPECT_FALSE(format_key("a b", {}));
  EXPECT_FALSE(format_key("k", {"a\0b"s}));
  EXPECT_FALSE(format_key("k", {"a,b\\"}));  // quoted, the backslash would escape the closing quote
}

}  // namespace
}  // namespace bakusoku::zabbix
