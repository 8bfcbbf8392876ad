#include "weblog/json_line.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <string>

#include "weblog/number.h"

namespace bakusoku::weblog {
namespace {

struct TimeMember {
  std::string_view name;
  uint64_t unit;  // nanoseconds
};

// nginx's and Apache's examples, Caddy, Traefik.
constexpr std::array<std::string_view, 3> kStatus{"status", "DownstreamStatus", "status_code"};
constexpr std::array<std::string_view, 5> kBytes{"body_bytes_sent", "bytes_sent", "size",
                                                 "DownstreamContentSize", "bytes"};
constexpr std::array<TimeMember, 3> kTime{
    {{"request_time", kSecond}, {"duration", kSecond}, {"Duration", 1}}};
constexpr std::array<std::string_view, 6> kStamp{"time_local", "time_iso8601", "ts",
                                                 "StartUTC",   "@timestamp",   "time"};

using Element = simdjson::dom::element;

// A member as text: a string without its quotes, a number as it is written.
class Members {
 public:
  explicit Members(simdjson::dom::object root) : root_(root) {}

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) {
    Element element;
    if (root_.at_key(name).get(element) != simdjson::SUCCESS) {
      simdjson::dom::object at = root_;
      for (size_t point = 0; (point = name.find('.')) != std::string_view::npos;
           name.remove_prefix(point + 1)) {
        if (at.at_key(name.substr(0, point)).get(at) != simdjson::SUCCESS) return std::nullopt;
      }
      if (at.at_key(name).get(element) != simdjson::SUCCESS) return std::nullopt;
    }
    return text_of(element);
  }

 private:
  [[nodiscard]] std::optional<std::string_view> text_of(Element element) {
    std::string_view text;
    if (element.get(text) == simdjson::SUCCESS) return text;
    uint64_t whole = 0;
    double number = 0;
    if (element.get(whole) == simdjson::SUCCESS) {
      written_ = std::to_string(whole);
    } else if (element.get(number) == simdjson::SUCCESS && number >= 0) {
      written_ = fmt::format("{:.9f}", number);
    } else {
      return std::nullopt;
    }
    return written_;
  }

  simdjson::dom::object root_;
  std::string written_;  // of the member found last
};

template <typename Names>
std::optional<std::string_view> first_of(Members& members, const std::string& named, const Names& names) {
  if (!named.empty()) return members.find(named);
  for (const std::string_view name : names) {
    if (const auto found = members.find(name)) return found;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Request> read_json_line(std::string_view line, const FormatOptions& options,
                                      std::optional<uint64_t> unit) {
  static thread_local simdjson::dom::parser parser;
  static thread_local std::string stamp;
  simdjson::dom::object root;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  Members members(root);
  Request request;
  request.shape = Shape::json;
  const auto written = first_of(members, options.status, kStatus);
  const auto status = written ? read_status(*written) : std::nullopt;
  if (!status) return std::nullopt;
  request.status = *status;
  if (const auto text = first_of(members, options.bytes, kBytes))
    request.bytes = read_bytes(*text).value_or(0);
  if (!options.time.empty()) {
    if (const auto text = members.find(options.time))
      request.micros = read_time(*text, unit.value_or(kSecond));
    if (request.micros) request.evidence = Evidence::configured;
  }
  for (const TimeMember& known : kTime) {
    if (!options.time.empty() || request.micros) break;
    if (const auto text = members.find(known.name))
      request.micros = read_time(*text, unit.value_or(known.unit));
    if (request.micros) request.evidence = Evidence::member;
  }
  if (const auto text = first_of(members, std::string(), kStamp)) {
    stamp = *text;
    request.stamp = stamp;
  }
  return request;
}

std::string_view known_time_members() {
  return "request_time and duration in seconds, Duration in nanoseconds";
}

}  // namespace bakusoku::weblog
