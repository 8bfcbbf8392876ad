#include "aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <utility>

#include "aws/url.h"

namespace bakusoku::aws::sigv4 {
namespace {

using Digest = std::array<uint8_t, 32>;

// Set by the transport or changed on the way, hence not part of what is signed.
constexpr std::array<std::string_view, 9> kUnsigned = {
    "authorization", "user-agent",        "connection", "expect",         "accept-encoding",
    "accept",        "transfer-encoding", "te",         "x-amzn-trace-id"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char ch) { return ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch - 'A' + 'a') : ch; });
  return out;
}

bool same_name(std::string_view a, std::string_view lower_case) {
  return a.size() == lower_case.size() &&
         std::equal(a.begin(), a.end(), lower_case.begin(), [](char left, char right) {
           return (left >= 'A' && left <= 'Z' ? static_cast<char>(left - 'A' + 'a') : left) == right;
         });
}

std::string hex(const Digest& digest) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(digest.size() * 2);
  for (const uint8_t byte : digest) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

Digest hmac(std::string_view key, std::string_view text) {
  Digest out{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const uint8_t*>(text.data()),
       text.size(), out.data(), &length);
  return out;
}

std::string_view view(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Leading and trailing blanks go, runs of blanks become one.
void append_trimmed(std::string& out, std::string_view value) {
  const auto blank = [](char ch) { return ch == ' ' || (ch >= '\t' && ch <= '\r'); };
  bool first = true;
  for (size_t at = 0; at < value.size();) {
    if (blank(value[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < value.size() && !blank(value[end])) ++end;
    if (!first) out += ' ';
    first = false;
    out += value.substr(at, end - at);
    at = end;
  }
}

bool is_hex(char ch) {
  return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') || (ch >= 'A' && ch <= 'F');
}

// Already encoded bytes stay as they are, except that their digits are upper case.
std::string encode_once(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && is_hex(text[at + 1]) && is_hex(text[at + 2])) {
      out += '%';
      for (const char ch : text.substr(at + 1, 2)) out += ch >= 'a' ? static_cast<char>(ch - 'a' + 'A') : ch;
      at += 2;
    } else {
      append_percent_encoded(out, text.substr(at, 1));
    }
  }
  return out;
}

bool digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char ch) { return ch >= '0' && ch <= '9'; });
}

int number(std::string_view text) {
  int value = 0;
  for (const char ch : text) value = value * 10 + (ch - '0');
  return value;
}

}  // namespace

std::string to_string(const Scope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", scope.date, scope.region, scope.service);
}

std::string amz_date(WallTime time) {
  const std::time_t seconds = unix_seconds(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Result<WallTime> parse_amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z' || !digits(text.substr(0, 8)) ||
      !digits(text.substr(9, 6))) {
    return fail(ErrorKind::invalid, "not a date of the form YYYYMMDDTHHMMSSZ");
  }
  const std::chrono::year_month_day day{std::chrono::year(number(text.substr(0, 4))),
                                        std::chrono::month(static_cast<unsigned>(number(text.substr(4, 2)))),
                                        std::chrono::day(static_cast<unsigned>(number(text.substr(6, 2))))};
  const int hour = number(text.substr(9, 2));
  const int minute = number(text.substr(11, 2));
  const int second = number(text.substr(13, 2));
  // system_clock counts nanoseconds in 64 bits: 1678 to 2262.
  const bool in_range = day.year() >= std::chrono::year(1970) && day.year() < std::chrono::year(2200);
  if (!day.ok() || !in_range || hour > 23 || minute > 59 || second > 60) {
    return fail(ErrorKind::invalid, "no such date and time");
  }
  return WallTime(std::chrono::sys_days(day)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::string sha256_hex(std::string_view bytes) {
  Digest digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  return hex(digest);
}

std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> segments;
  for (size_t at = 0; at <= path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, slash - at);
    at = slash + 1;
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else {
      segments.push_back(segment);
    }
  }
  std::string out;
  for (const std::string_view segment : segments) {
    out += '/';
    append_percent_encoded(out, segment);
  }
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (parameter.empty()) continue;
    const size_t equals = std::min(parameter.find('='), parameter.size());
    parameters.emplace_back(encode_once(parameter.substr(0, equals)),
                            encode_once(parameter.substr(std::min(equals + 1, parameter.size()))));
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += value;
  }
  return out;
}

std::string canonical_request(std::string_view method, std::string_view path, std::string_view query,
                              std::span<const HttpHeader> headers, std::span<const std::string> signed_names,
                              std::string_view payload_hash) {
  std::vector<std::string_view> names(signed_names.begin(), signed_names.end());
  std::sort(names.begin(), names.end());
  std::string out;
  out += method;
  out += '\n';
  out += canonical_path(path);
  out += '\n';
  out += canonical_query(query);
  out += '\n';
  for (const std::string_view name : names) {
    out += name;
    out += ':';
    bool first = true;
    for (const HttpHeader& header : headers) {
      if (!same_name(header.name, name)) continue;
      if (!first) out += ',';
      first = false;
      append_trimmed(out, header.value);
    }
    out += '\n';
  }
  out += '\n';
  for (size_t at = 0; at < names.size(); ++at) {
    if (at != 0) out += ';';
    out += names[at];
  }
  out += '\n';
  out += payload_hash;
  return out;
}

