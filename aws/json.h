// Reading JSON answers (simdjson On-Demand). One parser and one padded buffer per thread are kept for all
// answers, so that reading one allocates nothing of its own. Pure apart from that memory.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

/// Calls `read(simdjson::ondemand::object)`, which returns a simdjson::error_code, with the object that
/// `json` is. Errors: corrupt (not JSON, not an object, bytes after it, or what `read` returned). Not to be
/// nested: the object lives in this thread's one parser.
template <typename Read>
[[nodiscard]] Result<void> read_json_object(std::string_view json, Read&& read);

/// Whether the value is null. Errors: what begins like null and is not.
[[nodiscard]] simdjson::error_code is_json_null(simdjson::ondemand::value value, bool& null);

/// Sets `out` to the string, or leaves it empty where the value is null.
[[nodiscard]] simdjson::error_code read_json_string(simdjson::ondemand::value value, std::string& out);

namespace json_detail {
/// `json` with the padding simdjson reads into, in this thread's buffer.
[[nodiscard]] simdjson::padded_string_view padded(std::string_view json);
[[nodiscard]] simdjson::ondemand::parser& parser();
void trim_memory();
}  // namespace json_detail

template <typename Read>
Result<void> read_json_object(std::string_view json, Read&& read) {
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  simdjson::error_code error = json_detail::parser().iterate(json_detail::padded(json)).get(document);
  if (error == simdjson::SUCCESS) error = document.get_object().get(object);
  if (error == simdjson::SUCCESS) error = read(object);
  // There is no place to be at once everything has been read.
  const char* rest = nullptr;
  if (error == simdjson::SUCCESS && document.current_location().get(rest) == simdjson::SUCCESS) {
    error = simdjson::TRAILING_CONTENT;
  }
  json_detail::trim_memory();
  if (error != simdjson::SUCCESS) {
    return fail(ErrorKind::corrupt, "the answer is not the JSON that was expected: {}",
                simdjson::error_message(error));
  }
  return {};
}

}  // namespace bakusoku::aws
