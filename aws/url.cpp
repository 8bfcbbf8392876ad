#include "aws/url.h"

#include <algorithm>
#include <array>
#include <charconv>
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

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// A proxy's URL taken apart; views into it.
struct ProxyParts {
  std::string_view scheme;  // may be empty
  std::string_view user;    // USER[:PASSWORD]
  std::string_view authority;
};

Result<ProxyParts> split_proxy(std::string_view url) {
  constexpr std::array<std::string_view, 6> kSchemes{"http",    "https",  "socks4",
                                                     "socks4a", "socks5", "socks5h"};
  const auto bad = [](char ch) { return static_cast<uint8_t>(ch) <= 0x20 || ch == 0x7f; };
  if (std::any_of(url.begin(), url.end(), bad))
    return fail(ErrorKind::invalid, "a blank or control character stands in the URL");
  ProxyParts parts;
  std::string_view rest = url;
  if (const size_t end = url.find("://"); end != std::string_view::npos) {
    parts.scheme = url.substr(0, end);
    if (std::find(kSchemes.begin(), kSchemes.end(), lower(parts.scheme)) == kSchemes.end())
      return fail(ErrorKind::invalid, "the URL must start with http:// (or https://, socks5h://)");
    rest.remove_prefix(end + 3);
  }
  const size_t path = rest.find_first_of("/?#");
  parts.authority = rest.substr(0, path);
  if (path != std::string_view::npos && rest.find('@', path) != std::string_view::npos)
    return fail(ErrorKind::invalid, "/, ? and # in a user name or password are written %2F, %3F and %23");
  if (const size_t at = parts.authority.find('@'); at != std::string_view::npos) {
    parts.user = parts.authority.substr(0, at);
    parts.authority.remove_prefix(at + 1);
    if (parts.authority.find('@') != std::string_view::npos)
      return fail(ErrorKind::invalid, "@ in a user name or password is written %40");
  }
  if (!is_authority(parts.authority)) return fail(ErrorKind::invalid, "the URL has no valid host and port");
  return parts;
}

void replace_all(std::string& text, std::string_view what) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 3))
    text.replace(at, what.size(), "***");
}

}  // namespace

bool is_authority(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    const std::string_view address = authority.substr(1, close - 1);
    if (address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
    const std::string_view rest = authority.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const size_t colon = authority.find(':');
  const std::string_view host = authority.substr(0, colon);
  if (host.empty() || host.size() > 253) return false;
  const bool host_bytes = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
  return host_bytes && (colon == std::string_view::npos || is_port(authority.substr(colon + 1)));
}

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

Result<void> check_proxy_url(std::string_view url) {
  const auto parts = split_proxy(url);
  if (parts) return {};
  return fail(ErrorKind::invalid,
              "{}; write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT (it is not repeated here: it may "
              "hold a password)",
              parts.error().message);
}

std::string shown_proxy(std::string_view url) {
  const auto parts = split_proxy(url);
  if (!parts) return "(a URL that is none)";
  return fmt::format("{}://{}", parts->scheme.empty() ? "http" : parts->scheme, parts->authority);
}

bool names_a_user(std::string_view proxy) {
  const auto parts = split_proxy(proxy);
  return parts && !parts->user.empty();
}

std::string without_user_part(std::string text, std::string_view proxy) {
  if (const auto parts = split_proxy(proxy)) {
    replace_all(text, parts->user);
    const size_t colon = parts->user.find(':');
    const std::string_view password =
        colon == std::string_view::npos ? std::string_view() : parts->user.substr(colon + 1);
    // A shorter one is in any words.
    if (password.size() >= 4) replace_all(text, password);
  }
  for (size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
    const size_t end = std::min(text.find('\'', at), text.size());
    const size_t user = text.rfind('@', end - 1);
    if (user != std::string::npos && user > at) text.replace(at + 3, user - at - 3, "***");
  }
  return text;
}

}  // namespace bakusoku::aws
