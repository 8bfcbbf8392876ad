#include "zabbix/frame.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku::zabbix {
namespace {

using namespace std::string_literals;

constexpr size_t kLimit = 1 << 20;

// Python's zlib.compress(b"agent.ping" * 3)
const std::string kPings = "agent.pingagent.pingagent.ping";
const std::string kCompressedPings =
    "\170\234\113\114\117\315\053\321\053\310\314\113\117\304\302\002\000\265\365\013\302"s;

Result<std::optional<Frame>> decode(std::string_view bytes) { return decode_frame(bytes, kLimit); }

TEST(Frame, HasTheBytesThatZabbixReads) {
  EXPECT_EQ(encode_frame("agent.ping"),
            "ZBXD\x01\x0a\x00\x00\x00\x00\x00\x00\x00"
            "agent.ping"s);
  EXPECT_EQ(encode_frame(""), "ZBXD\x01\x00\x00\x00\x00\x00\x00\x00\x00"s);
  EXPECT_EQ(encode_frame(std::string(0x010203, 'x')).substr(4, 9), "\x01\x03\x02\x01\x00\x00\x00\x00\x00"s);
}

TEST(Frame, ComesBackAsItWasSent) {
  for (const uint8_t flags : {kFrameZabbix, static_cast<uint8_t>(kFrameZabbix | kFrameCompressed)}) {
    for (const std::string& payload : {""s, "1"s, "a\0b"s, std::string(100'000, 'x')}) {
      const std::string bytes = encode_frame(payload, flags);
      const auto frame = decode(bytes + "what follows");
      ASSERT_TRUE(frame && *frame);
      EXPECT_EQ((*frame)->payload, payload);
      EXPECT_EQ((*frame)->flags, flags);
      EXPECT_EQ((*frame)->size_bytes, bytes.size());
    }
  }
}

TEST(Frame, ReservedOfACompressedFrameIsTheInflatedSize) {
  const std::string bytes = encode_frame(kPings, kFrameCompressed);
  EXPECT_EQ(bytes[4], 3);
  const auto header = parse_frame_header(bytes, kLimit);
  ASSERT_TRUE(header && *header);
  EXPECT_EQ((*header)->length, bytes.size() - kFrameHeaderSize);
  EXPECT_EQ((*header)->reserved, kPings.size());
}

TEST(Frame, OfARequestIsCompressedWhereThatHelps) {
  EXPECT_EQ(encode_request_frame("agent.ping"), encode_frame("agent.ping"));
  const std::string row = R"({"host":"web-1","key":"k","value":"1","clock":1700000000,"ns":5},)";
  std::string packet;
  for (int i = 0; i < 1000; ++i) packet += row;
  const std::string small = encode_request_frame(packet);
  EXPECT_EQ(small[4], 3);
  EXPECT_LT(small.size(), packet.size() / 10);
  EXPECT_EQ((*decode(small))->payload, packet);
  std::string noise;  // what zlib cannot shrink
  uint32_t state = 1;
  for (int i = 0; i < 4096; ++i) noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  EXPECT_EQ(encode_request_frame(noise), encode_frame(noise));
}

class CutFrame : public testing::TestWithParam<uint8_t> {};

TEST_P(CutFrame, WantsMoreBytesWhereverItIsCut) {
  const std::string bytes = encode_frame(kPings, GetParam());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto frame = decode(bytes.substr(0, size));
    ASSERT_TRUE(frame) << size;
    EXPECT_FALSE(*frame) << size;
  }
}

TEST_P(CutFrame, WithAFlippedByteIsRefusedOrWantsMoreOrIsAnotherPayload) {
  const std::string bytes = encode_frame(kPings, GetParam());
  const bool compressed = (GetParam() & kFrameCompressed) != 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto frame = decode(flipped);
    if (at < 5 || (at >= 9 && at < kFrameHeaderSize) || (compressed && at >= kFrameHeaderSize)) {
      ASSERT_FALSE(frame) << at;
      EXPECT_EQ(frame.error().kind, ErrorKind::corrupt);
    } else if (frame && *frame) {
      EXPECT_NE((*frame)->payload, kPings) << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Flags, CutFrame, testing::Values(kFrameZabbix, kFrameZabbix | kFrameCompressed));

TEST(Frame, IsRefusedAtTheFirstByteThatDoesNotFit) {
  EXPECT_TRUE(decode("ZBX"));
  EXPECT_FALSE(decode("G"));  // "GET / HTTP/1.1"
  EXPECT_FALSE(decode("ZBXE"));
  EXPECT_FALSE(decode("ZBXD\x00"s));
  EXPECT_FALSE(decode("ZBXD\x05"s));  // large
  EXPECT_FALSE(decode("ZBXD\x09"s));  // no such flag
}

TEST(Frame, IsRefusedAboveTheLimitBeforeItsBytesArrive) {
  EXPECT_TRUE(parse_frame_header("ZBXD\x01\x0a\x00\x00\x00\x00\x00\x00\x00"s, 10));
  const auto header = parse_frame_header("ZBXD\x01\x0b\x00\x00\x00\x00\x00\x00\x00"s, 10);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(header.error().message,
            "a frame of Zabbix's protocol announces 11 bytes, at most 10 are accepted");
  // 3.0's 64-bit length of 2^32 + 1.
  EXPECT_FALSE(parse_frame_header("ZBXD\x01\x01\x00\x00\x00\x01\x00\x00\x00"s, kMaxFrameBytes));
  // Compressed: small on the wire, large inflated.
  EXPECT_FALSE(parse_frame_header("ZBXD\x03\x01\x00\x00\x00\x0b\x00\x00\x00"s, 10));
}

TEST(Frame, IsRefusedWhenItsBytesCannotInflateToWhatItAnnounces) {
  // 16 MiB out of 4 bytes
  EXPECT_FALSE(parse_frame_header("ZBXD\x03\x04\x00\x00\x00\x00\x00\x00\x01"s, kMaxFrameBytes));
  // The best zlib can do passes.
  const std::string bytes = encode_frame(std::string(1 << 20, '\0'), kFrameCompressed);
  EXPECT_TRUE(decode(bytes) && *decode(bytes));
}

TEST(Frame, IsRefusedWhenItInflatesToAnotherSize) {
  std::string bytes = encode_frame(kPings, kFrameCompressed);
  const char size = bytes[9];
  for (const int other : {-1, 1}) {
    bytes[9] = static_cast<char>(size + other);
    EXPECT_FALSE(decode(bytes)) << other;
  }
  bytes[9] = size;
  EXPECT_TRUE(decode(bytes));
  bytes[5] = static_cast<char>(bytes[5] + 1);  // a byte after the end of zlib's stream
  EXPECT_FALSE(decode(bytes + "x"));
}

TEST(Frame, OfAnotherZlibIsRead) {
  std::string bytes = "ZBXD\x03"s + static_cast<char>(kCompressedPings.size()) + "\0\0\0"s +
                      static_cast<char>(kPings.size()) + "\0\0\0"s + kCompressedPings;
  const auto frame = decode(bytes);
  ASSERT_TRUE(frame) << frame.error().message;
  ASSERT_TRUE(*frame);
  EXPECT_EQ((*frame)->payload, kPings);
}

TEST(Frame, BodyMustHaveTheHeadersLength) {
  EXPECT_FALSE(decode_frame_body(FrameHeader{kFrameZabbix, 3, 0}, "ab"));
  EXPECT_EQ(decode_frame_body(FrameHeader{kFrameZabbix, 2, 0}, "ab").value(), "ab");
}

}  // namespace
}  // namespace bakusoku::zabbix
