#include "agent/spool_format.h"

#include <gtest/gtest.h>

#include <random>

namespace bakusoku::agent {
namespace {

std::string bytes_of(std::initializer_list<int> numbers) {
  std::string out;
  for (const int number : numbers) out.push_back(static_cast<char>(number));
  return out;
}

std::string encode(const std::vector<Value>& values) {
  std::string body;
  ChunkEncoder().append_segment(body, values);
  return body;
}

const std::vector<Value>& some_values() {
  static const std::vector<Value> values{
      {"web-1", "cpu", 7, 1'700'000'000, 5, true, "0.25", 0, true},
      {"web-1", "net", 0, 1'700'000'060, 0, true, "", 0, false},
      {"web-2", "cpu", 8, 1'699'999'000, 999'999'999, false, "Throttled: rate exceeded", 0, true},
      {"web-1", "cpu", 7, 1'700'000'300, 5, true, std::string_view("a\0b", 3), 0, true},
      {"", "", 0, -5, 1, true, "x", 0, false},
  };
  return values;
}

TEST(ChunkBody, GivesBackWhatWasPut) {
  const std::string body = encode(some_values());
  std::vector<Value> read;
  ASSERT_TRUE(ChunkDecoder().decode(body, read));
  EXPECT_EQ(read, some_values());
}

TEST(ChunkBody, SegmentsFollowOneAnother) {
  std::string body = encode(some_values());
  ChunkEncoder encoder;
  encoder.append_segment(body, some_values());
  encoder.append_segment(body, {});
  std::vector<Value> read;
  ASSERT_TRUE(ChunkDecoder().decode(body, read));
  EXPECT_EQ(read.size(), 2 * some_values().size());
  ASSERT_TRUE(ChunkDecoder().decode("", read)) << "no segment at all";
}

TEST(ChunkBody, HasTheBytesOfTheDocument) {
  const std::string body = encode({{"h", "k", 300, 2, 3, true, "v", 0, true}});
  const std::string after_checksum =
      bytes_of({1,                     // version
                2, 1, 'h', 1, 'k',     // strings
                1, 0, 1, 0xac, 2,      // series: host 0, key 1, item 300
                1, 0, 4, 6, 6, 'v'});  // value: series, clock, ns, length and flags
  EXPECT_EQ(body.substr(0, 4), bytes_of({25, 0, 0, 0}));
  EXPECT_EQ(body.substr(4, 4), bytes_of({0x7d, 0x8b, 0xe0, 0x21}));
  EXPECT_EQ(body.substr(8), after_checksum);
}

TEST(ChunkBody, WritesHostsAndKeysOnce) {
  const std::string host(200, 'h');
  const std::string key(200, 'k');
  std::vector<Value> values;
  for (int i = 0; i < 500; ++i)
    values.push_back({host, key, 1, 1'700'000'000 + i * 60, 0, true, "1", 0, true});
  EXPECT_LT(encode(values).size(), 400u + 500 * 6);
}

TEST(ChunkBody, RandomValuesComeBack) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> strings;
    for (int i = 0; i < 30; ++i) strings.push_back(std::string(random() % 40, static_cast<char>('a' + i)));
    std::vector<Value> values;
    for (size_t i = 0; i < random() % 1000; ++i) {
      values.push_back({strings[random() % 30], strings[random() % 30], random() >> (random() % 64),
                        static_cast<int64_t>(random() >> (random() % 64)),
                        static_cast<uint32_t>(random() % 1'000'000'000), random() % 2 == 0,
                        strings[random() % 30], 0, random() % 2 == 0});
    }
    const std::string body = encode(values);
    std::vector<Value> read;
    ASSERT_TRUE(ChunkDecoder().decode(body, read));
    ASSERT_EQ(read, values);
  }
}

TEST(ChunkBody, CutAnywhereIsAnErrorAndAddsNothing) {
  const std::string body = encode(some_values());
  for (size_t length = 1; length < body.size(); ++length) {
    const std::string cut = body.substr(0, length);
    std::vector<Value> read(1);
    const auto decoded = ChunkDecoder().decode(cut, read);
    ASSERT_FALSE(decoded) << length;
    EXPECT_EQ(decoded.error().kind, ErrorKind::corrupt);
    ASSERT_EQ(read.size(), 1u);
  }
}

TEST(ChunkBody, AnyFlippedBitIsAnError) {
  const std::string body = encode(some_values());
  for (size_t bit = 0; bit < body.size() * 8; ++bit) {
    std::string flipped = body;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    std::vector<Value> read;
    ASSERT_FALSE(ChunkDecoder().decode(flipped, read)) << bit;
  }
}

TEST(ChunkHead, GivesBackWhatWasPutForItsOwnIdOnly) {
  const ChunkHead head{3, 200, 500, 12345, 1'700'000'000, 1'699'999'000};
  const std::string bytes = encode_chunk_head(77, head);
  ASSERT_EQ(bytes.size(), kChunkHeadBytes);
  EXPECT_EQ(decode_chunk_head(77, bytes), head);
  EXPECT_FALSE(decode_chunk_head(78, bytes));
}

TEST(ChunkHead, CutOrFlippedIsAnError) {
  const std::string bytes = encode_chunk_head(77, {3, 200, 500, 12345, 1'700'000'000, 1'699'999'000});
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode_chunk_head(77, bytes.substr(0, length)));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_chunk_head(77, flipped)) << bit;
  }
}

TEST(SealedNumbers, AreThoseOfTheirContextOrAnError) {
  const std::vector<uint64_t> numbers{1, 0, ~uint64_t{0}};
  const std::string bytes = seal_numbers("a", numbers);
  EXPECT_EQ(open_numbers("a", bytes), numbers);
  EXPECT_FALSE(open_numbers("b", bytes));
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(open_numbers("a", bytes.substr(0, length)));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(open_numbers("a", flipped)) << bit;
  }
  EXPECT_EQ(open_numbers("a", seal_numbers("a", {})), std::vector<uint64_t>{});
}

}  // namespace
}  // namespace bakusoku::agent
