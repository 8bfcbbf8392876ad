#include "zbxmod/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace zbxmod {
namespace {

/// The length of the well-formed UTF-8 sequence that `text` starts with, 0 when there is none (NUL counts as
/// none).
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead == 0) return 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;  // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

/// How many bytes at the start of `text` are ASCII and no NUL, eight at a time: an answer is mostly that.
size_t plain_length(std::string_view text) {
  constexpr uint64_t kHigh = 0x8080808080808080;
  constexpr uint64_t kOnes = 0x0101010101010101;
  size_t length = 0;
  while (text.size() - length >= sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + length, sizeof word);
    // The second term has a high bit in each byte that is 0, and perhaps in others behind one.
    if ((word & kHigh) != 0 || ((word - kOnes) & ~word & kHigh) != 0) break;
    length += sizeof word;
  }
  return length;
}

}  // namespace

Text::~Text() { std::free(bytes_); }

void Text::reserve(size_t size) {
  if (bytes_ != nullptr && size <= room_) return;
  if (size == SIZE_MAX) throw std::bad_alloc();
  char* bytes = static_cast<char*>(std::realloc(bytes_, size + 1));
  if (bytes == nullptr) throw std::bad_alloc();
  bytes_ = bytes;
  room_ = size;
}

Text& Text::operator+=(std::string_view text) {
  const size_t wanted = size_ + text.size();
  if (bytes_ == nullptr) {
    reserve(wanted);  // most texts are made in one piece
  } else if (wanted > room_) {
    reserve(std::max({wanted, room_ * 2, size_t{64}}));
  }
  if (!text.empty()) std::memcpy(bytes_ + size_, text.data(), text.size());
  size_ = wanted;
  return *this;
}

char* Text::release() {
  reserve(size_);
  bytes_[size_] = '\0';
  size_ = room_ = 0;
  return std::exchange(bytes_, nullptr);
}

void append_json_string(Text& out, std::string_view text) {
  const std::string repaired = is_valid_text(text) ? std::string() : valid_text(text);
  if (!repaired.empty()) text = repaired;
  out += '"';
  for (;;) {
    size_t plain = 0;
    while (plain < text.size() && text[plain] != '"' && text[plain] != '\\' &&
           static_cast<unsigned char>(text[plain]) >= 0x20) {
      ++plain;
    }
    out += text.substr(0, plain);
    if (plain == text.size()) break;
    const char c = text[plain];
    text.remove_prefix(plain + 1);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      const char escaped[] = {'\\', 'u', '0', '0', kDigits[(c >> 4) & 15], kDigits[c & 15]};
      out += std::string_view(escaped, sizeof escaped);
    }
  }
  out += '"';
}

bool is_valid_text(std::string_view text) {
  for (;;) {
    text.remove_prefix(plain_length(text));
    if (text.empty()) return true;
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

std::string valid_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string to_text(double number) {
  char buffer[64];
  const double size = std::fabs(number);
  const bool plain = number == 0 || (size >= 1e-15 && size < 1e17);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(buffer, end.ptr);
}

}  // namespace zbxmod
