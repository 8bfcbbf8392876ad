#include "aws/env_file.h"

#include <algorithm>

namespace bakusoku::aws {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_key(std::string_view text) {
  if (text.empty() || (text.front() >= '0' && text.front() <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// What is wrong with a value, or nothing.
std::string_view read_value(std::string_view text, std::string& out) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) {
    for (size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '#' && (at == 0 || is_blank(text[at - 1]))) {
        text = trim(text.substr(0, at));
        break;
      }
    }
    out = text;
    return {};
  }
  const char quote = text.front();
  size_t at = 1;
  for (; at < text.size() && text[at] != quote; ++at) {
    const bool escape = quote == '"' && text[at] == '\\' && at + 1 < text.size() &&
                        std::string_view("\"\\$`").find(text[at + 1]) != std::string_view::npos;
    if (escape) ++at;
    out += text[at];
  }
  if (at >= text.size()) return "a quote is not closed";
  const std::string_view rest = trim(text.substr(at + 1));
  if (!rest.empty() && rest.front() != '#') return "text after the closing quote";
  return {};
}

}  // namespace

Result<Variables> parse_env_file(std::string_view text, std::string_view path) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::invalid, "{}: not a text file (it holds zero bytes; save it as UTF-8)", path);
  }
  Variables variables;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("export ") || line.starts_with("export\t")) line = trim(line.substr(7));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return fail(ErrorKind::invalid, "{}:{}: expected KEY=VALUE", path, number);
    }
    const std::string_view key = trim(line.substr(0, equals));
    if (!is_key(key)) {
      return fail(ErrorKind::invalid, "{}:{}: the name before '=' may have letters, digits and _ only", path,
                  number);
    }
    std::string value;
    if (const std::string_view wrong = read_value(trim(line.substr(equals + 1)), value); !wrong.empty()) {
      return fail(ErrorKind::invalid, "{}:{}: {}", path, number, wrong);
    }
    variables.insert_or_assign(std::string(key), std::move(value));
  }
  return variables;
}

}  // namespace bakusoku::aws
