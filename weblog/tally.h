// Tally: what has been counted in one log: everything its items answer from. Counters only grow, so that any
// number of askers see the same truth; what is asked of them (a class of codes, a percentile) is derived
// when it is asked. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "weblog/format.h"
#include "weblog/times.h"

namespace bakusoku::weblog {

class Tally {
 public:
  /// One line without its newline, read at `now` (unix seconds). `live`: it has just been written; otherwise
  /// it counts in the windows at the time it bears.
  void count_line(const Format& format, std::string_view line, int64_t now, bool live);
  /// A line that is too long to be read.
  void count_unreadable() {
    ++unreadable_;
    ++unreadable_in_a_row_;
  }

  [[nodiscard]] uint64_t requests() const { return requests_; }
  [[nodiscard]] uint64_t unreadable() const { return unreadable_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  /// Requests with a status that `which` names: a class ("5xx"), a code ("404"), or a regular expression
  /// over the three digits, of which the latest few are kept compiled. Errors: invalid.
  [[nodiscard]] Result<uint64_t> with_status(std::string_view which) const;
  [[nodiscard]] const Times& times() const { return times_; }
  /// Whether any request had a time.
  [[nodiscard]] bool timed() const { return timed_ != 0; }
  /// The newest line that could be read, as what it was taken; nothing: none since the agent's start.
  [[nodiscard]] const std::optional<Request>& newest() const { return newest_; }
  /// Lines since then that could not be read.
  [[nodiscard]] uint64_t unreadable_in_a_row() const { return unreadable_in_a_row_; }

  void write(std::string& out) const;
  [[nodiscard]] static Result<Tally> read(std::string_view& bytes);

 private:
  [[nodiscard]] int64_t time_of(std::string_view stamp, int64_t now);

  uint64_t requests_ = 0;
  uint64_t unreadable_ = 0;
  uint64_t bytes_ = 0;
  uint64_t timed_ = 0;
  std::array<uint64_t, kCodes> by_code_{};
  Times times_;
  // Neighbouring lines mostly bear the same time.
  std::string last_stamp_;
  int64_t last_time_ = 0;
  std::optional<Request> newest_;  // without its stamp
  uint64_t unreadable_in_a_row_ = 0;
};

}  // namespace bakusoku::weblog
