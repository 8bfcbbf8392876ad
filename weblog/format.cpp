#include "weblog/format.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "weblog/json_line.h"
#include "weblog/number.h"
#include "weblog/text_line.h"

namespace bakusoku::weblog {
namespace {

// What an asker sends is compiled while everything else waits.
constexpr size_t kLongestExpression = 4096;
constexpr int64_t kExpressionMemory = 4 << 20;
constexpr size_t kLongestOfAsker = 256;
constexpr int64_t kMemoryOfAsker = 64 << 10;
constexpr size_t kStampBytes = 26;
constexpr int kMostGroups = 64;

std::optional<Shape> named_shape(std::string_view format) {
  if (format == "common") return Shape::common;
  if (format == "combined") return Shape::combined;
  if (format == "traefik") return Shape::traefik;
  if (format == "json") return Shape::json;
  return std::nullopt;
}

// RE2 of 2023 and later reads (?<name>, older ones only (?P<name>.
std::string with_python_names(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t at = 0; at < pattern.size(); ++at) {
    const char ch = pattern[at];
    if (ch == '\\' && at + 1 < pattern.size()) {
      out += ch;
      out += pattern[++at];
      continue;
    }
    if (ch == '[') in_class = true;
    if (ch == ']') in_class = false;
    out += ch;
    if (in_class || ch != '(') continue;
    const std::string_view after = pattern.substr(at + 1);
    if (after.starts_with("?<") && !after.starts_with("?<=") && !after.starts_with("?<!")) {
      out += "?P<";
      at += 2;
    }
  }
  return out;
}

std::optional<unsigned> digits(std::string_view text) {
  unsigned number = 0;
  for (const char ch : text) {
    if (!is_digit(ch)) return std::nullopt;
    number = number * 10 + static_cast<unsigned>(ch - '0');
  }
  return text.empty() ? std::nullopt : std::optional(number);
}

struct Moment {
  std::optional<unsigned> year, month, day, hour, minute, second;
};

// `zone`: "+0100", "+01:00", "Z" or nothing, which is UTC.
std::optional<int64_t> seconds_of(const Moment& moment, std::string_view zone) {
  if (!moment.year || !moment.month || !moment.day || !moment.hour || !moment.minute || !moment.second ||
      *moment.month < 1 || *moment.month > 12 || *moment.day < 1 || *moment.day > 31 || *moment.hour > 23 ||
      *moment.minute > 59 || *moment.second > 60) {
    return std::nullopt;
  }
  int64_t offset = 0;
  if (!zone.empty() && zone != "Z") {
    const std::string_view minutes = zone.substr(std::min<size_t>(zone.size(), 3));
    const auto hour = digits(zone.substr(1, 2));
    const auto minute = digits(minutes.starts_with(':') ? minutes.substr(1) : minutes);
    if ((zone.front() != '+' && zone.front() != '-') || !hour || !minute || *hour > 23 || *minute > 59)
      return std::nullopt;
    offset = (int64_t{*hour} * 60 + *minute) * 60 * (zone.front() == '-' ? -1 : 1);
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*moment.year)),
                                         std::chrono::month(*moment.month), std::chrono::day(*moment.day)};
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86400 + int64_t{*moment.hour} * 3600 + int64_t{*moment.minute} * 60 + *moment.second - offset;
}

std::string_view name_of(Shape shape) {
  switch (shape) {
    case Shape::common:
      return "common";
    case Shape::combined:
      return "combined";
    case Shape::traefik:
      return "traefik";
    case Shape::json:
      return "json";
    case Shape::expression:
      return "the configuration's regular expression";
  }
  return "";
}

}  // namespace

Result<std::shared_ptr<const re2::RE2>> compile_expression(std::string_view pattern, Author author) {
  const bool asked = author == Author::asker;
  const size_t longest = asked ? kLongestOfAsker : kLongestExpression;
  if (pattern.size() > longest) {
    return fail(ErrorKind::invalid, "a regular expression of {} bytes, at most {} are taken", pattern.size(),
                longest);
  }
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // a log holds any bytes
  options.set_log_errors(false);
  options.set_max_mem(asked ? kMemoryOfAsker : kExpressionMemory);
  auto expression = std::make_shared<const re2::RE2>(with_python_names(pattern), options);
  if (!expression->ok()) {
    return fail(ErrorKind::invalid, "regular expression '{}': {}", pattern.substr(0, 200),
                expression->error());
  }
  return expression;
}

