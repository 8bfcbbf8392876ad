#include "text.h"

#include <cstdio>

#include "zbxmod/result.h"

namespace zbxmod::host {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : valid_text(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : valid_text(text)) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace zbxmod::host
