#include "zbxmod/request.h"

#include <charconv>

namespace zbxmod {
namespace {

std::string quoted_name(int index, std::string_view name) {
  std::string text = "parameter ";
  text += std::to_string(index + 1);
  text += " (";
  text += name;
  text += ")";
  return text;
}

}  // namespace

std::string_view Request::param(int index) const {
  if (index < 0 || index >= count() || raw_.params == nullptr || raw_.params[index] == nullptr) return {};
  return raw_.params[index];
}

std::string_view Request::param_or(int index, std::string_view otherwise) const {
  const std::string_view text = param(index);
  return text.empty() ? otherwise : text;
}

Result<std::string_view> Request::required(int index, std::string_view name) const {
  const std::string_view text = param(index);
  if (text.empty()) return not_supported(quoted_name(index, name) + " is missing");
  return text;
}

Result<int64_t> Request::integer(int index, std::string_view name, int64_t least, int64_t most) const {
  const Result<std::string_view> text = required(index, name);
  if (!text) return not_supported(text.error().message);
  int64_t number = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, number);
  if (read.ptr != end || read.ec == std::errc::invalid_argument) {
    return not_supported(quoted_name(index, name) + " must be a whole number, not '" + std::string(*text) +
                         "'");
  }
  if (read.ec == std::errc::result_out_of_range || number < least || number > most) {
    return not_supported(quoted_name(index, name) + " must be from " + std::to_string(least) + " to " +
                         std::to_string(most) + ", not " + std::string(*text));
  }
  return number;
}

Result<int64_t> Request::integer_or(int index, std::string_view name, int64_t otherwise, int64_t least,
                                    int64_t most) const {
  if (param(index).empty()) return otherwise;
  return integer(index, name, least, most);
}

bool Request::is_array(int index) const {
  return types_ != nullptr && index >= 0 && index < count() && types_[index] == abi::kParamArray;
}

Result<void> Request::append_key(std::string& out) const {
  out += key();
  if (count() == 0) return {};
  for (int i = 0; i < count(); ++i) {
    out += i == 0 ? '[' : ',';
    if (is_array(i)) {
      out += '[';
      out += param(i);  // between the brackets the host leaves quotes and escapes as they were
      out += ']';
    } else if (!append_param(out, param(i))) {
      return not_supported("parameter " + std::to_string(i + 1) +
                           " needs quotes and ends with a backslash, which an item key cannot express");
    }
  }
  out += ']';
  return {};
}

bool append_param(std::string& out, std::string_view param) {
  const bool starts_special =
      !param.empty() && (param.front() == '"' || param.front() == ' ' || param.front() == '[');
  if (!starts_special && param.find_first_of(",]") == std::string_view::npos) {
    out += param;
    return true;
  }
  if (param.back() == '\\') return false;
  out += '"';
  for (const char c : param) {
    if (c == '"') out += '\\';
    out += c;
  }
  out += '"';
  return true;
}

}  // namespace zbxmod
