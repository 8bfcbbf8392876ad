#include "zabbix/destination.h"

#include <gtest/gtest.h>

namespace bakusoku::zabbix {
namespace {

std::string written(const Alternatives& alternatives) {
  std::string out;
  for (const Endpoint& endpoint : alternatives.endpoints()) {
    if (!out.empty()) out += ";";
    out += to_string(endpoint);
  }
  return out;
}

std::string written(std::string_view text) {
  const auto destinations = parse_destinations(text);
  if (!destinations) return destinations.error().message;
  std::string out;
  for (const Alternatives& each : *destinations) {
    if (!out.empty()) out += ",";
    out += written(each);
  }
  return out;
}

TEST(Destinations, AreSeparatedByCommasAndTheirAlternativesBySemicolons) {
  EXPECT_EQ(written("a:10051;b,c"), "a:10051;b:10051,c:10051");
  EXPECT_EQ(written(" a ; b:1 , [::1]:2;[fe80::1%eth0] ,::1"),
            "a:10051;b:1,[::1]:2;[fe80::1%eth0]:10051,[::1]:10051");
  EXPECT_EQ(written("10.0.0.1:65535"), "10.0.0.1:65535");
}

TEST(Destinations, ThatAreNoneAreRefusedInWords) {
  for (const char* text :
       {"",     ",",    "a,",     ",a",     "a;",    ";a",   "a:", "a:0", "a:65536", "a:1x",
        "a:-1", "[::1", "[::1]1", "[::1]:", "[a]:1", "[]:1", ":1", "a b", "a/b",     "\"a\""}) {
    EXPECT_NE(written(text).find("is no address"), std::string::npos) << text << ": " << written(text);
  }
  EXPECT_EQ(written("a;b,a:10051"), "a:10051 is written twice");
}

TEST(Alternatives, TheOneThatFailsGoesToTheEnd) {
  Alternatives cluster = parse_destinations("a;b;c")->front();
  EXPECT_EQ(cluster.current().host, "a");
  cluster.failed(cluster.current());
  EXPECT_EQ(written(cluster), "b:10051;c:10051;a:10051");
  cluster.failed(cluster.current());
  cluster.failed(cluster.current());
  EXPECT_EQ(cluster.current().host, "a");
  // Two that ask at the same time find the same out.
  cluster.failed({"a"});
  cluster.failed({"a"});
  EXPECT_EQ(cluster.current().host, "b");
  Alternatives one = parse_destinations("a")->front();
  one.failed({"a"});
  EXPECT_EQ(one.current().host, "a");
}

TEST(Alternatives, FollowARedirectUnlessItIsOld) {
  Alternatives cluster = parse_destinations("a;b")->front();
  ASSERT_TRUE(cluster.follow({.revision = 5, .address = "10.9.8.7:10052"}));
  EXPECT_EQ(written(cluster), "10.9.8.7:10052;a:10051;b:10051");
  // The proxy that was named goes away, and one of the others knows of no change, then of one.
  cluster.failed(cluster.current());
  EXPECT_EQ(written(cluster), "a:10051;b:10051;10.9.8.7:10052");
  ASSERT_TRUE(cluster.follow({.revision = 5, .address = "10.9.8.7:10052"}));
  EXPECT_EQ(written(cluster), "10.9.8.7:10052;a:10051;b:10051");
  ASSERT_TRUE(cluster.follow({.revision = 6, .address = "[::2]:1"}));
  EXPECT_EQ(written(cluster), "[::2]:1;a:10051;b:10051");
  const auto old = cluster.follow({.revision = 5, .address = "10.9.8.7:10052"});
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message.find("is older"), std::string::npos);
  EXPECT_FALSE(cluster.follow({.revision = 7, .address = "not an address"}));
  EXPECT_EQ(written(cluster), "[::2]:1;a:10051;b:10051");
  ASSERT_TRUE(cluster.follow({.reset = true}));
  EXPECT_EQ(written(cluster), "a:10051;b:10051;[::2]:1");
}

}  // namespace
}  // namespace bakusoku::zabbix
