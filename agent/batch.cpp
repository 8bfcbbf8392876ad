#include "agent/batch.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::kMaxDatapointsPerCall;
using aws::cloudwatch::kMaxQueriesPerCall;

constexpr size_t kStatisticsBilledAsOne = 5;
constexpr int64_t kMostDatapoints = kMaxDatapointsPerCall;
// AWS gives 180,000 datapoints and 50 calls a second.
constexpr int64_t kDatapointsOfACall = 3600;
// A call with so many queries is as good as full: metrics of up to 24 queries waste no more than a twentieth.
constexpr size_t kFull = kMaxQueriesPerCall * 20 / 21 + 1;
static_assert(kFull * 105 >= kMaxQueriesPerCall * 100);
// Of the calls that have room left, so many are tried.
constexpr size_t kTried = 16;
// Of more than so many series a part is planned after the other, for memory's sake: each part has its own
// last call, which is not full.
constexpr size_t kPlannedAtOnce = 25'000;
static_assert(kPlannedAtOnce >= 50 * kMaxQueriesPerCall);
// Nothing with a common start that far back shares a call.
constexpr int64_t kLongestUnit = 7 * 86400;

using MetricIdentity =
    std::tuple<const std::string*, const std::string*, const std::string*,
               const std::vector<aws::cloudwatch::NamedQuery>*, const std::string*, const Dimensions*>;

MetricIdentity metric_of(const Series& series) {
  const MetricName& name = *series.name;
  return {name.namespace_, name.metric, name.account_id, name.inputs, name.unit, series.dimensions.get()};
}

size_t queries_of(const Series& series) {
  return 1 + (series.name->inputs == nullptr ? 0 : series.name->inputs->size());
}

int64_t period_of(const Due& due) { return due.series->group->period; }

// CloudWatch takes a start as a multiple of this: of the period, and of what it rounds starts down to, a
// minute, or five where the datapoints may be older than 15 days, or an hour where older than 63 days, which
// the period tells. Source: Amazon CloudWatch API Reference, GetMetricData, StartTime.
int64_t start_unit(int64_t period) {
  if (period == 5 || period == 10 || period == 20 || period == 30) return period;
  return std::lcm(period, int64_t{period < 300 ? 60 : period < 3600 ? 300 : 3600});
}

int64_t periods_in(const Window& window, int64_t period) {
  return (window.end - window.start + period - 1) / period;
}

// What the windows of a call have in common, and what they cost.
class Shape {
 public:
  Shape() = default;
  Shape(const Window& window, int64_t period, size_t queries)
      : window_(window), unit_(start_unit(period)), queries_(queries), by_period_{{period, queries}} {
    own_ = datapoints();
  }

  [[nodiscard]] Window window() const { return {window_.start - window_.start % unit_, window_.end}; }
  [[nodiscard]] bool is_full() const { return queries_ >= kFull; }

  // Nothing when they cannot be one call.
  [[nodiscard]] std::optional<Shape> with(const Shape& other) const {
    if (queries_ + other.queries_ > kMaxQueriesPerCall) return std::nullopt;
    const int64_t unit = std::lcm(unit_, other.unit_);
    if (unit > std::max({kLongestUnit, unit_, other.unit_})) return std::nullopt;
    Shape both = *this;
    both.unit_ = unit;
    both.queries_ += other.queries_;
    both.own_ += other.own_;
    both.window_.start = std::min(window_.start, other.window_.start);
    both.window_.end = std::max(window_.end, other.window_.end);
    for (const auto& [period, queries] : other.by_period_) both.add(period, queries);
    const int64_t asked = both.datapoints();
    if (asked > kMostDatapoints || asked - both.own_ > kDatapointsOfACall) return std::nullopt;
    return both;
  }

 private:
  [[nodiscard]] int64_t datapoints() const {
    int64_t sum = 0;
    for (const auto& [period, queries] : by_period_)
      sum += periods_in(window(), period) * static_cast<int64_t>(queries);
    return sum;
  }
  void add(int64_t period, size_t queries) {
    for (auto& [known, count] : by_period_) {
      if (known == period) {
        count += queries;
        return;
      }
    }
    by_period_.emplace_back(period, queries);
  }

  Window window_{};
  int64_t unit_ = 1;
  int64_t own_ = 0;  // datapoints, had each its own call
  size_t queries_ = 0;
  std::vector<std::pair<int64_t, size_t>> by_period_;
};

// What stays in one call: the statistics of a metric over one window.
struct Unit {
  Shape shape;
  std::vector<Due> due;
};

struct Open {
  Shape shape;
  std::vector<Unit> units;
};

