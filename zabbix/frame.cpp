#include "zabbix/frame.h"

#include <zlib.h>

#include <algorithm>

namespace bakusoku::zabbix {
namespace {

constexpr std::string_view kMagic = "ZBXD";
// zlib cannot shrink by more than 1032:1, so that a header cannot make us allocate much for a small body.
constexpr uint64_t kMostInflation = 1032;
constexpr uint64_t kInflationSlack = 1024;

void put_u32(std::string& out, uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

uint32_t get_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

void put_header(std::string& out, uint8_t flags, size_t length, size_t reserved) {
  out += kMagic;
  out += static_cast<char>(flags);
  put_u32(out, static_cast<uint32_t>(length));
  put_u32(out, static_cast<uint32_t>(reserved));
}

void plain(std::string& frame, std::string_view payload) {
  frame.clear();
  frame.reserve(kFrameHeaderSize + payload.size());
  put_header(frame, kFrameZabbix, payload.size(), 0);
  frame += payload;
}

// False when there is no memory for zlib's tables; a plain frame is read by everyone.
bool compress(std::string& frame, std::string_view payload, int level) {
  uLongf size = ::compressBound(payload.size());
  frame.resize(kFrameHeaderSize + size);
  if (::compress2(reinterpret_cast<Bytef*>(frame.data() + kFrameHeaderSize), &size,
                  reinterpret_cast<const Bytef*>(payload.data()), payload.size(), level) != Z_OK) {
    return false;
  }
  frame.resize(kFrameHeaderSize + size);
  std::string header;
  put_header(header, kFrameZabbix | kFrameCompressed, size, payload.size());
  std::copy(header.begin(), header.end(), frame.begin());
  return true;
}

}  // namespace

std::string encode_frame(std::string_view payload, uint8_t flags) {
  std::string frame;
  if ((flags & kFrameCompressed) == 0 || !compress(frame, payload, Z_DEFAULT_COMPRESSION)) {
    plain(frame, payload);
  }
  return frame;
}

std::string encode_request_frame(std::string_view payload) {
  constexpr size_t kWorthwhileBytes = 512;  // below, the packet is one segment either way
  std::string frame;
  if (payload.size() < kWorthwhileBytes || !compress(frame, payload, Z_BEST_SPEED) ||
      frame.size() >= kFrameHeaderSize + payload.size()) {
    plain(frame, payload);
  }
  return frame;
}

Result<std::optional<FrameHeader>> parse_frame_header(std::string_view bytes, size_t limit_bytes) {
  const size_t magic = std::min(bytes.size(), kMagic.size());
  if (bytes.substr(0, magic) != kMagic.substr(0, magic)) {
    return fail(ErrorKind::corrupt, "the other side does not speak Zabbix's protocol: no ZBXD header");
  }
  if (bytes.size() > kMagic.size()) {
    const auto flags = static_cast<uint8_t>(bytes[kMagic.size()]);
    if ((flags & kFrameZabbix) == 0 || (flags & ~(kFrameZabbix | kFrameCompressed)) != 0) {
      return fail(ErrorKind::corrupt, "a frame of Zabbix's protocol with unsupported flags 0x{:02x}", flags);
    }
  }
  if (bytes.size() < kFrameHeaderSize) return std::optional<FrameHeader>{};
  const FrameHeader header{static_cast<uint8_t>(bytes[4]), get_u32(bytes, 5), get_u32(bytes, 9)};
  const bool compressed = (header.flags & kFrameCompressed) != 0;
  // Uncompressed, the reserved field is 0, or the upper half of 3.0's 64-bit length: more than anyone
  // accepts.
  if (header.length > limit_bytes || (compressed && header.reserved > limit_bytes) ||
      (!compressed && header.reserved != 0)) {
    return fail(ErrorKind::corrupt,
                "a frame of Zabbix's protocol announces {} bytes, at most {} are accepted",
                compressed ? uint64_t{std::max(header.length, header.reserved)}
                           : uint64_t{header.reserved} << 32 | header.length,
                limit_bytes);
  }
  if (compressed && header.reserved > header.length * kMostInflation + kInflationSlack) {
    return fail(ErrorKind::corrupt, "a compressed frame of {} bytes cannot inflate to the announced {}",
                header.length, header.reserved);
  }
  return std::optional<FrameHeader>{header};
}

Result<std::string> decode_frame_body(const FrameHeader& header, std::string_view body) {
  if (body.size() != header.length) {
    return fail(ErrorKind::corrupt, "a frame of Zabbix's protocol was cut: {} of {} bytes", body.size(),
                header.length);
  }
  if ((header.flags & kFrameCompressed) == 0) return std::string(body);
  std::string payload(header.reserved, '\0');
  uLongf raw_size = header.reserved;
  uLong used = body.size();
  // An empty destination still needs an address.
  Bytef nothing = 0;
  const int result = ::uncompress2(payload.empty() ? &nothing : reinterpret_cast<Bytef*>(payload.data()),
                                   &raw_size, reinterpret_cast<const Bytef*>(body.data()), &used);
  if (result != Z_OK || raw_size != header.reserved || used != body.size()) {
    return fail(ErrorKind::corrupt,
                "a compressed frame of Zabbix's protocol cannot be inflated to its announced {} bytes",
                header.reserved);
  }
  return payload;
}

Result<std::optional<Frame>> decode_frame(std::string_view bytes, size_t limit_bytes) {
  const auto header = parse_frame_header(bytes, limit_bytes);
  if (!header) return fail(header.error());
  if (!*header || bytes.size() - kFrameHeaderSize < (*header)->length) return std::optional<Frame>{};
  auto payload = decode_frame_body(**header, bytes.substr(kFrameHeaderSize, (*header)->length));
  if (!payload) return fail(payload.error());
  return std::optional<Frame>{
      Frame{(*header)->flags, std::move(*payload), kFrameHeaderSize + (*header)->length}};
}

}  // namespace bakusoku::zabbix
