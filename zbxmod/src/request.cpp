#include "zbxmod/request.h"

#include "zbxmod/item.h"

namespace zbxmod {
std::string_view Request::param(int index) const {
  return index < 0 ? std::string_view() : detail::param_of(raw_, static_cast<size_t>(index));
}

std::string_view Request::param_or(int index, std::string_view otherwise) const {
  const std::string_view text = param(index);
  return text.empty() ? otherwise : text;
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
