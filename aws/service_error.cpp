#include "aws/service_error.h"

#include <pugixml.hpp>
#include <utility>

#include "aws/cbor.h"
#include "aws/json.h"
#include "base/json.h"

namespace bakusoku::aws {
namespace {

constexpr size_t kMaxCodeBytes = 128;

std::string presentable(std::string_view text, size_t limit) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  if (text.size() <= limit) return valid_utf8(text);
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return valid_utf8(text.substr(0, end)) + "...";
}

// A code as it is compared: without the shape's namespace in front and the URI behind.
std::string plain_code(std::string_view code) {
  code = code.substr(0, code.find(':'));
  if (const size_t hash = code.rfind('#'); hash != std::string_view::npos) code.remove_prefix(hash + 1);
  return presentable(code, kMaxCodeBytes);
}

// The members of an error that may say what it is.
struct Members {
  std::string type{};
  std::string code{};
  std::string message{};

  std::string* find(std::string_view name) {
    if (name == "__type") return &type;
    if (name == "code" || name == "Code") return &code;
    return name == "message" || name == "Message" ? &message : nullptr;
  }
};

ServiceError error_of(const Members& members, std::string_view query_error, std::string_view error_type) {
  ServiceError out;
  out.message = presentable(members.message, kMaxServiceErrorBytes);
  if (const size_t semicolon = query_error.find(';'); semicolon != std::string_view::npos && semicolon > 0) {
    out.code = presentable(query_error.substr(0, semicolon), kMaxCodeBytes);
  } else if (!members.type.empty()) {
    out.code = plain_code(members.type);
  } else if (!error_type.empty()) {
    out.code = plain_code(error_type);
  } else {
    out.code = plain_code(members.code);
  }
  return out;
}

}  // namespace

ServiceError decode_xml_error(std::string_view body) {
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size(), pugi::parse_default, pugi::encoding_utf8)) return {};
  const pugi::xml_node root = document.document_element();
  const pugi::xml_node error = [&] {
    if (const pugi::xml_node found = root.child("Errors").child("Error")) return found;
    if (const pugi::xml_node found = root.child("Error")) return found;
    return std::string_view(root.name()) == "Error" ? root : pugi::xml_node();
  }();
  return ServiceError{presentable(error.child_value("Code"), kMaxCodeBytes),
                      presentable(error.child_value("Message"), kMaxServiceErrorBytes)};
}

ServiceError decode_json_error(std::string_view body, std::string_view query_error,
                               std::string_view error_type) {
  Members members;
  const Result<void> read = read_json_object(body, [&](simdjson::ondemand::object object) {
    for (auto field : object) {
      std::string_view key;
      if (const auto error = field.unescaped_key().get(key)) return error;
      simdjson::ondemand::value value;
      if (const auto error = field.value().get(value)) return error;
      std::string* const target = members.find(key);
      // A number or an object where words should be is no reason to lose the rest.
      simdjson::ondemand::json_type kind{};
      if (const auto error = value.type().get(kind)) return error;
      if (target != nullptr && kind == simdjson::ondemand::json_type::string) {
        if (const auto error = read_json_string(value, *target)) return error;
      }
    }
    return simdjson::SUCCESS;
  });
  if (!read) members = {};
  return error_of(members, query_error, error_type);
}

ServiceError decode_cbor_error(std::string_view body, std::string_view query_error,
                               std::string_view error_type) {
  // Neither begins a map in CBOR.
  if (body.starts_with('{')) return decode_json_error(body, query_error, error_type);
  Members members;
  if (body.starts_with('<')) {
    ServiceError error = decode_xml_error(body);
    members.code = std::move(error.code);
    members.message = std::move(error.message);
    return error_of(members, query_error, error_type);
  }
  cbor::Reader reader(body);
  for (cbor::Items fields = reader.map(); reader.next(fields);) {
    std::string* const target = members.find(reader.text());
    if (target != nullptr && reader.at_text()) {
      *target = reader.text();
    } else {
      reader.skip();
    }
  }
  if (!reader.done()) members = {};
  return error_of(members, query_error, error_type);
}

}  // namespace bakusoku::aws
