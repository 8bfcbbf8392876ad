#include "base/json.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace bakusoku {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What stands in a string as it is: ASCII but for quotes, backslashes and control characters.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t ch = 0x20; ch < 0x80; ++ch) plain[ch] = ch != '"' && ch != '\\';
  return plain;
}();

size_t plain_length(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && kPlain[static_cast<uint8_t>(text[length])]) ++length;
  return length;
}

void append_escaped(std::string& out, char ch) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (ch) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<uint8_t>(ch) < 0x20) {
    out += "\\u00";
    out += kHex[static_cast<uint8_t>(ch) >> 4];
    out += kHex[static_cast<uint8_t>(ch) & 15];
    return;
  }
  out += ch;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (;;) {
    const size_t plain = plain_length(text);
    out.append(text.data(), plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t length = utf8_length(text);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(1);
    } else if (length == 1) {
      append_escaped(out, text.front());
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_string(out, text);
  return out;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

JsonObject& JsonObject::add(std::string_view name, std::string_view text) {
  return add_raw(name, json_string(text));
}

JsonObject& JsonObject::add_raw(std::string_view name, std::string_view value) {
  if (text_.size() > 1) text_ += ',';
  append_json_string(text_, name);
  text_ += ':';
  text_ += value;
  return *this;
}

JsonArray& JsonArray::add_raw(std::string_view value) {
  if (text_.size() > 1) text_ += ',';
  text_ += value;
  return *this;
}

}  // namespace bakusoku
