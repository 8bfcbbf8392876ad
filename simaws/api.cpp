#include "simaws/api.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/json.h"
#include "simaws/cbor.h"
#include "simaws/fleet.h"
#include "simaws/signature.h"

namespace bakusoku::simaws {
namespace {

constexpr std::string_view kNotValidated = "AWS was not able to validate the provided access credentials";

// What EC2 and the JSON protocol call an error of the query protocol.
struct Names {
  std::string_view query;
  std::string_view json;
  std::string_view ec2;
  int ec2_status;  // 0: as in query
};
constexpr std::array<Names, 12> kNames{{
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", 503},
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", 403},
    {"InternalFailure", "InternalServiceFault", "InternalError", 500},
    {"ServiceUnavailable", "ServiceUnavailableException", "Unavailable", 503},
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", 400},
    {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", 401},
    {"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", 401},
    {"SignatureExpired", "InvalidSignatureException", "RequestExpired", 400},
    {"IncompleteSignature", "IncompleteSignatureException", "IncompleteSignature", 0},
    {"MissingAuthenticationToken", "MissingAuthenticationTokenException", "MissingAuthenticationToken", 0},
    {"InvalidAction", "UnknownOperationException", "InvalidAction", 0},
    {"ValidationError", "ValidationException", "ValidationError", 0},
}};
// Errors of CloudWatch's own model: in JSON they carry the suffix of their shape.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kModelNames{{
    {"InvalidParameterValue", "InvalidParameterValueException"},
    {"InvalidParameterCombination", "InvalidParameterCombinationException"},
    {"MissingParameter", "MissingRequiredParameterException"},
}};

const Names* names_of(std::string_view code) {
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Names& names) { return names.query == code; });
  return found == kNames.end() ? nullptr : &*found;
}

Reply write_ec2_error(const ApiError& error, std::string_view request_id) {
  const Names* names = names_of(error.code);
  Reply reply;
  reply.status = names != nullptr && names->ec2_status != 0 ? names->ec2_status : error.status;
  const std::string_view code = names != nullptr ? names->ec2 : std::string_view(error.code);
  std::string_view message = error.message;
  if (code == "AuthFailure") message = kNotValidated;
  if (code == "RequestExpired") message = "Request has expired.";
  if (code == "RequestLimitExceeded") message = "Request limit exceeded.";
  reply.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>";
  append_element(reply.body, "Code", code);
  append_element(reply.body, "Message", message);
  reply.body += "</Error></Errors>";
  append_element(reply.body, "RequestID", request_id);
  reply.body += "</Response>";
  return reply;
}

std::string_view query_code(const ApiError& error) {
  return error.code == "SignatureExpired" ? std::string_view("SignatureDoesNotMatch")
                                          : std::string_view(error.code);
}

Reply write_query_error(const ApiError& error, std::string_view request_id) {
  Reply reply;
  reply.status = error.status;
  reply.body = "<ErrorResponse><Error>";
  append_element(reply.body, "Type", error.status >= 500 ? "Receiver" : "Sender");
  append_element(reply.body, "Code", query_code(error));
  append_element(reply.body, "Message", error.message);
  reply.body += "</Error>";
  append_element(reply.body, "RequestId", request_id);
  reply.body += "</ErrorResponse>";
  return reply;
}

std::string_view json_type(const ApiError& error) {
  std::string_view type = error.code;
  if (const Names* names = names_of(error.code)) type = names->json;
  for (const auto& [query, json] : kModelNames) {
    if (error.code == query) type = json;
  }
  return type;
}

void add_query_error(Reply& reply, const ApiError& error) {
  reply.headers.emplace_back("x-amzn-query-error", fmt::format("{};{}", query_code(error),
                                                               error.status >= 500 ? "Receiver" : "Sender"));
}

Reply write_json_error(const ApiError& error, bool query_compatible) {
  Reply reply;
  reply.status = error.status >= 500 ? error.status : 400;
  reply.body = "{\"__type\":" + json_string(json_type(error)) +
               (query_compatible ? ",\"message\":" : ",\"Message\":") + json_string(error.message) + "}";
  if (query_compatible) add_query_error(reply, error);
  return reply;
}

Reply write_cbor_error(const ApiError& error) {
  Reply reply;
  reply.status = error.status >= 500 ? error.status : 400;
  cbor::append_map(reply.body, 2);
  cbor::append_text(reply.body, "__type");
  cbor::append_text(reply.body, fmt::format("com.amazonaws.cloudwatch#{}", json_type(error)));
  cbor::append_text(reply.body, "message");
  cbor::append_text(reply.body, error.message);
  reply.headers.emplace_back("smithy-protocol", "rpc-v2-cbor");
  add_query_error(reply, error);
  return reply;
}

void scramble(std::string& bytes) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] = static_cast<char>(static_cast<uint8_t>(bytes[at]) ^ static_cast<uint8_t>(mix(at + 1)));
  }
}

}  // namespace

