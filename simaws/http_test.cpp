#include "simaws/http.h"

#include <gtest/gtest.h>

namespace bakusoku::simaws {
namespace {

constexpr std::string_view kWhole =
    "POST /?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nAccept-Encoding: identity, "
    "GZIP;q=0.5\r\nExpect: "
    "100-continue\r\n\r\nhello";

TEST(Http, AHeadIsReadWithItsTargetAsSent) {
  const auto head = parse_head(kWhole);
  ASSERT_TRUE(head && *head);
  EXPECT_EQ((*head)->request.method, "POST");
  EXPECT_EQ((*head)->request.path(), "/");
  EXPECT_EQ((*head)->request.query(), "a=b%20c");
  EXPECT_EQ((*head)->body_bytes, 5u);
  EXPECT_EQ((*head)->head_bytes + 5, kWhole.size());
  EXPECT_TRUE((*head)->accepts_gzip);
  EXPECT_TRUE((*head)->expects_continue);
  EXPECT_TRUE((*head)->keep_alive);
  EXPECT_EQ(*(*head)->request.header("hOST"), "127.0.0.1");
}

TEST(Http, AHeadCutAnywhereIsWaitedFor) {
  const size_t end = kWhole.find("\r\n\r\n") + 4;
  for (size_t at = 0; at < end; ++at) {
    const auto head = parse_head(kWhole.substr(0, at));
    ASSERT_TRUE(head) << at;
    EXPECT_FALSE(*head) << at;
  }
}

TEST(Http, WhatIsNotHttpIsRefused) {
  for (const char* bad : {"nonsense\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET http://x/ HTTP/1.1\r\n\r\n",
                          "GET  HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                          "GET / HTTP/1.1\r\nA b: c\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                          "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                          "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    EXPECT_FALSE(parse_head(bad)) << bad;
  }
  EXPECT_FALSE(parse_head(std::string(kMaxHeadBytes, 'a')));
}

TEST(Http, AFormIsDecoded) {
  const auto form = parse_form("Action=A&x=%E6%97%A5+b&empty=&flag&&y=%2B");
  ASSERT_TRUE(form);
  const Parameters expected{{"Action", "A"}, {"x", "日 b"}, {"empty", ""}, {"flag", ""}, {"y", "+"}};
  EXPECT_EQ(*form, expected);
  EXPECT_FALSE(parse_form("a=%"));
  EXPECT_FALSE(parse_form("a=%4"));
  EXPECT_FALSE(parse_form("a=%zz"));
}

TEST(Http, LongBodiesAreCompressedWhenThatIsAccepted) {
  const Reply reply{200, "text/xml", std::string(10'000, 'x')};
  EXPECT_GT(write_reply(reply, true, false).size(), 10'000u);
  const std::string small = write_reply(reply, true, true);
  EXPECT_LT(small.size(), 1'000u);
  EXPECT_NE(small.find("Content-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_NE(small.find("Server: simaws (a simulator, not AWS)\r\n"), std::string::npos);
}

}  // namespace
}  // namespace bakusoku::simaws
