#include "zbxmod/discovery.h"

#include <charconv>
#include <cmath>

#include "zbxmod/host.h"

namespace zbxmod {
namespace {

constexpr std::string_view kWrapped = "{\"data\":[";

/// DISK of "DISK", "disk" or "{#DISK}".
std::string_view bare(std::string_view name) {
  return name.starts_with("{#") && name.ends_with('}') ? name.substr(2, name.size() - 3) : name;
}

bool is_name(std::string_view name) {
  for (const char c : name) {
    const bool allowed =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (!allowed) return false;
  }
  return !name.empty();
}

void append_name(Text& out, std::string_view name) {
  out += "\"{#";
  for (const char c : name) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  out += "}\":";
}

template <typename Number>
void append_whole(Text& out, Number number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out += std::string_view(digits, static_cast<size_t>(end - digits));
}

}  // namespace

Discovery::Discovery() { json_ += host().wraps_discovery ? kWrapped : kWrapped.substr(kWrapped.size() - 1); }

Discovery& Discovery::add(const Macro* row, size_t count) {
  if (!error_.empty()) return *this;
  json_ += rows_ == 0 ? "{" : ",{";
  for (size_t i = 0; i < count; ++i) {
    const Macro& macro = row[i];
    if (!is_name(bare(macro.name_))) {
      error_ = "discovery: '" + std::string(macro.name_) +
               "' is no name of a macro: letters, digits, '_' and '.' only";
      return *this;
    }
    if (i > 0) json_ += ',';
    append_name(json_, bare(macro.name_));
    if (const auto* text = std::get_if<std::string_view>(&macro.value_)) {
      append_json_string(json_, *text);
    } else if (const auto* number = std::get_if<uint64_t>(&macro.value_)) {
      append_whole(json_, *number);
    } else if (const auto* whole = std::get_if<int64_t>(&macro.value_)) {
      append_whole(json_, *whole);
    } else {
      const double value = *std::get_if<double>(&macro.value_);
      if (!std::isfinite(value)) {
        error_ = "discovery: the value of '" + std::string(macro.name_) + "' is no finite number";
        return *this;
      }
      json_ += to_text(value);
    }
  }
  json_ += '}';
  ++rows_;
  return *this;
}

Text Discovery::take() {
  json_ += host().wraps_discovery ? "]}" : "]";
  return std::move(json_);
}

}  // namespace zbxmod
