#include "weblog/text_line.h"

#include <algorithm>
#include <cstring>

#include "weblog/number.h"

namespace bakusoku::weblog {
namespace {

constexpr size_t kStampBytes = 26;

size_t find_quote(std::string_view line, size_t at) {
  const void* const found = std::memchr(line.data() + at, '"', line.size() - at);
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - line.data());
}

// The next quote from `at` on that is not escaped. nginx writes a quote inside as \x22, Apache as \".
size_t closing_quote(std::string_view line, size_t at) {
  const size_t begin = at;
  while (at < line.size()) {
    const size_t quote = find_quote(line, at);
    if (quote == std::string_view::npos) break;
    size_t slashes = 0;
    while (quote - slashes > begin && line[quote - slashes - 1] == '\\') ++slashes;
    if (slashes % 2 == 0) return quote;
    at = quote + 1;
  }
  return std::string_view::npos;
}

// The quote that opens the request: what stands before it, a user's name included, holds no other "] \"".
size_t request_quote(std::string_view line) {
  for (size_t at = 0; at < line.size();) {
    const size_t quote = find_quote(line, at);
    if (quote == std::string_view::npos) break;
    if (quote >= 2 && line[quote - 1] == ' ' && line[quote - 2] == ']') return quote;
    at = quote + 1;
  }
  return std::string_view::npos;
}

struct Answer {
  uint16_t status = 0;
  uint64_t bytes = 0;
  size_t end = 0;  // of the bytes
};

// " 200 5316" from `at` on, with a blank or the line's end behind.
std::optional<Answer> read_answer(std::string_view line, size_t at) {
  constexpr size_t kStatusAndBlanks = 5;  // " 200 "
  if (line.size() <= at + kStatusAndBlanks || line[at] != ' ' || line[at + 4] != ' ') return std::nullopt;
  const auto status = read_status(line.substr(at + 1, 3));
  const size_t from = at + kStatusAndBlanks;
  const size_t end = std::min(line.find(' ', from), line.size());
  const auto bytes = end == from ? std::nullopt : read_bytes(line.substr(from, end - from));
  if (!status || !bytes) return std::nullopt;
  return Answer{*status, *bytes, end};
}

// What follows the request that begins at `at`. Written with escape=none a request may hold quotes: then the
// first one that an answer follows is its end.
std::optional<Answer> answer_behind(std::string_view line, size_t at) {
  for (size_t quote = closing_quote(line, at); quote != std::string_view::npos;
       quote = find_quote(line, quote + 1)) {
    if (auto answer = read_answer(line, quote + 1)) return answer;
    if (quote + 1 >= line.size()) break;
  }
  return std::nullopt;
}

bool is_number(std::string_view token) {
  return !token.empty() && is_digit(token.front()) &&
         std::all_of(token.begin(), token.end(), [](char ch) { return is_digit(ch) || ch == '.'; });
}

struct Rest {
  size_t quoted = 0;
  size_t whole_numbers = 0;
  std::string_view whole{};          // the last of them
  std::optional<uint64_t> micros{};  // of the first number that can only be a time
  Evidence evidence = Evidence::none;
  size_t numbers_before_quotes = 0;  // whole ones before the third quoted field, as Traefik's
};

// How far a time goes that begins at `at`: further ones follow a comma or a colon.
size_t end_of_times(std::string_view line, size_t at) {
  size_t end = at;
  for (;;) {
    const size_t blank = std::min(line.find(' ', at), line.size());
    std::string_view token = line.substr(at, blank - at);
    const bool goes_on = token.ends_with(',');
    if (goes_on) token.remove_suffix(1);
    if (token != "-" && token != ":" && !is_number(token)) return end;
    if (token != ":") end = blank;
    const bool colon = line.substr(blank).starts_with(" : ");
    if ((!goes_on && token != ":" && !colon) || blank == line.size()) return end;
    at = blank + 1;
  }
}

void read_token(std::string_view line, size_t at, size_t end, std::optional<uint64_t> unit, Rest& rest) {
  const std::string_view token = line.substr(at, end - at);
  if (token.ends_with("ms") && is_number(token.substr(0, token.size() - 2))) {
    rest.micros = read_time(token.substr(0, token.size() - 2), kMillisecond);
    if (rest.micros) rest.evidence = Evidence::suffix;
    return;
  }
  const std::string_view first = token.substr(0, token.find_first_of(", "));
  if (!is_number(first)) return;
  const auto points = std::count(first.begin(), first.end(), '.');
  if (points == 1) {
    rest.micros = read_time(token, unit.value_or(kSecond));
    if (rest.micros) rest.evidence = unit ? Evidence::configured : Evidence::fraction;
  } else if (points == 0) {
    ++rest.whole_numbers;
    rest.whole = token;
    if (rest.quoted == 2) ++rest.numbers_before_quotes;
  }
}

// What follows the bytes: quoted fields, and numbers that are not. Where quotes inside are not escaped, a
// field ends at the first quote before a blank or the line's end.
Rest read_rest(std::string_view line, size_t at, std::optional<uint64_t> unit) {
  Rest rest;
  while (at < line.size()) {
    ++at;  // the blank
    if (at < line.size() && line[at] == '"') {
      size_t end = closing_quote(line, at + 1);
      while (end != std::string_view::npos && end + 1 < line.size() && line[end + 1] != ' ')
        end = closing_quote(line, end + 1);
      if (end == std::string_view::npos) return rest;
      ++rest.quoted;
      at = end + 1;
      continue;
    }
    size_t end = std::min(line.find(' ', at), line.size());
    if (end > at && is_digit(line[at])) end = std::max(end, end_of_times(line, at));
    if (!rest.micros) read_token(line, at, end, unit, rest);
    at = end;
  }
  return rest;
}

}  // namespace

std::optional<Request> read_text_line(std::string_view line, std::optional<Shape> wanted,
                                      std::optional<uint64_t> unit) {
  const size_t open = request_quote(line);
  if (open == std::string_view::npos) return std::nullopt;
  const auto answer = answer_behind(line, open + 1);
  if (!answer) return std::nullopt;
  Request request;
  request.status = answer->status;
  request.bytes = answer->bytes;
  const Rest rest = read_rest(line, answer->end, unit);
  if (rest.quoted >= 2) request.shape = Shape::combined;
  if (rest.quoted == 4 && rest.evidence == Evidence::suffix && rest.numbers_before_quotes == 1)
    request.shape = Shape::traefik;
  if (wanted == Shape::common && rest.quoted != 0) return std::nullopt;
  if (wanted == Shape::combined && rest.quoted < 2) return std::nullopt;
  if (wanted == Shape::traefik && request.shape != Shape::traefik) return std::nullopt;
  request.shape = wanted.value_or(request.shape);
  request.micros = rest.micros;
  request.evidence = rest.evidence;
  // One whole number may be a time, several are something else (Apache's combinedio ends in two counts of
  // bytes).
  if (!request.micros && rest.whole_numbers == 1) {
    if (unit) request.micros = read_time(rest.whole, *unit);
    request.evidence = request.micros ? Evidence::configured : Evidence::doubtful;
  }
  const size_t stamp_end = open - 2;
  if (stamp_end > kStampBytes && line[stamp_end - kStampBytes - 1] == '[')
    request.stamp = line.substr(stamp_end - kStampBytes, kStampBytes);
  return request;
}

}  // namespace bakusoku::weblog
