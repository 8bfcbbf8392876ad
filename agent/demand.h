// Demand: which metric series somebody wants, how often they ask, and what is known of each. An item key that
// is asked for the first time makes a series; one that nobody asked for any more is forgotten. Memory per key
// matters here: an agent may know a hundred thousand. Runs on the agent's thread.
#pragma once

#include <tsl/robin_map.h>
#include <tsl/robin_set.h>

#include <array>
#include <asio/io_context.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/event.h"
#include "agent/metric_key.h"
#include "agent/targets.h"
#include "aws/cloudwatch.h"
#include "base/intrusive_ptr.h"
#include "base/result.h"

namespace bakusoku::agent {

struct Group;
class Delay;
struct Feeder;

using Dimensions = std::vector<aws::cloudwatch::Dimension>;

/// Those of all series that have the same, kept once.
struct SharedDimensions : RefCounted, Dimensions {
  SharedDimensions() = default;
  explicit SharedDimensions(Dimensions dimensions) : Dimensions(std::move(dimensions)) {}
};
using DimensionsPtr = IntrusivePtr<const SharedDimensions>;

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
  const std::string* metric = nullptr;      // of metric math: its expression
  const std::string* statistic = nullptr;   // of metric math: empty
  const std::string* account_id = nullptr;  // a linked account; null or empty: the target's own
  const std::vector<aws::cloudwatch::NamedQuery>* inputs = nullptr;  // of metric math; null: a metric
  const std::string* unit = nullptr;  // values of which are meant; null: of any

  friend auto operator<=>(const MetricName&, const MetricName&) = default;
};

/// What is read first when there is more to read than may be asked for.
enum class Priority : uint8_t { high, normal, low };
inline constexpr size_t kPriorities = 3;
[[nodiscard]] std::string_view to_string(Priority priority);

/// One metric series that is wanted, and the newest that CloudWatch said of it. Kept small: an agent may know
/// a hundred thousand.
struct Series {
  Group* group = nullptr;  // target, namespace and period
  const MetricName* name = nullptr;
  DimensionsPtr dimensions;

  double point_value = 0;
  Seconds32 point_clock = 0;  // start of the newest period with a value; 0: none in the window
  Seconds32 read_until = 0;   // end of the newest final period of the newest reading; 0: never read
  Seconds32 last_read = 0;    // when that reading began
  Seconds32 last_asked = 0;
  uint64_t ask_gap : 20 = 0;  // seconds between the last two questions, kLongestGap at most; 0: asked once
  uint64_t paced : 1 = 0;     // ask_gap is the interval of an item that wants every datapoint
  uint64_t answered : 1 = 0;  // the newest reading has been given to somebody
  uint64_t posted : 22 = 0;   // one more than its slot on the board; 0: not there
  uint64_t zero : 1 = 0;      // somebody takes what is missing for 0
  uint64_t fed : 1 = 0;       // somebody wants every datapoint of it, not only the newest
  uint64_t sampled : 1 = 0;   // its datapoints are looked at twice, to learn the publication delay
  uint64_t priority : 2 = 1;  // Priority
  uint64_t held : 15 = 0;  // coroutines that wait for its reading's next step: it is not forgotten meanwhile

  uint32_t readings = 0;      // that AWS counted, of this series
  uint32_t billed_item = 0;   // the bill's: where what no item of a host wants is counted
  uint32_t billed_turn = 0;   // the bill's: while it is another turn, that says nothing
  uint32_t place = 0;         // a hash of its metric, the same for all statistics of it and at each start
  Seconds32 wanted_from = 0;  // start of the oldest period that a feed has not seen; 0: as every reading
  Seconds32 absent_since =
      0;  // CloudWatch lists no such metric, looked at first then; 0: it does, or nobody looked

  Feeder* feeders = nullptr;  // the first of those for whom it is fed; theirs to keep

  EventPtr reading;  // set when the reading this series is part of takes its next step; null: none
  /// Why the newest reading failed; null: it succeeded.
  [[nodiscard]] const std::shared_ptr<const Error>& failure() const;
  void set_failure(std::shared_ptr<const Error> failure);
  /// How often in a row it has failed by itself, not with its account and region.
  [[nodiscard]] uint32_t own_failures() const { return odd_ ? odd_->own_failures : 0; }
  void set_own_failure(std::shared_ptr<const Error> failure);
  /// What is to be said of the newest reading beside its datapoints; empty: nothing.
  [[nodiscard]] const std::string& remark() const;
  void set_remark(std::string remark);

  [[nodiscard]] aws::cloudwatch::MetricQuery query() const;
  /// "AWS/EC2 CPUUtilization (InstanceId=i-1) Average", for messages.
  [[nodiscard]] std::string description() const;

 private:
  // What few series have.
  struct Odd {
    std::shared_ptr<const Error> failure;
    uint32_t own_failures = 0;
    std::string remark;
  };
  void tidy();

  std::unique_ptr<Odd> odd_;
};

/// Somebody who wants every datapoint of a series.
struct Feeder {
  Feeder* next = nullptr;  // of the same series
};

/// All series of one target, namespace and period: they become readable at the same moments.
struct Group {
  const Target* target = nullptr;
  const std::string* namespace_ = nullptr;
  int32_t period = 0;  // seconds
  std::vector<Series*> members;
  Delay* delay = nullptr;  // of their publication; set when they are first read
  int64_t next_look = 0;   // none of them is due before; 0: not known
};

