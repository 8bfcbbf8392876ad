#include "zbxmod/text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>

namespace zbxmod {
namespace {

std::string released(Text&& text) {
  char* bytes = text.release();
  const std::string copy(bytes);
  std::free(bytes);
  return copy;
}

TEST(Text, GrowsInMemoryThatTheReceiverFrees) {
  Text text("a");
  std::string expected = "a";
  for (int i = 0; i < 1000; ++i) {
    text += std::to_string(i);
    expected += std::to_string(i);
  }
  text += '.';
  EXPECT_EQ(text.view(), expected + ".");
  EXPECT_EQ(released(std::move(text)), expected + ".");
  EXPECT_EQ(released(Text()), "");
}

TEST(Text, CanBeUsedAgainAfterItWasReleasedOrMoved) {
  Text text("first");
  EXPECT_EQ(released(std::move(text)), "first");
  text += "second";
  Text other(std::move(text));
  EXPECT_EQ(other.view(), "second");
  other = Text("third");
  EXPECT_EQ(released(std::move(other)), "third");
  EXPECT_TRUE(other.empty());
}

TEST(Number, TextIsTheShortestThatReadsBack) {
  EXPECT_EQ(to_text(0.0), "0");
  EXPECT_EQ(to_text(0.1), "0.1");
  EXPECT_EQ(to_text(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(to_text(-12.5), "-12.5");
  EXPECT_EQ(to_text(1e-9), "0.000000001");
  EXPECT_EQ(to_text(1e16), "10000000000000000");
  EXPECT_EQ(to_text(1.5e300), "1.5e+300");
  EXPECT_EQ(to_text(2.5e-200), "2.5e-200");
}

TEST(Number, TextReadsBackAtTheEdges) {
  using Limits = std::numeric_limits<double>;
  for (const double number : {Limits::max(), Limits::min(), Limits::denorm_min(), -Limits::max(), 1e-15,
                              1.2345678901234567e-15, 9.999999999999999e16, 123456789.123456789}) {
    EXPECT_EQ(std::strtod(to_text(number).c_str(), nullptr), number) << to_text(number);
  }
}

TEST(Text, ValidUtf8StaysAsItIs) {
  for (const std::string_view text :
       {"", "plain", "\xE7\x88\x86\xE9\x80\x9F", "\xF0\x9F\x9A\x80", "\xC3\xA9"}) {
    EXPECT_TRUE(is_valid_text(text));
    EXPECT_EQ(valid_text(text), text);
  }
}

TEST(Text, OneWrongByteIsFoundAtEveryPlace) {
  for (const char wrong : {'\0', '\x80', '\xFF'}) {
    for (size_t at = 0; at < 40; ++at) {
      std::string text(40, 'x');
      EXPECT_TRUE(is_valid_text(text));
      text[at] = wrong;
      EXPECT_FALSE(is_valid_text(text)) << at;
      text[at] = '\x01';
      EXPECT_TRUE(is_valid_text(text)) << at;
    }
  }
}

TEST(Text, EveryMalformedByteIsReplaced) {
  EXPECT_EQ(valid_text("a\xE9z"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(valid_text(std::string_view("a\0b", 3)),
            "a\xEF\xBF\xBD"
            "b");
  for (const std::string_view text :
       {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE7\x88", "\x80", "\xF8\x88\x80\x80"}) {
    EXPECT_FALSE(is_valid_text(text));
    EXPECT_TRUE(is_valid_text(valid_text(text)));
  }
}

}  // namespace
}  // namespace zbxmod
