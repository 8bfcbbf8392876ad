#include "key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zbxmod/abi.h"
#include "zbxmod/request.h"

namespace zbxmod::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> params_of(std::string_view text) {
  const auto key = parse_key(text);
  if (!key) return {"error: " + key.error().message};
  return key->params;
}

/// The text that a module makes of the parameters it is handed.
std::string written(const ItemKey& key) {
  std::vector<std::string> texts = key.params;
  std::vector<char*> params;
  for (std::string& each : texts) params.push_back(each.data());
  std::string name = key.name;
  std::vector<int> types = key.types;
  abi::Request raw{};
  raw.key = name.data();
  raw.nparam = static_cast<int>(params.size());
  raw.params = params.data();
  raw.types = types.data();
  std::string out;
  const auto done = Request(raw, types.data(), Deadline::in(std::chrono::seconds(1))).append_key(out);
  return done ? out : "error: " + done.error().message;
}

TEST(Key, WithoutBracketsHasNoParameters) { EXPECT_THAT(params_of("agent.ping"), IsEmpty()); }

TEST(Key, EmptyBracketsAreOneEmptyParameter) { EXPECT_THAT(params_of("a[]"), ElementsAre("")); }

TEST(Key, ParametersLoseQuotesAndLeadingSpaces) {
  EXPECT_THAT(params_of("a[b, c,\"d, e\" , \"f\\\"g\"]"), ElementsAre("b", "c", "d, e", "f\"g"));
  EXPECT_THAT(params_of("a[b ,c\"d]"), ElementsAre("b ", "c\"d"));
  EXPECT_THAT(params_of("a[,,]"), ElementsAre("", "", ""));
  EXPECT_THAT(params_of("a[\"c:\\dir\"]"), ElementsAre("c:\\dir"));
}

TEST(Key, ArraysKeepWhatStandsBetweenTheirBrackets) {
  const auto key = parse_key("a[[b, \"c]\\\"\"],d,]");
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_THAT(key->params, ElementsAre("b,\"c]\\\"\"", "d", ""));
  EXPECT_THAT(key->types, ElementsAre(abi::kParamArray, abi::kParamString, abi::kParamUndefined));
}

TEST(Key, MalformedOnesSayWhereAndWhy) {
  for (const std::string_view text : {"", "[a]", "a b", "a[", "a[b", "a[\"b]", "a[b]c", "a[\"b\"c]", "a[[b]",
                                      "a[[[b]]]", "a[b]]", "a[[b]c]", "a,b"}) {
    const auto key = parse_key(text);
    ASSERT_FALSE(key) << text;
    EXPECT_THAT(key.error().message, HasSubstr("at character"));
  }
}

TEST(Key, WrittenAgainItMeansTheSame) {
  for (const std::string_view text : {"a", "a[]", "a[b]", "a[b,c]", "a[,]", "a[\"b,c\"]", "a[\" b\"]",
                                      "a[\"[b\"]", "a[\"b]\"]", "a[\"\\\"b\"]", "a[[b,c],d]", "a[b\\]",
                                      "a[b\"c]", "a[\"b,\\\"c\"]", "a[[],[\"\"]]", "a[\xE7\x88\x86]"}) {
    const auto key = parse_key(text);
    ASSERT_TRUE(key) << key.error().message;
    EXPECT_EQ(written(*key), text);
  }
}

TEST(Key, WhatTheGrammarCannotWriteIsAnError) {
  const ItemKey key{"a", {"b,c\\"}, {abi::kParamString}};
  EXPECT_THAT(written(key), HasSubstr("ends with a backslash"));
}

}  // namespace
}  // namespace zbxmod::host
