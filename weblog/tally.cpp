#include "weblog/tally.h"

#include <re2/re2.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "weblog/bytes.h"

namespace bakusoku::weblog {
namespace {

constexpr size_t kKeptExpressions = 16;

// Askers come again with the same few.
Result<std::shared_ptr<const re2::RE2>> compiled(std::string_view pattern) {
  static thread_local std::deque<std::pair<std::string, std::shared_ptr<const re2::RE2>>> kept;
  for (const auto& [text, expression] : kept) {
    if (text == pattern) return expression;
  }
  auto expression = compile_expression(pattern, Author::asker);
  if (!expression) return expression;
  kept.emplace_back(pattern, *expression);
  if (kept.size() > kKeptExpressions) kept.pop_front();
  return expression;
}

}  // namespace

void Tally::count_line(const Format& format, std::string_view line, int64_t now, bool live) {
  const auto request = format.read(line);
  if (!request) return count_unreadable();
  unreadable_in_a_row_ = 0;
  newest_ = request;
  newest_->stamp = {};
  ++requests_;
  bytes_ += request->bytes;
  ++by_code_[request->status];
  if (!request->micros) return;
  ++timed_;
  times_.add(live ? now : time_of(request->stamp, now), *request->micros, now);
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
  const auto expression = compiled(which);
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
  // The last two were counts for a guess that is not made any more.
  for (const uint64_t number : {requests_, unreadable_, bytes_, timed_, uint64_t{0}, uint64_t{0}})
    append_number(out, number);
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
  uint64_t unused = 0;
  for (uint64_t* number :
       {&tally.requests_, &tally.unreadable_, &tally.bytes_, &tally.timed_, &unused, &unused}) {
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
