#include "weblog/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::weblog {
namespace {

using testing::HasSubstr;

std::optional<Request> read(std::string_view line, const std::string& format = "auto",
                            const std::string& unit = "auto") {
  const auto made = Format::make(format, unit);
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return std::nullopt;
  }
  return made->read(line);
}

Request request(uint16_t status, uint64_t bytes, std::optional<Took> took = std::nullopt,
                std::string_view stamp = "24/Nov/2026:12:25:00 +0000") {
  return Request{status, bytes, took, stamp};
}

constexpr std::string_view kCombined =
    R"~(203.0.113.9 - - [24/Nov/2026:12:25:00 +0000] "GET /a?b=c HTTP/1.1" 200 5316 "https://example.com/" "Mozilla/5.0 (X11; Linux x86_64)")~";

TEST(Format, NginxAndApacheCombined) {
  EXPECT_EQ(read(kCombined), request(200, 5316));
  EXPECT_EQ(read(R"(2001:db8::1 - alice [24/Nov/2026:12:25:00 +0000] "POST /x HTTP/2.0" 499 0 "-" "curl/8")"),
            request(499, 0));
  EXPECT_EQ(read(std::string(kCombined) + "\r"), request(200, 5316));
}

TEST(Format, Common) {
  EXPECT_EQ(read(R"(127.0.0.1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.0" 304 -)"), request(304, 0));
  EXPECT_EQ(read(R"(127.0.0.1 - frank smith [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.0" 200 2326)"),
            request(200, 2326));
}

TEST(Format, ApacheWithItsVirtualHostInFront) {
  EXPECT_EQ(read("www.example.com:443 " + std::string(kCombined)), request(200, 5316));
}

TEST(Format, RequestsThatAreNone) {
  EXPECT_EQ(
      read(
          R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "\x16\x03\x01\x02\x00\x01\x00\x01\xFC" 400 150 "-" "-")"),
      request(400, 150));
  EXPECT_EQ(read(R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "" 400 0 "-" "-")"), request(400, 0));
  EXPECT_EQ(read(R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "-" 408 - "-" "-")"), request(408, 0));
  EXPECT_EQ(read(R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 000 0 "-" "-")"),
            request(0, 0));
}

TEST(Format, QuotesInsideAreEscaped) {
  EXPECT_EQ(read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET /\" 500 9 \" HTTP/1.1" 404 12 "a\"b" "c\\")"),
            request(404, 12));
  EXPECT_EQ(
      read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET /\x22 500 9 \x22 HTTP/1.1" 404 12 "a\x22b" "\x5C")"),
      request(404, 12));
  EXPECT_EQ(read(R"(::1 - x] \"y [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 401 12 "-" "-")"),
            request(401, 12));
}

TEST(Format, ATimeBehind) {
  const std::string line(kCombined);
  EXPECT_EQ(read(line + " 0.005"), request(200, 5316, Took{Took::Unit::seconds, 5000}));
  EXPECT_EQ(read(line + " 12.345"), request(200, 5316, Took{Took::Unit::seconds, 12'345'000}));
  EXPECT_EQ(read(line + " 48211"), request(200, 5316, Took{Took::Unit::unknown, 48211}));
  EXPECT_EQ(read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 12 0.250)"),
            request(200, 12, Took{Took::Unit::seconds, 250'000}));
  EXPECT_EQ(read(line + R"( "198.51.100.1, 10.0.0.1" 0.100 0.099 .)"),
            request(200, 5316, Took{Took::Unit::seconds, 100'000}));
  EXPECT_EQ(read(line + R"( "-" 0.100 -)"), request(200, 5316, Took{Took::Unit::seconds, 100'000}));
  EXPECT_EQ(read(line + " 15", "auto", "s"), request(200, 5316, Took{Took::Unit::seconds, 15'000'000}));
  EXPECT_EQ(read(line + " 15", "auto", "ms"), request(200, 5316, Took{Took::Unit::milliseconds, 15'000}));
  EXPECT_EQ(read(line + " 15", "auto", "us"), request(200, 5316, Took{Took::Unit::microseconds, 15}));
}

TEST(Format, WhatLooksLikeATimeAndIsNone) {
  const std::string line(kCombined);
  EXPECT_EQ(read(line + " 512 6021"), request(200, 5316)) << "Apache's combinedio";
  EXPECT_EQ(read(line + " 10.0.0.1"), request(200, 5316));
  EXPECT_EQ(read(line + " -"), request(200, 5316));
  EXPECT_EQ(read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 12 "9.99" "1234567")"),
            request(200, 12))
      << "what a client sends is no time";
  EXPECT_EQ(read(line + " 99999999999999999999"), request(200, 5316));
}

TEST(Format, WhatIsInNoFormat) {
  for (const std::string_view line :
       {"", " ", "\"", "garbage", "\x16\x03\x01", "[error] 12#12: *1 open() \"/x\" failed (2: No such file)",
        R"({"status":200})", R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 20 5)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 )",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 x)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 2000 5)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 5 "unfinished)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 99999999999999999999)"}) {
    EXPECT_EQ(read(line), std::nullopt) << line;
  }
}

TEST(Format, AFormatThatIsNamedIsInsistedOn) {
  const std::string common = R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.0" 200 23)";
  EXPECT_TRUE(read(common, "common"));
  EXPECT_FALSE(read(kCombined, "common"));
  EXPECT_TRUE(read(kCombined, "combined"));
  EXPECT_FALSE(read(common, "combined"));
}

TEST(Format, ARegularExpressionWithNamedFields) {
  const std::string format = R"(^(?P<status>\d{3}) (?<bytes>\S+) [(?<x>] (?<time>[\d.]+|-)ms$)";
  EXPECT_EQ(read("404 12 ( 1.5ms", format, "ms"), request(404, 12, Took{Took::Unit::milliseconds, 1500}, ""));
  EXPECT_EQ(read("404 - < -ms", format, "ms"), request(404, 0, std::nullopt, ""));
  EXPECT_EQ(read("404 x ( 1ms", format, "ms"), std::nullopt);
  EXPECT_EQ(read("abc", format, "ms"), std::nullopt);
  EXPECT_EQ(read("s=503", "s=(?<status>[0-9]+)"), request(503, 0, std::nullopt, ""));
  EXPECT_EQ(read("s=50", "s=(?<status>[0-9]+)"), std::nullopt);
}

TEST(Format, WhatIsNoFormatIsSaidInWords) {
  const auto error = [](const std::string& format, const std::string& unit = "auto") {
    const auto made = Format::make(format, unit);
    return made ? "" : made.error().message;
  };
  EXPECT_THAT(error("combind"), HasSubstr("neither auto, common nor combined"));
  EXPECT_THAT(error("(?<status>"), HasSubstr("missing )"));
  EXPECT_THAT(error("(?<status>x)(?<when>y)"), HasSubstr("'when' is not known"));
  EXPECT_THAT(error("auto", "min"), HasSubstr("'min' is not a unit"));
  EXPECT_THAT(error("(?<status>x)(?<=y)"), HasSubstr("regular expression"));
  EXPECT_THAT(error("(?<status>((a{100}){100}){100})"), HasSubstr("regular expression"));
  EXPECT_THAT(error("(?<status>" + std::string(5000, 'a') + ")"), HasSubstr("at most 4096"));
}

TEST(Format, APatternThatBacktracksElsewhereTakesLinearTime) {
  // 60 levels of backtracking would take longer than the universe has; the test's own time limit would end
  // it.
  const auto format = Format::make("^(?:(?:a|aa)+)+b(?<status>\\d{3})$", "auto");
  ASSERT_TRUE(format);
  EXPECT_EQ(format->read(std::string(100'000, 'a')), std::nullopt);
}

TEST(Stamp, IsUnixSeconds) {
  EXPECT_EQ(parse_stamp("24/Nov/2026:12:25:00 +0000"), 1795523100);
  EXPECT_EQ(parse_stamp("24/Nov/2026:13:25:00 +0100"), 1795523100);
  EXPECT_EQ(parse_stamp("24/Nov/2026:08:55:00 -0330"), 1795523100);
  EXPECT_EQ(parse_stamp("01/Jan/1970:00:00:00 +0000"), 0);
  EXPECT_EQ(parse_stamp("29/Feb/2024:23:59:60 +0000"), 1709251200);
  for (const std::string_view wrong :
       {"", "24/Nov/2026:12:25:00 0000", "24/nov/2026:12:25:00 +0000", "24/ovD/2026:12:25:00 +0000",
        "00/Nov/2026:12:25:00 +0000", "24/Nov/2026:24:25:00 +0000", "24/Nov/2026:12:2x:00 +0000"}) {
    EXPECT_EQ(parse_stamp(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace bakusoku::weblog
