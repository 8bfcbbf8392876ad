// Demand: which metric series somebody wants, how often they ask, and what is known of each. An item key that
// is asked for the first time makes a series; one that nobody asked for any more is forgotten. Memory per key
// matters here: an agent may know a hundred thousand. Runs on the agent's thread.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
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

/// From one second up to, not including, another.
struct Span {
  Seconds32 from = 0;
  Seconds32 until = 0;
};

/// What few texts name for many series; each is kept once.
struct MetricName {
  const std::string* namespace_ = nullptr;
  const std::string* metric = nullptr;
  const std::string* statistic = nullptr;

  friend auto operator<=>(const MetricName&, const MetricName&) = default;
};

/// One metric series that is wanted, and the newest that CloudWatch said of it. Kept small: an agent may know
/// a hundred thousand.
struct Series {
  Group* group = nullptr;  // target and period
  const MetricName* name = nullptr;
  std::shared_ptr<const Dimensions> dimensions;

  double point_value = 0;
  Seconds32 point_clock = 0;  // start of the newest period with a value; 0: none in the window
  Seconds32 read_until = 0;   // end of the newest final period of the newest reading; 0: never read
  Seconds32 last_read = 0;    // when that reading began
  Seconds32 last_asked = 0;
  uint64_t ask_gap : 20 = 0;  // seconds between the last two questions, kLongestGap at most; 0: asked once
  uint64_t answered : 1 = 0;  // the newest reading has been given to somebody
  uint64_t posted : 23 = 0;   // one more than its slot on the board; 0: not there
  uint64_t fed : 1 = 0;       // somebody wants every datapoint of it, not only the newest
  uint64_t priority : 2 = 1;  // 0 high, 1 normal, 2 low
  uint64_t held : 17 = 0;  // coroutines that wait for its reading's next step: it is not forgotten meanwhile

  uint32_t readings = 0;  // that AWS counted, of this series

  std::shared_ptr<Event>
      reading;  // set when the reading this series is part of takes its next step; null: none
  /// Why the newest reading failed; null: it succeeded.
  [[nodiscard]] const std::shared_ptr<const Error>& failure() const;
  void set_failure(std::shared_ptr<const Error> failure);

  [[nodiscard]] aws::cloudwatch::MetricQuery query() const;
  /// "AWS/EC2 CPUUtilization (InstanceId=i-1) Average", for messages.
  [[nodiscard]] std::string description() const;

 private:
  std::unique_ptr<std::shared_ptr<const Error>> failure_;  // which few series have
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
  explicit Demand(Targets& targets);
  ~Demand();
  Demand(const Demand&) = delete;
  Demand& operator=(const Demand&) = delete;

  /// What `key` (a whole item key as text) stands for, if it was asked before; series is null otherwise.
  [[nodiscard]] Wanted find(std::string_view key) const;
  /// The series that `meaning` stands for, whatever the key's spelling; null when nobody wants it. Adds
  /// nothing.
  [[nodiscard]] const Series* find(const MetricKey& meaning) const;
  /// Adds `key` with the meaning of its parameters. Errors: invalid, and too many keys.
  [[nodiscard]] Result<Wanted> add(std::string_view key, const MetricKey& meaning);

  /// Notes that somebody asked at `now` (unix seconds).
  static void note_asked(Series& series, int64_t now);
  /// Forgets what nobody asked for during some of its own intervals, an hour at least; `farewell` is called
  /// with each series before it goes.
  void forget_unasked(int64_t now, const std::function<void(Series&)>& farewell);

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
  // Stands for a key's text, which nobody needs again: 128 bits that differ for a million keys but for a
  // chance of 1e-27.
  struct KeyHash {
    uint64_t high = 0;
    uint64_t low = 0;
    friend bool operator==(const KeyHash&, const KeyHash&) = default;
  };
  struct FirstBits {
    size_t operator()(const KeyHash& hash) const noexcept { return hash.low; }
  };
  [[nodiscard]] KeyHash hash_of(std::string_view key) const;

  Group& group_of(const Target& target, int32_t period);
  const MetricName* intern(const MetricKey& meaning);
  std::shared_ptr<const Dimensions> intern(const Dimensions& dimensions);

  Targets& targets_;
  std::unordered_set<std::string> texts_;  // namespaces, metrics, statistics
  std::set<MetricName> names_;
  std::unordered_map<std::string, std::weak_ptr<const Dimensions>> dimensions_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::unordered_set<Series*, Hash, Same> series_;  // owned
  std::unordered_map<KeyHash, Wanted, FirstBits> keys_;
  uint64_t seed_;
};

}  // namespace bakusoku::agent
