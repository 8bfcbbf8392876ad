#include "bench/cloudwatch_cbor.h"

#include <simdjson.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace bakusoku::bench {
namespace {

namespace cloudwatch = aws::cloudwatch;

constexpr double kMaxTimestamp = 1e11;
constexpr int kDeepest = 32;

constexpr uint8_t kNegative = 1;
constexpr uint8_t kBytes = 2;
constexpr uint8_t kText = 3;
constexpr uint8_t kArray = 4;
constexpr uint8_t kMap = 5;
constexpr uint8_t kTag = 6;
constexpr uint8_t kSimple = 7;
constexpr uint8_t kIndefinite = 31;
constexpr uint8_t kBreak = 0xFF;

// ---- writing

void append_head(std::string& out, uint8_t major, uint64_t argument) {
  std::array<char, 9> head{};
  const auto top = static_cast<uint8_t>(major << 5);
  if (argument < 24) {
    out += static_cast<char>(top | argument);
    return;
  }
  const int exponent = argument <= 0xFF ? 0 : argument <= 0xFFFF ? 1 : argument <= 0xFFFFFFFF ? 2 : 3;
  const size_t size = size_t{1} << exponent;
  head[0] = static_cast<char>(top | (24 + exponent));
  for (size_t at = 0; at < size; ++at) head[size - at] = static_cast<char>(argument >> (8 * at) & 0xFF);
  out.append(head.data(), size + 1);
}

void append_text(std::string& out, std::string_view text) {
  append_head(out, kText, text.size());
  out += text;
}

void append_query(std::string& out, const cloudwatch::MetricQuery& query, size_t number) {
  append_head(out, kMap, 2);
  append_text(out, "Id");
  std::array<char, 24> id{'q'};
  const auto written = std::to_chars(id.data() + 1, id.data() + id.size(), number);
  append_text(out, std::string_view(id.data(), static_cast<size_t>(written.ptr - id.data())));
  append_text(out, "MetricStat");
  append_head(out, kMap, 3);
  append_text(out, "Metric");
  append_head(out, kMap, query.dimensions.empty() ? 2 : 3);
  append_text(out, "Namespace");
  append_text(out, query.namespace_);
  append_text(out, "MetricName");
  append_text(out, query.metric);
  if (!query.dimensions.empty()) {
    append_text(out, "Dimensions");
    append_head(out, kArray, query.dimensions.size());
    for (const cloudwatch::Dimension& dimension : query.dimensions) {
      append_head(out, kMap, 2);
      append_text(out, "Name");
      append_text(out, dimension.name);
      append_text(out, "Value");
      append_text(out, dimension.value);
    }
  }
  append_text(out, "Period");
  append_head(out, 0, static_cast<uint64_t>(query.period_seconds));
  append_text(out, "Stat");
  append_text(out, query.statistic);
}

void append_time(std::string& out, int64_t unix_seconds) {
  append_head(out, kTag, 1);
  append_head(out, 0, static_cast<uint64_t>(unix_seconds));
}

// ---- reading

double half_to_double(uint64_t half) {
  const auto exponent = static_cast<int>(half >> 10 & 31);
  const auto mantissa = static_cast<double>(half & 1023);
  double out = 0;
  if (exponent == 0) {
    out = std::ldexp(mantissa, -24);
  } else if (exponent == 31) {
    out = mantissa == 0 ? HUGE_VAL : std::nan("");
  } else {
    out = std::ldexp(mantissa + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -out : out;
}

struct Head {
  uint8_t major = 0;
  uint8_t info = 0;
  uint64_t argument = 0;
};

struct Items {
  uint64_t left = 0;
  bool indefinite = false;
};

// Pulls one value after the other out of the bytes. What fails stays failed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool done() const { return !failed_ && at_ == end_; }

  Items array() { return begin(kArray); }
  Items map() { return begin(kMap); }
  bool next(Items& items) {
    if (failed_) return false;
    if (!items.indefinite) return items.left != 0 && items.left-- != 0;
    return !ended();
  }
  // Text in pieces is joined in a buffer, where it stays until the next such text.
  std::string_view text() {
    const Head head = take();
    if (head.major != kText) return fail_text();
    if (head.info != kIndefinite) return piece(head.argument);
    joined_.clear();
    while (!failed_ && !ended()) {
      const Head part = take();
      if (part.major != kText || part.info == kIndefinite) return fail_text();
      joined_ += piece(part.argument);
    }
    return joined_;
  }
  double number() {
    // Most are doubles.
    if (end_ - at_ >= 9 && *at_ == '\xFB') {
      uint64_t bits = 0;
      std::memcpy(&bits, at_ + 1, 8);
      at_ += 9;
      return std::bit_cast<double>(__builtin_bswap64(bits));
    }
    const Head head = take();
    if (head.major == 0) return static_cast<double>(head.argument);
    if (head.major == kNegative) return -1 - static_cast<double>(head.argument);
    if (head.major == kSimple && head.info == 25) return half_to_double(head.argument);
    if (head.major == kSimple && head.info == 26)
      return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(head.argument)));
    if (head.major == kSimple && head.info == 27) return std::bit_cast<double>(head.argument);
    failed_ = true;
    return 0;
  }
  double time() {
    const Head tag = take();
    if (tag.major != kTag || tag.argument != 1) failed_ = true;
    return failed_ ? 0 : number();
  }
  // Whether it was a null, which is taken.
  bool null() {
    if (failed_ || at_ == end_ || (*at_ != '\xF6' && *at_ != '\xF7')) return false;
    ++at_;
    return true;
  }
  void skip(int depth = 0) {
    const Head head = take();
    if (failed_ || depth > kDeepest) {
      failed_ = true;
    } else if (head.major == kBytes || head.major == kText) {
      if (head.info != kIndefinite) {
        piece(head.argument);
        return;
      }
      while (!failed_ && !ended()) {
        const Head part = take();
        if (part.major != head.major || part.info == kIndefinite) failed_ = true;
        piece(part.argument);
      }
    } else if (head.major == kArray || head.major == kMap) {
      Items items{head.argument, head.info == kIndefinite};
      while (next(items)) {
        if (head.major == kMap) skip(depth + 1);
        skip(depth + 1);
      }
    } else if (head.major == kTag) {
      skip(depth + 1);
    }
  }

