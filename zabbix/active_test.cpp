#include "zabbix/active.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace bakusoku::zabbix {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSession = "0123456789abcdef0123456789abcdef";

// As a server 6.0.14 answered, without and with a version in the question, and as a 7.0.22 did.
const std::string k60 =
    R"({"response":"success","data":[{"key":"aws.ec2[\"cpu\",ec2-a]","key_orig":"aws.ec2[\"cpu\",{HOST.HOST}]","delay":0,"lastlogsize":0,"mtime":0}]})";
const std::string k60Version =
    R"({"response":"success","data":[{"key":"aws.ec2[\"cpu\",ec2-a]","itemid":20005,"delay":"1m;wd1-5h9-18/10s","lastlogsize":0,"mtime":0}]})";
const std::string k70 =
    R"({"response":"success","config_revision":1,"data":[{"key":"aws.ec2[a]","itemid":20005,"delay":"1m;wd1-5h9-18m0s0","lastlogsize":12,"mtime":-3,"timeout":"25s"}]})";

TEST(ActiveRequest, HasTheBytesThatZabbixReads) {
  EXPECT_EQ(
      encode_active_request(
          {.host = "probe", .host_metadata = "aws-collector", .ip = "127.0.0.1", .port = 11052}),
      R"({"request":"active checks","host":"probe","host_metadata":"aws-collector","ip":"127.0.0.1","port":11052})");
  EXPECT_EQ(encode_active_request({.host = "probe", .version = "6.0.14"}),
            R"({"request":"active checks","host":"probe","version":"6.0.14"})");
  EXPECT_EQ(
      encode_active_request({.dialect = Dialect::v7,
                             .host = "probe",
                             .host_metadata = "aws-collector",
                             .ip = "127.0.0.1",
                             .port = 11054,
                             .version = "7.0.22",
                             .session = kSession}),
      R"({"request":"active checks","host":"probe","host_metadata":"aws-collector","ip":"127.0.0.1","port":11054,"config_revision":0,"session":"0123456789abcdef0123456789abcdef","version":"7.0.22","variant":1})");
  EXPECT_EQ(
      encode_heartbeat("probe", 60s, "7.0.22"),
      R"({"request":"active check heartbeat","host":"probe","heartbeat_freq":60,"version":"7.0.22","variant":1})");
}

TEST(ActiveReply, Of60HasTheKeyAsConfigured) {
  const auto reply = decode_active_reply(k60);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->head.verdict, Verdict::accepted);
  EXPECT_FALSE(reply->unchanged);
  ASSERT_EQ(reply->items.size(), 1u);
  EXPECT_EQ(reply->items[0], (ActiveItem{.key = R"(aws.ec2["cpu",ec2-a])",
                                         .key_orig = R"(aws.ec2["cpu",{HOST.HOST}])",
                                         .delay = "0"}));
}

TEST(ActiveReply, Of60ToAVersionHasTheItemsId) {
  const auto reply = decode_active_reply(k60Version);
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->items.size(), 1u);
  EXPECT_EQ(reply->items[0], (ActiveItem{.key = R"(aws.ec2["cpu",ec2-a])",
                                         .key_orig = R"(aws.ec2["cpu",ec2-a])",
                                         .itemid = 20005,
                                         .delay = "1m;wd1-5h9-18/10s"}));
}

// As a server 6.0.14 answered the question that the agent sends, for items with macros of one host.
TEST(ActiveReply, MayHoldItemsThatReadAlike) {
  const auto reply = decode_active_reply(
      R"({"response":"success","data":[{"key":"bakusoku.echo[\"a,b\"]","itemid":44563,"delay":"5s","lastlogsize":0,"mtime":0},)"
      R"({"key":"bakusoku.echo[same]","itemid":44578,"delay":"5s","lastlogsize":0,"mtime":0},)"
      R"({"key":"bakusoku.echo[same]","itemid":44579,"delay":"5s","lastlogsize":0,"mtime":0}]})");
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->items.size(), 3u);
  EXPECT_EQ(reply->items[0].key, R"(bakusoku.echo["a,b"])");
  EXPECT_EQ(reply->items[1].key, reply->items[2].key);
  EXPECT_NE(reply->items[1].itemid, reply->items[2].itemid);
}

