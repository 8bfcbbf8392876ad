#include "weblog/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::weblog {
namespace {

using testing::HasSubstr;

std::optional<Request> read(std::string_view line, const std::string& format = "auto",
                            const std::string& unit = "auto") {
  const auto made = Format::make({.format = format, .unit = unit});
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return std::nullopt;
  }
  return made->read(line);
}

constexpr std::string_view kStamp = "24/Nov/2026:12:25:00 +0000";

MATCHER_P2(Says, status, bytes, "") {
  return arg && arg->status == status && arg->bytes == static_cast<uint64_t>(bytes) && arg->stamp == kStamp;
}

struct Taken {
  std::optional<uint64_t> micros{};
  Evidence evidence = Evidence::none;
  friend bool operator==(const Taken&, const Taken&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Taken& taken) {
    return out << (taken.micros ? std::to_string(*taken.micros) : "no") << " us, "
               << static_cast<int>(taken.evidence);
  }
};

// The time of a line that is in the format.
Taken time_of(std::string_view line, const std::string& format = "auto", const std::string& unit = "auto") {
  const auto request = read(line, format, unit);
  if (!request) {
    ADD_FAILURE() << "in no format: " << line;
    return {};
  }
  return {request->micros, request->evidence};
}

constexpr std::string_view kCombined =
    R"~(203.0.113.9 - - [24/Nov/2026:12:25:00 +0000] "GET /a?b=c HTTP/1.1" 200 5316 "https://example.com/" "Mozilla/5.0 (X11; Linux x86_64)")~";

TEST(Format, NginxAndApacheCombined) {
  EXPECT_THAT(read(kCombined), Says(200, 5316));
  EXPECT_THAT(
      read(R"(2001:db8::1 - alice [24/Nov/2026:12:25:00 +0000] "POST /x HTTP/2.0" 499 0 "-" "curl/8")"),
      Says(499, 0));
  EXPECT_THAT(read(std::string(kCombined) + "\r"), Says(200, 5316));
}

