#include "aws/json_stream.h"

#include <cmath>
#include <limits>
#include <memory>

#include "aws/timestamp.h"
#include "base/json.h"

namespace bakusoku::aws::json {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// What one large answer needed is given back after it.
constexpr size_t kKeptBytes = 4u << 20;

std::unique_ptr<simdjson::dom::parser>& parser() {
  thread_local std::unique_ptr<simdjson::dom::parser> kept = std::make_unique<simdjson::dom::parser>();
  return kept;
}

// Numbers that JSON does not know, outside of texts, become null.
std::string without_strange_numbers(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_text = false;
  for (size_t at = 0; at < json.size();) {
    const char ch = json[at];
    if (in_text && ch == '\\') {
      out += json.substr(at, 2);
      at += 2;
      continue;
    }
    if (ch == '"') in_text = !in_text;
    size_t strange = 0;
    for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
      if (!in_text && json.substr(at).starts_with(word)) strange = word.size();
    }
    if (strange == 0) {
      out += ch;
      ++at;
      continue;
    }
    out += "null";
    at += strange;
  }
  return out;
}

}  // namespace

void Writer::separate() {
  if (open_.empty()) return;
  Open& inner = open_.back();
  if (inner.named) return;
  if (!inner.first) out_ += ',';
  inner.first = false;
}

void Writer::end_value() {
  while (!open_.empty()) {
    Open& inner = open_.back();
    inner.named = false;
    if (inner.left > 0 && --inner.left > 0) return;
    out_ += inner.close;
    open_.pop_back();
  }
}

void Writer::begin(char open, char close, size_t count) {
  separate();
  out_ += open;
  if (count == 0) {
    out_ += close;
    end_value();
    return;
  }
  open_.push_back(Open{close, count, open == '{'});
}

void Writer::scalar(std::string_view text) {
  separate();
  out_ += text;
  end_value();
}

void Writer::text(std::string_view text) {
  separate();
  append_json_string(out_, text);
  if (!open_.empty() && open_.back().is_map && !open_.back().named) {
    out_ += ':';
    open_.back().named = true;
    return;
  }
  end_value();
}

Reader::Reader(std::string_view json) {
  simdjson::error_code error = parser()->parse(json.data(), json.size()).get(value_);
  const bool may_be_strange = json.find("NaN") != json.npos || json.find("Infinity") != json.npos;
  if (error != simdjson::SUCCESS && may_be_strange) {
    const std::string clean = without_strange_numbers(json);
    error = parser()->parse(clean).get(value_);
  }
  failed_ = error != simdjson::SUCCESS;
}

Reader::~Reader() {
  if (parser()->capacity() > kKeptBytes) parser() = std::make_unique<simdjson::dom::parser>();
}

Items Reader::map() {
  simdjson::dom::object object;
  if (failed_ || named_ || value_.get(object) != simdjson::SUCCESS) {
    failed_ = true;
    return {};
  }
  Items items;
  items.is_map = true;
  items.member = object.begin();
  items.member_end = object.end();
  return items;
}

Items Reader::array() {
  simdjson::dom::array array;
  if (failed_ || named_ || value_.get(array) != simdjson::SUCCESS) {
    failed_ = true;
    return {};
  }
  Items items;
  items.item = array.begin();
  items.item_end = array.end();
  return items;
}

bool Reader::next(Items& items) {
  if (failed_) return false;
  if (items.is_map) {
    if (!(items.member != items.member_end)) return false;
    name_ = items.member.key();
    value_ = items.member.value();
    named_ = true;
    ++items.member;
    return true;
  }
  if (!(items.item != items.item_end)) return false;
  value_ = *items.item;
  named_ = false;
  ++items.item;
  return true;
}

std::string_view Reader::text() {
  if (failed_) return {};
  if (named_) {
    named_ = false;
    return name_;
  }
  std::string_view text;
  if (value_.get(text) != simdjson::SUCCESS) failed_ = true;
  return failed_ ? std::string_view() : text;
}

double Reader::number_or_nan() {
  double number = 0;
  return !failed_ && value_.get(number) == simdjson::SUCCESS ? number : kNaN;
}

double Reader::time_or_nan() {
  if (!at_text()) return number_or_nan();
  const auto time = parse_iso8601(text());
  return time ? static_cast<double>(unix_seconds(*time)) : kNaN;
}

double Reader::number() {
  const double number = number_or_nan();
  if (std::isnan(number)) failed_ = true;
  return failed_ ? 0 : number;
}

double Reader::time() {
  const double time = time_or_nan();
  if (std::isnan(time)) failed_ = true;
  return failed_ ? 0 : time;
}

bool Reader::boolean() {
  bool truth = false;
  if (failed_ || value_.get(truth) != simdjson::SUCCESS) failed_ = true;
  return !failed_ && truth;
}

bool Reader::null() { return !failed_ && !named_ && value_.is_null(); }

bool Reader::at_text() const { return !failed_ && !named_ && value_.is_string(); }

}  // namespace bakusoku::aws::json
