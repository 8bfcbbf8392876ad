// Zabbix's frame, which every message of its protocols travels in, both ways:
//
//   "ZBXD" | flags u8 | length u32 | reserved u32 | `length` bytes          (integers little-endian)
//
// Flag 0x01 is always there. 0x02: the bytes are zlib's and `reserved` is their inflated size; Zabbix 4.0 and
// later send it when both sides can, and expect a reply with the flags of the request. Zabbix 3.0's header,
// flags and a u64 length, is the same 13 bytes. 0x04 (64-bit lengths) is refused: agents and servers of one
// release disagree about it. Pure: bytes in, values out; an error here is of kind `corrupt`, and the
// connection has nothing more to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::zabbix {

inline constexpr size_t kFrameHeaderSize = 13;
inline constexpr uint8_t kFrameZabbix = 0x01;
inline constexpr uint8_t kFrameCompressed = 0x02;
inline constexpr uint8_t kFrameLarge = 0x04;
/// Zabbix's own limit since 4.4, on the wire and inflated; 128 MiB before.
inline constexpr size_t kMaxFrameBytes = size_t{1} << 30;

struct FrameHeader {
  uint8_t flags = kFrameZabbix;
  uint32_t length = 0;    // bytes that follow the header
  uint32_t reserved = 0;  // inflated size when compressed, else 0
};

struct Frame {
  uint8_t flags = kFrameZabbix;  // reply with these
  std::string payload{};         // inflated
  size_t size_bytes = 0;         // how many bytes it took on the wire
};

/// `payload` in a frame; with kFrameCompressed in `flags`, compressed. Payloads above kMaxFrameBytes are the
/// caller's to split.
[[nodiscard]] std::string encode_frame(std::string_view payload, uint8_t flags = kFrameZabbix);

/// `payload` in a frame for a server of 4.0 or later: compressed, fast rather than small, where that makes it
/// smaller.
[[nodiscard]] std::string encode_request_frame(std::string_view payload);

/// The header at the start of `bytes`; nothing when more bytes are needed. Fails as soon as the bytes seen
/// cannot become a frame of at most `limit_bytes`, inflated or not.
[[nodiscard]] Result<std::optional<FrameHeader>> parse_frame_header(std::string_view bytes,
                                                                    size_t limit_bytes);

/// The payload of a frame whose `header` was parsed with the same limit, from exactly header.length bytes.
[[nodiscard]] Result<std::string> decode_frame_body(const FrameHeader& header, std::string_view body);

/// The frame at the start of `bytes`; nothing when more bytes are needed.
[[nodiscard]] Result<std::optional<Frame>> decode_frame(std::string_view bytes, size_t limit_bytes);

}  // namespace bakusoku::zabbix