TEST(Format, Common) {
  EXPECT_THAT(read(R"(127.0.0.1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.0" 304 -)"), Says(304, 0));
  EXPECT_THAT(read(R"(127.0.0.1 - frank smith [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.0" 200 2326)"),
              Says(200, 2326));
}

TEST(Format, ApacheWithItsVirtualHostInFront) {
  EXPECT_THAT(read("www.example.com:443 " + std::string(kCombined)), Says(200, 5316));
}

TEST(Format, RequestsThatAreNone) {
  EXPECT_THAT(
      read(
          R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "\x16\x03\x01\x02\x00\x01\x00\x01\xFC" 400 150 "-" "-")"),
      Says(400, 150));
  EXPECT_THAT(read(R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "" 400 0 "-" "-")"), Says(400, 0));
  EXPECT_THAT(read(R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "-" 408 - "-" "-")"), Says(408, 0));
  EXPECT_THAT(read(R"(198.51.100.7 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 000 0 "-" "-")"),
              Says(0, 0));
}

TEST(Format, QuotesInsideAreEscaped) {
  EXPECT_THAT(read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET /\" 500 9 \" HTTP/1.1" 404 12 "a\"b" "c\\")"),
              Says(404, 12));
  EXPECT_THAT(
      read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET /\x22 500 9 \x22 HTTP/1.1" 404 12 "a\x22b" "\x5C")"),
      Says(404, 12));
  EXPECT_THAT(read(R"(::1 - x] \"y [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 401 12 "-" "-")"),
              Says(401, 12));
}

TEST(Format, ATimeBehind) {
  const std::string line(kCombined);
  const Evidence fraction = Evidence::fraction;
  EXPECT_EQ(time_of(line + " 0.005"), (Taken{5000, fraction}));
  EXPECT_EQ(time_of(line + " 12.345"), (Taken{12'345'000, fraction}));
  EXPECT_EQ(time_of(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 12 0.250)"),
            (Taken{250'000, fraction}));
  EXPECT_EQ(time_of(line + R"( "198.51.100.1, 10.0.0.1" 0.100 0.099 .)"), (Taken{100'000, fraction}));
  EXPECT_EQ(time_of(line + R"( "-" 0.100 -)"), (Taken{100'000, fraction}));
  EXPECT_EQ(time_of(line + " 1795523100.123 0.100"), (Taken{100'000, fraction}))
      << "nginx's $msec is no time";
  EXPECT_EQ(time_of(line + " 15 0.100"), (Taken{100'000, fraction}));
  EXPECT_THAT(read(line + " 0.005"), Says(200, 5316));
}

TEST(Format, SeveralUpstreamTimesAreTheirSum) {
  const std::string line(kCombined);
  for (const char* times : {" 0.010, 0.002", " 0.010 : 0.002", " 0.010, - : 0.002", " 0.010, 0.002 -"})
    EXPECT_EQ(time_of(line + times), (Taken{12'000, Evidence::fraction})) << times;
  EXPECT_EQ(time_of(line + " 0.010, 0.001 : 0.002, 0.003 : 0.004"), (Taken{20'000, Evidence::fraction}));
  EXPECT_EQ(time_of(line + " 0.010 0.002"), (Taken{10'000, Evidence::fraction}))
      << "two numbers are two fields";
  const std::string expression = "(?<status>\\d{3}) (?<time>.*)$";
  EXPECT_EQ(time_of("200 0.010, 0.002 : -", expression), (Taken{12'000, Evidence::configured}));
  EXPECT_EQ(time_of("200 -, -", expression), Taken{});
}

TEST(Format, AWholeNumberIsATimeOnlyWhereTheConfigurationSaysSo) {
  const std::string line(kCombined);
  const Taken doubtful{std::nullopt, Evidence::doubtful};
  for (const char* number : {" 48211", " 0", " 259", " 99999999999999"}) {
    EXPECT_EQ(time_of(line + number), doubtful) << number;
    EXPECT_THAT(read(line + number), Says(200, 5316));
  }
  EXPECT_EQ(time_of(line + " 15", "auto", "s"), (Taken{15'000'000, Evidence::configured}));
  EXPECT_EQ(time_of(line + " 15", "combined", "ms"), (Taken{15'000, Evidence::configured}));
  EXPECT_EQ(time_of(line + " 15", "auto", "us"), (Taken{15, Evidence::configured}));
  EXPECT_EQ(time_of(line + " 15999", "auto", "ns"), (Taken{15, Evidence::configured}));
  EXPECT_EQ(time_of(line + " 9000000.5", "auto", "us"), (Taken{9'000'000, Evidence::configured}));
  EXPECT_EQ(time_of(line + " 99999999999999", "auto", "s"), doubtful) << "longer than a hundred days";
}

TEST(Format, WhatLooksLikeATimeAndIsNone) {
  const std::string line(kCombined);
  EXPECT_EQ(time_of(line + " 512 6021"), Taken{}) << "Apache's combinedio";
  EXPECT_EQ(time_of(line + " 512 6021", "auto", "us"), Taken{});
  EXPECT_EQ(time_of(line + " 10.0.0.1"), Taken{});
  EXPECT_EQ(time_of(line + " -"), Taken{});
  EXPECT_EQ(time_of(line + " 12kb 7.5kb 1.x"), Taken{});
  EXPECT_EQ(time_of(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 12 "9.99" "1234567")"),
            Taken{})
      << "what a client sends is no time";
}

TEST(Format, Traefik) {
  const std::string line = std::string(kCombined) + R"( 259 "web@docker" "http://10.0.0.7:80" 12ms)";
  EXPECT_EQ(time_of(line), (Taken{12'000, Evidence::suffix})) << "259 counts the requests so far";
  EXPECT_EQ(read(line)->shape, Shape::traefik);
  EXPECT_EQ(time_of(line, "traefik"), (Taken{12'000, Evidence::suffix}));
  EXPECT_THAT(read(line, "traefik"), Says(200, 5316));
  EXPECT_FALSE(read(kCombined, "traefik"));
  EXPECT_EQ(time_of(std::string(kCombined) + R"( 259 "web@docker" "http://10.0.0.7:80")").evidence,
            Evidence::doubtful);
}

TEST(Format, QuotesInsideThatAreNotEscapedCostNoStatus) {
  const auto line = [](const std::string& request, const std::string& agent) {
    return R"(::1 - - [24/Nov/2026:12:25:00 +0000] ")" + request + R"(" 404 12 "-" ")" + agent + R"(" 0.250)";
  };
  EXPECT_THAT(read(line(R"(GET /a"b HTTP/1.1)", "x")), Says(404, 12));
  EXPECT_THAT(read(line(R"(GET /" x HTTP/1.1)", "x")), Says(404, 12));
  EXPECT_THAT(read(line(R"(GET / HTTP/1.1)", R"(Mozilla "x)")), Says(404, 12));
  EXPECT_EQ(time_of(line(R"(GET / HTTP/1.1)", R"(a"b)")), (Taken{250'000, Evidence::fraction}));
  EXPECT_THAT(read(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 5 "unfinished)"),
              Says(200, 5));
}

TEST(Format, Json) {
  const auto json = [](std::string_view line) { return time_of(line); };
  EXPECT_EQ(
      json(
          R"({"time_local":"24/Nov/2026:12:25:00 +0000","status":"404","body_bytes_sent":"12","request_time":"0.250"})"),
      (Taken{250'000, Evidence::member}));
  EXPECT_THAT(
      read(
          R"({"time_local":"24/Nov/2026:12:25:00 +0000","status":"404","body_bytes_sent":"12","request_time":"0.250"})"),
      Says(404, 12));
  const auto caddy = read(
      R"({"level":"info","ts":1795523100.52,"logger":"http.log.access","request":{"method":"GET","uri":"/\"","size":7},"duration":0.000929675,"size":10900,"status":200})");
  ASSERT_TRUE(caddy);
  EXPECT_EQ(caddy->status, 200);
  EXPECT_EQ(caddy->bytes, 10900u);
  EXPECT_EQ(caddy->micros, 929u);
  EXPECT_EQ(parse_stamp(caddy->stamp), 1795523100);
  const auto traefik = read(
      R"({"DownstreamContentSize":19,"DownstreamStatus":404,"Duration":1234567,"StartUTC":"2026-11-24T12:25:00.5Z","RequestCount":259})");
  ASSERT_TRUE(traefik);
  EXPECT_EQ(traefik->status, 404);
  EXPECT_EQ(traefik->bytes, 19u);
  EXPECT_EQ(traefik->micros, 1234u);
  EXPECT_EQ(parse_stamp(traefik->stamp), 1795523100);
  EXPECT_EQ(json(R"({"status":200,"request_time":"0.010, 0.002"})"), (Taken{12'000, Evidence::member}));
  EXPECT_EQ(json(R"({"status":200,"request_time":"-"})"), Taken{});
  for (const std::string_view wrong : {R"({"status":200)", R"({"status":20})", R"({"state":200})",
                                       R"({"status":true})", "{}", "{", R"([200])"}) {
    EXPECT_EQ(read(wrong), std::nullopt) << wrong;
    EXPECT_EQ(read(wrong, "json"), std::nullopt) << wrong;
  }
  EXPECT_FALSE(read(kCombined, "json"));
}

TEST(Format, MembersOfJsonMayBeNamed) {
  const auto format = Format::make(
      {.format = "json", .unit = "us", .status = "http.status", .bytes = "out", .time = "took.total"});
  ASSERT_TRUE(format);
  const auto found = format->read(
      R"({"http":{"status":503},"out":"77","took":{"total":1500},"status":200,"request_time":9})");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, 503);
  EXPECT_EQ(found->bytes, 77u);
  EXPECT_EQ(found->micros, 1500u);
  EXPECT_EQ(describe(*found, format->options()), "json; time: the member took.total, in us");
  const auto without = format->read(R"({"http.status":503,"request_time":9})");
  ASSERT_TRUE(without) << "a name that holds a dot itself";
  EXPECT_EQ(without->micros, std::nullopt) << "a named member is not replaced by a known one";
  EXPECT_FALSE(format->read(R"({"http":503})"));
}

TEST(Format, SaysWhatALineWasTakenFor) {
  const std::string line(kCombined);
  const auto said = [](std::string_view text) { return describe(*read(text), {}); };
  EXPECT_EQ(said(line), "combined; no time");
  EXPECT_EQ(said(line + " 0.005"), "combined; time: the first number with a fraction, in s");
  EXPECT_THAT(said(line + " 259"), HasSubstr("not taken for a time"));
  EXPECT_EQ(said(R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 12)"), "common; no time");
}

TEST(Format, WhatIsInNoFormat) {
  for (const std::string_view line :
       {"", " ", "\"", "garbage", "\x16\x03\x01", "[error] 12#12: *1 open() \"/x\" failed (2: No such file)",
        R"({"status":2000})", R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 20 5)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 )",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 200 x)",
        R"(::1 - - [24/Nov/2026:12:25:00 +0000] "GET / HTTP/1.1" 2000 5)",
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
  EXPECT_EQ(time_of("404 12 ( 1.5ms", format, "ms"), (Taken{1500, Evidence::configured}));
  EXPECT_EQ(read("404 12 ( 1.5ms", format, "ms")->bytes, 12u);
  EXPECT_EQ(time_of("404 - < -ms", format, "ms"), Taken{});
  EXPECT_EQ(read("404 x ( 1ms", format, "ms"), std::nullopt);
  EXPECT_EQ(read("abc", format, "ms"), std::nullopt);
  EXPECT_EQ(read("s=503", "s=(?<status>[0-9]+)")->status, 503);
  EXPECT_EQ(read("s=50", "s=(?<status>[0-9]+)"), std::nullopt);
}

TEST(Format, WhatIsNoFormatIsSaidInWords) {
  const auto error = [](const std::string& format, const std::string& unit = "auto") {
    const auto made = Format::make({.format = format, .unit = unit});
    return made ? "" : made.error().message;
  };
  EXPECT_THAT(error("combind"), HasSubstr("none of auto, common, combined"));
  EXPECT_THAT(error("(?<status>"), HasSubstr("missing )"));
  EXPECT_THAT(error("(?<status>x)(?<when>y)"), HasSubstr("'when' is not known"));
  EXPECT_THAT(Format::make({.status = "code"}).error().message, HasSubstr("format = \"json\""));
  EXPECT_THAT(error("auto", "min"), HasSubstr("'min' is not a unit"));
  EXPECT_THAT(error("(?<status>x)(?<=y)"), HasSubstr("regular expression"));
  EXPECT_THAT(error("(?<status>((a{100}){100}){100})"), HasSubstr("regular expression"));
  EXPECT_THAT(error("(?<status>" + std::string(5000, 'a') + ")"), HasSubstr("at most 4096"));
}

TEST(Format, APatternThatBacktracksElsewhereTakesLinearTime) {
  // 60 levels of backtracking would take longer than the universe has; the test's own time limit would end
  // it.
  const auto format = Format::make({.format = "^(?:(?:a|aa)+)+b(?<status>\\d{3})$"});
  ASSERT_TRUE(format);
  EXPECT_EQ(format->read(std::string(100'000, 'a')), std::nullopt);
}

TEST(Stamp, IsUnixSeconds) {
  EXPECT_EQ(parse_stamp("24/Nov/2026:12:25:00 +0000"), 1795523100);
  EXPECT_EQ(parse_stamp("24/Nov/2026:13:25:00 +0100"), 1795523100);
  EXPECT_EQ(parse_stamp("24/Nov/2026:08:55:00 -0330"), 1795523100);
  EXPECT_EQ(parse_stamp("01/Jan/1970:00:00:00 +0000"), 0);
  EXPECT_EQ(parse_stamp("29/Feb/2024:23:59:60 +0000"), 1709251200);
  for (const std::string_view same :
       {"2026-11-24T12:25:00Z", "2026-11-24T13:25:00+01:00", "2026-11-24T12:25:00.987654321+00:00",
        "2026-11-24 12:25:00", "1795523100", "1795523100.5"}) {
    EXPECT_EQ(parse_stamp(same), 1795523100) << same;
  }
  for (const std::string_view wrong :
       {"", "24/Nov/2026:12:25:00 0000", "24/nov/2026:12:25:00 +0000", "24/ovD/2026:12:25:00 +0000",
        "00/Nov/2026:12:25:00 +0000", "2026-11-24T12:25:0", "2026-13-24T12:25:00Z", "2026-11-24T12:25:00X",
        "1795523100000", "now", "24/Nov/2026:24:25:00 +0000", "24/Nov/2026:12:2x:00 +0000"}) {
    EXPECT_EQ(parse_stamp(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace bakusoku::weblog
