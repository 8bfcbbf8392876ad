// CBOR (RFC 8949) as Smithy's RPC protocol uses it: a writer that appends, and a reader that is asked for one
// value after the other, so that no tree of values is ever built. Every size from the wire is checked against
// what is left. Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

namespace bakusoku::aws::cbor {

namespace detail {
inline constexpr uint8_t kUnsigned = 0;
inline constexpr uint8_t kNegative = 1;
inline constexpr uint8_t kBytes = 2;
inline constexpr uint8_t kText = 3;
inline constexpr uint8_t kArray = 4;
inline constexpr uint8_t kMap = 5;
inline constexpr uint8_t kTag = 6;
inline constexpr uint8_t kSimple = 7;
inline constexpr uint8_t kIndefinite = 31;
inline constexpr size_t kLargestInHead = 23;
}  // namespace detail

/// Makes the bytes of one value, such as a map of all that a request says.
class Writer {
 public:
  /// Grows where `expected_bytes` are not enough.
  explicit Writer(size_t expected_bytes) { make_room(expected_bytes); }

  void map(size_t members) { head(detail::kMap, members); }
  void array(size_t items) { head(detail::kArray, items); }
  void integer(uint64_t value) { head(detail::kUnsigned, value); }
  void boolean(bool value) { head(detail::kSimple, value ? 21 : 20); }
  /// Tag 1. `unix_seconds` is not negative.
  void time(int64_t unix_seconds) {
    head(detail::kTag, 1);
    integer(static_cast<uint64_t>(unix_seconds));
  }
  /// A member's name, or another text that is known to be short and ASCII.
  template <size_t N>
  void name(const char (&literal)[N]) {
    static_assert(N - 1 <= detail::kLargestInHead);
    if (static_cast<size_t>(end_ - at_) < N) make_room(N);
    *at_ = static_cast<char>(detail::kText << 5 | (N - 1));
    std::memcpy(at_ + 1, literal, N - 1);
    at_ += N;
  }
  /// Bytes that are not UTF-8 are replaced by U+FFFD.
  void text(std::string_view text);
  /// What was written; the writer is not used after it.
  [[nodiscard]] std::string finish();

 private:
  static constexpr size_t kLongestHead = 9;

  void head(uint8_t major, uint64_t argument) {
    if (static_cast<size_t>(end_ - at_) < kLongestHead) make_room(kLongestHead);
    if (argument <= detail::kLargestInHead) {
      *at_++ = static_cast<char>(major << 5 | static_cast<uint8_t>(argument));
    } else {
      long_head(major, argument);
    }
  }
  void long_head(uint8_t major, uint64_t argument);
  void make_room(size_t bytes);

  std::string bytes_{};
  char* at_ = nullptr;
  char* end_ = nullptr;
};

/// What is left of an array or a map.
struct Items {
  uint64_t left = 0;
  bool indefinite = false;
};

/// Reads one value after the other. Once something was not as asked for, or cut short, everything fails, and
/// returns nothing, zero or an end.
class Reader {
 public:
  /// How deep values that are skipped may be nested.
  static constexpr int kDeepest = 32;

  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool failed() const { return failed_; }
  /// Whether all bytes have been read, and nothing failed.
  [[nodiscard]] bool done() const { return !failed_ && at_ == end_; }

  /// `for (Items members = reader.map(); reader.next(members);)` reads a key by text(), then a value.
  [[nodiscard]] Items map() { return begin(detail::kMap); }
  [[nodiscard]] Items array() { return begin(detail::kArray); }
  [[nodiscard]] bool next(Items& items) {
    if (failed_) return false;
    if (items.indefinite) return !ended();
    if (items.left == 0) return false;
    --items.left;
    return true;
  }