// Puts a unit into the first call that has room for it, else into a new one.
void place(Unit unit, std::vector<Open>& open) {
  const size_t first = open.size() > kTried ? open.size() - kTried : 0;
  for (size_t at = first; at < open.size(); ++at) {
    if (auto both = open[at].shape.with(unit.shape)) {
      open[at].shape = std::move(*both);
      open[at].units.push_back(std::move(unit));
      return;
    }
  }
  Open& added = open.emplace_back();
  added.shape = unit.shape;
  added.units.push_back(std::move(unit));
}

// No more than a call brings for this series alone.
void cut_to_a_call(Due& due) {
  const int64_t period = period_of(due);
  const int64_t start = Shape(due.window, period, 1).window().start;
  const int64_t most = kMostDatapoints / static_cast<int64_t>(queries_of(*due.series));
  const int64_t end = start + most * period;
  if (due.window.end <= end) return;
  due.window.end = end - (end - due.window.start) % period;
  due.cut = true;
}

struct Key {
  MetricIdentity metric;
  Window window;
  int64_t period;

  friend bool operator==(const Key& a, const Key& b) {
    return a.metric == b.metric && a.window.start == b.window.start && a.window.end == b.window.end &&
           a.period == b.period;
  }
};

struct HashOfKey {
  size_t operator()(const Key& key) const noexcept {
    size_t hash = static_cast<size_t>(key.window.start ^ key.window.end << 20 ^ key.period << 40);
    const auto mix = [&hash](const void* part) {
      hash = (hash ^ std::hash<const void*>()(part)) * 0x9E3779B97F4A7C15u;
    };
    std::apply([&](const auto*... parts) { (mix(parts), ...); }, key.metric);
    return hash;
  }
};

// In the order of the first of each.
std::vector<Unit> units_of(std::vector<Due> due) {
  std::vector<Unit> units;
  std::unordered_map<Key, size_t, HashOfKey> known;
  known.reserve(due.size());
  for (Due& one : due) {
    cut_to_a_call(one);
    const size_t queries = queries_of(*one.series);
    const auto shape_of = [&](size_t series) { return Shape(one.window, period_of(one), series * queries); };
    const auto [at, added] =
        known.try_emplace(Key{metric_of(*one.series), one.window, period_of(one)}, units.size());
    if (added) {
      units.push_back({shape_of(1), {one}});
      continue;
    }
    Unit& unit = units[at->second];
    if (auto both = unit.shape.with(shape_of(1))) {
      unit.shape = std::move(*both);
      unit.due.push_back(one);
      continue;
    }
    // More than a call holds: what is left over of five goes on with the rest.
    const size_t over =
        unit.due.size() > kStatisticsBilledAsOne ? unit.due.size() % kStatisticsBilledAsOne : 0;
    std::vector<Due> rest(unit.due.end() - static_cast<ptrdiff_t>(over), unit.due.end());
    unit.due.resize(unit.due.size() - over);
    unit.shape = shape_of(unit.due.size());
    rest.push_back(one);
    at->second = units.size();
    units.push_back({shape_of(rest.size()), std::move(rest)});
  }
  return units;
}

Batch batch_of(const Target& target, Open open) {
  Batch batch;
  batch.target = &target;
  batch.window = open.shape.window();
  size_t count = 0;
  for (const Unit& unit : open.units) count += unit.due.size();
  batch.due.reserve(count);
  for (Unit& unit : open.units) batch.due.insert(batch.due.end(), unit.due.begin(), unit.due.end());
  return batch;
}

// One of the metrics AWS bills, by its text.
struct Billed {
  std::string_view account;
  std::string_view namespace_;
  std::string_view metric;
  const Dimensions* dimensions;
  std::string_view statistic;
  size_t due;  // that wants it

  [[nodiscard]] bool same_metric(const Billed& other) const {
    return metric == other.metric && namespace_ == other.namespace_ && account == other.account &&
           (dimensions == other.dimensions || *dimensions == *other.dimensions);
  }
};

bool before(const Dimensions& a, const Dimensions& b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const auto& x, const auto& y) { return std::tie(x.name, x.value) < std::tie(y.name, y.value); });
}

bool operator<(const Billed& a, const Billed& b) {
  const auto names = [](const Billed& of) { return std::tie(of.metric, of.namespace_, of.account); };
  if (names(a) != names(b)) return names(a) < names(b);
  if (a.dimensions != b.dimensions) {
    if (before(*a.dimensions, *b.dimensions)) return true;
    if (before(*b.dimensions, *a.dimensions)) return false;
  }
  return a.statistic < b.statistic;
}

void add_billed(const Series& series, size_t due, std::vector<Billed>& into) {
  const MetricName& name = *series.name;
  const std::string_view account = name.account_id == nullptr ? "" : std::string_view(*name.account_id);
  if (name.inputs == nullptr) {
    into.push_back({account, *name.namespace_, *name.metric, series.dimensions.get(), *name.statistic, due});
    return;
  }
  for (const auto& input : *name.inputs)
    into.push_back({account, input.namespace_, input.metric, &input.dimensions, input.statistic, due});
}