const std::string* Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

const char* content_type(Protocol protocol) {
  switch (protocol) {
    case Protocol::ec2:
      return "text/xml;charset=UTF-8";
    case Protocol::query:
      return "text/xml";
    case Protocol::json:
      return "application/x-amz-json-1.0";
    case Protocol::json11:
      return "application/x-amz-json-1.1";
    case Protocol::cbor:
      return "application/cbor";
  }
  return "text/plain";
}

Reply write_error(Protocol protocol, const ApiError& error, std::string_view request_id) {
  Reply reply = protocol == Protocol::ec2     ? write_ec2_error(error, request_id)
                : protocol == Protocol::query ? write_query_error(error, request_id)
                : protocol == Protocol::cbor  ? write_cbor_error(error)
                                              : write_json_error(error, protocol == Protocol::json);
  reply.content_type = content_type(protocol);
  return reply;
}

void append_xml_text(std::string& out, std::string_view text) {
  for (const char ch : text) {
    switch (ch) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;
      default:
        // Control characters cannot be written in XML 1.0 at all.
        out += static_cast<uint8_t>(ch) < 0x20 && ch != '\t' && ch != '\n' ? '?' : ch;
    }
  }
}

void append_element(std::string& out, std::string_view name, std::string_view text) {
  out += '<';
  out += name;
  out += '>';
  append_xml_text(out, text);
  out += "</";
  out += name;
  out += '>';
}

std::string make_token(std::string_view kind, uint64_t first, uint64_t second, uint64_t binding) {
  std::string plain = fmt::format("{}:{}:{}:{:016x}", kind, first, second, binding);
  plain += fmt::format(":{:016x}", mix(fnv1a(plain)));
  scramble(plain);
  std::string out(4 * ((plain.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::optional<Position> read_token(std::string_view token, std::string_view kind, uint64_t binding) {
  constexpr size_t kLongest = 256;
  if (token.empty() || token.size() > kLongest || token.size() % 4 != 0) return std::nullopt;
  std::array<unsigned char, kLongest> bytes{};
  const int size = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(token.data()),
                                   static_cast<int>(token.size()));
  if (size <= 0) return std::nullopt;
  std::string plain(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size));
  // EVP_DecodeBlock counts the padding as bytes.
  plain.resize(plain.size() -
               static_cast<size_t>(std::min<std::ptrdiff_t>(2, std::count(token.begin(), token.end(), '='))));
  scramble(plain);
  std::array<std::string_view, 5> parts;
  std::string_view rest = plain;
  for (size_t at = 0; at < parts.size(); ++at) {
    const size_t colon = rest.find(':');
    if ((colon == std::string_view::npos) != (at == parts.size() - 1)) return std::nullopt;
    parts[at] = rest.substr(0, colon);
    if (colon != std::string_view::npos) rest.remove_prefix(colon + 1);
  }
  const std::string_view signed_part = std::string_view(plain).substr(0, plain.size() - parts[4].size() - 1);
  if (parts[4] != fmt::format("{:016x}", mix(fnv1a(signed_part)))) return std::nullopt;
  if (parts[0] != kind || parts[3] != fmt::format("{:016x}", binding)) return std::nullopt;
  const auto first = parse_integer(parts[1]);
  const auto second = parse_integer(parts[2]);
  if (!first || !second || *first < 0 || *second < 0) return std::nullopt;
  return Position{static_cast<uint64_t>(*first), static_cast<uint64_t>(*second)};
}

std::string format_iso(int64_t unix_seconds) {
  const std::string compact = format_amz_date(unix_seconds);  // YYYYMMDDTHHMMSSZ
  const std::string_view c = compact;
  return fmt::format("{}-{}-{}T{}:{}:{}Z", c.substr(0, 4), c.substr(4, 2), c.substr(6, 2), c.substr(9, 2),
                     c.substr(11, 2), c.substr(13, 2));
}

std::optional<int64_t> parse_iso(std::string_view text) {
  constexpr size_t kToSeconds = 19;  // YYYY-MM-DDTHH:MM:SS
  if (text.size() < kToSeconds || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  std::string_view rest = text.substr(kToSeconds);
  if (rest.starts_with('.')) {
    const size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (end == 1) return std::nullopt;
    rest.remove_prefix(end);
  }
  if (!rest.empty() && rest != "Z" && rest != "+00:00" && rest != "-00:00") return std::nullopt;
  std::string compact;
  for (const auto& [from, size] : {std::pair(0, 4), std::pair(5, 2), std::pair(8, 3), std::pair(11, 2),
                                   std::pair(14, 2), std::pair(17, 2)}) {
    compact += text.substr(static_cast<size_t>(from), static_cast<size_t>(size));
  }
  return parse_amz_date(compact + "Z");
}

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace bakusoku::simaws
