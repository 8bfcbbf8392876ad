#include "weblog/format.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

namespace bakusoku::weblog {
namespace {

constexpr size_t kLongestExpression = 4096;
constexpr int64_t kExpressionMemory = 4 << 20;
constexpr size_t kStampBytes = 26;
constexpr uint64_t kLongestTook = 100ULL * 86400 * 1'000'000;  // microseconds; longer is not a time

bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

std::optional<uint64_t> whole(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A number of `factor` microseconds each, with or without a fraction.
std::optional<uint64_t> scaled(std::string_view text, uint64_t factor) {
  const size_t point = text.find('.');
  const auto number = whole(text.substr(0, point));
  if (!number || *number > kLongestTook / factor) return std::nullopt;
  uint64_t micros = *number * factor;
  if (point == std::string_view::npos) return micros;
  uint64_t worth = factor;
  const std::string_view fraction = text.substr(point + 1);
  if (fraction.empty()) return std::nullopt;
  for (const char digit : fraction) {
    if (!is_digit(digit)) return std::nullopt;
    worth /= 10;
    micros += static_cast<uint64_t>(digit - '0') * worth;
  }
  return micros;
}

std::optional<Took> read_took(std::string_view text, Took::Unit unit) {
  switch (unit) {
    case Took::Unit::seconds:
    case Took::Unit::milliseconds:
    case Took::Unit::microseconds: {
      const uint64_t factor = unit == Took::Unit::seconds        ? 1'000'000
                              : unit == Took::Unit::milliseconds ? 1000
                                                                 : 1;
      const auto micros = scaled(text, factor);
      if (!micros) return std::nullopt;
      return Took{unit, *micros};
    }
    case Took::Unit::unknown:
      break;
  }
  if (text.find('.') != std::string_view::npos) return read_took(text, Took::Unit::seconds);
  const auto number = whole(text);
  if (!number || *number > kLongestTook) return std::nullopt;
  return Took{Took::Unit::unknown, *number};
}

// Where the quoted text that began before `at` ends; npos: it does not. nginx writes a quote inside as \x22,
// Apache as \".
size_t closing_quote(std::string_view line, size_t at) {
  const size_t begin = at;
  while (at < line.size()) {
    const void* found = std::memchr(line.data() + at, '"', line.size() - at);
    if (found == nullptr) return std::string_view::npos;
    const auto quote = static_cast<size_t>(static_cast<const char*>(found) - line.data());
    size_t slashes = 0;
    while (quote - slashes > begin && line[quote - slashes - 1] == '\\') ++slashes;
    if (slashes % 2 == 0) return quote;
    at = quote + 1;
  }
  return std::string_view::npos;
}

// The quote that opens the request: what stands before it, a user's name included, holds no other "] \"".
size_t request_quote(std::string_view line) {
  size_t at = 0;
  while (at < line.size()) {
    const void* found = std::memchr(line.data() + at, '"', line.size() - at);
    if (found == nullptr) break;
    const auto quote = static_cast<size_t>(static_cast<const char*>(found) - line.data());
    if (quote >= 2 && line[quote - 1] == ' ' && line[quote - 2] == ']') return quote;
    at = quote + 1;
  }
  return std::string_view::npos;
}

struct Rest {
  size_t quoted = 0;
  std::optional<std::string_view> number{};
};

// What follows the bytes: quoted fields, and numbers that are not. One whole number is a time, several are
// something else (Apache's combinedio ends in two counts of bytes); the first with a fraction always is one.
std::optional<Rest> read_rest(std::string_view line, size_t at) {
  Rest rest;
  size_t whole_numbers = 0;
  std::string_view only{};
  while (at < line.size()) {
    if (line[at] != ' ') return std::nullopt;
    ++at;
    if (at < line.size() && line[at] == '"') {
      const size_t end = closing_quote(line, at + 1);
      if (end == std::string_view::npos) return std::nullopt;
      ++rest.quoted;
      at = end + 1;
      continue;
    }
    const size_t space = std::min(line.find(' ', at), line.size());
    const std::string_view token = line.substr(at, space - at);
    at = space;
    if (rest.number || token.empty() || !is_digit(token.front())) continue;
    const auto points = std::count(token.begin(), token.end(), '.');
    if (!std::all_of(token.begin(), token.end(), [](char ch) { return is_digit(ch) || ch == '.'; })) continue;
    if (points == 1) rest.number = token;
    if (points == 0) {
      ++whole_numbers;
      only = token;
    }
  }
  if (!rest.number && whole_numbers == 1) rest.number = only;
  return rest;
}

std::optional<uint64_t> read_bytes(std::string_view text) {
  if (text.empty() || text == "-") return 0;
  return whole(text);
}

std::optional<uint16_t> read_status(std::string_view text) {
  if (text.size() != 3 || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  return static_cast<uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
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
  return number;
}

}  // namespace

Result<std::shared_ptr<const re2::RE2>> compile_expression(std::string_view pattern) {
  if (pattern.size() > kLongestExpression) {
    return fail(ErrorKind::invalid, "a regular expression of {} bytes, at most {} are taken", pattern.size(),
                kLongestExpression);
  }
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // a log holds any bytes
  options.set_log_errors(false);
  options.set_max_mem(kExpressionMemory);
  auto expression = std::make_shared<const re2::RE2>(with_python_names(pattern), options);
  if (!expression->ok()) {
    return fail(ErrorKind::invalid, "regular expression '{}': {}", pattern.substr(0, 200),
                expression->error());
  }
  return expression;
}

Result<Format> Format::make(const std::string& text, const std::string& unit) {
  Format format;
  if (unit == "s") {
    format.unit_ = Took::Unit::seconds;
  } else if (unit == "ms") {
    format.unit_ = Took::Unit::milliseconds;
  } else if (unit == "us") {
    format.unit_ = Took::Unit::microseconds;
  } else if (unit != "auto") {
    return fail(ErrorKind::invalid, "'{}' is not a unit of time; known are auto, s, ms, us", unit);
  }
  if (text == "auto") return format;
  if (text == "common" || text == "combined") {
    format.kind_ = text == "common" ? Kind::common : Kind::combined;
    return format;
  }
  auto expression = compile_expression(text);
  if (!expression) return fail(expression.error());
  format.kind_ = Kind::expression;
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
    return fail(ErrorKind::invalid,
                "'{}' is neither auto, common nor combined, nor a regular expression with a field "
                "(?<status>...)",
                text.substr(0, 200));
  }
  return format;
}

std::optional<Request> Format::read(std::string_view line) const {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const Took::Unit unit = unit_.value_or(Took::Unit::unknown);
  Request request;
  if (kind_ == Kind::expression) {
    constexpr size_t kMostGroups = 64;
    std::array<re2::StringPiece, kMostGroups> groups;
    const int wanted = std::max({status_, bytes_, time_}) + 1;
    if (wanted > static_cast<int>(kMostGroups)) return std::nullopt;
    const re2::StringPiece text(line.data(), line.size());
    if (!expression_->Match(text, 0, line.size(), re2::RE2::UNANCHORED, groups.data(), wanted)) {
      return std::nullopt;
    }
    const auto group = [&](int number) {
      const re2::StringPiece& found = groups[static_cast<size_t>(number)];
      return std::string_view(found.data(), found.size());
    };
    const auto status = read_status(group(status_));
    if (!status) return std::nullopt;
    request.status = *status;
    if (bytes_ != 0) {
      const auto bytes = read_bytes(group(bytes_));
      if (!bytes) return std::nullopt;
      request.bytes = *bytes;
    }
    // Behind a proxy without an answer nginx writes "-".
    if (time_ != 0) request.took = read_took(group(time_), unit_.value_or(Took::Unit::seconds));
    return request;
  }
  const size_t open = request_quote(line);
  if (open == std::string_view::npos) return std::nullopt;
  const size_t close = closing_quote(line, open + 1);
  constexpr size_t kStatusAndSpaces = 5;  // " 200 "
  if (close == std::string_view::npos || line.size() - close - 1 <= kStatusAndSpaces) return std::nullopt;
  if (line[close + 1] != ' ' || line[close + 5] != ' ') return std::nullopt;
  const auto status = read_status(line.substr(close + 2, 3));
  if (!status) return std::nullopt;
  request.status = *status;
  const size_t bytes_at = close + 1 + kStatusAndSpaces;
  const size_t bytes_end = std::min(line.find(' ', bytes_at), line.size());
  if (bytes_end == bytes_at) return std::nullopt;
  const auto bytes = read_bytes(line.substr(bytes_at, bytes_end - bytes_at));
  if (!bytes) return std::nullopt;
  request.bytes = *bytes;
  const auto rest = read_rest(line, bytes_end);
  if (!rest) return std::nullopt;
  if (kind_ == Kind::common && rest->quoted != 0) return std::nullopt;
  if (kind_ == Kind::combined && rest->quoted < 2) return std::nullopt;
  if (rest->number) request.took = read_took(*rest->number, unit);
  const size_t stamp_end = open - 2;
  if (stamp_end > kStampBytes && line[stamp_end - kStampBytes - 1] == '[') {
    request.stamp = line.substr(stamp_end - kStampBytes, kStampBytes);
  }
  return request;
}

std::optional<int64_t> parse_stamp(std::string_view stamp) {
  if (stamp.size() != kStampBytes || stamp[2] != '/' || stamp[6] != '/' || stamp[11] != ':' ||
      stamp[14] != ':' || stamp[17] != ':' || stamp[20] != ' ' || (stamp[21] != '+' && stamp[21] != '-')) {
    return std::nullopt;
  }
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t month = kMonths.find(stamp.substr(3, 3));
  const auto day = digits(stamp.substr(0, 2));
  const auto year = digits(stamp.substr(7, 4));
  const auto hour = digits(stamp.substr(12, 2));
  const auto minute = digits(stamp.substr(15, 2));
  const auto second = digits(stamp.substr(18, 2));
  const auto zone_hour = digits(stamp.substr(22, 2));
  const auto zone_minute = digits(stamp.substr(24, 2));
  if (month == std::string_view::npos || month % 3 != 0 || !day || !year || !hour || !minute || !second ||
      !zone_hour || !zone_minute || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t zone = (int64_t{*zone_hour} * 60 + *zone_minute) * 60;
  return days * 86400 + int64_t{*hour} * 3600 + int64_t{*minute} * 60 + *second -
         (stamp[21] == '-' ? -zone : zone);
}

}  // namespace bakusoku::weblog
