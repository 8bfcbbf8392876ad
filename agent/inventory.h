// Inventory: the resources of one service in one target, read whole with paged calls and kept fresh while
// somebody asks. A snapshot is immutable; a reading replaces it only when every page came, so that a failed
// page never looks like resources that went away. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/config.h"
#include "agent/demand.h"
#include "agent/event.h"
#include "agent/targets.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

/// One resource. The views point into the snapshot that holds it.
struct Resource {
  std::string_view id;
  std::string_view name{};  // EC2: the Name tag; empty when there is none
  bool gone = false;        // still listed by AWS, but no more there (EC2: shutting-down, terminated)
  Pairs fields{};           // "state", "type", ...; only those that have a value
  Pairs tags{};
  Pairs dimensions{};  // an alarm's; of metric math a name may be there with several values

  /// "id", "name", a field, with the prefix "tag." a tag, with "dimension." a dimension; nothing when the
  /// resource has none of that name. The first where there are several.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view field) const;
  /// Calls use(value) for each value that find() could return.
  void each(std::string_view field, const std::function<void(std::string_view)>& use) const;
};

/// Names that a resource has beside the fields of its service: how they are written in keys ("tag.env"), and,
/// in discovery, the macros' prefix ({#TAG.ENV}) and the member that holds them all ("tags").
struct Labels {
  std::string_view prefix;
  std::string_view macro;
  std::string_view member;
  Pairs Resource::*of;
};
inline constexpr Labels kTags{"tag.", "TAG.", "tags", &Resource::tags};
inline constexpr Labels kDimensions{"dimension.", "DIMENSION.", "dimensions", &Resource::dimensions};

/// What a resource has to have.
struct Condition {
  std::string field;
  std::string value;
};
using Filter = std::vector<Condition>;

/// One reading of a service. It never changes; only what it is looked through with is made when first needed.
class Snapshot {
 public:
  Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  /// A view of `text` that lives as long as the snapshot; equal texts are stored once.
  [[nodiscard]] std::string_view keep(std::string_view text);
  void add(Resource resource) { resources_.push_back(std::move(resource)); }
  void count_page() { ++pages_; }
  /// Builds the indexes; call once, after the last add().
  void finish(WallTime read_at);

  [[nodiscard]] const std::vector<Resource>& resources() const { return resources_; }
  [[nodiscard]] const Resource* by_id(std::string_view id) const;
  /// All resources of that name that are not gone.
  [[nodiscard]] std::vector<const Resource*> by_name(std::string_view name) const;
  /// The only one of that name that is not gone, or nullptr (none or several).
  [[nodiscard]] const Resource* only_by_name(std::string_view name) const;
  /// Those that are not gone and fit all conditions, in the order of resources(). The first question with a
  /// condition's field sorts the snapshot by it; the others cost as much as they find.
  [[nodiscard]] std::vector<const Resource*> matching(const Filter& filter) const;
  [[nodiscard]] WallTime read_at() const { return read_at_; }
  /// How many requests it took, at least.
  [[nodiscard]] size_t pages() const { return pages_; }

  /// How many fields it is sorted by at most: those that were asked for last. What no resource has takes no
  /// room of others.
  static constexpr size_t kMaxSorted = 16;

 private:
  // Value and position of each resource that is not gone, sorted.
  using Sorted = std::vector<std::pair<std::string_view, uint32_t>>;
  [[nodiscard]] const Sorted* sorted_by(const std::string& field) const;

  static constexpr size_t kBlockBytes = 64 * 1024;
  std::vector<std::unique_ptr<char[]>> blocks_;  // hold the bytes of strings_
  size_t block_size_ = 0;                        // of the last block
  size_t block_left_ = 0;
  std::unordered_set<std::string_view> strings_;
  std::vector<Resource> resources_;
  std::unordered_map<std::string_view, uint32_t> ids_;
  std::unordered_multimap<std::string_view, uint32_t> names_;
  struct SortedField {
    Sorted values{};
    uint64_t used = 0;  // when it was last looked through, in questions
  };
  mutable std::map<std::string, SortedField, std::less<>> sorted_;
  mutable uint64_t questions_ = 0;
  WallTime read_at_{};
  size_t pages_ = 0;
};

/// A service that can be discovered: how to read all of its resources. A row of a table.
struct Service {
  std::string_view name;    // "ec2", as in item keys
  std::string_view person;  // "EC2 instance", for messages
  std::vector<std::string_view> fields;
  const Labels* labels;
  /// Between two readings, where the configuration does not name the service; 0: as [inventory] interval.
  std::chrono::seconds interval;
  /// The action that reads it, where AWS bills its requests; empty: it costs nothing.
  std::string_view billed;
  /// Reads every page. Errors as the call's.
  asio::awaitable<Result<std::shared_ptr<Snapshot>>> (*read)(const Target& target);
  /// Where an id is one resource's in all regions and accounts: whether a text has the form of one. Null:
  /// resources of different regions or accounts may have the same id.
  bool (*is_id)(std::string_view text) = nullptr;

  /// Whether its resources may have such a field, see Resource::find().
  [[nodiscard]] bool knows(std::string_view field) const;
  /// "name, tag.<key>, state, ...": the known fields, for messages.
  [[nodiscard]] std::string known_fields() const;
};

/// "state=running;tag.env=prod", quoted as dimensions are. Errors: invalid (also a field the service does not
/// have).
[[nodiscard]] Result<Filter> parse_filter(std::string_view text, const Service& service);
/// How often the service is read.
[[nodiscard]] std::chrono::seconds interval_of(const Service& service, const InventoryConfig& config);
/// Errors: invalid, a name in it is no service's.
[[nodiscard]] Result<void> check(const InventoryConfig& config);

