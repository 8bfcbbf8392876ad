#include "zabbix/passive.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace bakusoku::zabbix {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

constexpr size_t kLimit = 1 << 16;

TEST(PassiveMessage, IsAFrameOrALine) {
  auto message = decode_passive_message(encode_frame("agent.ping"), kLimit);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->payload, "agent.ping");
  message = decode_passive_message("agent.ping\r\nmore", kLimit);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ(decode_passive_request((*message)->payload).value().key, "agent.ping");
  EXPECT_EQ((*message)->flags, kFrameZabbix);
  EXPECT_EQ((*message)->size_bytes, 12u);
  message = decode_passive_message("ZBX.key\n", kLimit);  // begins as a frame does, but is none
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->payload, "ZBX.key");
}

TEST(PassiveMessage, WantsMoreBytesWhereverItIsCut) {
  for (const std::string& bytes :
       {encode_frame("agent.ping"), encode_frame("agent.ping", 3), "agent.ping\n"s}) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto message = decode_passive_message(bytes.substr(0, size), kLimit);
      ASSERT_TRUE(message) << size;
      EXPECT_FALSE(*message) << size;
    }
  }
}

TEST(PassiveMessage, IsRefusedWhenTooLong) {
  EXPECT_TRUE(decode_passive_message(std::string(10, 'a'), 10));
  EXPECT_FALSE(decode_passive_message(std::string(11, 'a'), 10));
  EXPECT_FALSE(decode_passive_message(std::string(11, 'a') + "\n", 10));
  EXPECT_TRUE(*decode_passive_message(std::string(10, 'a') + "\n", 10));
  EXPECT_FALSE(decode_passive_message(encode_frame(std::string(11, 'a')), 10));
}

TEST(PassiveRequest, InThePlainDialectIsTheKey) {
  for (const std::string payload :
       {"aws.ec2.name2id[web-1]", "aws.ec2.name2id[web-1]\n", "aws.ec2.name2id[web-1]\r\n"}) {
    const auto request = decode_passive_request(payload);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->dialect, PassiveDialect::plain);
    EXPECT_EQ(request->key, "aws.ec2.name2id[web-1]");
    EXPECT_FALSE(request->timeout);
  }
}

TEST(PassiveRequest, InJsonIsReadAsZabbix7SendsIt) {
  const auto request =
      decode_passive_request(R"({"request":"passive checks","data":[{"key":"k[\"a\"]","timeout":3}]})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->dialect, PassiveDialect::json);
  EXPECT_EQ(request->key, "k[\"a\"]");
  EXPECT_EQ(request->timeout, 3s);
}

TEST(PassiveRequest, TimeoutIsANumberOrTextWithASuffix) {
  const auto timeout = [](const std::string& json) {
    return decode_passive_request(R"({"request":"passive checks","data":[{"key":"k","timeout":)" + json +
                                  "}]}");
  };
  EXPECT_EQ(timeout("1").value().timeout, 1s);
  EXPECT_EQ(timeout("600").value().timeout, 600s);
  EXPECT_EQ(timeout("2.5").value().timeout, 2500ms);
  EXPECT_EQ(timeout("\"3\"").value().timeout, 3s);
  EXPECT_EQ(timeout("\"3s\"").value().timeout, 3s);
  EXPECT_EQ(timeout("\"2m\"").value().timeout, 120s);
  for (const char* bad : {"0", "-1", "601", "1e308", "null", "true", "[]", "\"\"", "\"s\"", "\"0s\"",
                          "\"1h\"", "\"11m\"", "\"3 s\"", "\"99999999999999999999\"", "\"{$TIMEOUT}\""}) {
    const auto request = timeout(bad);
    ASSERT_FALSE(request) << bad;
    EXPECT_EQ(request.error().message,
              "cannot read the passive check request: \"timeout\" is no time from 1s to 10m");
  }
  EXPECT_FALSE(decode_passive_request(R"({"request":"passive checks","data":[{"key":"k"}]})")
                   .value()
                   .timeout.has_value());
}