Result<Format> Format::make(FormatOptions options) {
  Format format;
  if (options.unit == "s") {
    format.unit_ = kSecond;
  } else if (options.unit == "ms") {
    format.unit_ = kMillisecond;
  } else if (options.unit == "us") {
    format.unit_ = 1000;
  } else if (options.unit == "ns") {
    format.unit_ = 1;
  } else if (options.unit != "auto") {
    return fail(ErrorKind::invalid, "'{}' is not a unit of time; known are auto, s, ms, us, ns",
                options.unit);
  }
  const std::string& text = options.format;
  const bool names_members = !options.status.empty() || !options.bytes.empty() || !options.time.empty();
  if (names_members && text != "json")
    return fail(ErrorKind::invalid, "status, bytes and time name members of JSON: set format = \"json\" too");
  if (text != "auto" && !named_shape(text)) {
    auto expression = compile_expression(text, Author::configuration);
    if (!expression) return fail(expression.error());
    format.expression_ = std::move(*expression);
    for (const auto& [name, number] : format.expression_->NamedCapturingGroups()) {
      if (name == "status") {
        format.status_ = number;
      } else if (name == "bytes") {
        format.bytes_ = number;
      } else if (name == "time") {
        format.time_ = number;
      } else {
        return fail(ErrorKind::invalid, "field '{}' is not known; known are status, bytes, time", name);
      }
    }
    if (format.status_ == 0) {
      return fail(
          ErrorKind::invalid,
          "'{}' is none of auto, common, combined, traefik, json, nor a regular expression with a field "
          "(?<status>...)",
          text.substr(0, 200));
    }
    if (std::max({format.status_, format.bytes_, format.time_}) >= kMostGroups) {
      return fail(ErrorKind::invalid,
                  "a regular expression with more than {} groups; write (?:...) for those that are no fields",
                  kMostGroups);
    }
  }
  format.options_ = std::move(options);
  return format;
}

std::optional<Request> Format::read(std::string_view line) const {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (expression_) return read_expression(line);
  const auto shape = named_shape(options_.format);
  const bool is_json = shape ? *shape == Shape::json : line.starts_with('{');
  return is_json ? read_json_line(line, options_, unit_) : read_text_line(line, shape, unit_);
}

std::optional<Request> Format::read_expression(std::string_view line) const {
  std::array<re2::StringPiece, kMostGroups> groups;
  const int wanted = std::max({status_, bytes_, time_}) + 1;
  const re2::StringPiece text(line.data(), line.size());
  if (!expression_->Match(text, 0, line.size(), re2::RE2::UNANCHORED, groups.data(), wanted))
    return std::nullopt;
  const auto group = [&](int number) {
    const re2::StringPiece& found = groups[static_cast<size_t>(number)];
    return std::string_view(found.data(), found.size());
  };
  Request request;
  request.shape = Shape::expression;
  const auto status = read_status(group(status_));
  if (!status) return std::nullopt;
  request.status = *status;
  if (bytes_ != 0) {
    const auto bytes = read_bytes(group(bytes_));
    if (!bytes) return std::nullopt;
    request.bytes = *bytes;
  }
  // Behind a proxy without an answer nginx writes "-".
  if (time_ != 0) request.micros = read_time(group(time_), unit_.value_or(kSecond));
  if (request.micros) request.evidence = Evidence::configured;
  return request;
}

std::string describe(const Request& request, const FormatOptions& options) {
  std::string text(name_of(request.shape));
  const std::string unit = options.unit == "auto" ? "s" : options.unit;
  switch (request.evidence) {
    case Evidence::none:
      return text + "; no time";
    case Evidence::fraction:
      return text + "; time: the first number with a fraction, in s";
    case Evidence::suffix:
      return text + "; time: the number before ms";
    case Evidence::configured:
      if (request.shape == Shape::json)
        return text + fmt::format("; time: the member {}, in {}", options.time, unit);
      return text + (request.shape == Shape::expression ? "; time: its field time, in " + unit
                                                        : "; time: the number behind, in " + unit);
    case Evidence::member:
      return text + fmt::format("; time: of the members {}", known_time_members());
    case Evidence::doubtful:
      return text +
             "; a lone whole number, which is not taken for a time: say time_unit in [[weblog.file]] if it "
             "is one";
  }
  return text;
}

std::optional<int64_t> parse_stamp(std::string_view stamp) {
  if (stamp.size() == kStampBytes && stamp[2] == '/') {
    if (stamp[6] != '/' || stamp[11] != ':' || stamp[14] != ':' || stamp[17] != ':' || stamp[20] != ' ')
      return std::nullopt;
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const size_t month = kMonths.find(stamp.substr(3, 3));
    if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
    return seconds_of(
        {digits(stamp.substr(7, 4)), static_cast<unsigned>(month / 3 + 1), digits(stamp.substr(0, 2)),
         digits(stamp.substr(12, 2)), digits(stamp.substr(15, 2)), digits(stamp.substr(18, 2))},
        stamp.substr(21));
  }
  if (stamp.size() >= 19 && stamp[4] == '-' && stamp[7] == '-' && stamp[13] == ':' && stamp[16] == ':') {
    std::string_view rest = stamp.substr(19);
    if (rest.starts_with('.'))
      rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
    return seconds_of({digits(stamp.substr(0, 4)), digits(stamp.substr(5, 2)), digits(stamp.substr(8, 2)),
                       digits(stamp.substr(11, 2)), digits(stamp.substr(14, 2)), digits(stamp.substr(17, 2))},
                      rest);
  }
  const auto seconds = read_whole(stamp.substr(0, stamp.find('.')));
  constexpr uint64_t kLatest = 32'503'680'000;  // the year 3000: milliseconds are not seconds
  if (!seconds || *seconds > kLatest) return std::nullopt;
  return static_cast<int64_t>(*seconds);
}

}  // namespace bakusoku::weblog
