#include "ask/protocol.h"

#include <algorithm>

namespace bakusoku::ask {
namespace {

void put_u16(std::string& out, uint16_t value) {
  out += static_cast<char>(value & 0xFF);
  out += static_cast<char>(value >> 8);
}

void put_u32(std::string& out, uint32_t value) {
  put_u16(out, static_cast<uint16_t>(value & 0xFFFF));
  put_u16(out, static_cast<uint16_t>(value >> 16));
}

uint8_t get_u8(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

uint16_t get_u16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(get_u8(bytes, at) | get_u8(bytes, at + 1) << 8);
}

uint32_t get_u32(std::string_view bytes, size_t at) {
  return get_u16(bytes, at) | static_cast<uint32_t>(get_u16(bytes, at + 2)) << 16;
}

void put_question_header(std::string& packet, uint8_t kind, uint32_t timeout_ms) {
  packet.clear();
  packet += static_cast<char>(kVersion);
  packet += static_cast<char>(kind);
  put_u16(packet, 0);
  put_u32(packet, timeout_ms);
}

void put_answer_header(std::string& packet, Status status, bool more, size_t total) {
  packet.clear();
  packet += static_cast<char>(kVersion);
  packet += static_cast<char>(status);
  put_u16(packet, more ? kMoreFlag : uint16_t{0});
  put_u32(packet, static_cast<uint32_t>(total));
}

}  // namespace

void encode_question(std::string& packet, uint32_t timeout_ms, std::string_view key) {
  packet.reserve(kHeaderSize + key.size());
  put_question_header(packet, kKindItem, timeout_ms);
  packet += key;
}

void encode_board_question(std::string& packet) { put_question_header(packet, kKindBoard, 0); }

bool is_board_question(std::string_view packet) {
  return packet.size() == kHeaderSize && get_u8(packet, 0) == kVersion && get_u8(packet, 1) == kKindBoard &&
         get_u16(packet, 2) == 0;
}

std::optional<Question> decode_question(std::string_view packet) {
  if (packet.size() < kHeaderSize || packet.size() > kHeaderSize + kMaxKeyBytes) return std::nullopt;
  if (get_u8(packet, 0) != kVersion || get_u8(packet, 1) != kKindItem || get_u16(packet, 2) != 0) {
    return std::nullopt;
  }
  const std::string_view key = packet.substr(kHeaderSize);
  if (key.find('\0') != std::string_view::npos) return std::nullopt;
  return Question{get_u32(packet, 4), key};
}

size_t encode_answer_part(std::string& packet, Status status, std::string_view bytes, size_t offset) {
  if (bytes.size() > kMaxAnswerBytes) {
    const std::string message = "the answer has " + std::to_string(bytes.size()) + " bytes, more than the " +
                                std::to_string(kMaxAnswerBytes) + " that fit: ask for less at a time";
    put_answer_header(packet, Status::not_supported, false, message.size());
    packet += message;
    return bytes.size();
  }
  offset = std::min(offset, bytes.size());
  const std::string_view part = bytes.substr(offset, kMaxPacketPayload);
  const size_t next = offset + part.size();
  put_answer_header(packet, status, next < bytes.size(), bytes.size());
  packet += part;
  return next;
}

std::optional<AnswerPart> decode_answer_part(std::string_view packet) {
  if (packet.size() < kHeaderSize || packet.size() > kHeaderSize + kMaxPacketPayload) return std::nullopt;
  const uint8_t status = get_u8(packet, 1);
  const uint16_t flags = get_u16(packet, 2);
  const uint32_t total = get_u32(packet, 4);
  if (get_u8(packet, 0) != kVersion || status > 1 || (flags & ~kMoreFlag) != 0) return std::nullopt;
  const std::string_view bytes = packet.substr(kHeaderSize);
  const bool more = (flags & kMoreFlag) != 0;
  if (total > kMaxAnswerBytes || bytes.size() > total) return std::nullopt;
  // A part that promises more brings at least a byte, so that every packet moves the answer forward.
  if (more && (bytes.empty() || bytes.size() == total)) return std::nullopt;
  return AnswerPart{status == 0 ? Status::value : Status::not_supported, more, total, bytes};
}

AnswerReader::State AnswerReader::add(std::string_view packet) {
  const std::optional<AnswerPart> part = decode_answer_part(packet);
  if (!part) return State::corrupt;
  if (first_) {
    first_ = false;
    status_ = part->status;
    total_ = part->total;
    bytes_.reserve(total_);
  } else if (part->status != status_ || part->total != total_) {
    return State::corrupt;
  }
  if (part->bytes.size() > total_ - bytes_.size()) return State::corrupt;
  bytes_ += part->bytes;
  const bool whole = bytes_.size() == total_;
  if (part->more) return whole ? State::corrupt : State::more;
  return whole ? State::complete : State::corrupt;
}

void AnswerReader::clear() {
  first_ = true;
  status_ = Status::value;
  total_ = 0;
  bytes_.clear();
}

}  // namespace bakusoku::ask