/// The known service of that name, or nullptr.
[[nodiscard]] const Service* find_service(std::string_view name);
/// "ec2, ...": the known names, for messages.
[[nodiscard]] std::string service_names();

/// When nobody has asked for this many intervals, reading stops until the next question.
inline constexpr int kIdleIntervals = 3;

struct InventoryCounters {
  uint64_t readings = 0;
  uint64_t failures = 0;
  uint64_t early = 0;  // readings brought forward by an unknown name or id
};

class Inventory {
 public:
  Inventory(asio::io_context& io, const Service& service, const Target& target, std::chrono::seconds interval,
            Clock clock, InventoryCounters& counters, SteadyClock steady = steady_time());

  using Snap = std::shared_ptr<const Snapshot>;

  /// The newest snapshot without waiting; nullptr when there is none young enough.
  [[nodiscard]] Snap now();
  /// The newest snapshot; waits for the first reading. Errors: of the reading, timeout.
  [[nodiscard]] asio::awaitable<Result<Snap>> get(Deadline deadline);
  /// As now(), and starts the first reading, or the one after a failure, if it is time.
  [[nodiscard]] Snap now_or_start();
  /// The newest snapshot, however old; nothing is noted or read by this.
  [[nodiscard]] const Snap& newest() const { return snapshot_; }
  /// Why the newest reading failed; nothing: it did not, or there was none.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  /// Whether AWS lets nobody of this account read it here (see aws::closes_region), where all regions are
  /// meant: lists over all regions go without it.
  [[nodiscard]] bool closed() const;
  [[nodiscard]] const Service& service() const { return service_; }
  [[nodiscard]] const Target& target() const { return target_; }
  /// For a name or id that `seen` does not hold: a snapshot read after `seen`, when an early reading is
  /// allowed now (one per interval); else `seen` itself. Errors: of the reading, timeout.
  [[nodiscard]] asio::awaitable<Result<Snap>> newer_than(Snap seen, Deadline deadline);

  /// For how long answers from the newest snapshot are good without asking here: until shortly after the next
  /// reading is due, as that takes its time.
  [[nodiscard]] Span current_span() const;
  /// Somebody used such an answer: the inventory is still wanted.
  void note_asked() { last_asked_ = steady_(); }
  /// Nobody has asked for an hour, nor for some intervals, and nothing is under way.
  [[nodiscard]] bool is_idle() const;
  /// True once after each new snapshot.
  [[nodiscard]] bool take_renewed() { return std::exchange(renewed_, false); }

  /// Called once a second: reads again when it is time and somebody still asks.
  void tick();
  [[nodiscard]] std::chrono::seconds interval() const { return interval_; }
  void set_interval(std::chrono::seconds interval);
  /// What it holds is of another account now: the next asker waits for a new reading.
  void forget();

 private:
  [[nodiscard]] asio::awaitable<Result<Snap>> read_and_wait(Deadline deadline);
  void start_reading();
  [[nodiscard]] asio::awaitable<void> run_reading();
  [[nodiscard]] bool young_enough() const;

  asio::io_context& io_;
  const Service& service_;
  const Target& target_;
  std::chrono::seconds interval_;
  Clock clock_;
  SteadyClock steady_;
  InventoryCounters& counters_;

  Snap snapshot_;
  bool renewed_ = false;
  std::optional<Error> failure_;  // of the newest reading; nothing when it succeeded
  bool closed_ = false;           // the newest reading failed because the region is closed
  uint64_t forgotten_ = 0;        // times
  EventPtr reading_;              // set when the reading under way has ended; null: none under way
  using Steady = std::chrono::steady_clock::time_point;
  Steady read_ended_{};  // of the newest success
  Steady next_{};        // when tick() reads again
  Steady last_asked_{};
  std::optional<Steady> last_early_;
  Steady failed_until_{};  // until then a failure is answered without a new try
  int failures_in_row_ = 0;
};

/// All inventories: one per service and target, made when first asked for.
class Inventories {
 public:
  Inventories(asio::io_context& io, InventoryConfig config, Clock clock, SteadyClock steady = steady_time())
      : io_(io), config_(std::move(config)), clock_(std::move(clock)), steady_(std::move(steady)) {}

  [[nodiscard]] Inventory& of(const Service& service, const Target& target);
  /// Calls use(target, inventory) with each of that service that was asked for so far.
  template <typename Use>
  void each(const Service& service, Use use) const {
    for (const auto& [of, inventory] : inventories_) {
      if (of.first == &service) use(*of.second, *inventory);
    }
  }
  void tick();
  void configure(InventoryConfig config);
  /// Forgets those that are idle; `farewell` is called with each before it goes.
  void forget_idle(const std::function<void(const Inventory&)>& farewell);
  /// Calls use(target) for each that there is an inventory of.
  void each_target(const std::function<void(const Target&)>& use) const;
  [[nodiscard]] size_t size() const { return inventories_.size(); }
  /// Forgets what was read in the targets for which `of` says so.
  void forget(const std::function<bool(const Target&)>& of);
  /// Those that lists over all regions go without, see Inventory::closed().
  [[nodiscard]] std::vector<const Inventory*> closed() const;
  /// Those that have a new snapshot since the last call.
  [[nodiscard]] std::vector<const Inventory*> take_renewed();
  [[nodiscard]] const InventoryCounters& counters() const { return counters_; }

 private:
  asio::io_context& io_;
  InventoryConfig config_;
  Clock clock_;
  SteadyClock steady_;
  InventoryCounters counters_;
  std::map<std::pair<const Service*, const Target*>, std::unique_ptr<Inventory>> inventories_;
};

}  // namespace bakusoku::agent
