#include "zabbix/sender.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace bakusoku::zabbix {
namespace {

using namespace std::string_literals;

constexpr const char* kSession = "0123456789abcdef0123456789abcdef";
const std::string kAnswer =
    R"({"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000055"})";

PacketBuilder::Added add(PacketBuilder& builder, std::string_view value, uint64_t id = 0) {
  return builder.add({.host = "h", .key = "k", .value = value, .id = id, .clock = 1'700'000'000, .ns = 5});
}

TEST(Packet, OfASenderHasTheBytesThatZabbixReads) {
  PacketBuilder builder(PacketHead{});
  EXPECT_EQ(add(builder, "v"), PacketBuilder::Added::yes);
  EXPECT_EQ(
      builder.finish(1'700'000'001, 7),
      R"({"request":"sender data","data":[{"host":"h","key":"k","value":"v","clock":1700000000,"ns":5}],"clock":1700000001,"ns":7})");
}

TEST(Packet, OfA60AgentHasASessionAndIds) {
  PacketBuilder builder(PacketHead{.kind = DataKind::agent, .session = kSession});
  EXPECT_EQ(add(builder, "1", 1), PacketBuilder::Added::yes);
  EXPECT_EQ(builder.add(
                {.host = "web-2", .key = "k[\"a\"]", .value = "no", .supported = false, .id = 2, .clock = 1}),
            PacketBuilder::Added::yes);
  EXPECT_EQ(builder.rows(), 2u);
  EXPECT_EQ(
      builder.finish(3, 4),
      R"({"request":"agent data","session":"0123456789abcdef0123456789abcdef","data":[{"host":"h","key":"k","value":"1","id":1,"clock":1700000000,"ns":5},)"
      R"({"host":"web-2","key":"k[\"a\"]","value":"no","state":1,"id":2,"clock":1,"ns":0}],"clock":3,"ns":4})");
  EXPECT_EQ(builder.rows(), 0u);
}

TEST(Packet, OfA70AgentHasItemids) {
  PacketBuilder builder(
      PacketHead{.kind = DataKind::agent, .session = kSession, .host = "probe", .version = "7.0.22"});
  EXPECT_EQ(builder.add({.itemid = 1234, .value = "1", .id = 1, .clock = 2, .ns = 3}),
            PacketBuilder::Added::yes);
  EXPECT_EQ(
      builder.finish(4, 5),
      R"({"request":"agent data","session":"0123456789abcdef0123456789abcdef","version":"7.0.22","variant":1,"host":"probe","data":[{"itemid":1234,"value":"1","id":1,"clock":2,"ns":3}],"clock":4,"ns":5})");
}

TEST(Packet, HoldsValidUtf8WithoutNul) {
  PacketBuilder builder(PacketHead{});
  EXPECT_EQ(add(builder, "爆\xFF\"\n\x01\0z"s), PacketBuilder::Added::yes);
  const std::string packet = builder.finish(0, 0);
  EXPECT_NE(packet.find("\"value\":\"爆\xEF\xBF\xBD\\\"\\n\\u0001\xEF\xBF\xBDz\""), std::string::npos)
      << packet;
  const auto read = decode_sender_request(packet);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rows.at(0).value, "爆\xEF\xBF\xBD\"\n\x01\xEF\xBF\xBDz");
}

TEST(Packet, IsFilledToItsLimitAndNotBeyond) {
  constexpr size_t kLimit = 1000;
  PacketBuilder builder(PacketHead{}, kLimit);
  size_t sent = 0;
  size_t packets = 0;
  for (size_t i = 0; i < 100; ++i) {
    const std::string value(i % 37, 'x');
    auto added = add(builder, value);
    if (added == PacketBuilder::Added::full) {
      sent += builder.rows();
      const std::string packet = builder.finish(INT32_MAX, 999'999'999);
      EXPECT_LE(packet.size(), kLimit);
      EXPECT_GT(packet.size(), kLimit - 200);
      EXPECT_EQ(decode_sender_request(packet)->refused, 0u);
      ++packets;
      added = add(builder, value);
    }
    ASSERT_EQ(added, PacketBuilder::Added::yes);
  }
  EXPECT_EQ(sent + builder.rows(), 100u);
  EXPECT_GT(packets, 5u);
}

TEST(Packet, TakesOneRowBeyondItsLimitButNoneBeyondZabbixs) {
  PacketBuilder builder(PacketHead{}, 1000);
  EXPECT_EQ(add(builder, std::string(5000, 'x')), PacketBuilder::Added::yes);
  EXPECT_EQ(add(builder, "1"), PacketBuilder::Added::full);
  EXPECT_EQ(decode_sender_request(builder.finish(0, 0))->rows.size(), 1u);
  const std::string huge(kMaxPacketBytes, 'x');
  EXPECT_EQ(add(builder, huge), PacketBuilder::Added::too_large);
  EXPECT_EQ(add(builder, "1"), PacketBuilder::Added::yes);
  EXPECT_EQ(add(builder, huge), PacketBuilder::Added::too_large);
  EXPECT_EQ(decode_sender_request(builder.finish(0, 0))->rows.size(), 1u);
}

TEST(SenderReply, CountsRows) {
  const auto reply = decode_sender_reply(kAnswer);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::accepted);
  EXPECT_EQ(reply->counts, (SenderCounts{1, 0, 1, 0.000055}));
}

