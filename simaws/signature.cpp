#include "simaws/signature.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>

namespace bakusoku::simaws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr char kHex[] = "0123456789ABCDEF";

std::string hex(const unsigned char* bytes, size_t size) {
  constexpr std::string_view kLower = "0123456789abcdef";
  std::string out(size * 2, '0');
  for (size_t at = 0; at < size; ++at) {
    out[at * 2] = kLower[bytes[at] >> 4];
    out[at * 2 + 1] = kLower[bytes[at] & 15];
  }
  return out;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

bool unreserved(char ch) {
  return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' ||
         ch == '_' || ch == '.' || ch == '~';
}

std::string encode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size());
  for (const char ch : text) {
    if (unreserved(ch) || (keep_slash && ch == '/')) {
      out += ch;
    } else {
      out += '%';
      out += kHex[static_cast<uint8_t>(ch) >> 4];
      out += kHex[static_cast<uint8_t>(ch) & 15];
    }
  }
  return out;
}

// "." and ".." resolved and double slashes joined, then each segment encoded once more: what every service
// but S3 does.
std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> segments;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
  }
  std::string out = "/";
  for (const auto& segment : segments) {
    out += segment;
    out += '/';
  }
  if (!segments.empty() && !path.ends_with('/')) out.pop_back();
  return encode(out, true);
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const size_t amp = query.find('&');
    const std::string_view pair = query.substr(0, amp);
    query = amp == std::string_view::npos ? std::string_view() : query.substr(amp + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? "" : pair.substr(equals + 1);
    pairs.emplace_back(encode(percent_decode(name, false).value_or(std::string(name)), false),
                       encode(percent_decode(value, false).value_or(std::string(value)), false));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += value;
  }
  return out;
}

void append_collapsed(std::string& out, std::string_view value) {
  bool blank = false;
  bool any = false;
  for (const char ch : value) {
    if (ch == ' ' || ch == '\t') {
      blank = any;
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    any = true;
    out += ch;
  }
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::optional<int> number(std::string_view digits) {
  int out = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || out < 0) return std::nullopt;
  return out;
}

}  // namespace

Result<Authorization> parse_authorization(std::string_view header) {
  if (!header.starts_with(kAlgorithm) || header.size() <= kAlgorithm.size() ||
      header[kAlgorithm.size()] != ' ') {
    return fail(ErrorKind::invalid, "Unsupported AWS 'algorithm': '{}'. Only AWS4-HMAC-SHA256 is supported.",
                header.substr(0, header.find(' ')));
  }
  Authorization out;
  std::string credential;
  for (std::string_view part : split(header.substr(kAlgorithm.size() + 1), ',')) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return fail(ErrorKind::invalid, "Invalid key=value pair (missing equal-sign) in Authorization header.");
    }
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = part.substr(equals + 1);
    if (name == "Credential") credential = value;
    if (name == "Signature") out.signature = value;
    if (name == "SignedHeaders") {
      for (const auto& one : split(value, ';')) out.signed_headers.emplace_back(one);
    }
  }
  for (const auto& [name, missing] :
       {std::pair("Credential", credential.empty()), std::pair("Signature", out.signature.empty()),
        std::pair("SignedHeaders", out.signed_headers.empty())}) {
    if (missing) return fail(ErrorKind::invalid, "Authorization header requires '{}' parameter.", name);
  }
  const auto scope = split(credential, '/');
  if (scope.size() != 5 || scope[4] != "aws4_request" || scope[0].empty()) {
    return fail(
        ErrorKind::invalid,
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.");
  }
  out.access_key = scope[0];
  out.date = scope[1];
  out.region = scope[2];
  out.service = scope[3];
  return out;
}

Result<std::string> canonical_request(const Request& request, const Authorization& authorization) {
  std::string out =
      request.method + '\n' + canonical_path(request.path()) + '\n' + canonical_query(request.query()) + '\n';
  std::string names;
  std::string previous;
  for (const auto& name : authorization.signed_headers) {
    if (name <= previous)
      return fail(ErrorKind::invalid, "SignedHeaders is not sorted, or holds '{}' twice.", name);
    previous = name;
    out += name;
    out += ':';
    bool found = false;
    for (const auto& [key, value] : request.headers) {
      if (!equal_ignoring_case(key, name)) continue;
      if (found) out += ',';
      append_collapsed(out, value);
      found = true;
    }
    if (!found) return fail(ErrorKind::invalid, "'{}' is a SignedHeader but is not in the request.", name);
    out += '\n';
    if (!names.empty()) names += ';';
    names += name;
  }
  out += '\n' + names + '\n' + sha256_hex(request.body);
  return out;
}

std::string expected_signature(std::string_view secret_key, std::string_view amz_date,
                               const Authorization& authorization, std::string_view canonical) {
  const std::string scope =
      fmt::format("{}/{}/{}/aws4_request", authorization.date, authorization.region, authorization.service);
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, amz_date, scope, sha256_hex(canonical));
  std::string key = hmac(fmt::format("AWS4{}", secret_key), authorization.date);
  for (const std::string_view part :
       {std::string_view(authorization.region), std::string_view(authorization.service),
        std::string_view("aws4_request"), std::string_view(to_sign)}) {
    key = hmac(key, part);
  }
  return hex(reinterpret_cast<const unsigned char*>(key.data()), key.size());
}

std::optional<int64_t> parse_amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto year = number(text.substr(0, 4));
  const auto month = number(text.substr(4, 2));
  const auto day = number(text.substr(6, 2));
  const auto hour = number(text.substr(9, 2));
  const auto minute = number(text.substr(11, 2));
  const auto second = number(text.substr(13, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return int64_t{days} * 86400 + int64_t{*hour} * 3600 + int64_t{*minute} * 60 + *second;
}

std::string format_amz_date(int64_t unix_seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return hex(digest.data(), digest.size());
}

}  // namespace bakusoku::simaws
