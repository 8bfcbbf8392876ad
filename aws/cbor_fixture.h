// For tests: CBOR written and read as JSON, which people can read. Shares nothing with aws/cbor.h.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace bakusoku::aws {

namespace cbor_fixture {

inline void append_head(std::string& out, uint8_t major, uint64_t argument) {
  out += static_cast<char>(major << 5 | 27);  // always in eight bytes
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(argument >> shift & 0xFF);
}

inline void append(std::string& out, const simdjson::dom::element& value, bool indefinite, bool time) {
  using Type = simdjson::dom::element_type;
  switch (value.type()) {
    case Type::ARRAY: {
      const simdjson::dom::array items = value.get_array().value_unsafe();
      if (indefinite) {
        out += '\x9F';
      } else {
        append_head(out, 4, items.size());
      }
      for (const simdjson::dom::element item : items) append(out, item, indefinite, time);
      if (indefinite) out += '\xFF';
      return;
    }
    case Type::OBJECT: {
      const simdjson::dom::object members = value.get_object().value_unsafe();
      if (indefinite) {
        out += '\xBF';
      } else {
        append_head(out, 5, members.size());
      }
      for (const auto& [key, member] : members) {
        append_head(out, 3, key.size());
        out += key;
        append(out, member, indefinite,
               key.ends_with("Timestamp") || key == "Timestamps" || key == "StartTime" || key == "EndTime");
      }
      if (indefinite) out += '\xFF';
      return;
    }
    case Type::STRING: {
      const std::string_view text = value.get_string().value_unsafe();
      append_head(out, 3, text.size());
      out += text;
      return;
    }
    case Type::BOOL:
      out += value.get_bool().value_unsafe() ? '\xF5' : '\xF4';
      return;
    case Type::NULL_VALUE:
      out += '\xF6';
      return;
    default:
      if (time) out += '\xC1';
      append_head(out, 7, std::bit_cast<uint64_t>(value.get_double().value_unsafe()));
      return;
  }
}

// Appends the JSON of the value at the front of `bytes`, and takes it away; false when it is cut or unknown.
inline bool read(std::string_view& bytes, std::string& out) {
  if (bytes.empty()) return false;
  const auto first = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  const int major = first >> 5;
  uint64_t argument = first & 31U;
  if (argument >= 24) {
    const size_t size = argument > 27 ? SIZE_MAX : size_t{1} << (argument - 24);
    if (bytes.size() < size) return false;
    argument = 0;
    for (size_t at = 0; at < size; ++at) argument = argument << 8 | static_cast<uint8_t>(bytes[at]);
    bytes.remove_prefix(size);
  }
  switch (major) {
    case 0:
      out += std::to_string(argument);
      return true;
    case 3:
      if (argument > bytes.size()) return false;
      out += '"';
      for (const char ch : bytes.substr(0, argument)) {
        if (ch == '"' || ch == '\\') out += '\\';
        out += ch;
      }
      out += '"';
      bytes.remove_prefix(argument);
      return true;
    case 4:
    case 5:
      out += major == 4 ? '[' : '{';
      for (uint64_t at = 0; at < argument; ++at) {
        if (at != 0) out += ',';
        if (!read(bytes, out)) return false;
        if (major == 4) continue;
        out += ':';
        if (!read(bytes, out)) return false;
      }
      out += major == 4 ? ']' : '}';
      return true;
    case 6:
      return argument == 1 && read(bytes, out);
    case 7:
      if (first != 0xF4 && first != 0xF5) return false;
      out += first == 0xF5 ? "true" : "false";
      return true;
    default:
      return false;
  }
}

}  // namespace cbor_fixture

/// The JSON as CBOR, with times where CloudWatch has them; empty when it is not JSON. `indefinite`: of arrays
/// and objects the length is not said.
inline std::string cbor_of(std::string_view json, bool indefinite = false) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string out;
  if (parser.parse(json.data(), json.size()).get(document) != simdjson::SUCCESS) return out;
  cbor_fixture::append(out, document, indefinite, false);
  return out;
}

/// What a request in CBOR says, as JSON; what cannot be read says so.
inline std::string json_of(std::string_view bytes) {
  std::string out;
  if (!cbor_fixture::read(bytes, out)) return out + " cut or unknown";
  return bytes.empty() ? out : out + " and more behind it";
}

}  // namespace bakusoku::aws
