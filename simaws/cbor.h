// CBOR (RFC 8949) as Smithy's RPC protocol uses it: reading a request into values, and writing a reply. Every
// size from the wire is checked against what is left. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bakusoku::simaws::cbor {

struct Value {
  enum class Kind { null, boolean, integer, real, text, bytes, array, map };
  Kind kind = Kind::null;
  bool truth = false;
  int64_t integer = 0;
  double real = 0;
  std::optional<uint64_t> tag{};
  std::string text{};  // of bytes too
  std::vector<Value> items{};
  std::vector<std::pair<std::string, Value>> members{};
};

/// One value and nothing behind it; nothing when the bytes are no such thing, or use what Smithy does not.
[[nodiscard]] std::optional<Value> read(std::string_view bytes);

void append_map(std::string& out, size_t members);
void append_array(std::string& out, size_t items);
void append_text(std::string& out, std::string_view text);
void append_boolean(std::string& out, bool value);
void append_integer(std::string& out, uint64_t value);
void append_double(std::string& out, double value);
/// Tag 1: unix seconds, as a double.
void append_time(std::string& out, int64_t unix_seconds);

}  // namespace bakusoku::simaws::cbor