TEST(PassiveRequest, ThatIsNoneIsRefusedInWords) {
  const struct {
    std::string payload;
    std::string part;
  } bad[] = {
      {"", "empty item key"},
      {"\n", "empty item key"},
      {"a\0b"s, "NUL"},
      {"{", "not a JSON object"},
      {"{}", "no string \"request\""},
      {R"({"request":1})", "no string \"request\""},
      {R"({"request":"active checks"})", "unknown request \"active checks\""},
      {R"({"request":"passive checks"})", "no array \"data\""},
      {R"({"request":"passive checks","data":{}})", "no array \"data\""},
      {R"({"request":"passive checks","data":[]})", "0 entries"},
      {R"({"request":"passive checks","data":[{"key":"a"},{"key":"b"}]})", "2 entries"},
      {R"({"request":"passive checks","data":["a"]})", "no object"},
      {R"({"request":"passive checks","data":[{}]})", "no string \"key\""},
      {R"({"request":"passive checks","data":[{"key":7}]})", "no string \"key\""},
      {R"({"request":"passive checks","data":[{"key":""}]})", "empty item key"},
      {R"({"request":"passive checks","data":[{"key":"a\u0000b"}]})", "NUL"},
      {R"({"request":"passive checks","data":[{"key":"k"}]}x)", "not a JSON object"},
  };
  for (const auto& [payload, part] : bad) {
    const auto request = decode_passive_request(payload);
    ASSERT_FALSE(request) << payload;
    EXPECT_EQ(request.error().kind, ErrorKind::invalid);
    EXPECT_NE(request.error().message.find(part), std::string::npos) << request.error().message;
  }
}

TEST(PassiveRequest, CutOrFlippedNeverGivesTheKeyByAccident) {
  const std::string json = R"({"request":"passive checks","data":[{"key":"agent.ping","timeout":3}]})";
  for (size_t at = 0; at < json.size(); ++at) {
    EXPECT_FALSE(at > 0 && decode_passive_request(json.substr(0, at))) << at;
    std::string flipped = json;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto request = decode_passive_request(flipped);
    // Flipped bytes are no UTF-8; without the first brace it is a plain key, an unknown one.
    EXPECT_EQ(request.has_value(), at == 0) << at;
  }
}

TEST(PassiveRequest, ComesBackAsItWasSent) {
  for (const auto dialect : {PassiveDialect::plain, PassiveDialect::json}) {
    const PassiveRequest request{dialect, "k[\"a\\b\",爆速]", 2500ms};
    const auto again = decode_passive_request(encode_passive_request(request));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->dialect, dialect);
    EXPECT_EQ(again->key, request.key);
    EXPECT_EQ(again->timeout.value_or(0s), dialect == PassiveDialect::json ? 3s : 0s);
  }
  EXPECT_EQ(encode_passive_request({PassiveDialect::json, "k", 3s}),
            R"({"request":"passive checks","data":[{"key":"k","timeout":3}]})");
  EXPECT_EQ(encode_passive_request({PassiveDialect::plain, "k", 3s}), "k");
}

TEST(PassiveReply, HasTheBytesThatZabbixReads) {
  EXPECT_EQ(encode_passive_reply(PassiveDialect::plain, {true, "1"}, "7.0.0"), "1");
  EXPECT_EQ(encode_passive_reply(PassiveDialect::plain, {false, "no"}, "7.0.0"), "ZBX_NOTSUPPORTED\0no"s);
  EXPECT_EQ(encode_passive_reply(PassiveDialect::json, {true, "a\"b"}, "7.0.0"),
            R"({"version":"7.0.0","variant":1,"data":[{"value":"a\"b"}]})");
  EXPECT_EQ(encode_passive_reply(PassiveDialect::json, {false, "no"}, "7.0.0"),
            R"({"version":"7.0.0","variant":1,"data":[{"error":"no"}]})");
  EXPECT_EQ(encode_passive_refusal(PassiveDialect::json, "what?", "7.0.0"),
            R"({"version":"7.0.0","variant":1,"error":"what?"})");
  EXPECT_EQ(encode_passive_refusal(PassiveDialect::plain, "what?", "7.0.0"), "ZBX_NOTSUPPORTED\0what?"s);
}

