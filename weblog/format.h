// A line of an access log, read: what is counted of it. nginx's and Apache's common and combined formats are
// known from the line itself, with or without a time the request took behind them; any other is a regular
// expression with named fields, of RE2, which takes time linear in the line whatever a stranger has put into
// it. Pure; a Format is not changed once made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace bakusoku::weblog {

inline constexpr uint16_t kCodes = 1000;  // a status is three digits

/// A number as it stood behind a line: with a fraction it is seconds, a whole one may be Apache's seconds or
/// microseconds, which a single line cannot tell.
struct Took {
  enum class Unit { seconds, milliseconds, microseconds, unknown };
  Unit unit = Unit::unknown;
  uint64_t micros = 0;  // with Unit::unknown: the number itself

  friend bool operator==(const Took&, const Took&) = default;
};

struct Request {
  uint16_t status = 0;
  uint64_t bytes = 0;
  std::optional<Took> took{};
  std::string_view stamp{};  // "24/Nov/2026:12:25:00 +0000"; empty: none

  friend bool operator==(const Request&, const Request&) = default;
};

class Format {
 public:
  /// `text`: "auto", "common", "combined", or a regular expression with (?<status>...) and, where wanted,
  /// (?<bytes>...) and (?<time>...). `unit`: "auto", "s", "ms" or "us", of the time. Errors: invalid.
  [[nodiscard]] static Result<Format> make(const std::string& text, const std::string& unit);

  /// What a line says, without its newline; nothing when it is not in this format.
  [[nodiscard]] std::optional<Request> read(std::string_view line) const;

 private:
  enum class Kind { automatic, common, combined, expression };
  Kind kind_ = Kind::automatic;
  std::optional<Took::Unit> unit_{};
  std::shared_ptr<const re2::RE2> expression_{};
  int status_ = 0;  // numbers of the groups; 0: none
  int bytes_ = 0;
  int time_ = 0;
};

/// Unix seconds of "24/Nov/2026:12:25:00 +0000"; nothing when it is not of that form.
[[nodiscard]] std::optional<int64_t> parse_stamp(std::string_view stamp);

/// Compiles a regular expression with bounded memory; (?<name>...) is taken as (?P<name>...). Errors:
/// invalid, with RE2's words.
[[nodiscard]] Result<std::shared_ptr<const re2::RE2>> compile_expression(std::string_view pattern);

}  // namespace bakusoku::weblog
