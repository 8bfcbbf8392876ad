// Writing JSON (reading is simdjson's). Input bytes that are not UTF-8 are replaced by U+FFFD, so that what
// is written is always valid JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace bakusoku {

/// Appends `text` as a quoted JSON string.
void append_json_string(std::string& out, std::string_view text);

/// `text` as a quoted JSON string.
[[nodiscard]] std::string json_string(std::string_view text);

/// An object, member by member.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view text);
  JsonObject& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  JsonObject& add(std::string_view name, int64_t number) { return add_raw(name, std::to_string(number)); }
  JsonObject& add(std::string_view name, uint64_t number) { return add_raw(name, std::to_string(number)); }
  JsonObject& add(std::string_view name, bool truth) { return add_raw(name, truth ? "true" : "false"); }
  /// `value` is JSON already.
  JsonObject& add_raw(std::string_view name, std::string_view value);
  [[nodiscard]] std::string finish() { return std::move(text_) + '}'; }

 private:
  std::string text_ = "{";
};

/// An array, element by element; each is JSON already.
class JsonArray {
 public:
  JsonArray& add_raw(std::string_view value);
  [[nodiscard]] std::string finish() { return std::move(text_) + ']'; }

 private:
  std::string text_ = "[";
};

/// `text` with every malformed UTF-8 sequence replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace bakusoku
