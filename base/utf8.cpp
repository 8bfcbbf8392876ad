#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace bakusoku {
namespace {

uint32_t code_point(std::string_view sequence) {
  constexpr std::array<uint8_t, 5> kFirstBits{0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t code = static_cast<uint8_t>(sequence.front()) & kFirstBits[sequence.size()];
  for (const char ch : sequence.substr(1)) code = code << 6 | (static_cast<uint8_t>(ch) & 0x3F);
  return code;
}

// Unicode's Bidi_Control, line and paragraph separator.
bool moves_text(uint32_t code) {
  return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool is_plain(char ch) { return ch >= 0x20 && ch < 0x7F; }

}  // namespace

// Unicode 15, table 3-7.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
  const auto continues = [&](size_t at, uint8_t low = 0x80, uint8_t high = 0xBF) {
    return at < text.size() && byte(at) >= low && byte(at) <= high;
  };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const uint8_t low = first == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const uint8_t low = first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

std::string_view utf8_prefix(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::string printable(std::string_view text, Newlines newlines) {
  if (std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  while (!text.empty()) {
    const char ch = text.front();
    const size_t length = utf8_length(text);
    const uint32_t code = length == 0 ? 0 : code_point(text.substr(0, length));
    if (is_plain(ch) || (ch == '\n' && newlines == Newlines::kept)) {
      out += ch;
    } else if (ch == '\n' || ch == '\r' || ch == '\t') {
      out += ch == '\n' ? "\\n" : ch == '\r' ? "\\r" : "\\t";
    } else if (length < 2) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(ch));
    } else if (code < 0xA0 || moves_text(code)) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace bakusoku