 private:
  Head take() {
    Head head;
    if (failed_ || at_ == end_) {
      failed_ = true;
      return head;
    }
    const auto first = static_cast<uint8_t>(*at_++);
    head.major = static_cast<uint8_t>(first >> 5);
    head.info = first & 31;
    head.argument = head.info;
    if (head.info < 24) return head;
    if (head.info == kIndefinite) {
      failed_ = head.major < kBytes || head.major > kMap;
      return head;
    }
    const size_t size = size_t{1} << (head.info - 24);
    if (head.info > 27 || static_cast<size_t>(end_ - at_) < size) {
      failed_ = true;
      return head;
    }
    head.argument = 0;
    for (size_t byte = 0; byte < size; ++byte)
      head.argument = head.argument << 8 | static_cast<uint8_t>(at_[byte]);
    at_ += size;
    return head;
  }
  Items begin(uint8_t major) {
    const Head head = take();
    if (head.major != major) failed_ = true;
    return {head.argument, head.info == kIndefinite};
  }
  // At the end of an indefinite length, whose mark is taken.
  bool ended() {
    if (at_ == end_) {
      failed_ = true;
      return true;
    }
    if (static_cast<uint8_t>(*at_) != kBreak) return false;
    ++at_;
    return true;
  }
  std::string_view piece(uint64_t size) {
    if (failed_ || size > static_cast<size_t>(end_ - at_)) return fail_text();
    const std::string_view out(at_, size);
    at_ += size;
    return out;
  }
  std::string_view fail_text() {
    failed_ = true;
    return {};
  }

  const char* at_;
  const char* end_;
  bool failed_ = false;
  std::string joined_;
};

struct Scratch {
  std::vector<int64_t> clocks;
  std::vector<double> values;
  size_t points = 0;
};

bool read_query_number(std::string_view id, size_t queries, size_t& out) {
  if (id.size() < 2 || id.front() != 'q' || (id[1] == '0' && id.size() > 2)) return false;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), out);
  return error == std::errc() && end == id.data() + id.size() && out < queries;
}

bool keep_text(Reader& reader, std::string& out) {
  out.clear();
  if (reader.null()) return true;
  out = reader.text();
  return simdjson::validate_utf8(out.data(), out.size());
}

