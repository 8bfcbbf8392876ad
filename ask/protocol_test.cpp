#include "ask/protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace bakusoku::ask {
namespace {

using namespace std::string_literals;

std::vector<std::string> packets_of(Status status, std::string_view bytes) {
  std::vector<std::string> packets;
  size_t offset = 0;
  do {
    offset = encode_answer_part(packets.emplace_back(), status, bytes, offset);
  } while (offset < bytes.size());
  return packets;
}

TEST(Question, HasTheBytesTheHeaderPromises) {
  std::string packet = "old bytes";
  encode_question(packet, 0x01020304, "k[爆]");
  EXPECT_EQ(packet, "\x01\x01\x00\x00\x04\x03\x02\x01k[\xE7\x88\x86]"s);
}

TEST(Question, ComesBackAsItWasSent) {
  std::string packet;
  const std::string key = "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,300]";
  encode_question(packet, 2900, key);
  const auto question = decode_question(packet);
  ASSERT_TRUE(question);
  EXPECT_EQ(question->timeout_ms, 2900u);
  EXPECT_EQ(question->key, key);
}

TEST(Question, IsRefusedWhenCutInItsHeader) {
  std::string packet;
  encode_question(packet, 2900, "k");
  for (size_t size = 0; size < kHeaderSize; ++size)
    EXPECT_FALSE(decode_question(packet.substr(0, size))) << size;
  EXPECT_TRUE(
      decode_question(packet.substr(0, kHeaderSize)));  // an empty key: the item table says so in words
}

TEST(Question, IsRefusedWhenVersionKindOrReservedDiffer) {
  std::string packet;
  encode_question(packet, 2900, "key");
  for (size_t at = 0; at < packet.size(); ++at) {
    std::string flipped = packet;
    flipped[at] = static_cast<char>(~flipped[at]);
    EXPECT_EQ(decode_question(flipped).has_value(), at >= 4) << at;
  }
}

TEST(Question, IsRefusedWithANulOrTooLongAKey) {
  std::string packet;
  encode_question(packet, 1, "a\0b"s);
  EXPECT_FALSE(decode_question(packet));
  encode_question(packet, 1, std::string(kMaxKeyBytes, 'k'));
  EXPECT_TRUE(decode_question(packet));
  encode_question(packet, 1, std::string(kMaxKeyBytes + 1, 'k'));
  EXPECT_FALSE(decode_question(packet));
}

TEST(AnswerPart, HasTheBytesTheHeaderPromises) {
  std::string packet = "old bytes";
  EXPECT_EQ(encode_answer_part(packet, Status::value, "i-1", 0), 3u);
  EXPECT_EQ(packet, "\x01\x00\x00\x00\x03\x00\x00\x00i-1"s);
  EXPECT_EQ(encode_answer_part(packet, Status::not_supported, "no", 0), 2u);
  EXPECT_EQ(packet, "\x01\x01\x00\x00\x02\x00\x00\x00no"s);
}

TEST(AnswerPart, IsRefusedWhenCut) {
  std::string packet;
  encode_answer_part(packet, Status::value, "value", 0);
  for (size_t size = 0; size < packet.size(); ++size) {
    AnswerReader reader;
    EXPECT_EQ(reader.add(packet.substr(0, size)), AnswerReader::State::corrupt) << size;
  }
}

TEST(AnswerPart, IsRefusedWhenAHeaderByteIsFlipped) {
  std::string packet;
  encode_answer_part(packet, Status::value, "value", 0);
  for (size_t at = 0; at < packet.size(); ++at) {
    std::string flipped = packet;
    flipped[at] = static_cast<char>(~flipped[at]);
    AnswerReader reader;
    EXPECT_EQ(reader.add(flipped) == AnswerReader::State::corrupt, at < kHeaderSize) << at;
  }
}

TEST(AnswerPart, IsRefusedWhenItPromisesMoreWithoutMovingForward) {
  EXPECT_FALSE(decode_answer_part("\x01\x00\x01\x00\x03\x00\x00\x00"s));
  EXPECT_FALSE(
      decode_answer_part("\x01\x00\x01\x00\x03\x00\x00\x00"
                         "abc"s));
  EXPECT_TRUE(
      decode_answer_part("\x01\x00\x01\x00\x03\x00\x00\x00"
                         "ab"s));
}

class AnswerOfSize : public testing::TestWithParam<size_t> {};

TEST_P(AnswerOfSize, ComesBackAsItWasSentInAsFewPacketsAsPossible) {
  std::string bytes(GetParam(), '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 60000);
  for (const Status status : {Status::value, Status::not_supported}) {
    const auto packets = packets_of(status, bytes);
    EXPECT_EQ(packets.size(), bytes.empty() ? 1 : (bytes.size() + kMaxPacketPayload - 1) / kMaxPacketPayload);
    AnswerReader reader;
    for (size_t i = 0; i < packets.size(); ++i) {
      EXPECT_LE(packets[i].size(), kHeaderSize + kMaxPacketPayload);
      ASSERT_EQ(reader.add(packets[i]),
                i + 1 < packets.size() ? AnswerReader::State::more : AnswerReader::State::complete);
    }
    EXPECT_EQ(reader.status(), status);
    EXPECT_EQ(reader.take(), bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, AnswerOfSize,
                         testing::Values(0, 1, 59999, 60000, 60001, 119999, 120000, 120001, 1'000'000));

TEST(AnswerReader, RefusesPartsThatDoNotBelongTogether) {
  const auto packets = packets_of(Status::value, std::string(130'000, 'x'));
  ASSERT_EQ(packets.size(), 3u);
  const auto refused_second = [&](std::string second) {
    AnswerReader reader;
    EXPECT_EQ(reader.add(packets[0]), AnswerReader::State::more);
    return reader.add(second) == AnswerReader::State::corrupt;
  };
  std::string second = packets[1];
  second[1] = 1;  // another status
  EXPECT_TRUE(refused_second(second));
  second = packets[1];
  second[4] = static_cast<char>(second[4] + 1);  // another total
  EXPECT_TRUE(refused_second(second));
  second = packets[1];
  second[2] = 0;  // the last one, but bytes are missing
  EXPECT_TRUE(refused_second(second));
  EXPECT_FALSE(refused_second(packets[1]));

  AnswerReader reader;  // more bytes than the total
  EXPECT_EQ(reader.add(packets[0]), AnswerReader::State::more);
  EXPECT_EQ(reader.add(packets[1]), AnswerReader::State::more);
  EXPECT_EQ(reader.add(packets[1]), AnswerReader::State::corrupt);
}

TEST(AnswerReader, RefusesATotalAboveTheLimitBeforeItAllocates) {
  // 64 MiB and one byte
  EXPECT_FALSE(decode_answer_part("\x01\x00\x01\x00\x01\x00\x00\x04x"s));
  EXPECT_FALSE(decode_answer_part("\x01\x00\x01\x00\xFF\xFF\xFF\xFFx"s));
}

TEST(AnswerReader, ReadsTheNextAnswerAfterClear) {
  AnswerReader reader;
  EXPECT_EQ(reader.add(packets_of(Status::not_supported, "first")[0]), AnswerReader::State::complete);
  EXPECT_EQ(reader.take(), "first");
  reader.clear();
  EXPECT_EQ(reader.add(packets_of(Status::value, "second one")[0]), AnswerReader::State::complete);
  EXPECT_EQ(reader.status(), Status::value);
  EXPECT_EQ(reader.take(), "second one");
}

TEST(AnswerPart, LongerThanAnAnswerMayBeIsSaidInWords) {
  const std::string bytes(kMaxAnswerBytes + 1, 'x');
  std::string packet;
  EXPECT_EQ(encode_answer_part(packet, Status::value, bytes, 0), bytes.size());
  AnswerReader reader;
  ASSERT_EQ(reader.add(packet), AnswerReader::State::complete);
  EXPECT_EQ(reader.status(), Status::not_supported);
  EXPECT_NE(reader.take().find("67108865 bytes"), std::string::npos);
}

}  // namespace
}  // namespace bakusoku::ask
