#include "zabbix/active.h"

#include <fmt/format.h>

#include <iterator>

#include "base/json.h"
#include "zabbix/json_reader.h"

namespace bakusoku::zabbix {
namespace {

constexpr std::chrono::seconds kLongestTimeout{600};

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, value);
}

void append_member(std::string& out, std::string_view name, uint64_t value) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name, value);
}

// "25s", "1m", 25. Nothing when it is none or beyond Zabbix's limits: the caller's own holds then.
std::optional<std::chrono::milliseconds> read_timeout(simdjson::dom::element element) {
  uint64_t seconds = 0;
  if (const auto plain = read_unsigned(element)) {
    seconds = *plain;
  } else {
    const auto text = read_string(element).value_or("");
    uint64_t unit = 0;
    if (text.ends_with('s')) unit = 1;
    if (text.ends_with('m')) unit = 60;
    if (unit == 0) return std::nullopt;
    for (const char ch : text.substr(0, text.size() - 1)) {
      if (ch < '0' || ch > '9' || seconds > 600) return std::nullopt;
      seconds = seconds * 10 + static_cast<uint64_t>(ch - '0');
    }
    if (seconds > 600) return std::nullopt;
    seconds *= unit;
  }
  if (seconds == 0 || seconds > static_cast<uint64_t>(kLongestTimeout.count())) return std::nullopt;
  return std::chrono::seconds(seconds);
}

// An item's delay as text: the server writes a number where it takes the agent for an old one.
std::optional<std::string> read_delay(simdjson::dom::element element) {
  if (const auto text = read_string(element)) return std::string(*text);
  if (const auto number = read_unsigned(element)) return std::to_string(*number);
  return std::nullopt;
}

std::optional<ActiveItem> read_item(simdjson::dom::element element) {
  simdjson::dom::object row;
  if (element.get(row) != simdjson::SUCCESS) return std::nullopt;
  ActiveItem item;
  std::optional<std::string> delay;
  bool readable = true;
  for (const auto& [name, value] : row) {
    const auto take_string = [&readable](std::string& into, simdjson::dom::element from) {
      const auto text = read_string(from);
      readable = readable && text;
      if (text) into = *text;
    };
    if (name == "key") {
      take_string(item.key, value);
    } else if (name == "key_orig") {
      take_string(item.key_orig, value);
    } else if (name == "itemid") {
      item.itemid = read_unsigned(value).value_or(0);
    } else if (name == "delay") {
      delay = read_delay(value);
    } else if (name == "lastlogsize") {
      item.lastlogsize = read_unsigned(value).value_or(0);
    } else if (name == "mtime") {
      int64_t mtime = 0;
      if (value.get(mtime) == simdjson::SUCCESS) item.mtime = mtime;
    } else if (name == "timeout") {
      item.timeout = read_timeout(value);
    }
  }
  if (!readable || !delay || item.key.empty() || item.key.find('\0') != std::string::npos)
    return std::nullopt;
  if (item.key_orig.empty()) item.key_orig = item.key;
  item.delay = std::move(*delay);
  return item;
}

}  // namespace

std::string encode_active_request(const ActiveRequest& request) {
  std::string out = R"({"request":"active checks")";
  append_member(out, "host", request.host);
  if (!request.host_metadata.empty()) append_member(out, "host_metadata", request.host_metadata);
  if (!request.ip.empty()) append_member(out, "ip", request.ip);
  if (request.port != 0) append_member(out, "port", request.port);
  if (request.dialect == Dialect::v7) {
    append_member(out, "config_revision", request.config_revision);
    append_member(out, "session", request.session);
  }
  if (!request.version.empty()) append_member(out, "version", request.version);
  if (request.dialect == Dialect::v7) append_member(out, "variant", 1);
  return out + "}";
}

std::string encode_heartbeat(std::string_view host, std::chrono::seconds frequency,
                             std::string_view version) {
  std::string out = R"({"request":"active check heartbeat")";
  append_member(out, "host", host);
  append_member(out, "heartbeat_freq", static_cast<uint64_t>(frequency.count()));
  append_member(out, "version", version);
  append_member(out, "variant", 1);
  return out + "}";
}

Result<ActiveReply> decode_active_reply(std::string_view payload) {
  constexpr std::string_view kWhat = "cannot read the answer to active checks";
  simdjson::dom::parser parser;
  const auto root = read_object(parser, payload, ErrorKind::corrupt);
  if (!root) return fail(root.error().with_context(kWhat));
  auto head = read_reply_head(*root);
  if (!head) return fail(head.error().with_context(kWhat));
  ActiveReply reply;
  reply.head = std::move(*head);
  reply.config_revision = read_unsigned(*root, "config_revision").value_or(0);
  if (reply.head.verdict != Verdict::accepted) return reply;
  simdjson::dom::element data;
  if (root->at_key("data").get(data) != simdjson::SUCCESS) {
    reply.unchanged = true;
    return reply;
  }
  simdjson::dom::array rows;
  if (data.get(rows) != simdjson::SUCCESS) return fail(ErrorKind::corrupt, "{}: \"data\" is no array", kWhat);
  for (const simdjson::dom::element row : rows) {
    auto item = read_item(row);
    if (!item) {
      ++reply.unreadable;
      continue;
    }
    if (reply.items.size() == kMaxActiveItems) {
      return fail(ErrorKind::corrupt, "{}: more than {} items for one host", kWhat, kMaxActiveItems);
    }
    reply.items.push_back(std::move(*item));
  }
  return reply;
}

}  // namespace bakusoku::zabbix
