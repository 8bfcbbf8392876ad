#include "weblog/tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::weblog {
namespace {

using testing::HasSubstr;

constexpr int64_t kNow = 1'795'523'100;  // 24/Nov/2026:12:25:00 +0000

std::string line(int status, const std::string& behind = "",
                 const std::string& stamp = "24/Nov/2026:12:25:00 +0000") {
  return fmt::format(R"(::1 - - [{}] "GET / HTTP/1.1" {} 100 "-" "-"{})", stamp, status, behind);
}

TEST(Tally, CountsByClassCodeAndExpression) {
  Tally tally;
  const Format format;
  for (const int status : {200, 200, 204, 301, 404, 404, 500, 502, 503}) {
    tally.count_line(format, line(status), kNow, true);
  }
  tally.count_line(format, "garbage", kNow, true);
  EXPECT_EQ(tally.requests(), 9u);
  EXPECT_EQ(tally.unreadable(), 1u);
  EXPECT_EQ(tally.bytes(), 900u);
  EXPECT_EQ(tally.with_status("2xx"), 3u);
  EXPECT_EQ(tally.with_status("5XX"), 3u);
  EXPECT_EQ(tally.with_status("404"), 2u);
  EXPECT_EQ(tally.with_status("418"), 0u);
  EXPECT_EQ(tally.with_status("^50[23]$"), 2u);
  EXPECT_EQ(tally.with_status("^[45]"), 5u);
  EXPECT_EQ(tally.with_status("."), 9u);
  EXPECT_THAT(tally.with_status("(").error().message, HasSubstr("missing )"));
  EXPECT_FALSE(tally.with_status(""));
}

TEST(Tally, WholeNumbersAreNoTimes) {
  Tally tally;
  for (const char* took : {" 412", " 38220", " 0", " 25"})
    tally.count_line(Format(), line(200, took), kNow, true);
  EXPECT_EQ(tally.times().of(kNow, 60).count, 0u);
  EXPECT_FALSE(tally.timed());
  ASSERT_TRUE(tally.newest());
  EXPECT_EQ(tally.newest()->evidence, Evidence::doubtful);
}

TEST(Tally, TellsWhatTheNewestLineWasTakenForAndHowManySinceWereUnreadable) {
  Tally tally;
  EXPECT_FALSE(tally.newest());
  tally.count_line(Format(), "garbage", kNow, true);
  tally.count_unreadable();
  EXPECT_EQ(tally.unreadable_in_a_row(), 2u);
  EXPECT_FALSE(tally.newest());
  tally.count_line(Format(), line(200, " 0.100"), kNow, true);
  EXPECT_EQ(tally.unreadable_in_a_row(), 0u);
  ASSERT_TRUE(tally.newest());
  EXPECT_EQ(tally.newest()->evidence, Evidence::fraction);
  tally.count_line(Format(), R"({"status":200})", kNow, true);
  EXPECT_EQ(tally.newest()->shape, Shape::json);
  tally.count_line(Format(), "garbage", kNow, true);
  EXPECT_EQ(tally.unreadable_in_a_row(), 1u);
  EXPECT_EQ(tally.unreadable(), 3u);
}

TEST(Tally, AnAskersExpressionIsBounded) {
  Tally tally;
  tally.count_line(Format(), line(404), kNow, true);
  EXPECT_THAT(tally.with_status(std::string(257, '4')).error().message, HasSubstr("at most 256"));
  EXPECT_THAT(tally.with_status("((a{100}){100}){100}").error().message, HasSubstr("regular expression"));
  EXPECT_FALSE(tally.with_status("((.{90}){90}|404)")) << "too large a program, though it would find it";
  for (int at = 0; at < 40; ++at) EXPECT_EQ(tally.with_status(fmt::format("404|{}", at)), 1u);
  EXPECT_EQ(tally.with_status("404|0"), 1u) << "forgotten and compiled again";
}

TEST(Tally, WhatIsReadLateCountsAtItsOwnTime) {
  Tally tally;
  const Format format;
  tally.count_line(format, line(200, " 0.100", "24/Nov/2026:12:00:00 +0000"), kNow, false);
  tally.count_line(format, line(200, " 0.100", "24/Nov/2026:11:00:00 +0000"), kNow, false);
  tally.count_line(format, line(200, " 0.100", "24/Nov/2026:13:00:00 +0000"), kNow, false);
  EXPECT_EQ(tally.times().of(kNow, 60).count, 1u) << "one from the future is of now";
  EXPECT_EQ(tally.times().of(kNow, 1800).count, 2u);
  EXPECT_EQ(tally.times().of(kNow, 3600).count, 2u);
  tally.count_line(format, line(200, " 0.100", "24/Nov/2026:11:00:00 +0000"), kNow, true);
  EXPECT_EQ(tally.times().of(kNow, 60).count, 2u)
      << "what has just been written is of now, whenever it began";
  EXPECT_EQ(tally.requests(), 4u);
}

TEST(Tally, WhatIsWrittenIsReadAgainAndGoesOn) {
  Tally tally;
  const Format format;
  for (int i = 0; i < 1000; ++i)
    tally.count_line(format, line(200 + i % 400, fmt::format(" {}", i % 5)), kNow, true);
  tally.count_line(format, "garbage", kNow, true);
  std::string bytes;
  tally.write(bytes);
  std::string_view rest = bytes;
  auto again = Tally::read(rest);
  ASSERT_TRUE(again);
  EXPECT_TRUE(rest.empty());
  for (Tally* one : {&tally, &*again}) one->count_line(format, line(200, " 7"), kNow, true);
  std::string first;
  std::string second;
  tally.write(first);
  again->write(second);
  EXPECT_EQ(first, second);
  EXPECT_EQ(again->unreadable(), 1u);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    std::string_view part = std::string_view(bytes).substr(0, cut);
    EXPECT_FALSE(Tally::read(part)) << cut;
  }
}

}  // namespace
}  // namespace bakusoku::weblog