bool read_series(Reader& reader, size_t queries, Scratch& scratch, cloudwatch::SeriesData& out) {
  scratch.clocks.clear();
  scratch.values.clear();
  bool known = false;
  Items members = reader.map();
  while (reader.next(members)) {
    const std::string_view key = reader.text();
    if (key == "Id") {
      known = read_query_number(reader.text(), queries, out.query);
    } else if (key == "StatusCode") {
      if (reader.null()) continue;
      const std::string_view status = reader.text();
      out.status = status == "Complete"      ? cloudwatch::SeriesStatus::complete
                   : status == "PartialData" ? cloudwatch::SeriesStatus::partial
                   : status == "Forbidden"   ? cloudwatch::SeriesStatus::forbidden
                                             : cloudwatch::SeriesStatus::internal_error;
    } else if (key == "Timestamps") {
      if (reader.null()) continue;
      Items items = reader.array();
      while (reader.next(items)) {
        const double seconds = reader.time();
        if (!(seconds >= 0 && seconds <= kMaxTimestamp)) return false;
        scratch.clocks.push_back(static_cast<int64_t>(seconds));
        if (scratch.clocks.size() > cloudwatch::kMaxDatapointsPerCall) return false;
      }
    } else if (key == "Values") {
      if (reader.null()) continue;
      Items items = reader.array();
      while (reader.next(items)) {
        const double value = reader.number();
        if (!std::isfinite(value)) return false;
        scratch.values.push_back(value);
        if (scratch.values.size() > cloudwatch::kMaxDatapointsPerCall) return false;
      }
    } else {
      reader.skip();
    }
  }
  scratch.points += scratch.clocks.size();
  if (reader.failed() || !known || scratch.clocks.size() != scratch.values.size() ||
      scratch.points > cloudwatch::kMaxDatapointsPerCall) {
    return false;
  }
  out.points.reserve(scratch.clocks.size());
  for (size_t at = 0; at < scratch.clocks.size(); ++at) {
    out.points.push_back({scratch.clocks[at], scratch.values[at]});
  }
  return true;
}

bool read_page(Reader& reader, size_t queries, cloudwatch::MetricDataPage& page) {
  Scratch scratch;
  bool results_seen = false;
  Items members = reader.map();
  while (reader.next(members)) {
    const std::string_view key = reader.text();
    if (key == "MetricDataResults" && !results_seen) {
      results_seen = true;
      page.series.reserve(queries);
      Items results = reader.array();
      while (reader.next(results)) {
        if (page.series.size() >= cloudwatch::kMaxQueriesPerCall) return false;
        if (!read_series(reader, queries, scratch, page.series.emplace_back())) return false;
      }
    } else if (key == "NextToken") {
      if (!keep_text(reader, page.next_token)) return false;
    } else {
      reader.skip();
    }
  }
  return reader.done() && results_seen;
}

}  // namespace

std::string encode_get_metric_data_cbor(const cloudwatch::MetricDataRequest& request) {
  std::string out;
  out.reserve(256 + request.queries.size() * 256 + request.next_token.size());
  append_head(out, kMap, request.next_token.empty() ? 5 : 6);
  append_text(out, "MetricDataQueries");
  append_head(out, kArray, request.queries.size());
  for (size_t number = 0; number < request.queries.size(); ++number) {
    append_query(out, request.queries[number], number);
  }
  append_text(out, "StartTime");
  append_time(out, request.start);
  append_text(out, "EndTime");
  append_time(out, request.end);
  append_text(out, "ScanBy");
  append_text(out, "TimestampDescending");
  append_text(out, "MaxDatapoints");
  append_head(out, 0, cloudwatch::kMaxDatapointsPerCall);
  if (!request.next_token.empty()) {
    append_text(out, "NextToken");
    append_text(out, request.next_token);
  }
  return out;
}

Result<cloudwatch::MetricDataPage> decode_get_metric_data_cbor(std::string_view bytes, size_t queries) {
  Reader reader(bytes);
  cloudwatch::MetricDataPage page;
  if (!read_page(reader, queries, page)) {
    return fail(ErrorKind::corrupt, "the answer is not the CBOR that was expected");
  }
  return page;
}

}  // namespace bakusoku::bench