  /// The bytes of a text, not checked to be UTF-8; valid until the next text is read.
  [[nodiscard]] std::string_view text() {
    const Head head = take();
    if (head.major != detail::kText) return fail_text();
    return head.info == detail::kIndefinite ? text_in_pieces() : piece(head.argument);
  }
  /// An integer or a number of any width.
  [[nodiscard]] double number() {
    if (end_ - at_ < 9 || *at_ != '\xFB' || failed_) return short_number();
    uint64_t bits = 0;
    std::memcpy(&bits, at_ + 1, sizeof bits);
    if constexpr (std::endian::native == std::endian::little) bits = __builtin_bswap64(bits);
    at_ += 9;
    return std::bit_cast<double>(bits);
  }
  /// Unix seconds with tag 1.
  [[nodiscard]] double time() {
    const Head head = take();
    if (head.major != detail::kTag || head.argument != 1) failed_ = true;
    return failed_ ? 0 : number();
  }
  /// As number() and time(), but what is none is passed over: NaN.
  [[nodiscard]] double number_or_nan() {
    if (failed_ || at_ == end_ || is_number(static_cast<uint8_t>(*at_))) return number();
    skip();
    return std::numeric_limits<double>::quiet_NaN();
  }
  [[nodiscard]] double time_or_nan() {
    const bool is_time = end_ - at_ > 1 && *at_ == '\xC1' && is_number(static_cast<uint8_t>(at_[1]));
    if (failed_ || at_ == end_ || is_time) return time();
    skip();
    return std::numeric_limits<double>::quiet_NaN();
  }
  [[nodiscard]] bool boolean() {
    const Head head = take();
    const bool is_boolean = head.major == detail::kSimple && (head.info == 20 || head.info == 21);
    if (!is_boolean) failed_ = true;
    return !failed_ && head.info == 21;
  }
  /// Whether the next value is null (or undefined), which then has been read.
  [[nodiscard]] bool null() {
    if (failed_ || at_ == end_ || (*at_ != '\xF6' && *at_ != '\xF7')) return false;
    ++at_;
    return true;
  }
  /// Whether the next value is a text; it is not read.
  [[nodiscard]] bool at_text() const {
    return !failed_ && at_ != end_ && static_cast<uint8_t>(*at_) >> 5 == detail::kText;
  }
  void skip() { skip(0); }

 private:
  struct Head {
    uint8_t major = 0;
    uint8_t info = 0;
    uint64_t argument = 0;
  };

  // By its first byte: an integer, or a float of two, four or eight bytes.
  static bool is_number(uint8_t first) { return first >> 5 <= 1 || (first >= 0xF9 && first <= 0xFB); }
  Head take() {
    if (failed_ || at_ == end_) return fail_head();
    const auto first = static_cast<uint8_t>(*at_++);
    const Head head{static_cast<uint8_t>(first >> 5), static_cast<uint8_t>(first & 31), first & 31U};
    return head.argument <= detail::kLargestInHead ? head : take_rest(head);
  }
  Head take_rest(Head head);
  Head fail_head() {
    failed_ = true;
    return {};
  }
  Items begin(uint8_t major) {
    const Head head = take();
    if (head.major != major) failed_ = true;
    return failed_ ? Items() : Items{head.argument, head.info == detail::kIndefinite};
  }
  // Whether an indefinite length ends here; its mark has been read then.
  bool ended() {
    if (at_ == end_) {
      failed_ = true;
      return true;
    }
    if (*at_ != '\xFF') return false;
    ++at_;
    return true;
  }
  std::string_view piece(uint64_t bytes) {
    if (failed_ || bytes > static_cast<uint64_t>(end_ - at_)) return fail_text();
    const std::string_view out(at_, static_cast<size_t>(bytes));
    at_ += bytes;
    return out;
  }
  std::string_view fail_text() {
    failed_ = true;
    return {};
  }
  std::string_view text_in_pieces();
  double short_number();
  void skip(int depth);

  const char* at_;
  const char* end_;
  bool failed_ = false;
  std::string joined_{};
};

}  // namespace bakusoku::aws::cbor
