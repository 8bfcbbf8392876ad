#include "base/json.h"

#include <gtest/gtest.h>

namespace bakusoku {
namespace {

TEST(Json, EscapesWhatJsonForbids) {
  EXPECT_EQ(json_string("a\"b\\c\n\t\r\x01"), R"("a\"b\\c\n\t\r\u0001")");
}

TEST(Json, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(json_string("爆速"), "\"爆速\"");
  EXPECT_EQ(json_string("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(json_string("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // a surrogate
  EXPECT_EQ(json_string("\xF0\x9F\x98"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // cut short
}

TEST(Json, ObjectsAndArraysAreWrittenPieceByPiece) {
  EXPECT_EQ(JsonObject().finish(), "{}");
  EXPECT_EQ(JsonArray().finish(), "[]");
  JsonObject object;
  object.add("a \"word\"", "x\n").add("n", int64_t{-1}).add("u", UINT64_MAX).add("yes", true);
  object.add_raw("list", JsonArray().add_raw("1").add_raw("null").finish());
  EXPECT_EQ(object.finish(),
            R"({"a \"word\"":"x\n","n":-1,"u":18446744073709551615,"yes":true,"list":[1,null]})");
}

TEST(Json, ValidUtf8LeavesValidTextAlone) {
  EXPECT_EQ(valid_utf8("web-1 \"é\"\n"), "web-1 \"é\"\n");
  EXPECT_EQ(valid_utf8("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong
}

}  // namespace
}  // namespace bakusoku
