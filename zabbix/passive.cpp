#include "zabbix/passive.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/json.h"
#include "base/utf8.h"

namespace bakusoku::zabbix {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kRequest = "passive checks";
constexpr std::string_view kNotSupported = "ZBX_NOTSUPPORTED";
constexpr std::string_view kError = "ZBX_ERROR";
constexpr milliseconds kShortestTimeout{1000};
constexpr milliseconds kLongestTimeout{600'000};

// A server or proxy of 7.x reads an error into 2048 bytes (zbx_agent_handle_response): a longer one is a
// network error there, after which all passive items of the interface stop.
constexpr size_t kLongestError = 2047;

std::string whole_error(std::string_view text) {
  return std::string(utf8_prefix(valid_utf8(text.substr(0, kLongestError + 1)), kLongestError));
}

// "3", "3s", "1m": Zabbix's time suffixes. Nothing when it is no time or not within Zabbix's limits.
std::optional<milliseconds> parse_timeout(std::string_view text) {
  uint64_t number = 0;
  size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = number * 10 + static_cast<uint64_t>(text[at] - '0');
    if (number > 600) return std::nullopt;
  }
  if (at == 0 || text.size() - at > 1) return std::nullopt;
  if (at < text.size()) {
    if (text[at] == 'm') {
      number *= 60;
    } else if (text[at] != 's') {
      return std::nullopt;  // an hour is beyond the limit
    }
  }
  const milliseconds time{number * 1000};
  if (time < kShortestTimeout || time > kLongestTimeout) return std::nullopt;
  return time;
}

std::optional<milliseconds> read_timeout(simdjson::dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return parse_timeout(text);
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS || !(number >= 1 && number <= 600)) return std::nullopt;
  return milliseconds(static_cast<int64_t>(std::llround(number * 1000)));
}

// A member that is a string; nothing when missing or of another type.
std::optional<std::string_view> string_member(simdjson::dom::object object, std::string_view name) {
  std::string_view value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

Result<simdjson::dom::object> parse_object(simdjson::dom::parser& parser, std::string_view payload) {
  simdjson::dom::object root;
  if (const auto error = parser.parse(payload.data(), payload.size()).get(root); error != simdjson::SUCCESS) {
    return fail(ErrorKind::invalid, "not a JSON object: {}", simdjson::error_message(error));
  }
  return root;
}

// The one object in "data".
Result<simdjson::dom::object> only_row(simdjson::dom::object root) {
  simdjson::dom::array rows;
  if (root.at_key("data").get(rows) != simdjson::SUCCESS) {
    return fail(ErrorKind::invalid, "no array \"data\"");
  }
  if (rows.size() != 1) return fail(ErrorKind::invalid, "\"data\" has {} entries, expected one", rows.size());
  simdjson::dom::object row;
  if (rows.at(0).get(row) != simdjson::SUCCESS)
    return fail(ErrorKind::invalid, "the entry of \"data\" is no object");
  return row;
}

Result<PassiveRequest> decode_json_request(std::string_view payload) {
  simdjson::dom::parser parser;
  const auto root = parse_object(parser, payload);
  if (!root) return fail(root.error());
  const auto request = string_member(*root, "request");
  if (!request) return fail(ErrorKind::invalid, "no string \"request\"");
  if (*request != kRequest) {
    return fail(ErrorKind::invalid, "unknown request \"{}\": this agent answers \"{}\" only",
                request->substr(0, 100), kRequest);
  }
  const auto row = only_row(*root);
  if (!row) return fail(row.error());
  const auto key = string_member(*row, "key");
  if (!key) return fail(ErrorKind::invalid, "no string \"key\"");
  PassiveRequest result{PassiveDialect::json, std::string(*key), std::nullopt};
  simdjson::dom::element timeout;
  if (row->at_key("timeout").get(timeout) == simdjson::SUCCESS) {
    result.timeout = read_timeout(timeout);
    if (!result.timeout) return fail(ErrorKind::invalid, "\"timeout\" is no time from 1s to 10m");
  }
  return result;
}

std::string json_head(std::string_view version) {
  std::string out = "{\"version\":";
  append_json_string(out, version);
  out += ",\"variant\":1,";
  return out;
}

}  // namespace

