#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku {
namespace {

TEST(Printable, TextStaysAsItIs) {
  for (const char* const text : {"", "a b\\c\"", "äöü 爆速 😀 \u00a0\u200d\u3000"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, WhatMakesLinesOrMovesATerminalIsEscaped) {
  const struct {
    std::string text;
    const char* shown;
  } cases[] = {
      {"a\nb\rc\td", "a\\nb\\rc\\td"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\x1b[2J\x1b]0;x\x07", "\\x1b[2J\\x1b]0;x\\x07"},
      {"\x7f\x08", "\\x7f\\x08"},
      {"\u0085\u009b31m", "\\u0085\\u009b31m"},  // C1: next line, control sequence introducer
      {"\u2028\u2029", "\\u2028\\u2029"},        // separators of lines and paragraphs
      {"\u202eabc\u202c\u2066\u2069", "\\u202eabc\\u202c\\u2066\\u2069"},  // direction
      {"\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"},
      {"caf\xe9", "caf\\xe9"},
      {"\x9b"
       "31m",
       "\\x9b31m"},                         // C1 as a byte
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // a surrogate
      {"\xc0\xaf\xe3\x81", "\\xc0\\xaf\\xe3\\x81"},
  };
  for (const auto& [text, shown] : cases) {
    EXPECT_EQ(printable(text), shown);
    EXPECT_EQ(printable(printable(text)), shown) << "once is enough";
  }
}

TEST(Printable, LinesOfOursAreKeptWhereTheyAreWanted) {
  EXPECT_EQ(printable("one\ntwo\x1b\r\n", Newlines::kept), "one\ntwo\\x1b\\r\n");
}

TEST(Utf8Prefix, EndsWithAWholeCharacter) {
  const std::string text = "aé爆😀";
  EXPECT_EQ(utf8_prefix(text, 100), text);
  EXPECT_EQ(utf8_prefix(text, 10), text);
  for (const size_t bytes : {9u, 8u, 7u, 6u}) EXPECT_EQ(utf8_prefix(text, bytes), "aé爆") << bytes;
  for (const size_t bytes : {5u, 4u, 3u}) EXPECT_EQ(utf8_prefix(text, bytes), "aé") << bytes;
  EXPECT_EQ(utf8_prefix(text, 2), "a");
  EXPECT_EQ(utf8_prefix(text, 0), "");
}

}  // namespace
}  // namespace bakusoku
