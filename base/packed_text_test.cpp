#include "base/packed_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace bakusoku {
namespace {

TEST(PackedText, KeepsWhatItWasGiven) {
  std::string given = "aws.metric[AWS/EC2,CPUUtilization]";
  const PackedText text(given);
  given.clear();
  EXPECT_EQ(text.view(), "aws.metric[AWS/EC2,CPUUtilization]");
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(PackedText(std::string_view("a\0b", 3)).view().size(), 3U);
}

TEST(PackedText, OfNothingTakesNoBlock) {
  EXPECT_TRUE(PackedText().empty());
  EXPECT_TRUE(PackedText("").empty());
  EXPECT_EQ(PackedText("").view(), "");
  EXPECT_EQ(sizeof(PackedText), sizeof(void*));
}

TEST(PackedText, MovesAndIsReplaced) {
  PackedText text("before");
  PackedText moved = std::move(text);
  EXPECT_EQ(moved.view(), "before");
  moved = PackedText("after, and longer");
  EXPECT_EQ(moved.view(), "after, and longer");
  moved = {};
  EXPECT_TRUE(moved.empty());
}

}  // namespace
}  // namespace bakusoku
