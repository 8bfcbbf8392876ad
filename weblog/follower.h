// Follower: one log, followed through its rotations, each of its lines counted once. It holds the file at the
// path and those that were there before, each with the position up to which it is counted; positions and
// counters are written and read as one (write(), read()), so that whoever continues from a state counts what
// came after it, and nothing twice.
//
// A file is known by device and inode, and by its beginning, as an inode may be used again and a file be
// truncated under us (copytruncate). What was lost sight of is found again in the path's folder. Reads at
// most what it is told to per call; a line that is not yet whole waits. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "weblog/descriptor.h"
#include "weblog/format.h"
#include "weblog/tally.h"

namespace bakusoku::weblog {

/// Longer lines are counted as unreadable, unread.
inline constexpr size_t kLongestLine = 256 * 1024;

class Follower {
 public:
  /// `may_read` says whether the file that a path leads to, through links, may be read.
  struct Parts {
    std::string path;
    Format format;
    bool from_start = false;  // a file that is there already counts from its start, else from its end
    Clock clock;
    std::function<bool(const std::string&)> may_read;
  };

  explicit Follower(Parts parts);

  /// Looks for rotations and reads up to `most` bytes; whether there is more to read now.
  bool turn(size_t most);

  [[nodiscard]] const std::string& path() const { return parts_.path; }
  [[nodiscard]] const Tally& tally() const { return tally_; }
  /// Why nothing can be read at present, in words for the item; nothing: all is well.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
  /// Whether there has ever been a file.
  [[nodiscard]] bool seen() const { return !files_.empty() || rotations_ != 0 || tally_.requests() != 0; }
  [[nodiscard]] const FormatOptions& format() const { return parts_.format.options(); }
  /// Bytes that are there and not yet counted.
  [[nodiscard]] uint64_t behind() const { return behind_; }
  [[nodiscard]] uint64_t rotations() const { return rotations_; }
  /// Files that were gone before they were read to their end.
  [[nodiscard]] uint64_t lost() const { return lost_; }
  /// Grows whenever what write() writes has changed.
  [[nodiscard]] uint64_t changes() const { return changes_; }
  /// What happened since the last call, for the log.
  [[nodiscard]] std::vector<std::string> take_news() { return std::exchange(news_, {}); }

  void write(std::string& out) const;
  /// Continues from what write() wrote, of the same path. Errors: corrupt; the follower is as before then.
  [[nodiscard]] Result<void> read(std::string_view& bytes);

 private:
  struct Identity {
    uint64_t device = 0;
    uint64_t inode = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  /// The beginning of a file: a hash of its first bytes.
  struct Beginning {
    uint64_t size = 0;
    uint64_t hash = 0;
  };
  struct File {
    Identity identity{};
    uint64_t position = 0;  // up to which it is counted; the start of a line, or within one that is skipped
    Beginning beginning{};  // of as many bytes before position as are kept
    bool skipping = false;  // position is inside a line that is too long
    bool sought = true;     // while it is not open it is looked for
    bool unread = true;     // more of it was there, or may have come
    bool finished = false;  // nobody writes to it any more
    std::string head{};     // the bytes of the beginning, while it is open
    Descriptor descriptor{};
    int64_t grew = 0;  // unix seconds
  };
  struct Candidate {
    Descriptor descriptor{};
    Identity identity{};
    uint64_t size = 0;
    int64_t modified = 0;      // nanoseconds
    std::string head{};        // its first bytes
    bool predecessor = false;  // its name is the path's with a number or a date
    bool taken = false;
  };

  void look();
  void start(int64_t seen_ns);
  void find_again(int64_t seen_ns);
  void find_sought(std::vector<Candidate>& candidates, Candidate* live);
  void take_live(Candidate& live);
  [[nodiscard]] bool take_predecessors(std::vector<Candidate>& candidates, const Candidate& live);
  [[nodiscard]] Result<Candidate> open_path() const;
  [[nodiscard]] std::vector<Candidate> open_around(const std::vector<std::string>& folders) const;
  [[nodiscard]] std::vector<std::string> folders() const;
  [[nodiscard]] bool folders_changed(int64_t seen_ns);
  [[nodiscard]] static bool is_file(const Candidate& candidate, const File& file);
  [[nodiscard]] static bool begins_as(const Candidate& candidate, const Beginning& beginning);
  void adopt(File& file, Candidate& candidate);
  size_t read_some(File& file);
  size_t count_lines(File& file, std::string_view bytes, bool full);
  void close_finished();
  [[nodiscard]] int64_t now() const { return unix_seconds(parts_.clock()); }

  Parts parts_;
  Tally tally_;
  std::vector<File> files_;  // oldest first
  bool has_live_ = false;    // the last of files_ is the one at the path
  bool started_ = false;
  bool caught_up_ = false;  // what is read now has just been written
  int64_t as_of_ = 0;       // nanoseconds: all that was rotated away before is known
  int64_t folders_modified_ = 0;
  int64_t missing_since_ = 0;  // unix seconds; 0: it is there
  bool stale_ = false;         // files are to be found again
  uint64_t behind_ = 0;
  uint64_t rotations_ = 0;
  uint64_t lost_ = 0;
  uint64_t changes_ = 0;
  std::optional<Error> trouble_;
  std::vector<std::string> news_;
};

}  // namespace bakusoku::weblog
