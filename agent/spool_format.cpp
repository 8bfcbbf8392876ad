#include "agent/spool_format.h"

#include <zlib.h>

#include <bit>
#include <cstring>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::agent {
namespace {

constexpr uint8_t kHeadVersion = 1;
constexpr uint8_t kSegmentVersion = 1;
constexpr size_t kSegmentFixedBytes = 9;  // length, checksum, version
constexpr uint32_t kNotSupported = 1;
constexpr uint32_t kMovesClock = 2;
constexpr uint32_t kFlagBits = 2;
constexpr uint32_t kNsPerSecond = 1'000'000'000;

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie in memory");

template <typename T>
void append_number(std::string& out, T number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <typename T>
T number_at(std::string_view bytes, size_t at) {
  T number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

uint32_t crc(std::string_view bytes, uint32_t before = 0) {
  return static_cast<uint32_t>(
      ::crc32_z(before, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

uint32_t crc_of_number(uint64_t number) {
  return crc({reinterpret_cast<const char*>(&number), sizeof number});
}

uint64_t zigzag(uint64_t difference) { return (difference << 1) ^ (0 - (difference >> 63)); }

uint64_t unzigzag(uint64_t number) { return (number >> 1) ^ (0 - (number & 1)); }

/// Writes where room was made before: a varint takes at most 10 bytes.
constexpr size_t kVarintBytes = 10;

char* put_varint(char* at, uint64_t number) {
  while (number >= 0x80) {
    *at++ = static_cast<char>(number | 0x80);
    number >>= 7;
  }
  *at++ = static_cast<char>(number);
  return at;
}

char* put_bytes(char* at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

/// Reads a segment from its front; after the first thing that is not there, `ok` stays false.
struct Reader {
  const char* at;
  const char* end;
  bool ok = true;

  uint64_t varint() {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at == end) break;
      const auto byte = static_cast<unsigned char>(*at++);
      if (shift == 63 && byte > 1) break;
      number |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return number;
    }
    ok = false;
    return 0;
  }

  /// A count of things that take at least `least` bytes each.
  size_t count(size_t least) {
    const uint64_t number = varint();
    if (number > left() / least) ok = false;
    return ok ? static_cast<size_t>(number) : 0;
  }

  std::string_view bytes(uint64_t length) {
    if (length > left()) {
      ok = false;
      return {};
    }
    const std::string_view view(at, static_cast<size_t>(length));
    at += length;
    return view;
  }

  [[nodiscard]] size_t left() const { return static_cast<size_t>(end - at); }
};

size_t table_size(size_t entries) { return std::bit_ceil(entries * 2 + 2); }

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::corrupt, "spooled values are damaged: {}", what);
}

}  // namespace

std::string encode_chunk_head(uint64_t first_id, const ChunkHead& head) {
  std::string out;
  out.reserve(kChunkHeadBytes);
  append_number(out, kHeadVersion);
  append_number(out, head.priority);
  append_number(out, uint16_t{0});
  append_number(out, head.destination);
  append_number(out, head.values);
  append_number(out, head.body_bytes);
  append_number(out, head.put_time);
  append_number(out, head.oldest_clock);
  append_number(out, crc(out, crc_of_number(first_id)));
  return out;
}

Result<ChunkHead> decode_chunk_head(uint64_t first_id, std::string_view bytes) {
  if (bytes.size() != kChunkHeadBytes) return damaged("the head of a chunk has a wrong length");
  const size_t body = kChunkHeadBytes - sizeof(uint32_t);
  if (number_at<uint32_t>(bytes, body) != crc(bytes.substr(0, body), crc_of_number(first_id))) {
    return damaged("the head of a chunk does not have its checksum");
  }
  if (static_cast<uint8_t>(bytes[0]) != kHeadVersion)
    return damaged("the head of a chunk has an unknown version");
  ChunkHead head;
  head.priority = static_cast<uint8_t>(bytes[1]);
  head.destination = number_at<uint32_t>(bytes, 4);
  head.values = number_at<uint32_t>(bytes, 8);
  head.body_bytes = number_at<uint32_t>(bytes, 12);
  head.put_time = number_at<int64_t>(bytes, 16);
  head.oldest_clock = number_at<int64_t>(bytes, 24);
  return head;
}

void ChunkEncoder::clear(size_t values) {
  strings_.clear();
  series_.clear();
  value_series_.clear();
  string_table_.assign(table_size(values * 2), 0);
  series_table_.assign(table_size(values), 0);
}

uint32_t ChunkEncoder::string_index(std::string_view text) {
  const size_t mask = string_table_.size() - 1;
  for (size_t at = XXH3_64bits(text.data(), text.size()) & mask;; at = (at + 1) & mask) {
    const uint32_t found = string_table_[at];
    if (found == 0) {
      strings_.push_back(text);
      string_table_[at] = static_cast<uint32_t>(strings_.size());
      return static_cast<uint32_t>(strings_.size() - 1);
    }
    if (strings_[found - 1] == text) return found - 1;
  }
}

uint32_t ChunkEncoder::series_index(uint32_t host, uint32_t key, uint64_t itemid) {
  const size_t mask = series_table_.size() - 1;
  uint64_t hash = (static_cast<uint64_t>(host) << 32 | key) * 0x9E3779B97F4A7C15 + itemid;
  hash ^= hash >> 29;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const uint32_t found = series_table_[at];
    if (found == 0) {
      series_.push_back({host, key, itemid});
      series_table_[at] = static_cast<uint32_t>(series_.size());
      return static_cast<uint32_t>(series_.size() - 1);
    }
    const Series& series = series_[found - 1];
    if (series.host == host && series.key == key && series.itemid == itemid) return found - 1;
  }
}

void ChunkEncoder::append_segment(std::string& body, std::span<const Value> values) {
  clear(values.size());
  std::string_view last_host;
  std::string_view last_key;
  uint32_t host = 0;
  uint32_t key = 0;
  for (const Value& value : values) {
    // Values of one host mostly come one after the other.
    if (strings_.empty() || value.host != last_host) host = string_index(last_host = value.host);
    if (series_.empty() || value.key != last_key) key = string_index(last_key = value.key);
    value_series_.push_back(series_index(host, key, value.itemid));
  }

  size_t most = kSegmentFixedBytes + 3 * kVarintBytes;
  for (const std::string_view text : strings_) most += kVarintBytes + text.size();
  most += series_.size() * 3 * kVarintBytes;
  for (const Value& value : values) most += 4 * kVarintBytes + value.text.size();

  const size_t start = body.size();
  body.resize(start + most);
  char* const segment = body.data() + start;
  char* at = segment + 8;
  *at++ = static_cast<char>(kSegmentVersion);
  at = put_varint(at, strings_.size());
  for (const std::string_view text : strings_) at = put_bytes(put_varint(at, text.size()), text);
  at = put_varint(at, series_.size());
  for (const Series& series : series_) {
    at = put_varint(at, series.host);
    at = put_varint(at, series.key);
    at = put_varint(at, series.itemid);
  }
  at = put_varint(at, values.size());
  uint64_t clock = 0;
  uint64_t ns = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& value = values[i];
    at = put_varint(at, value_series_[i]);
    at = put_varint(at, zigzag(static_cast<uint64_t>(value.clock) - clock));
    at = put_varint(at, zigzag(uint64_t{value.ns} - ns));
    clock = static_cast<uint64_t>(value.clock);
    ns = value.ns;
    const uint64_t flags = (value.supported ? 0 : kNotSupported) | (value.moves_clock ? kMovesClock : 0);
    at = put_bytes(put_varint(at, value.text.size() << kFlagBits | flags), value.text);
  }
  body.resize(static_cast<size_t>(at - body.data()));

