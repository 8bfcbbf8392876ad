// Logs: the access logs that somebody asks about, each with its Follower, and their state on disk. A log is
// watched from the first question about it on, two days beyond the last one, and continued from its state
// when it is asked about within thirty. Read a bounded amount at a time, so that a long log holds up nothing
// else; what may be read at all is [weblog] allow's to say, as askers are not always whom one trusts with the
// machine. On the agent's thread.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "weblog/descriptor.h"
#include "weblog/follower.h"
#include "weblog/options.h"

namespace bakusoku::weblog {

class Logs {
 public:
  static constexpr std::chrono::milliseconds kSaveEvery{15'000};

  Logs(Options options, Clock clock) : options_(std::move(options)), clock_(std::move(clock)) {}
  ~Logs();
  Logs(const Logs&) = delete;
  Logs& operator=(const Logs&) = delete;

  /// From now on states are kept in `folder`, which is made when it is needed; those that are there are
  /// continued. Without this, all is in memory. Errors: unavailable (another agent uses it).
  [[nodiscard]] Result<void> keep_in(std::string folder, std::chrono::milliseconds save_every = kSaveEvery);

  /// Other options from now on: logs that may not be read any more are left, with their states kept; one
  /// whose format is another goes on from where it is.
  void change(Options options);

  /// The log at `path`, watched from now on, with what has just been written to it, as far as that is quickly
  /// read. Errors: invalid, denied (by [weblog] allow), unavailable (too many logs).
  [[nodiscard]] Result<const Follower*> watch(std::string_view path);
  /// The same, for its counters. Errors besides: not_found, denied, io, invalid (no line is in a known
  /// format), in words for the item.
  [[nodiscard]] Result<const Follower*> ask(std::string_view path);

  /// Reads some of one log; whether there is more to do at once. To be called again within the second if not.
  bool step();

  [[nodiscard]] size_t count() const { return logs_.size(); }

 private:
  struct Log {
    explicit Log(Follower::Parts parts) : follower(std::move(parts)) {}
    Follower follower;
    int64_t asked = 0;        // unix seconds
    int64_t asked_saved = 0;  // as the state says
    uint64_t saved = 0;       // changes() of the state
    uint64_t rotations_saved = 0;
    std::chrono::steady_clock::time_point saved_at{};
    std::chrono::steady_clock::time_point read_at{};
    bool queued = false;
    bool doubt_told = false;
  };

  [[nodiscard]] Result<void> check_path(std::string_view path) const;
  [[nodiscard]] bool may_read(const std::string& path) const;
  /// What the options say of it besides the common; null: nothing.
  [[nodiscard]] const FileOptions* options_of(const std::string& path) const;
  /// Whether the options say something of this very path.
  [[nodiscard]] bool named(std::string_view path) const;
  [[nodiscard]] std::unique_ptr<Log> make(const std::string& path) const;
  /// When there are as many as there may be: leaves one for the sake of another; false: there is none.
  bool make_room(std::string_view wanted);
  bool read_some(Log& log);
  [[nodiscard]] std::string state_file(std::string_view path) const;
  [[nodiscard]] Result<void> lock();
  void save(Log& log);
  /// The log of a state file; null: there is none, or none that can be used.
  [[nodiscard]] std::unique_ptr<Log> load(const std::string& file);
  void forget_unasked();

  Options options_;
  Clock clock_;
  std::string folder_;
  std::chrono::milliseconds save_every_ = kSaveEvery;
  Descriptor lock_;
  std::map<std::string, std::unique_ptr<Log>, std::less<>> logs_;
  std::deque<std::string> queue_;  // that are to be read now
  std::chrono::steady_clock::time_point round_{};
  std::string trouble_;  // of the folder, logged last
};

/// A state file's bytes: those of a log's path, of when it was asked about last, and of its follower
/// (docs/weblog.md).
[[nodiscard]] std::string encode_state(std::string_view path, int64_t asked, const Follower& follower);

struct State {
  std::string path;
  int64_t asked = 0;
  std::string_view follower;  // for Follower::read()
};

/// Errors: corrupt.
[[nodiscard]] Result<State> decode_state(std::string_view bytes);

}  // namespace bakusoku::weblog
