#include "aws/timestamp.h"

#include <gtest/gtest.h>

#include "aws/clock_skew.h"
#include "aws/url.h"

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;
const WallTime kTime{std::chrono::seconds(784111777)};

TEST(Timestamp, reads_iso_8601) {
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37Z"), kTime);
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37.999Z"), kTime);
  EXPECT_EQ(parse_iso8601("1994-11-06T10:49:37+02:00"), kTime);
  EXPECT_EQ(parse_iso8601("1994-11-06T03:19:37.1-05:30"), kTime);
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37+0000"), kTime);
  EXPECT_EQ(parse_iso8601("1994-11-06T10:49:37+02"), kTime);
  EXPECT_EQ(parse_iso8601("1994-11-06 08:49:37.123456+00:00"), kTime);
  for (const char* bad : {"", "1994-11-06", "1994-11-06T08:49:37", "1994-11-06T08:49:37.Z",
                          "1994-11-06T08:49:37.5", "1994-13-06T08:49:37Z", "1994-02-30T08:49:37Z",
                          "1994-11-06T24:49:37Z", "1994-11-06T08:49:37+02000", "1994-11-06T08:49:37+0x00",
                          "1994-11-06T08:49:37+2", "1994-11-06T08:49:37Zx", "9999-11-06T08:49:37Z"}) {
    EXPECT_FALSE(parse_iso8601(bad)) << bad;
  }
}

TEST(Timestamp, reads_http_dates) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), kTime);
  for (const char* bad : {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
                          "Sun, 06 Nix 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:3x GMT"}) {
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  }
}

TEST(ClockSkew, is_corrected_only_from_four_minutes_on) {
  ClockSkew skew;
  EXPECT_FALSE(skew.learn("Sun, 06 Nov 1994 08:49:37 GMT", kTime + 239s));
  EXPECT_EQ(skew.offset(), 0s);
  EXPECT_TRUE(skew.learn("Sun, 06 Nov 1994 08:49:37 GMT", kTime + 241s));
  EXPECT_EQ(skew.offset(), -241s);
  EXPECT_EQ(skew.correct(kTime + 241s), kTime);
  EXPECT_FALSE(skew.learn("Sun, 06 Nov 1994 08:49:37 GMT", kTime + 300s));
  EXPECT_FALSE(skew.learn("nonsense", kTime));
  EXPECT_TRUE(skew.learn("Sun, 06 Nov 1994 08:49:37 GMT", kTime));
  EXPECT_EQ(skew.offset(), 0s);
}

TEST(Url, is_taken_apart) {
  const auto url = split_url("https://Ec2.Example:443/a/b?x=1&y=%20#part");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->authority, "Ec2.Example:443");
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "x=1&y=%20");
  EXPECT_EQ(host_header(*url), "ec2.example");
  EXPECT_EQ(host_header(split_url("http://[::1]:8080").value()), "[::1]:8080");
  EXPECT_EQ(host_header(split_url("http://[::1]").value()), "[::1]");
  EXPECT_EQ(host_header(split_url("http://a:443/").value()), "a:443");
  EXPECT_EQ(split_url("http://a?b")->query, "b");
  for (const char* bad : {"", "a", "ftp://a", "http://", "http:///a", "http://:80/", "http://u:p@a/",
                          "http://a b/", "http://a/\r\n", "file:///etc/passwd"}) {
    EXPECT_FALSE(split_url(bad)) << bad;
  }
}

}  // namespace
}  // namespace bakusoku::aws
