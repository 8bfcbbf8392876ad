// Demand: which metric series somebody wants, how often they ask, and what is known of each. An item key that
// is asked for the first time makes a series; one that nobody asked for any more is forgotten. Memory per key
// matters here: an agent may know a hundred thousand. Runs on the agent's thread.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/event.h"
#include "agent/metric_key.h"
#include "agent/targets.h"
#include "aws/cloudwatch.h"
#include "base/result.h"

namespace bakusoku::agent {

struct Group;

using Dimensions = std::vector<aws::cloudwatch::Dimension>;

/// A point in time as unix seconds in four bytes (until 2106); 0: never.
using Seconds32 = uint32_t;

/// One metric series that is wanted, and the newest that CloudWatch said of it. Kept small: an agent may know
/// a hundred thousand.
struct Series {
  Group* group = nullptr;  // target and period
  const std::string* namespace_ = nullptr;
  const std::string* metric = nullptr;
  const std::string* statistic = nullptr;
  std::shared_ptr<const Dimensions> dimensions;

  double point_value = 0;
  Seconds32 point_clock = 0;  // start of the newest period with a value; 0: none in the window
  Seconds32 read_until = 0;   // end of the newest final period of the newest reading; 0: never read
  Seconds32 last_read = 0;    // when that reading began
  Seconds32 last_asked = 0;
  uint32_t ask_gap = 0;   // seconds between the last two questions; 0: asked once
  bool answered = false;  // the newest reading has been given to somebody
  uint16_t waiting = 0;   // coroutines that hold this series until its reading takes a step

  /// Why the newest reading failed; null: it succeeded.
  [[nodiscard]] const std::shared_ptr<const Error>& failure() const;
  void set_failure(std::shared_ptr<const Error> failure);
  /// Set when the reading this series is part of takes its next step; null: none is under way.
  [[nodiscard]] const std::shared_ptr<Event>& reading() const;
  /// Returns the one before.
  std::shared_ptr<Event> set_reading(std::shared_ptr<Event> reading);

  [[nodiscard]] aws::cloudwatch::MetricQuery query() const;
  /// "AWS/EC2 CPUUtilization (InstanceId=i-1) Average", for messages.
  [[nodiscard]] std::string description() const;

 private:
  // What few series have at any moment.
  struct Exception {
    std::shared_ptr<const Error> failure;
    std::shared_ptr<Event> reading;
  };
  Exception& exception();
  void drop_empty_exception();
  std::unique_ptr<Exception> exception_;
};

/// All series of one target and period: they become readable at the same moments and share calls.
struct Group {
  const Target* target = nullptr;
  int32_t period = 0;  // seconds
  std::vector<Series*> members;
  std::vector<Series*> gathering;        // wait for company before they are read
  int64_t prefetched_until = 0;          // periods up to this end have been looked at by the prefetch
  std::shared_ptr<const Error> failure;  // of the newest call, and until when it answers for new ones too
  std::chrono::steady_clock::time_point failed_until{};
  int failures_in_row = 0;
};

/// What an item key stands for: a series, and how the item wants a missing value.
struct Wanted {
  Series* series = nullptr;
  bool missing_is_zero = false;
};

class Demand {
 public:
  explicit Demand(Targets& targets) : targets_(targets) {}
  ~Demand();
  Demand(const Demand&) = delete;
  Demand& operator=(const Demand&) = delete;

  /// What `key` (a whole item key as text) stands for, if it was asked before; series is null otherwise.
  [[nodiscard]] Wanted find(std::string_view key) const;
  /// Adds `key` with the meaning of its parameters. Errors: invalid, and too many keys.
  [[nodiscard]] Result<Wanted> add(std::string_view key, const MetricKey& meaning);

  /// Notes that somebody asked at `now` (unix seconds).
  static void note_asked(Series& series, int64_t now);
  /// Forgets what nobody asked for during some of its own intervals, an hour at least.
  void forget_unasked(int64_t now);

  [[nodiscard]] const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }
  [[nodiscard]] size_t keys() const { return keys_.size(); }
  [[nodiscard]] size_t series() const { return series_.size(); }

 private:
  struct Same {
    using is_transparent = void;
    bool operator()(const Series* a, const Series* b) const;
  };
  struct Hash {
    size_t operator()(const Series* series) const;
  };
  // One way somebody wrote a key: the header of a block that holds the text behind it.
  struct Spelling {
    Series* series;
    uint32_t size;
    bool missing_is_zero;

    [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(this + 1), size}; }
    static Spelling* make(std::string_view text, Series* series, bool missing_is_zero);
    static void free(Spelling* spelling);
  };
  static std::string_view text_of(std::string_view text) { return text; }
  static std::string_view text_of(const Spelling* spelling) { return spelling->text(); }
  struct TextHash {
    using is_transparent = void;
    template <typename Text>
    size_t operator()(const Text& text) const {
      return std::hash<std::string_view>()(text_of(text));
    }
  };
  struct TextSame {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return text_of(a) == text_of(b);
    }
  };

  Group& group_of(const Target& target, int32_t period);
  const std::string* intern(const std::string& text) { return &*names_.insert(text).first; }
  std::shared_ptr<const Dimensions> intern(const Dimensions& dimensions);

  Targets& targets_;
  std::unordered_set<std::string> names_;  // namespaces, metrics, statistics
  std::unordered_map<std::string, std::weak_ptr<const Dimensions>> dimensions_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::unordered_set<Series*, Hash, Same> series_;          // owned
  std::unordered_set<Spelling*, TextHash, TextSame> keys_;  // owned
  size_t key_bytes_ = 0;
};

}  // namespace bakusoku::agent