std::string string_to_sign(std::string_view amz_date, const Scope& scope,
                           std::string_view canonical_request) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, amz_date, to_string(scope), sha256_hex(canonical_request));
}

std::string signature(const Secret& secret_access_key, const Scope& scope, std::string_view string_to_sign) {
  const Secret key("AWS4" + secret_access_key.reveal());
  Digest date = hmac(key.reveal(), scope.date);
  Digest region = hmac(view(date), scope.region);
  Digest service = hmac(view(region), scope.service);
  Digest signing = hmac(view(service), "aws4_request");
  std::string out = hex(hmac(view(signing), string_to_sign));
  for (Digest* digest : {&date, &region, &service, &signing}) OPENSSL_cleanse(digest->data(), digest->size());
  return out;
}

Result<void> sign(HttpRequest& request, const Credentials& credentials, std::string_view region,
                  std::string_view service, WallTime time) {
  const Result<UrlParts> url = split_url(request.url);
  if (!url) return fail(url.error());
  std::erase_if(request.headers, [](const HttpHeader& header) {
    return same_name(header.name, "host") || same_name(header.name, "x-amz-date") ||
           same_name(header.name, "x-amz-security-token") || same_name(header.name, "authorization");
  });
  const std::string date = amz_date(time);
  request.headers.push_back({"Host", host_header(*url)});
  request.headers.push_back({"X-Amz-Date", date});
  if (!credentials.session_token.empty()) {
    request.headers.push_back({"X-Amz-Security-Token", credentials.session_token.reveal()});
  }

  std::vector<std::string> names;
  names.reserve(request.headers.size());
  for (const HttpHeader& header : request.headers) {
    std::string name = lower(header.name);
    if (std::find(kUnsigned.begin(), kUnsigned.end(), name) != kUnsigned.end()) continue;
    names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());

  const Scope scope{date.substr(0, 8), std::string(region), std::string(service)};
  const std::string canonical = canonical_request(request.method, url->path, url->query, request.headers,
                                                  names, sha256_hex(request.body));
  std::string authorization =
      fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                  credentials.access_key_id, to_string(scope), fmt::join(names, ";"),
                  signature(credentials.secret_access_key, scope, string_to_sign(date, scope, canonical)));
  request.headers.push_back({"Authorization", std::move(authorization)});
  return {};
}

Result<Authorization> parse_authorization(std::string_view header) {
  if (!header.starts_with(kAlgorithm) || header.size() == kAlgorithm.size() ||
      header[kAlgorithm.size()] != ' ') {
    return fail(ErrorKind::invalid, "not an {} authorization", kAlgorithm);
  }
  header.remove_prefix(kAlgorithm.size() + 1);
  std::string_view credential;
  std::string_view signed_headers;
  std::string_view given_signature;
  while (!header.empty()) {
    const size_t end = std::min(header.find(','), header.size());
    std::string_view part = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    for (const auto& [name, target] : {std::pair{std::string_view("Credential="), &credential},
                                       std::pair{std::string_view("SignedHeaders="), &signed_headers},
                                       std::pair{std::string_view("Signature="), &given_signature}}) {
      if (part.starts_with(name)) *target = part.substr(name.size());
    }
  }
  if (credential.empty() || signed_headers.empty() || given_signature.empty()) {
    return fail(ErrorKind::invalid, "an authorization needs Credential, SignedHeaders and Signature");
  }
  std::vector<std::string_view> fields;
  for (size_t at = 0; at <= credential.size();) {
    const size_t slash = std::min(credential.find('/', at), credential.size());
    fields.push_back(credential.substr(at, slash - at));
    at = slash + 1;
  }
  if (fields.size() != 5 || fields[4] != "aws4_request" || fields[0].empty()) {
    return fail(ErrorKind::invalid, "Credential must be <key id>/<date>/<region>/<service>/aws4_request");
  }
  Authorization out;
  out.access_key_id = fields[0];
  out.scope = Scope{std::string(fields[1]), std::string(fields[2]), std::string(fields[3])};
  for (size_t at = 0; at <= signed_headers.size();) {
    const size_t semicolon = std::min(signed_headers.find(';', at), signed_headers.size());
    out.signed_headers.emplace_back(signed_headers.substr(at, semicolon - at));
    at = semicolon + 1;
  }
  out.signature = given_signature;
  return out;
}

}  // namespace bakusoku::aws::sigv4
