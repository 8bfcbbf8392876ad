// The bytes of the spool: chunks of values, their heads, pages of last clocks, and the small records that say
// how far each destination is. Pure functions over memory, used by the spool alone and on its thread; every
// record carries a checksum, and a decoder takes any bytes for an error, never for a crash. docs/spool.md
// describes each format byte by byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::agent {

/// A value to be delivered. Its strings are views: of the caller's when it is put, of the packet's when it is
/// read (SpoolPacket).
struct Value {
  std::string_view host;
  std::string_view key;   // as Zabbix wants it back: key_orig
  uint64_t itemid = 0;    // 0: none
  int64_t clock = 0;      // seconds since 1970
  uint32_t ns = 0;        // 0 to 999'999'999
  bool supported = true;  // false: the item is not supported, and `text` says why
  std::string_view text;
  uint8_t priority = 0;      // when the spool is full, lower ones go first
  bool moves_clock = false;  // a metric's datapoint: the last clock of its series becomes `clock`

  friend bool operator==(const Value&, const Value&) = default;
};

/// What is known of a chunk without reading its body.
struct ChunkHead {
  uint32_t destination = 0;  // 0: for all
  uint8_t priority = 0;
  uint32_t values = 0;
  uint32_t body_bytes = 0;
  int64_t put_time = 0;      // seconds since 1970: when its oldest value was put
  int64_t oldest_clock = 0;  // of its values

  friend bool operator==(const ChunkHead&, const ChunkHead&) = default;
};

inline constexpr uint32_t kChunkHeadBytes = 36;

/// The head of the chunk whose first value has that id; the id is part of the checksum.
[[nodiscard]] std::string encode_chunk_head(uint64_t first_id, const ChunkHead& head);
[[nodiscard]] Result<ChunkHead> decode_chunk_head(uint64_t first_id, std::string_view bytes);

/// Writes segments, of which the body of a chunk is made. Keeps its tables between calls.
class ChunkEncoder {
 public:
  /// Appends one segment that holds `values` in their order; each host and key is written once. The priority
  /// is not: it belongs to the head.
  void append_segment(std::string& body, std::span<const Value> values);

 private:
  struct Series {
    uint32_t host = 0;
    uint32_t key = 0;
    uint64_t itemid = 0;
  };

  void clear(size_t values);
  uint32_t string_index(std::string_view text);
  uint32_t series_index(uint32_t host, uint32_t key, uint64_t itemid);

  std::vector<std::string_view> strings_;
  std::vector<Series> series_;
  std::vector<uint32_t> string_table_;  // open addressing; 0: free, else an index plus 1
  std::vector<uint32_t> series_table_;
  std::vector<uint32_t> value_series_;
};

/// Reads the body of a chunk. Keeps its tables between calls.
class ChunkDecoder {
 public:
  /// Appends the values of all segments of `body` to `values`, as views of `body`. When anything in it is
  /// wrong the error says so and `values` is as it was.
  [[nodiscard]] Result<void> decode(std::string_view body, std::vector<Value>& values);

 private:
  struct Series {
    std::string_view host;
    std::string_view key;
    uint64_t itemid = 0;
  };

  [[nodiscard]] Result<void> decode_segment(std::string_view segment, std::vector<Value>& values);

  std::vector<std::string_view> strings_;
  std::vector<Series> series_;
};

/// Numbers with a checksum: what the spool must not read wrongly although SQLite would not notice. `context`
/// is part of the checksum and tells one record from another.
[[nodiscard]] std::string seal_numbers(std::string_view context, std::span<const uint64_t> numbers);
[[nodiscard]] Result<std::vector<uint64_t>> open_numbers(std::string_view context, std::string_view bytes);

}  // namespace bakusoku::agent
