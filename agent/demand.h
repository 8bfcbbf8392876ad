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

/// One metric series that is wanted, and the newest that CloudWatch said of it. Times are unix seconds.
struct Series {
  Group* group = nullptr;  // target and period
  const std::string* namespace_ = nullptr;
  const std::string* metric = nullptr;
  const std::string* statistic = nullptr;
  std::shared_ptr<const Dimensions> dimensions;

  int64_t last_asked = 0;
  int64_t last_read = 0;    // when the newest reading began
  int64_t read_until = 0;   // end of the newest final period of that reading; 0: never read
  int64_t point_clock = 0;  // start of the newest period with a value; 0: none in the window
  double point_value = 0;
  uint32_t ask_gap = 0;                  // seconds between the last two questions; 0: asked once
  bool answered = false;                 // the newest reading has been given to somebody
  std::shared_ptr<const Error> failure;  // of the newest reading; null: it succeeded
  std::shared_ptr<Event>
      reading;  // set when the reading it is part of takes its next step; null: none under way

  [[nodiscard]] aws::cloudwatch::MetricQuery query() const;
  /// "AWS/EC2 CPUUtilization (InstanceId=i-1) Average", for messages.
  [[nodiscard]] std::string description() const;
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
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Group& group_of(const Target& target, int32_t period);
  const std::string* intern(const std::string& text) { return &*names_.insert(text).first; }
  std::shared_ptr<const Dimensions> intern(const Dimensions& dimensions);

  Targets& targets_;
  std::unordered_set<std::string> names_;  // namespaces, metrics, statistics
  std::unordered_map<std::string, std::weak_ptr<const Dimensions>> dimensions_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::unordered_set<Series*, Hash, Same> series_;  // owned
  std::unordered_map<std::string, Wanted, TextHash, std::equal_to<>> keys_;

 public:
  ~Demand();
};

}  // namespace bakusoku::agent