TEST(SenderReply, WithoutCountsSaysWhy) {
  auto reply = decode_sender_reply(R"({"response":"success","info":"unknown host 'x'"})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::accepted);
  EXPECT_FALSE(reply->counts);
  EXPECT_TRUE(says_unknown_host(reply->head.info));
  reply = decode_sender_reply(
      R"({"response":"failed","info":"data collection has been paused","upload":"disabled"})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::refused);
  EXPECT_EQ(reply->head.info, "data collection has been paused");
  EXPECT_TRUE(reply->head.upload_disabled);
  reply =
      decode_sender_reply(R"({"response":"failed","redirect":{"revision":5,"address":"10.9.8.7:10051"}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->head.verdict, Verdict::redirected);
  for (const char* bad : {"", "{}", "OK", R"({"response":"success")", R"({"response":true})"}) {
    EXPECT_FALSE(decode_sender_reply(bad)) << bad;
  }
}

TEST(SenderReply, CountsAreReadExactly) {
  EXPECT_EQ(parse_counts("processed: 0; failed: 6; total: 6; seconds spent: 0.000000"),
            (SenderCounts{0, 6, 6, 0}));
  for (const char* bad : {"", "processed: 1", "processed: 1; failed: 0; total: 1; seconds spent: ",
                          "processed: -1; failed: 0; total: 1; seconds spent: 0",
                          "processed: 1; failed: 0; total: 1; seconds spent: 0.1 ",
                          "processed: 99999999999999999999; failed: 0; total: 1; seconds spent: 0",
                          "processed: 1; failed: 0; total: 1; seconds spent: nan",
                          "processed: 1; failed: 0; total: 1; seconds spent: -1",
                          "Processed 1 Failed 0 Total 1 Seconds spent 0.000253"}) {
    EXPECT_FALSE(parse_counts(bad)) << bad;
  }
}

TEST(SenderReply, CutOrFlippedAnywhereIsRefused) {
  for (size_t at = 0; at < kAnswer.size(); ++at) {
    EXPECT_FALSE(decode_sender_reply(kAnswer.substr(0, at))) << at;
    std::string flipped = kAnswer;
    flipped[at] = static_cast<char>(~flipped[at]);
    EXPECT_FALSE(decode_sender_reply(flipped)) << at;
  }
}

TEST(SenderAnswer, HasTheBytesThatSendersRead) {
  EXPECT_EQ(encode_sender_answer({1, 0, 1, 0.000055}), kAnswer);
  EXPECT_EQ(encode_sender_refusal("the \"disk\" is full"),
            R"({"response":"failed","info":"the \"disk\" is full"})");
  EXPECT_EQ(decode_sender_reply(encode_sender_answer({7, 3, 10, 1.5}))->counts,
            (SenderCounts{7, 3, 10, 1.5}));
  EXPECT_EQ(decode_sender_reply(encode_sender_refusal("no"))->head.info, "no");
}

TEST(Intake, ReadsWhatZabbixSenderSends) {
  const auto request = decode_sender_request(
      R"({"request":"sender data","data":[{"host":"web-1","key":"trap[a]","value":"1.5"},)"
      R"({"host":"web-1","key":"trap","value":"x","clock":1700000000,"ns":5}],"clock":1700000001,"ns":6})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->kind, DataKind::sender);
  EXPECT_EQ(request->clock, 1'700'000'001);
  EXPECT_EQ(request->ns, 6u);
  ASSERT_EQ(request->rows.size(), 2u);
  EXPECT_EQ(request->rows[0].host, "web-1");
  EXPECT_EQ(request->rows[0].key, "trap[a]");
  EXPECT_EQ(request->rows[0].value, "1.5");
  EXPECT_FALSE(request->rows[0].clock);
  EXPECT_EQ(request->rows[1].clock, 1'700'000'000);
  EXPECT_EQ(request->rows[1].ns, 5u);
}

TEST(Intake, TakesValuesOfAnySimpleType) {
  const auto request = decode_sender_request(
      R"({"request":"sender data","data":[{"host":"h","key":"k","value":1},{"host":"h","key":"k","value":-1},)"
      R"({"host":"h","key":"k","value":18446744073709551615},{"host":"h","key":"k","value":0.1},{"host":"h","key":"k","value":1e300},)"
      R"({"host":"h","key":"k","value":true},{"host":"h","key":"k","value":null},{"host":"h","key":"k"},)"
      R"({"host":"h","key":"k","value":"","clock":"1700000000","ns":"5"}]})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->refused, 0u);
  const auto value = [&](size_t at) { return request->rows.at(at).value.value_or("none"); };
  EXPECT_EQ(value(0), "1");
  EXPECT_EQ(value(1), "-1");
  EXPECT_EQ(value(2), "18446744073709551615");
  EXPECT_EQ(value(3), "0.1");
  EXPECT_EQ(value(4), "1e+300");
  EXPECT_EQ(value(5), "true");
  EXPECT_EQ(value(6), "none");
  EXPECT_EQ(value(7), "none");
  EXPECT_EQ(value(8), "");
  EXPECT_EQ(request->rows[8].clock, 1'700'000'000);
  EXPECT_EQ(request->rows[8].ns, 5u);
}

// A time that is none is as good as none: Zabbix does not look at it at all.
TEST(Intake, ReadsWhatFluentPluginZabbixSends) {
  const auto request =
      decode_sender_request(R"({"request":"agent data","clock":1700000001,"data":[)"
                            R"({"key":"nginx.status","value":"200","host":"web-1","time":1700000000},)"
                            R"({"key":"k","value":"v","host":"web-1","time":1700000000123},)"
                            R"({"key":"k","value":"v","host":"web-1","time":1,"clock":2}]})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->kind, DataKind::agent);
  EXPECT_EQ(request->session, "");
  ASSERT_EQ(request->rows.size(), 3u);
  EXPECT_EQ(request->rows[0].clock, 1'700'000'000);
  EXPECT_EQ(request->rows[1].clock, std::nullopt);
  EXPECT_EQ(request->rows[2].clock, 2);
}

TEST(Intake, CountsRowsThatAreNoneAsRefusedAndTakesTheOthers) {
  const auto request = decode_sender_request(
      R"({"request":"sender data","data":[{"host":"h","key":"k","value":"1"},{"host":"h","value":"1"},{"key":"k","value":"1"},7,)"
      R"({"host":1,"key":"k"},{"host":"","key":"k"},{"host":"h\u0000","key":"k"},{"host":"h","key":""},)"
      R"({"host":"h","key":"k","value":[]},{"host":"h","key":"k","value":{}},{"host":"h","key":"k","clock":-1},)"
      R"({"host":"h","key":"k","clock":2147483648},{"host":"h","key":"k","ns":1000000000},{"host":"h","key":"k","clock":1.5}]})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->rows.size(), 1u);
  EXPECT_EQ(request->refused, 13u);
  EXPECT_EQ(request->refused_because, "row 2 of the request (host h): no \"key\"");
}

// What the trapper of 6.0.14 was seen to keep.
TEST(Intake, WhatIsNoTextInAValueIsReplacedAsZabbixDoes) {
  const struct {
    const char* written;
    const char* kept;
  } cases[] = {
      {"a\xe9"
       "b",
       "a?b"},
      {"a\xe9", "a?"},
      {"a\xff\xfe"
       "b",
       "a??b"},
      {"a\xe3\x81"
       "b",
       "a?b"},
      {"a\xc0\xaf"
       "b",
       "a?b"},
      {"a\xed\xa0\x80"
       "b",
       "a?b"},
      {"a\xed\xa0\xbd\xed\xb8\x80"
       "b",
       "a??b"},
      {"a\xf4\x90\x80\x80"
       "b",
       "a?b"},
      {"a\xf5\x80\x80\x80"
       "b",
       "a?b"},
      {"a\x80"
       "b",
       "a?b"},
      {"\\\\\xe9\\\"\xe9", "\\?\"?"},
      {"\\ud83d\\ude00 \xe9", "😀 ?"},
      {"爆速\xe9", "爆速?"},
  };
  for (const auto& [written, kept] : cases) {
    const auto request = decode_sender_request(
        fmt::format(R"({{"request":"sender data","data":[{{"host":"h","key":"k","value":"1"}},)"
                    R"({{"host":"h","key":"k","value":"{}"}},{{"host":"h","key":"k","value":"2"}}]}})",
                    written));
    ASSERT_TRUE(request) << kept << ": " << request.error().message;
    ASSERT_EQ(request->rows.size(), 3u) << kept;
    EXPECT_EQ(request->rows[1].value, kept);
    EXPECT_EQ(request->replaced, 1u);
    EXPECT_EQ(request->replaced_first, "row 2 of the request (host h, key k)");
  }
}

TEST(Intake, ABadRowCostsThatRowAndIsNamed) {
  const struct {
    const char* row;
    const char* because;
  } cases[] = {
      {R"({"host":"h","key":"k[1]","value":"a\ud800b"})",
       "row 2 of the request (host h, key k[1]): its value has half a pair of surrogates (\\ud800 to "
       "\\udfff)"},
      {R"({"host":"h","key":"k","value":"a\udc00b"})", "half a pair"},
      {R"({"host":"h","key":"k","value":"\ud800\ud800"})", "half a pair"},
      {R"({"host":"h","key":"k","value":"\ud800\u0041"})", "half a pair"},
      {"{\"host\":\"w\xe9\",\"key\":\"k\",\"value\":\"1\"}",
       "row 2 of the request (host w?, key k): its host or key is no UTF-8"},
      {"{\"host\":\"h\",\"key\":\"k\xe9\",\"value\":\"1\"}", "no UTF-8"},
      {R"({"host":"h\ud800","key":"k","value":"1"})", "no UTF-8"},
      {R"({"host":"h","key":"k","value":"1","clock":123456789012345678901234567890})", "\"clock\""},
  };
  for (const auto& [row, because] : cases) {
    const auto request = decode_sender_request(
        fmt::format(R"({{"request":"sender data","data":[{{"host":"h","key":"k","value":"1"}},{},)"
                    R"({{"host":"h","key":"k","value":"2"}}]}})",
                    row));
    ASSERT_TRUE(request) << row << ": " << request.error().message;
    EXPECT_EQ(request->rows.size(), 2u) << row;
    EXPECT_EQ(request->refused, 1u) << row;
    EXPECT_NE(request->refused_because.find(because), std::string::npos) << request->refused_because;
  }
}

TEST(Intake, NumbersMayHaveAnyNumberOfDigits) {
  const auto request = decode_sender_request(
      R"({"request":"sender data","data":[{"host":"h","key":"k","value":123456789012345678901234567890},)"
      R"({"host":"h","key":"k","value":-123456789012345678901234567890},{"host":"h","key":"k","value":1.5},)"
      R"({"host":"h","key":"k","value":"123456789012345678901234567890"}],"clock":1700000000})");
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->rows.size(), 4u);
  EXPECT_EQ(request->rows[0].value, "123456789012345678901234567890");
  EXPECT_EQ(request->rows[1].value, "-123456789012345678901234567890");
  EXPECT_EQ(request->rows[2].value, "1.5");
  EXPECT_EQ(request->rows[3].value, "123456789012345678901234567890");
}

TEST(Intake, ThatIsNoneIsRefusedInWords) {
  const struct {
    const char* payload;
    const char* part;
  } bad[] = {
      {"", "not a JSON object"},
      {"{}", "no string \"request\""},
      {R"({"request":"active checks","host":"h"})", "unknown request \"active checks\""},
      {R"({"request":"sender data"})", "no array \"data\""},
      {R"({"request":"sender data","data":{}})", "no array \"data\""},
  };
  for (const auto& [payload, part] : bad) {
    const auto request = decode_sender_request(payload);
    ASSERT_FALSE(request) << payload;
    EXPECT_EQ(request.error().kind, ErrorKind::invalid);
    EXPECT_NE(request.error().message.find(part), std::string::npos) << request.error().message;
  }
}

TEST(Intake, CutAnywhereIsRefusedAndAFlippedByteCostsARow) {
  PacketBuilder builder(
      PacketHead{.kind = DataKind::agent, .session = kSession, .host = "h", .version = "7.0.0"});
  EXPECT_EQ(add(builder, "value", 1), PacketBuilder::Added::yes);
  const std::string packet = builder.finish(1, 2);
  for (size_t at = 0; at < packet.size(); ++at) {
    EXPECT_FALSE(decode_sender_request(packet.substr(0, at))) << at;
    std::string flipped = packet;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto request = decode_sender_request(flipped);
    // In a text it is a byte that is no UTF-8, which costs the row at most.
    if (!request) continue;
    EXPECT_EQ(request->rows.size() + request->refused, 1u) << at;
    const bool in_value = request->replaced == 1;
    EXPECT_TRUE(!in_value || request->rows[0].value->find('?') != std::string::npos) << at;
  }
}

TEST(Intake, ReadsBackEveryPacketWeWrite) {
  for (const DataKind kind : {DataKind::sender, DataKind::agent}) {
    PacketBuilder builder(PacketHead{.kind = kind, .session = kSession, .host = "root", .version = "7.0.22"});
    ASSERT_EQ(builder.add({.host = "a",
                           .key = "b[\"c\\\"]",
                           .value = "爆速\t",
                           .supported = false,
                           .id = 9,
                           .clock = 8,
                           .ns = 7}),
              PacketBuilder::Added::yes);
    ASSERT_EQ(
        builder.add(
            {.itemid = UINT64_MAX, .value = "2", .id = UINT64_MAX, .clock = INT32_MAX, .ns = 999'999'999}),
        PacketBuilder::Added::yes);
    const auto request = decode_sender_request(builder.finish(1, 2));
    ASSERT_TRUE(request);
    EXPECT_EQ(request->kind, kind);
    EXPECT_EQ(request->session, kSession);
    EXPECT_EQ(request->host, "root");
    EXPECT_EQ(request->version, "7.0.22");
    ASSERT_EQ(request->rows.size(), 2u);
    const IntakeRow& first = request->rows[0];
    EXPECT_EQ(first.host, "a");
    EXPECT_EQ(first.key, "b[\"c\\\"]");
    EXPECT_EQ(first.value, "爆速\t");
    EXPECT_FALSE(first.supported);
    EXPECT_EQ(first.id, 9u);
    EXPECT_EQ(first.clock, 8);
    EXPECT_EQ(first.ns, 7u);
    EXPECT_EQ(request->rows[1].itemid, UINT64_MAX);
    EXPECT_EQ(request->rows[1].id, UINT64_MAX);
  }
}

}  // namespace
}  // namespace bakusoku::zabbix
