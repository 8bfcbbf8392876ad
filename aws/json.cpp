#include "aws/json.h"

#include <memory>

namespace bakusoku::aws {
namespace {

// What one large answer needed is given back after it.
constexpr size_t kKeptBytes = 4u << 20;

struct Memory {
  simdjson::ondemand::parser parser;
  std::string buffer;
};

std::unique_ptr<Memory>& memory() {
  thread_local std::unique_ptr<Memory> kept = std::make_unique<Memory>();
  return kept;
}

}  // namespace

namespace json_detail {

simdjson::padded_string_view padded(std::string_view json) {
  std::string& buffer = memory()->buffer;
  buffer.assign(json);
  buffer.append(simdjson::SIMDJSON_PADDING, '\0');
  return simdjson::padded_string_view(buffer.data(), json.size(), buffer.size());
}

simdjson::ondemand::parser& parser() { return memory()->parser; }

void trim_memory() {
  if (memory()->buffer.capacity() > kKeptBytes) memory() = std::make_unique<Memory>();
}

}  // namespace json_detail

simdjson::error_code is_json_null(simdjson::ondemand::value value, bool& null) {
  null = false;
  simdjson::ondemand::json_type type{};
  if (const simdjson::error_code error = value.type().get(type)) return error;
  if (type != simdjson::ondemand::json_type::null) return simdjson::SUCCESS;
  // The type only says that it begins like a null; simdjson's own is_null() differs from version to version.
  std::string_view token = value.raw_json_token();
  token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
  null = token == "null";
  return null ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
}

simdjson::error_code read_json_string(simdjson::ondemand::value value, std::string& out) {
  out.clear();
  bool null = false;
  if (const simdjson::error_code failed = is_json_null(value, null)) return failed;
  if (null) return simdjson::SUCCESS;
  std::string_view text;
  const simdjson::error_code error = value.get_string().get(text);
  if (error == simdjson::SUCCESS) out = text;
  return error;
}

}  // namespace bakusoku::aws
