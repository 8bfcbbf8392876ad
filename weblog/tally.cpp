#include "weblog/tally.h"

#include <re2/re2.h>

#include <algorithm>

#include "weblog/bytes.h"

namespace bakusoku::weblog {
namespace {

// Apache's %D of a request is never so short, its %T hardly ever so long.
constexpr uint64_t kShortestMicros = 20;
constexpr uint64_t kLongestSeconds = 1000;
constexpr uint64_t kMostSeconds = 100ULL * 86400;

}  // namespace

void Tally::count_line(const Format& format, std::string_view line, int64_t now, bool live) {
  const auto request = format.read(line);
  if (!request) {
    ++unreadable_;
    return;
  }
  ++requests_;
  bytes_ += request->bytes;
  ++by_code_[request->status];
  if (!request->took) return;
  ++timed_;
  const uint64_t micros = micros_of(*request->took);
  times_.add(live ? now : time_of(request->stamp, now), micros, now);
}

uint64_t Tally::micros_of(const Took& took) {
  if (took.unit != Took::Unit::unknown) return took.micros;
  if (took.micros < kShortestMicros) ++surely_seconds_;
  if (took.micros >= kLongestSeconds) ++surely_micros_;
  const bool seconds = surely_seconds_ > surely_micros_ && took.micros <= kMostSeconds;
  return seconds ? took.micros * 1'000'000 : took.micros;
}

int64_t Tally::time_of(std::string_view stamp, int64_t now) {
  if (stamp.empty()) return now;
  if (stamp != last_stamp_) {
    last_stamp_ = stamp;
    last_time_ = parse_stamp(stamp).value_or(now);
  }
  return std::min(last_time_, now);
}

Result<uint64_t> Tally::with_status(std::string_view which) const {
  const auto is_digit = [](char ch) { return ch >= '0' && ch <= '9'; };
  if (which.size() == 3 && is_digit(which[0]) && (which.substr(1) == "xx" || which.substr(1) == "XX")) {
    const auto first = by_code_.begin() + ptrdiff_t{which[0] - '0'} * 100;
    uint64_t sum = 0;
    std::for_each(first, first + 100, [&sum](uint64_t count) { sum += count; });
    return sum;
  }
  if (which.size() == 3 && std::all_of(which.begin(), which.end(), is_digit)) {
    const int code = (which[0] - '0') * 100 + (which[1] - '0') * 10 + (which[2] - '0');
    return by_code_[static_cast<size_t>(code)];
  }
  if (which.empty())
    return fail(ErrorKind::invalid, "which status? A class (5xx), a code (404), or a regular expression");
  const auto expression = compile_expression(which);
  if (!expression) return fail(expression.error());
  uint64_t sum = 0;
  for (size_t code = 0; code < by_code_.size(); ++code) {
    if (by_code_[code] != 0 && re2::RE2::PartialMatch(fmt::format("{:03}", code), **expression)) {
      sum += by_code_[code];
    }
  }
  return sum;
}

void Tally::write(std::string& out) const {
  for (const uint64_t number : {requests_, unreadable_, bytes_, timed_, surely_seconds_, surely_micros_}) {
    append_number(out, number);
  }
  append_number(out, static_cast<uint64_t>(std::count_if(by_code_.begin(), by_code_.end(),
                                                         [](uint64_t count) { return count != 0; })));
  for (size_t code = 0; code < by_code_.size(); ++code) {
    if (by_code_[code] == 0) continue;
    append_number(out, code);
    append_number(out, by_code_[code]);
  }
  times_.write(out);
}

Result<Tally> Tally::read(std::string_view& bytes) {
  Tally tally;
  const auto broken = [] { return fail(ErrorKind::corrupt, "its counters are not what was written"); };
  for (uint64_t* number : {&tally.requests_, &tally.unreadable_, &tally.bytes_, &tally.timed_,
                           &tally.surely_seconds_, &tally.surely_micros_}) {
    const auto read = take_number(bytes);
    if (!read) return broken();
    *number = *read;
  }
  const auto codes = take_number(bytes);
  if (!codes || *codes > kCodes) return broken();
  for (uint64_t at = 0; at < *codes; ++at) {
    const auto code = take_number(bytes);
    const auto count = take_number(bytes);
    if (!code || !count || *code >= kCodes) return broken();
    tally.by_code_[*code] = *count;
  }
  auto times = Times::read(bytes);
  if (!times) return fail(times.error());
  tally.times_ = std::move(*times);
  return tally;
}

}  // namespace bakusoku::weblog