  const auto length = static_cast<uint32_t>(body.size() - start);
  std::memcpy(body.data() + start, &length, sizeof length);
  const std::string_view whole = std::string_view(body).substr(start);
  const uint32_t check = crc(whole.substr(8), crc(whole.substr(0, 4)));
  std::memcpy(body.data() + start + 4, &check, sizeof check);
}

Result<void> ChunkDecoder::decode(std::string_view body, std::vector<Value>& values) {
  const size_t before = values.size();
  while (!body.empty()) {
    const size_t length = body.size() < kSegmentFixedBytes ? 0 : number_at<uint32_t>(body, 0);
    if (length < kSegmentFixedBytes || length > body.size()) {
      values.resize(before);
      return damaged("a segment is cut off");
    }
    if (auto read = decode_segment(body.substr(0, length), values); !read) {
      values.resize(before);
      return read;
    }
    body.remove_prefix(length);
  }
  return {};
}

Result<void> ChunkDecoder::decode_segment(std::string_view segment, std::vector<Value>& values) {
  if (number_at<uint32_t>(segment, 4) != crc(segment.substr(8), crc(segment.substr(0, 4)))) {
    return damaged("a segment does not have its checksum");
  }
  if (static_cast<uint8_t>(segment[8]) != kSegmentVersion) return damaged("a segment has an unknown version");
  Reader in{segment.data() + kSegmentFixedBytes, segment.data() + segment.size()};
  strings_.clear();
  for (size_t left = in.count(1); left > 0 && in.ok; --left) strings_.push_back(in.bytes(in.varint()));
  series_.clear();
  for (size_t left = in.count(3); left > 0 && in.ok; --left) {
    const uint64_t host = in.varint();
    const uint64_t key = in.varint();
    const uint64_t itemid = in.varint();
    if (host >= strings_.size() || key >= strings_.size()) return damaged("a string that is not there");
    series_.push_back({strings_[host], strings_[key], itemid});
  }
  uint64_t clock = 0;
  uint64_t ns = 0;
  for (size_t left = in.count(4); left > 0 && in.ok; --left) {
    const uint64_t index = in.varint();
    clock += unzigzag(in.varint());
    ns += unzigzag(in.varint());
    const uint64_t length_and_flags = in.varint();
    const std::string_view text = in.bytes(length_and_flags >> kFlagBits);
    if (!in.ok) break;
    if (index >= series_.size() || ns >= kNsPerSecond) return damaged("a value that cannot be");
    const Series& series = series_[index];
    values.push_back({series.host, series.key, series.itemid, static_cast<int64_t>(clock),
                      static_cast<uint32_t>(ns), (length_and_flags & kNotSupported) == 0, text, 0,
                      (length_and_flags & kMovesClock) != 0});
  }
  if (!in.ok || in.left() != 0) return damaged("a segment does not end where it says");
  return {};
}

std::string seal_numbers(std::string_view context, std::span<const uint64_t> numbers) {
  std::string out(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
  append_number(out, crc(out, crc(context)));
  return out;
}

Result<std::vector<uint64_t>> open_numbers(std::string_view context, std::string_view bytes) {
  if (bytes.size() % sizeof(uint64_t) != sizeof(uint32_t)) return damaged("a record has a wrong length");
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  if (number_at<uint32_t>(bytes, body.size()) != crc(body, crc(context))) {
    return damaged("a record does not have its checksum");
  }
  std::vector<uint64_t> numbers(body.size() / sizeof(uint64_t));
  if (!body.empty()) std::memcpy(numbers.data(), body.data(), body.size());
  return numbers;
}

}  // namespace bakusoku::agent
