// JSON as aws/cbor.h has CBOR: a writer that appends and a reader that is asked for one value after the
// other, with the same names, so that one template writes and reads a message in both. Pure apart from one
// parser per thread (simdjson), whose memory a Reader looks into.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bakusoku::aws::json {

/// Makes the text of one value, such as an object of all that a request says.
class Writer {
 public:
  explicit Writer(size_t expected_bytes) { out_.reserve(expected_bytes); }

  void map(size_t members) { begin('{', '}', members); }
  void array(size_t items) { begin('[', ']', items); }
  void integer(uint64_t value) { scalar(std::to_string(value)); }
  void boolean(bool value) { scalar(value ? "true" : "false"); }
  /// Unix seconds as a number, as AWS's JSON protocols write times.
  void time(int64_t unix_seconds) { scalar(std::to_string(unix_seconds)); }
  /// A member's name, where one is due, or a value.
  template <size_t N>
  void name(const char (&literal)[N]) {
    text(std::string_view(literal, N - 1));
  }
  /// Bytes that are not UTF-8 are replaced by U+FFFD.
  void text(std::string_view text);
  /// What was written; the writer is not used after it.
  [[nodiscard]] std::string finish() { return std::move(out_); }

 private:
  struct Open {
    char close;
    size_t left;
    bool is_map;
    bool named = false;  // a member's name is written, and its value is due
    bool first = true;
  };

  void begin(char open, char close, size_t count);
  void scalar(std::string_view text);
  void separate();
  void end_value();

  std::string out_{};
  std::vector<Open> open_{};
};

/// Where an array or an object is being read.
struct Items {
  simdjson::dom::array::iterator item{};
  simdjson::dom::array::iterator item_end{};
  simdjson::dom::object::iterator member{};
  simdjson::dom::object::iterator member_end{};
  bool is_map = false;
};

/// Reads one value after the other, like cbor::Reader. There is one at a time in a thread. NaN and Infinity,
/// which are no JSON but are written all the same, count as null.
class Reader {
 public:
  explicit Reader(std::string_view json);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool done() const { return !failed_; }

  [[nodiscard]] Items map();
  [[nodiscard]] Items array();
  [[nodiscard]] bool next(Items& items);

  /// A member's name, else a text.
  [[nodiscard]] std::string_view text();
  [[nodiscard]] double number();
  /// Unix seconds, or a text in ISO 8601.
  [[nodiscard]] double time();
  /// As number() and time(), but what is none is passed over: NaN.
  [[nodiscard]] double number_or_nan();
  [[nodiscard]] double time_or_nan();
  [[nodiscard]] bool boolean();
  [[nodiscard]] bool null();
  [[nodiscard]] bool at_text() const;
  void skip() { named_ = false; }

 private:
  simdjson::dom::element value_{};  // the one that is read next
  std::string_view name_{};
  bool named_ = false;  // its name comes before it
  bool failed_ = false;
};

}  // namespace bakusoku::aws::json
