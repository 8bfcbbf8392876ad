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

TEST(Tally, WholeNumbersAreMicrosecondsUntilTheyCannotBe) {
  Tally apache_d;
  Tally apache_t;
  const Format format;
  for (const char* took : {" 412", " 38220", " 120553", " 25"})
    apache_d.count_line(format, line(200, took), kNow, true);
  for (const char* took : {" 0", " 0", " 1", " 30"}) apache_t.count_line(format, line(200, took), kNow, true);
  EXPECT_EQ(apache_d.times().of(kNow, 60).sum, 412u + 38220 + 120553 + 25);
  EXPECT_EQ(apache_t.times().of(kNow, 60).sum, 31'000'000u);
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
