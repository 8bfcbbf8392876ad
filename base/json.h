// Writing JSON (reading is simdjson's). Input bytes that are not UTF-8 are replaced by U+FFFD, so that what
// is written is always valid JSON.
#pragma once

#include <string>
#include <string_view>

namespace bakusoku {

/// Appends `text` as a quoted JSON string.
void append_json_string(std::string& out, std::string_view text);

/// `text` as a quoted JSON string.
[[nodiscard]] std::string json_string(std::string_view text);

/// `text` with every malformed UTF-8 sequence replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace bakusoku
