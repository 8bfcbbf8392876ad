#include "zabbix/reply.h"

#include <charconv>

#include "zabbix/json_reader.h"

namespace bakusoku::zabbix {

Result<simdjson::dom::object> read_object(simdjson::dom::parser& parser, std::string_view payload,
                                          ErrorKind kind) {
  simdjson::dom::object root;
  if (const auto error = parser.parse(payload.data(), payload.size()).get(root); error != simdjson::SUCCESS) {
    return fail(kind, "not a JSON object: {}", simdjson::error_message(error));
  }
  return root;
}

std::optional<std::string_view> read_string(simdjson::dom::element element) {
  std::string_view value;
  if (element.get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<std::string_view> read_string(simdjson::dom::object object, std::string_view name) {
  simdjson::dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS) return std::nullopt;
  return read_string(element);
}

std::optional<uint64_t> read_unsigned(simdjson::dom::element element) {
  uint64_t number = 0;
  if (element.get(number) == simdjson::SUCCESS) return number;
  const auto text = read_string(element);
  if (!text) return std::nullopt;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

std::optional<uint64_t> read_unsigned(simdjson::dom::object object, std::string_view name) {
  simdjson::dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS) return std::nullopt;
  return read_unsigned(element);
}

Result<ReplyHead> read_reply_head(simdjson::dom::object root) {
  const auto response = read_string(root, "response");
  if (!response) return fail(ErrorKind::corrupt, "no string \"response\"");
  ReplyHead head;
  if (*response == "success") {
    head.verdict = Verdict::accepted;
  } else if (*response != "failed") {
    return fail(ErrorKind::corrupt, "the response is \"{}\", expected success or failed",
                response->substr(0, 100));
  }
  head.info = read_string(root, "info").value_or("");
  head.upload_disabled = read_string(root, "upload") == "disabled";
  simdjson::dom::object written;
  if (root.at_key("redirect").get(written) == simdjson::SUCCESS) {
    Redirect redirect;
    bool reset = false;
    redirect.reset = written.at_key("reset").get(reset) == simdjson::SUCCESS && reset;
    redirect.revision = read_unsigned(written, "revision").value_or(0);
    redirect.address = read_string(written, "address").value_or("");
    if (!redirect.reset && (redirect.address.empty() || redirect.revision == 0)) {
      return fail(ErrorKind::corrupt, "a redirect without address or revision");
    }
    head.verdict = Verdict::redirected;
    head.redirect = std::move(redirect);
  }
  return head;
}

Result<ReplyHead> decode_reply_head(std::string_view payload) {
  simdjson::dom::parser parser;
  const auto root = read_object(parser, payload, ErrorKind::corrupt);
  if (!root) return fail(root.error());
  return read_reply_head(*root);
}

bool says_unknown_host(std::string_view info) {
  return (info.starts_with("host [") && info.ends_with("] not found")) || info.starts_with("unknown host");
}

}  // namespace bakusoku::zabbix