// What is wanted of each metric, by metric and statistic.
std::vector<Billed> billed_of(const Batch& batch) {
  std::vector<Billed> billed;
  billed.reserve(batch.due.size());
  for (size_t at = 0; at < batch.due.size(); ++at) add_billed(*batch.due[at].series, at, billed);
  std::sort(billed.begin(), billed.end());
  return billed;
}

// Where the metrics begin that are billed as one, up to five statistics of one, and where the last ends.
std::vector<size_t> bounds_of(const std::vector<Billed>& billed) {
  std::vector<size_t> bounds;
  size_t statistics = 0;
  for (size_t at = 0; at < billed.size(); ++at) {
    const bool same = at != 0 && billed[at].same_metric(billed[at - 1]);
    if (!same) {
      statistics = 1;
      bounds.push_back(at);
    } else if (billed[at].statistic != billed[at - 1].statistic && ++statistics > kStatisticsBilledAsOne) {
      statistics = 1;
      bounds.push_back(at);
    }
  }
  bounds.push_back(billed.size());
  return bounds;
}

void plan_part(const Target& target, std::vector<Due> due, std::vector<Batch>& batches) {
  // The shortest windows first, so that neighbours have much in common.
  using Alike = std::tuple<int64_t, int64_t, int64_t>;
  std::map<Alike, std::vector<Open>> pure;
  for (Unit& unit : units_of(std::move(due))) {
    const Window window = unit.due.front().window;
    const Alike alike{-window.start, period_of(unit.due.front()), window.end};
    place(std::move(unit), pure[alike]);
  }
  std::vector<Open> mixed;
  for (auto& [alike, calls] : pure) {
    for (Open& call : calls) {
      if (call.shape.is_full()) {
        batches.push_back(batch_of(target, std::move(call)));
        continue;
      }
      for (Unit& unit : call.units) place(std::move(unit), mixed);
    }
  }
  for (Open& call : mixed) batches.push_back(batch_of(target, std::move(call)));
}

}  // namespace

std::vector<Batch> plan_batches(const Target& target, std::vector<Due> due) {
  std::vector<Batch> batches;
  const size_t parts = (due.size() + kPlannedAtOnce - 1) / kPlannedAtOnce;
  if (parts <= 1) {
    plan_part(target, std::move(due), batches);
    return batches;
  }
  // By place, which all statistics of a metric share: what is billed as one stays together.
  std::vector<std::vector<Due>> of_part(parts);
  for (auto& part : of_part) part.reserve(kPlannedAtOnce + kPlannedAtOnce / 16);
  for (const Due& one : due) of_part[uint64_t{one.series->place} * parts >> 32].push_back(one);
  std::vector<Due>().swap(due);
  for (auto& part : of_part) plan_part(target, std::exchange(part, {}), batches);
  return batches;
}

std::vector<Share> shares_of(const Batch& batch) {
  const std::vector<Billed> billed = billed_of(batch);
  const std::vector<size_t> bounds = bounds_of(billed);
  std::vector<Share> shares;
  shares.reserve(billed.size());
  for (size_t unit = 0; unit + 1 < bounds.size(); ++unit) {
    const auto first = billed.begin() + static_cast<ptrdiff_t>(bounds[unit]);
    const auto last = billed.begin() + static_cast<ptrdiff_t>(bounds[unit + 1]);
    uint32_t statistics = 0;
    for (auto at = first; at != last; ++at)
      statistics += at == first || at->statistic != std::prev(at)->statistic ? 1 : 0;
    for (auto at = first; at != last;) {
      const auto end =
          std::find_if(at, last, [&](const Billed& one) { return one.statistic != at->statistic; });
      const auto sharing = static_cast<uint32_t>(end - at);
      const uint32_t all = kSharesOfUnit / statistics;
      for (uint32_t number = 0; number < sharing; ++number, ++at)
        shares.push_back({at->due, at->namespace_, all / sharing + (number < all % sharing ? 1 : 0)});
    }
  }
  return shares;
}

uint64_t billed_metrics(const std::vector<Share>& shares) {
  uint64_t sixtieths = 0;
  for (const Share& share : shares) sixtieths += share.sixtieths;
  return sixtieths / kSharesOfUnit;
}

aws::cloudwatch::MetricDataRequest request_of(const Batch& batch) {
  aws::cloudwatch::MetricDataRequest request;
  request.start = batch.window.start;
  request.end = batch.window.end;
  request.queries.reserve(batch.due.size());
  for (const Due& due : batch.due) request.queries.push_back(due.series->query());
  return request;
}

}  // namespace bakusoku::agent
