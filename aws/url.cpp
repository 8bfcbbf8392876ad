#include "aws/url.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace bakusoku::aws {
namespace {

constexpr std::array<bool, 256> unreserved_table() {
  std::array<bool, 256> table{};
  for (unsigned ch = 'a'; ch <= 'z'; ++ch) table[ch] = true;
  for (unsigned ch = 'A'; ch <= 'Z'; ++ch) table[ch] = true;
  for (unsigned ch = '0'; ch <= '9'; ++ch) table[ch] = true;
  for (const char ch : {'-', '_', '.', '~'}) table[static_cast<uint8_t>(ch)] = true;
  return table;
}
constexpr std::array<bool, 256> kUnreserved = unreserved_table();

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char ch) { return ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch - 'A' + 'a') : ch; });
  return out;
}

}  // namespace

Result<UrlParts> split_url(std::string_view url) {
  const auto bad = [](char ch) { return static_cast<uint8_t>(ch) <= 0x20 || ch == 0x7f; };
  if (std::any_of(url.begin(), url.end(), bad)) {
    return fail(ErrorKind::invalid, "a URL holds a blank or control character");
  }
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos) return fail(ErrorKind::invalid, "not an http:// or https:// URL");
  UrlParts parts;
  parts.scheme = url.substr(0, colon);
  const std::string scheme = lower(parts.scheme);
  if (scheme != "http" && scheme != "https")
    return fail(ErrorKind::invalid, "not an http:// or https:// URL");
  std::string_view rest = url.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  parts.authority = rest.substr(0, rest.find_first_of("/?"));
  if (parts.authority.empty() || parts.authority.front() == ':')
    return fail(ErrorKind::invalid, "a URL without a host");
  if (parts.authority.find('@') != std::string_view::npos) {
    return fail(ErrorKind::invalid, "a URL with a user name or password in it is not supported");
  }
  rest.remove_prefix(parts.authority.size());
  const size_t question = rest.find('?');
  parts.path = rest.substr(0, question);
  if (question != std::string_view::npos) parts.query = rest.substr(question + 1);
  return parts;
}

std::string host_header(const UrlParts& url) {
  std::string host = lower(url.authority);
  const std::string_view default_port = lower(url.scheme) == "https" ? ":443" : ":80";
  if (host.ends_with(default_port)) host.resize(host.size() - default_port.size());
  if (host.ends_with(':')) host.pop_back();
  return host;
}

void append_percent_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char ch : text) {
    const auto byte = static_cast<uint8_t>(ch);
    if (kUnreserved[byte]) {
      out += ch;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

}  // namespace bakusoku::aws
