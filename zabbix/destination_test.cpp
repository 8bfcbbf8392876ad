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

const Alternatives::Time kNow{std::chrono::hours(1)};

std::string written(const Alternatives& alternatives, std::string_view host,
                    std::chrono::seconds later = std::chrono::seconds(0)) {
  std::string out;
  for (const Endpoint& endpoint : alternatives.endpoints(host, kNow + later)) {
    if (!out.empty()) out += ";";
    out += to_string(endpoint);
  }
  return out;
}

TEST(Alternatives, FollowTheRedirectsOfEachHostUnlessTheyAreOld) {
  Alternatives group = parse_destinations("a;b")->front();
  EXPECT_FALSE(group.redirects());
  ASSERT_TRUE(group.follow("web-1", {"a"}, {.revision = 5, .address = "10.9.8.7:10052"}, kNow));
  EXPECT_TRUE(group.redirects());
  EXPECT_EQ(written(group, "web-1"), "10.9.8.7:10052;a:10051;b:10051");
  EXPECT_EQ(written(group, "web-2"), "a:10051;b:10051");
  ASSERT_TRUE(group.follow("web-2", {"a"}, {.revision = 3, .address = "b"}, kNow));
  EXPECT_EQ(written(group, "web-2"), "b:10051;a:10051") << "each endpoint once";
  // The same again is no news, a newer one is followed, an older one is an error.
  ASSERT_TRUE(group.follow("web-1", {"b"}, {.revision = 5, .address = "10.9.8.7:10052"}, kNow));
  ASSERT_TRUE(group.follow("web-1", {"b"}, {.revision = 6, .address = "[::2]:1"}, kNow));
  EXPECT_EQ(written(group, "web-1"), "[::2]:1;a:10051;b:10051");
  const auto old = group.follow("web-1", {"b"}, {.revision = 5, .address = "10.9.8.7:10052"}, kNow);
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message.find("redirects host web-1 to 10.9.8.7:10052, which is older (revision 5)"),
            std::string::npos);
  EXPECT_FALSE(group.follow("web-1", {"b"}, {.revision = 7, .address = "not an address"}, kNow));
  EXPECT_EQ(written(group, "web-1"), "[::2]:1;a:10051;b:10051");
  group.forget("web-1");
  group.forget("web-1");
  EXPECT_EQ(written(group, "web-1"), "a:10051;b:10051");
}

// The proxy that a host was redirected to is away; another one has it now, and is asked first from then on.
TEST(Alternatives, AHostBelongsToWhoeverAnswersForIt) {
  Alternatives group = parse_destinations("a;b")->front();
  ASSERT_TRUE(group.follow("web-1", {"a"}, {.revision = 5, .address = "c"}, kNow));
  group.belongs("web-1", {"b"});
  EXPECT_EQ(written(group, "web-1"), "b:10051;a:10051");
  EXPECT_TRUE(group.is_older("web-1", {.revision = 4, .address = "c"}));
  ASSERT_TRUE(group.follow("web-1", {"b"}, {.reset = true}, kNow));
  EXPECT_EQ(group.route("web-1"), nullptr);
  group.belongs("web-1", {"a"});
  EXPECT_EQ(*group.route("web-1"), Endpoint{"a"});
  group.belongs("web-2", {"b"});
  EXPECT_EQ(group.route("web-2"), nullptr) << "it was never redirected";
}

TEST(Alternatives, AResetGoesOnToTheNextEndpoint) {
  Alternatives group = parse_destinations("a;b")->front();
  ASSERT_TRUE(group.follow("web-1", {"a"}, {.revision = 5, .address = "c"}, kNow));
  ASSERT_TRUE(group.follow("web-1", {"c"}, {.reset = true}, kNow));
  EXPECT_EQ(written(group, "web-1"), "a:10051;b:10051");
  ASSERT_TRUE(group.follow("web-1", {"a"}, {.reset = true}, kNow));
  EXPECT_EQ(written(group, "web-1"), "b:10051;a:10051");
  ASSERT_TRUE(group.follow("web-1", {"b"}, {.revision = 5, .address = "c"}, kNow));
  EXPECT_EQ(written(group, "web-1"), "c:10051;b:10051;a:10051");
}

TEST(Alternatives, AnEndpointThatFailedIsNotAskedForOtherRedirectedHostsForAWhile) {
  using namespace std::chrono_literals;
  Alternatives group = parse_destinations("a")->front();
  ASSERT_TRUE(group.follow("web-1", {"a"}, {.revision = 5, .address = "c"}, kNow));
  ASSERT_TRUE(group.follow("web-2", {"a"}, {.revision = 5, .address = "c"}, kNow));
  group.failed({"c"}, kNow);
  group.failed({"c"}, kNow + 1s);  // somebody else finds the same out
  EXPECT_EQ(written(group, "web-2", 1s), "a:10051");
  EXPECT_EQ(written(group, "web-2", 2s), "c:10051;a:10051");
  const auto same = group.follow("web-2", {"a"}, {.revision = 5, .address = "c"}, kNow + 1s);
  ASSERT_FALSE(same);
  EXPECT_NE(same.error().message.find("did not answer a moment ago"), std::string::npos);
  ASSERT_TRUE(group.follow("web-2", {"a"}, {.revision = 6, .address = "d"}, kNow + 2s));
  EXPECT_EQ(written(group, "web-2", 2s), "d:10051;a:10051");
}

// One that was away for five seconds is asked again within ten, one that is gone twice a minute.
TEST(Alternatives, AnEndpointIsAvoidedTheLongerTheOftenerItFails) {
  using namespace std::chrono_literals;
  Alternatives group = parse_destinations("a")->front();
  std::chrono::seconds at{0};
  for (const auto avoided : {2s, 4s, 8s, 16s, 30s, 30s}) {
    group.failed({"c"}, kNow + at);
    EXPECT_TRUE(group.failed_lately({"c"}, kNow + at + avoided - 1s)) << at.count();
    EXPECT_FALSE(group.failed_lately({"c"}, kNow + at + avoided)) << at.count();
    at += avoided;
  }
  group.answered({"c"});
  EXPECT_FALSE(group.failed_lately({"c"}, kNow + at));
  group.failed({"c"}, kNow + at);
  EXPECT_FALSE(group.failed_lately({"c"}, kNow + at + 2s));
}

TEST(Alternatives, TellWhereAHostBelongsAndWhichMapIsOlder) {
  Alternatives group = parse_destinations("a;b")->front();
  EXPECT_EQ(group.route("web-1"), nullptr);
  EXPECT_FALSE(group.is_older("web-1", {.revision = 0, .address = "b"}));
  ASSERT_TRUE(group.follow("web-1", {"a"}, {.revision = 5, .address = "c"}, kNow));
  ASSERT_NE(group.route("web-1"), nullptr);
  EXPECT_EQ(*group.route("web-1"), Endpoint{"c"});
  EXPECT_TRUE(group.is_older("web-1", {.revision = 4, .address = "b"}));
  EXPECT_FALSE(group.is_older("web-1", {.revision = 5, .address = "b"}));
  EXPECT_FALSE(group.is_older("web-1", {.reset = true}));
  ASSERT_TRUE(group.follow("web-1", {"c"}, {.reset = true}, kNow));
  EXPECT_EQ(group.route("web-1"), nullptr);
}

}  // namespace
}  // namespace bakusoku::zabbix
