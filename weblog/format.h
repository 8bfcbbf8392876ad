// A line of an access log, read: what is counted of it. The common and combined formats of nginx and Apache,
// Traefik's and lines of JSON are known from the line itself; any other is a regular expression with named
// fields, of RE2, which takes time linear in the line whatever a stranger has put into it. A number is taken
// for a time only where the line or the configuration says that it is one. Pure; a Format is not changed once
// made.
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

/// What a line turned out to be.
enum class Shape : uint8_t { common, combined, traefik, json, expression };

/// Why a line has a time, or none.
enum class Evidence : uint8_t {
  none,        // nothing in it looks like one
  fraction,    // a number with a fraction behind it: seconds, as nginx's $request_time
  suffix,      // a number with its unit behind it: 12ms
  configured,  // a number whose unit, or whose place, the configuration names
  member,      // a member of JSON that is known by its name
  doubtful,    // a lone whole number: a time, a count, a length, a process; not taken
};

struct Request {
  uint16_t status = 0;
  uint64_t bytes = 0;
  std::optional<uint64_t> micros{};  // how long it took
  std::string_view stamp{};          // when, for parse_stamp(); empty: the line does not say
  Shape shape = Shape::common;
  Evidence evidence = Evidence::none;

  friend bool operator==(const Request&, const Request&) = default;
};

/// What the configuration says of a log's lines.
struct FormatOptions {
  std::string format = "auto";  // "auto", "common", "combined", "traefik", "json", or a regular expression
  std::string unit = "auto";    // of the time: "auto", "s", "ms", "us", "ns"
  // Names of members of JSON, with dots between levels; empty: those that are known.
  std::string status{};
  std::string bytes{};
  std::string time{};

  friend bool operator==(const FormatOptions&, const FormatOptions&) = default;
};

class Format {
 public:
  /// Everything is found out from the lines.
  Format() = default;
  /// A regular expression has (?<status>...) and, where wanted, (?<bytes>...) and (?<time>...). Errors:
  /// invalid.
  [[nodiscard]] static Result<Format> make(FormatOptions options);

  /// What a line says, without its newline; nothing when it is not in this format. The stamp lies in the
  /// line, or is good until the next line is read.
  [[nodiscard]] std::optional<Request> read(std::string_view line) const;

  [[nodiscard]] const FormatOptions& options() const { return options_; }

 private:
  [[nodiscard]] std::optional<Request> read_expression(std::string_view line) const;

  FormatOptions options_{};
  std::optional<uint64_t> unit_{};  // nanoseconds
  std::shared_ptr<const re2::RE2> expression_{};
  int status_ = 0;  // numbers of the groups; 0: none
  int bytes_ = 0;
  int time_ = 0;
};

/// "combined; time: the number with a fraction behind it, in seconds": what a line was taken for, for people.
[[nodiscard]] std::string describe(const Request& request, const FormatOptions& options);

/// Unix seconds of "24/Nov/2026:12:25:00 +0000", of "2026-11-24T12:25:00.5+00:00" (or Z), or of a number of
/// them; nothing when it is none of these.
[[nodiscard]] std::optional<int64_t> parse_stamp(std::string_view stamp);

/// Compiles a regular expression of the configuration, or one that an asker sends, which has less memory;
/// (?<name>...) is taken as (?P<name>...). Errors: invalid, with RE2's words.
enum class Author { configuration, asker };
[[nodiscard]] Result<std::shared_ptr<const re2::RE2>> compile_expression(std::string_view pattern,
                                                                         Author author);

}  // namespace bakusoku::weblog
