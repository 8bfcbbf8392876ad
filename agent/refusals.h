// Refusals: values that a destination did not take, gathered for the log: a line at once, then one a minute
// that sums up what came meanwhile. Values are tried again every half minute for an hour, so that a line each
// would fill the log. Pure; on the agent's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace bakusoku::agent {

class Refusals {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// A value was not taken.
  void note(std::string_view host, std::string_view key);
  /// What to log now of what was noted, if it is time. `info` are the newest words of `destination`.
  [[nodiscard]] std::optional<std::string> line(std::string_view destination, std::string_view info,
                                                Time now);

 private:
  uint64_t values_ = 0;                 // since the last line
  std::unordered_set<uint64_t> items_;  // hashes of theirs
  std::unordered_set<uint64_t> hosts_;
  bool more_items_ = false;  // than are told apart
  std::string first_;        // "host web-1, item status"
  std::optional<Time> last_;
};

}  // namespace bakusoku::agent
