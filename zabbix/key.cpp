#include "zabbix/key.h"

namespace bakusoku::zabbix {
namespace {

bool is_name_char(char ch) {
  return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' ||
         ch == '-' || ch == '.';
}

size_t name_length(std::string_view key) {
  size_t length = 0;
  while (length < key.size() && is_name_char(key[length])) ++length;
  return length;
}

// Reads the text between the outer brackets, from left to right.
class Params {
 public:
  // `key` ends with the outer ']', which is not part of the text.
  Params(std::string_view key, size_t begin) : text_(key.substr(0, key.size() - 1)), at_(begin) {}

  Result<void> read(std::vector<std::string>& params) {
    for (;;) {
      if (auto done = read_param(params.emplace_back()); !done) return done;
      if (at_ == text_.size()) return {};
      ++at_;  // the comma
    }
  }

 private:
  [[nodiscard]] bool at(char ch) const { return at_ < text_.size() && text_[at_] == ch; }
  void skip_spaces() {
    while (at(' ')) ++at_;
  }

  Result<void> read_param(std::string& param) {
    skip_spaces();
    if (at('"')) {
      if (auto done = read_quoted(param, false); !done) return done;
    } else if (at('[')) {
      if (auto done = read_array(param); !done) return done;
    } else {
      while (at_ < text_.size() && !at(',') && !at(']')) param += text_[at_++];
      if (at(']')) return unexpected("']' in a parameter that is not quoted");
      return {};
    }
    if (at_ < text_.size() && !at(','))
      return unexpected("text after the end of a quoted parameter or array");
    return {};
  }

  // From the opening quote to the spaces after the closing one. Within an array the quotes are part of the
  // parameter.
  Result<void> read_quoted(std::string& param, bool raw) {
    const size_t opened = at_++;
    if (raw) param += '"';
    for (; at_ < text_.size(); ++at_) {
      if (at('"')) {
        if (raw) param += '"';
        ++at_;
        skip_spaces();
        return {};
      }
      if (at('\\') && at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        if (raw) param += '\\';
        ++at_;
      }
      param += text_[at_];
    }
    return fail(ErrorKind::invalid, "the quote opened at position {} is not closed", opened + 1);
  }

  Result<void> read_array(std::string& param) {
    const size_t opened = at_++;
    for (;;) {
      skip_spaces();
      if (at('[')) return unexpected("an array within an array");
      if (at('"')) {
        if (auto done = read_quoted(param, true); !done) return done;
        if (at_ < text_.size() && !at(',') && !at(']'))
          return unexpected("text after the end of a quoted element");
      } else {
        while (at_ < text_.size() && !at(',') && !at(']')) param += text_[at_++];
      }
      if (at_ == text_.size()) {
        return fail(ErrorKind::invalid, "the array opened at position {} is not closed", opened + 1);
      }
      if (at(']')) break;
      param += ',';
      ++at_;
    }
    ++at_;
    skip_spaces();
    return {};
  }

  [[nodiscard]] tl::unexpected<Error> unexpected(std::string_view what) const {
    return fail(ErrorKind::invalid, "{} at position {}", what, at_ + 1);
  }

  std::string_view text_;
  size_t at_;
};

}  // namespace

Result<ParsedKey> parse_key(std::string_view key) {
  if (const size_t nul = key.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorKind::invalid, "invalid item key: a NUL character at position {}", nul + 1);
  }
  const size_t name = name_length(key);
  if (name == 0) {
    return fail(ErrorKind::invalid, "invalid item key: it starts with no letter, digit, '_', '-' or '.'");
  }
  ParsedKey parsed;
  parsed.name = key.substr(0, name);
  if (name == key.size()) return parsed;
  if (key[name] != '[') {
    return fail(ErrorKind::invalid, "invalid item key: a character that no key name holds at position {}",
                name + 1);
  }
  if (key.size() < name + 2 || key.back() != ']') {
    return fail(ErrorKind::invalid, "invalid item key: it opens '[' at position {} but does not end with ']'",
                name + 1);
  }
  if (auto done = Params(key, name + 1).read(parsed.params); !done) {
    return fail(done.error().with_context("invalid item key"));
  }
  return parsed;
}

Result<std::string> format_key(std::string_view name, const std::vector<std::string>& params) {
  if (name.empty() || name_length(name) != name.size()) {
    return fail(ErrorKind::invalid, "'{}' is no name of an item key", name);
  }
  std::string key(name);
  for (size_t i = 0; i < params.size(); ++i) {
    const std::string& param = params[i];
    key += i == 0 ? '[' : ',';
    if (param.find('\0') != std::string::npos) {
      return fail(ErrorKind::invalid, "parameter {} of {} holds a NUL character", i + 1, name);
    }
    const bool quote =
        !param.empty() && (std::string_view(" \"[").find(param.front()) != std::string_view::npos ||
                           param.find_first_of(",]") != std::string::npos);
    if (!quote) {
      key += param;
      continue;
    }
    if (param.back() == '\\') {
      return fail(ErrorKind::invalid,
                  "parameter {} of {} must be quoted and ends with a backslash, which no key can hold", i + 1,
                  name);
    }
    key += '"';
    for (const char ch : param) {
      if (ch == '"') key += '\\';
      key += ch;
    }
    key += '"';
  }
  if (!params.empty()) key += ']';
  return key;
}

}  // namespace bakusoku::zabbix