// zbx_agent_handle_response() of 7.x reads an error into 2048 bytes.
TEST(PassiveReply, AnErrorInJsonIsNoLongerThanZabbixReads) {
  for (const char* const unit : {"x", "é", "爆", "😀", "\xe9"}) {
    for (size_t before = 0; before < 4; ++before) {
      std::string text(before, 'a');
      while (text.size() < 5000) text += unit;
      for (const bool refusal : {false, true}) {
        const std::string sent = refusal ? encode_passive_refusal(PassiveDialect::json, text, "7.0.0")
                                         : encode_passive_reply(PassiveDialect::json, {false, text}, "7.0.0");
        const auto read = decode_passive_reply(PassiveDialect::json, sent);
        const std::string got = refusal
                                    ? read.error().message.substr(std::string("the agent refused the passive "
                                                                              "check: ")
                                                                      .size())
                                    : read->text;
        EXPECT_LE(got.size(), 2047u);
        EXPECT_GE(got.size(), 2044u);
        EXPECT_TRUE(valid_utf8(text).starts_with(got)) << unit;
      }
    }
  }
  const std::string long_value(5000, 'v');
  EXPECT_EQ(decode_passive_reply(PassiveDialect::json,
                                 encode_passive_reply(PassiveDialect::json, {true, long_value}, "7.0.0"))
                ->text,
            long_value);
}

TEST(PassiveReply, ComesBackAsItWasSent) {
  for (const auto dialect : {PassiveDialect::plain, PassiveDialect::json}) {
    for (const PassiveReply& reply : {PassiveReply{true, "[{\"{#ID}\":\"i-1\"}]"}, PassiveReply{true, ""},
                                      PassiveReply{false, "爆\n"}, PassiveReply{false, ""}}) {
      const auto again = decode_passive_reply(dialect, encode_passive_reply(dialect, reply, "7.0.0"));
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->supported, reply.supported);
      EXPECT_EQ(again->text, reply.text);
    }
  }
}

TEST(PassiveReply, OfAnOlderAgentToAJsonRequestIsNotSupported) {
  const auto reply = decode_passive_reply(PassiveDialect::json, "ZBX_NOTSUPPORTED\0Unsupported item key."s);
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->supported);
  EXPECT_EQ(reply->text, "Unsupported item key.");
  EXPECT_FALSE(decode_passive_reply(PassiveDialect::plain, "ZBX_NOTSUPPORTED").value().supported);
  EXPECT_TRUE(decode_passive_reply(PassiveDialect::plain, "ZBX_NOTSUPPORTED is a word").value().supported);
}

TEST(PassiveReply, ThatIsNoneIsRefusedInWords) {
  const auto refused =
      decode_passive_reply(PassiveDialect::json, R"({"version":"7.0.22","variant":1,"error":"what?"})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
  EXPECT_EQ(refused.error().message, "the agent refused the passive check: what?");
  for (const char* bad :
       {"", "1", "{", "{}", R"({"data":[]})", R"({"data":[{}]})", R"({"data":[{"value":1}]})"}) {
    const auto reply = decode_passive_reply(PassiveDialect::json, bad);
    ASSERT_FALSE(reply) << bad;
    EXPECT_EQ(reply.error().kind, ErrorKind::corrupt) << bad;
  }
}

TEST(PassiveReply, CutAnywhereIsRefused) {
  const std::string json = encode_passive_reply(PassiveDialect::json, {true, "value"}, "7.0.0");
  for (size_t size = 0; size < json.size(); ++size) {
    EXPECT_FALSE(decode_passive_reply(PassiveDialect::json, json.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace bakusoku::zabbix