/// What an item key stands for: a series, and how the item wants a missing value.
struct Wanted {
  Series* series = nullptr;
  bool missing_is_zero = false;
};

/// What anybody may ask for is bounded. Of the series without a datapoint, which anybody can invent, those
/// asked for longest ago go first; they are there again when somebody asks.
struct DemandLimits {
  size_t series = 1'000'000;
  size_t unproven = 100'000;  // of them, those without a datapoint that no item of Zabbix's feeds on
};

class Demand {
 public:
  explicit Demand(Targets& targets, DemandLimits limits = {});
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
  /// What `meaning` stands for, for somebody who keeps it and has no key looked up. Errors: as add().
  [[nodiscard]] Result<Wanted> add(const MetricKey& meaning);

  /// Which priority series have, by namespace and metric: those that are there and those to come.
  using PriorityOf = std::function<Priority(std::string_view name_space, std::string_view metric)>;
  void set_priorities(PriorityOf priority_of);

  /// Notes that somebody asked at `now` (unix seconds).
  static void note_asked(Series& series, int64_t now);
  /// Forgets what nobody asked for during some of its own intervals, an hour at least; `farewell` is called
  /// with each series before it goes.
  void forget_unasked(int64_t now, const std::function<void(Series&)>& farewell);
  /// So many series are new that forget_crowd() should look.
  [[nodiscard]] bool may_be_crowded() const { return series_.size() >= look_at_; }
  /// Forgets what is beyond the limit of those without a datapoint, as forget_unasked() does.
  void forget_crowd(const std::function<void(Series&)>& farewell);

  /// What keys stand for is looked up anew: accounts or default regions have changed. Series stay.
  void forget_keys();

  [[nodiscard]] const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }
  [[nodiscard]] size_t keys() const { return keys_.size(); }
  [[nodiscard]] size_t series() const { return series_.size(); }
  /// Namespaces, metrics, statistics and expressions that are kept.
  [[nodiscard]] size_t texts() const { return texts_.size() + names_.size() + inputs_.size(); }

 private:
  struct Same {
    using is_transparent = void;
    bool operator()(const Series* a, const Series* b) const;
  };
  struct Hash {
    size_t operator()(const Series* series) const;
  };
  struct DimensionsHash {
    size_t operator()(const DimensionsPtr& dimensions) const;
  };
  struct SameDimensions {
    bool operator()(const DimensionsPtr& a, const DimensionsPtr& b) const;
  };
  // Stands for a key's text, which nobody needs again: 96 bits, as on the board, that differ for a million
  // keys but for a chance of 1e-17. Both are made of words of four bytes, so that no room is lost between
  // them.
  struct KeyHash {
    std::array<uint32_t, 3> words{};
    friend bool operator==(const KeyHash&, const KeyHash&) = default;
  };
  struct FirstBits {
    size_t operator()(const KeyHash& hash) const noexcept {
      return uint64_t{hash.words[1]} << 32 | hash.words[0];
    }
  };
  // A pointer and a bit.
  class PackedWanted {
   public:
    PackedWanted() = default;
    explicit PackedWanted(const Wanted& wanted) {
      const uint64_t bits = reinterpret_cast<uintptr_t>(wanted.series) | (wanted.missing_is_zero ? 1U : 0U);
      std::memcpy(words_.data(), &bits, sizeof bits);
    }
    [[nodiscard]] Series* series() const { return wanted().series; }
    [[nodiscard]] Wanted wanted() const {
      uint64_t bits = 0;
      std::memcpy(&bits, words_.data(), sizeof bits);
      return {reinterpret_cast<Series*>(bits & ~uint64_t{1}), (bits & 1) != 0};
    }

   private:
    std::array<uint32_t, 2> words_{};
  };
  [[nodiscard]] KeyHash hash_of(std::string_view key) const;

  void forget(std::vector<Series*> gone, const std::function<void(Series&)>& farewell);
  void sweep();
  Group& group_of(const Target& target, const std::string* name_space, int32_t period);
  // The configured account, and the one linked to it.
  [[nodiscard]] LinkedAccount account_of(std::string_view text) const;
  const MetricName* intern(const MetricKey& meaning, std::string_view linked);
  DimensionsPtr intern(const Dimensions& dimensions);

  using Place = std::tuple<const Target*, const std::string*, int32_t>;

  Targets& targets_;
  DemandLimits limits_;
  size_t look_at_;  // series, see may_be_crowded()
  PriorityOf priority_of_;
  std::unordered_set<std::string> texts_;  // namespaces, metrics, statistics
  std::set<MetricName> names_;
  std::map<std::string, std::vector<aws::cloudwatch::NamedQuery>> inputs_;  // of metric math, by their text
  tsl::robin_set<DimensionsPtr, DimensionsHash, SameDimensions> dimensions_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::map<Place, Group*> group_at_;
  tsl::robin_set<Series*, Hash, Same> series_;             // owned
  tsl::robin_map<KeyHash, PackedWanted, FirstBits> keys_;  // a short cut: all of it can be found out anew
  uint64_t seed_;
};

/// By the first of `configured` whose patterns fit; normal when none does.
[[nodiscard]] Demand::PriorityOf priorities(std::vector<PriorityConfig> configured);

}  // namespace bakusoku::agent
