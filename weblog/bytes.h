// Numbers and texts in the state file (docs/weblog.md): varints of seven bits a byte, lowest first. A reader
// takes what it reads off the front of the view, and any bytes for an error, never for a crash. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bakusoku::weblog {

inline void append_number(std::string& out, uint64_t number) {
  while (number >= 0x80) {
    out += static_cast<char>(0x80 | (number & 0x7F));
    number >>= 7;
  }
  out += static_cast<char>(number);
}

inline void append_text(std::string& out, std::string_view text) {
  append_number(out, text.size());
  out += text;
}

[[nodiscard]] inline std::optional<uint64_t> take_number(std::string_view& bytes) {
  uint64_t number = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    number |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

[[nodiscard]] inline std::optional<std::string_view> take_text(std::string_view& bytes) {
  const auto size = take_number(bytes);
  if (!size || *size > bytes.size()) return std::nullopt;
  const std::string_view text = bytes.substr(0, *size);
  bytes.remove_prefix(*size);
  return text;
}

}  // namespace bakusoku::weblog
