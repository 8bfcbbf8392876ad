#include "key.h"

#include "zbxmod/abi.h"

namespace zbxmod::host {
namespace {

bool in_name(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
         c == '.';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<ItemKey> parse() {
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    if (at_ == 0) return wrong("a key starts with a name of letters, digits, '_', '-' and '.'");
    key_.name = text_.substr(0, at_);
    if (at_ == text_.size()) return std::move(key_);
    if (text_[at_] != '[') return wrong("only '[' may follow the name");
    do {
      ++at_;
      if (auto read = parameter(); !read) return not_supported(std::move(read.error().message));
    } while (peek() == ',');
    if (peek() != ']') return wrong("',' or ']' is missing");
    if (++at_ != text_.size()) return wrong("nothing may follow the last ']'");
    return std::move(key_);
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_spaces() {
    while (peek() == ' ') ++at_;
  }
  tl::unexpected<Error> wrong(std::string_view why) const {
    return not_supported("invalid item key '" + std::string(text_) + "': " + std::string(why) +
                         ", at character " + std::to_string(at_ + 1));
  }

  /// One parameter; stops at what should be ',' or ']'.
  Result<void> parameter() {
    std::string value;
    int type = abi::kParamString;
    skip_spaces();
    if (peek() == '"') {
      if (!quoted(value, false)) return wrong("the quote is not closed");
      skip_spaces();
    } else if (peek() == '[') {
      type = abi::kParamArray;
      if (auto read = array(value); !read) return read;
      skip_spaces();
    } else {
      unquoted(value);
      if (value.empty()) type = abi::kParamUndefined;
    }
    key_.params.push_back(std::move(value));
    key_.types.push_back(type);
    return {};
  }

  void unquoted(std::string& value) {
    while (at_ < text_.size() && peek() != ',' && peek() != ']') value += text_[at_++];
  }

  /// The only escape is \". `raw` keeps quotes and escapes.
  bool quoted(std::string& value, bool raw) {
    if (raw) value += '"';
    ++at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        if (raw) value += '"';
        ++at_;
        return true;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        if (raw) value += '\\';
        ++at_;
      }
      value += text_[at_];
    }
    return false;
  }

  Result<void> array(std::string& value) {
    for (;;) {
      ++at_;  // '[' or ','
      skip_spaces();
      if (peek() == '[') return wrong("an array may not hold an array");
      if (peek() == '"') {
        if (!quoted(value, true)) return wrong("the quote is not closed");
        skip_spaces();
      } else {
        unquoted(value);
      }
      if (peek() == ']') break;
      if (peek() != ',') return wrong("',' or ']' is missing");
      value += ',';
    }
    ++at_;
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  ItemKey key_{};
};

}  // namespace

Result<ItemKey> parse_key(std::string_view text) { return Parser(text).parse(); }

}  // namespace zbxmod::host