Result<std::optional<Frame>> decode_passive_message(std::string_view bytes, size_t limit_bytes) {
  if (bytes.empty()) return std::optional<Frame>{};
  if (bytes.front() == 'Z' && bytes.substr(0, 4) == std::string_view("ZBXD").substr(0, bytes.size())) {
    return decode_frame(bytes, limit_bytes);
  }
  const size_t end = bytes.substr(0, limit_bytes + 1).find('\n');
  if (end == std::string_view::npos) {
    if (bytes.size() <= limit_bytes) return std::optional<Frame>{};
    return fail(ErrorKind::corrupt, "no frame of Zabbix's protocol and no line end within {} bytes",
                limit_bytes);
  }
  return std::optional<Frame>{Frame{kFrameZabbix, std::string(bytes.substr(0, end)), end + 1}};
}

PassiveDialect passive_dialect(std::string_view payload) {
  return payload.starts_with('{') ? PassiveDialect::json : PassiveDialect::plain;
}

Result<PassiveRequest> decode_passive_request(std::string_view payload) {
  PassiveRequest request;
  if (passive_dialect(payload) == PassiveDialect::json) {
    auto decoded = decode_json_request(payload);
    if (!decoded) return fail(decoded.error().with_context("cannot read the passive check request"));
    request = std::move(*decoded);
  } else {
    while (payload.ends_with('\n') || payload.ends_with('\r')) payload.remove_suffix(1);
    request.key = payload;
  }
  if (request.key.empty()) return fail(ErrorKind::invalid, "the passive check request has an empty item key");
  if (request.key.find('\0') != std::string::npos) {
    return fail(ErrorKind::invalid, "the item key of the passive check request holds a NUL character");
  }
  return request;
}

std::string encode_passive_reply(PassiveDialect dialect, const PassiveReply& reply,
                                 std::string_view version) {
  if (dialect == PassiveDialect::json) {
    std::string out =
        json_head(version) + (reply.supported ? R"("data":[{"value":)" : R"("data":[{"error":)");
    append_json_string(out, reply.supported ? reply.text : whole_error(reply.text));
    return out + "}]}";
  }
  if (reply.supported) return reply.text;
  std::string out(kNotSupported);
  out += '\0';
  return out + reply.text;
}

std::string encode_passive_refusal(PassiveDialect dialect, std::string_view message,
                                   std::string_view version) {
  if (dialect == PassiveDialect::plain) {
    return encode_passive_reply(dialect, PassiveReply{false, std::string(message)}, version);
  }
  std::string out = json_head(version) + "\"error\":";
  append_json_string(out, whole_error(message));
  return out + "}";
}

std::string encode_passive_request(const PassiveRequest& request) {
  if (request.dialect == PassiveDialect::plain) return request.key;
  std::string out = R"({"request":"passive checks","data":[{"key":)";
  append_json_string(out, request.key);
  if (request.timeout) {
    out +=
        ",\"timeout\":" + std::to_string(std::chrono::ceil<std::chrono::seconds>(*request.timeout).count());
  }
  return out + "}]}";
}

Result<PassiveReply> decode_passive_reply(PassiveDialect dialect, std::string_view payload) {
  // An agent older than 7.0 answers a JSON request as it would a key it does not know.
  for (const std::string_view marker : {kNotSupported, kError}) {
    if (payload == marker) return PassiveReply{false, "Not supported by the agent, which gave no reason"};
    if (payload.starts_with(marker) && payload[marker.size()] == '\0') {
      return PassiveReply{false, std::string(payload.substr(marker.size() + 1))};
    }
  }
  if (dialect == PassiveDialect::plain) return PassiveReply{true, std::string(payload)};
  const auto corrupt = [](const Error& error) {
    return fail(ErrorKind::corrupt, "cannot read the agent's answer to a passive check: {}", error.message);
  };
  simdjson::dom::parser parser;
  const auto root = parse_object(parser, payload);
  if (!root) return corrupt(root.error());
  if (const auto refusal = string_member(*root, "error")) {
    return fail(ErrorKind::invalid, "the agent refused the passive check: {}", *refusal);
  }
  const auto row = only_row(*root);
  if (!row) return corrupt(row.error());
  if (const auto value = string_member(*row, "value")) return PassiveReply{true, std::string(*value)};
  if (const auto error = string_member(*row, "error")) return PassiveReply{false, std::string(*error)};
  return fail(ErrorKind::corrupt,
              "cannot read the agent's answer to a passive check: neither value nor error");
}

}  // namespace bakusoku::zabbix