TEST(ActiveReply, Of70HasTimeoutsAndARevision) {
  const auto reply = decode_active_reply(k70);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->config_revision, 1u);
  ASSERT_EQ(reply->items.size(), 1u);
  EXPECT_EQ(reply->items[0], (ActiveItem{.key = "aws.ec2[a]",
                                         .key_orig = "aws.ec2[a]",
                                         .itemid = 20005,
                                         .delay = "1m;wd1-5h9-18m0s0",
                                         .lastlogsize = 12,
                                         .mtime = -3,
                                         .timeout = 25s}));
}

TEST(ActiveReply, WithoutDataMeansUnchanged) {
  const auto reply = decode_active_reply(R"({"response":"success"})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::accepted);
  EXPECT_TRUE(reply->unchanged);
  EXPECT_FALSE(decode_active_reply(R"({"response":"success","data":[]})")->unchanged);
}

TEST(ActiveReply, ThatRefusesSaysWhy) {
  auto reply = decode_active_reply(R"({"response":"failed","info":"host [i-nope] not found"})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::refused);
  EXPECT_EQ(reply->head.info, "host [i-nope] not found");
  EXPECT_TRUE(says_unknown_host(reply->head.info));
  EXPECT_FALSE(reply->unchanged);
  reply = decode_active_reply(R"({"response":"failed","info":"host [web-1] not monitored"})");
  EXPECT_FALSE(says_unknown_host(reply->head.info));
  reply = decode_active_reply(R"({"response":"failed","info":"paused","upload":"disabled"})");
  EXPECT_TRUE(reply->head.upload_disabled);
  reply = decode_active_reply(R"({"response":"success","upload":"enabled","data":[]})");
  EXPECT_FALSE(reply->head.upload_disabled);
}

TEST(ActiveReply, Redirects) {
  auto reply =
      decode_active_reply(R"({"redirect":{"revision":5,"address":"10.9.8.7:10051"},"response":"failed"})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::redirected);
  EXPECT_EQ(reply->head.redirect, (Redirect{.revision = 5, .address = "10.9.8.7:10051"}));
  reply = decode_active_reply(R"({"redirect":{"reset":true},"response":"failed"})");
  EXPECT_EQ(reply->head.redirect, (Redirect{.reset = true}));
  for (const char* bad :
       {R"({"redirect":{},"response":"failed"})", R"({"redirect":{"reset":false},"response":"failed"})",
        R"({"redirect":{"revision":5},"response":"failed"})",
        R"({"redirect":{"address":"a:1"},"response":"failed"})"}) {
    EXPECT_FALSE(decode_active_reply(bad)) << bad;
  }
}

TEST(ActiveReply, IgnoresWhatItDoesNotKnow) {
  const auto reply = decode_active_reply(
      R"({"response":"success","regexp":[{"name":"x","expression":"("}],"commands":[{"command":"rm -rf /","id":1,"wait":0}],)"
      R"("data":[{"key":"k","delay":"1m","flags":1,"output_format":["a"]}],"new":{"member":[1]}})");
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->items.size(), 1u);
  EXPECT_EQ(reply->items[0], (ActiveItem{.key = "k", .key_orig = "k", .delay = "1m"}));
}

TEST(ActiveReply, LeavesOutRowsThatAreNoItemsAndCountsThem) {
  const auto reply = decode_active_reply(
      R"({"response":"success","data":[1,{},{"key":"a"},{"key":1,"delay":"1m"},{"key":"","delay":"1m"},{"key":"a\u0000","delay":"1m"},)"
      R"({"key":"a","delay":null},{"key":"a","key_orig":7,"delay":"1m"},{"key":"b","delay":60,"itemid":"7","timeout":"601s"}]})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->unreadable, 8u);
  ASSERT_EQ(reply->items.size(), 1u);
  EXPECT_EQ(reply->items[0], (ActiveItem{.key = "b", .key_orig = "b", .itemid = 7, .delay = "60"}));
}

TEST(ActiveReply, TimeoutIsATimeWithinZabbixsLimits) {
  const auto timeout = [](const std::string& json) {
    return decode_active_reply(R"({"response":"success","data":[{"key":"k","delay":"1m","timeout":)" + json +
                               "}]}")
        ->items.at(0)
        .timeout;
  };
  EXPECT_EQ(timeout("\"25s\""), 25s);
  EXPECT_EQ(timeout("\"10m\""), 10min);
  EXPECT_EQ(timeout("3"), 3s);
  EXPECT_EQ(timeout("\"3\""), 3s);
  for (const char* none : {"0", "\"0s\"", "\"601s\"", "\"11m\"", "\"\"", "\"s\"", "\"-1s\"", "\"1h\"", "null",
                           "[]", "\"99999999999999999999s\"", "\"{$T}\"", "-1"}) {
    EXPECT_EQ(timeout(none), std::nullopt) << none;
  }
}

TEST(ActiveReply, ThatIsNoneIsAnErrorInWords) {
  const struct {
    const char* payload;
    const char* part;
  } bad[] = {
      {"", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"ZBX_NOTSUPPORTED", "not a JSON object"},
      {"{}", "no string \"response\""},
      {R"({"response":1})", "no string \"response\""},
      {R"({"response":"perhaps"})", "\"perhaps\", expected"},
      {R"({"response":"success","data":{}})", "\"data\" is no array"},
      {R"({"response":"success","data":null})", "\"data\" is no array"},
  };
  for (const auto& [payload, part] : bad) {
    const auto reply = decode_active_reply(payload);
    ASSERT_FALSE(reply) << payload;
    EXPECT_EQ(reply.error().kind, ErrorKind::corrupt);
    EXPECT_NE(reply.error().message.find(part), std::string::npos) << reply.error().message;
  }
}

TEST(ActiveReply, CutAnywhereIsRefused) {
  for (const std::string& whole : {k60, k60Version, k70}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_active_reply(whole.substr(0, size))) << size;
    }
  }
}

TEST(ActiveReply, WithAnyByteFlippedIsRefused) {
  for (const std::string& whole : {k60, k60Version, k70}) {
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(~flipped[at]);  // never UTF-8 in ASCII surroundings
      EXPECT_FALSE(decode_active_reply(flipped)) << at;
    }
  }
}

TEST(ActiveReply, OfTensOfThousandsOfItemsIsRead) {
  std::string payload = R"({"response":"success","config_revision":7,"data":[)";
  constexpr size_t kItems = 50'000;
  for (size_t i = 0; i < kItems; ++i) {
    if (i != 0) payload += ',';
    payload += R"({"key":)" +
               json_string("aws.metric[AWS/EC2,CPUUtilization,\"InstanceId=i-" + std::to_string(i) + "\"]") +
               R"(,"itemid":)" + std::to_string(i + 1) +
               R"(,"delay":"5m","lastlogsize":0,"mtime":0,"timeout":"3s"})";
  }
  const auto reply = decode_active_reply(payload + "]}");
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->items.size(), kItems);
  EXPECT_EQ(reply->items.back().itemid, kItems);
  EXPECT_EQ(reply->items.back().key, R"(aws.metric[AWS/EC2,CPUUtilization,"InstanceId=i-49999"])");
}

TEST(ActiveReply, OfTooManyItemsIsRefused) {
  std::string payload = R"({"response":"success","data":[)";
  for (size_t i = 0; i <= kMaxActiveItems; ++i)
    payload += i == 0 ? R"({"key":"k","delay":1})" : R"(,{"key":"k","delay":1})";
  const auto reply = decode_active_reply(payload + "]}");
  ASSERT_FALSE(reply);
  EXPECT_NE(reply.error().message.find("more than 500000 items"), std::string::npos);
}

}  // namespace
}  // namespace bakusoku::zabbix
