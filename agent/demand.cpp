#include "agent/demand.h"

#include <fnmatch.h>
#include <sys/random.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::agent {
namespace {

static_assert(sizeof(Series) <= 104,
              "with malloc's own 8 bytes a multiple of 16; see docs/performance.md, memory");

constexpr size_t kSpareKeys = 1000;
constexpr float kFullest = 0.9F;  // of the tables: memory per key matters, and few questions come here
constexpr int64_t kLongestGap = 7 * 86400;  // a clock that was corrected by years is not an interval
constexpr int64_t kForgetIntervals = 3;
constexpr int64_t kForgetAtLeast = 3600;  // seconds

std::string dimensions_text(const Dimensions& dimensions) {
  std::string text;
  for (const auto& dimension : dimensions) {
    text += dimension.name;
    text += '\0';
    text += dimension.value;
    text += '\0';
  }
  return text;
}

std::string inputs_text(const std::vector<aws::cloudwatch::NamedQuery>& inputs) {
  std::string text;
  for (const auto& input : inputs) {
    for (const std::string* part :
         {&input.name, &input.namespace_, &input.metric, &input.statistic, &input.unit}) {
      text += *part;
      text += '\0';
    }
    text += dimensions_text(input.dimensions);
    text += '\0';
  }
  return text;
}

void append_metric(std::string& text, std::string_view namespace_, std::string_view metric,
                   const Dimensions& dimensions) {
  text += fmt::format("{} {}", namespace_, metric);
  std::string_view separator = " (";
  for (const auto& dimension : dimensions) {
    text += fmt::format("{}{}={}", separator, dimension.name, dimension.value);
    separator = ", ";
  }
  if (!dimensions.empty()) text += ')';
}

// No statistic, no address, no chance: the same metric has the same place at every start.
uint32_t place_of(const MetricKey& meaning) {
  const std::string text = fmt::format("{}\n{}\n{}{}", meaning.namespace_, meaning.metric,
                                       dimensions_text(meaning.dimensions), inputs_text(meaning.inputs));
  return static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
}

size_t mix(size_t seed, const void* part) {
  return (seed ^ std::hash<const void*>()(part)) * 0x9E3779B97F4A7C15u;
}

}  // namespace

aws::cloudwatch::MetricQuery Series::query() const {
  aws::cloudwatch::MetricQuery query;
  query.period_seconds = group->period;
  if (name->account_id != nullptr) query.account_id = *name->account_id;
  if (name->inputs != nullptr) {
    query.expression = *name->metric;
    query.inputs = *name->inputs;
    return query;
  }
  query.namespace_ = *name->namespace_;
  query.metric = *name->metric;
  query.dimensions = *dimensions;
  query.statistic = *name->statistic;
  if (name->unit != nullptr) query.unit = *name->unit;
  return query;
}

std::string Series::description() const {
  std::string text;
  if (name->inputs == nullptr) {
    append_metric(text, *name->namespace_, *name->metric, *dimensions);
    text += fmt::format(" {}", *name->statistic);
    if (name->unit != nullptr) text += fmt::format(" in {}", *name->unit);
  } else {
    text = *name->metric;
    std::string_view separator = ", where ";
    for (const auto& input : *name->inputs) {
      text += fmt::format("{}{} is ", separator, input.name);
      append_metric(text, input.namespace_, input.metric, input.dimensions);
      text += fmt::format(" {}", input.statistic);
      separator = ", ";
    }
  }
  if (name->account_id != nullptr && !name->account_id->empty())
    text += fmt::format(" of account {}", *name->account_id);
  return text;
}

std::string_view to_string(Priority priority) {
  switch (priority) {
    case Priority::high:
      return "high";
    case Priority::normal:
      return "normal";
    case Priority::low:
      break;
  }
  return "low";
}

const std::shared_ptr<const Error>& Series::failure() const {
  static const std::shared_ptr<const Error> kNone;
  return odd_ ? odd_->failure : kNone;
}

void Series::set_failure(std::shared_ptr<const Error> failure) {
  if (!failure && !odd_) return;
  if (!odd_) odd_ = std::make_unique<Odd>();
  odd_->failure = std::move(failure);
  if (!odd_->failure) odd_->own_failures = 0;
  tidy();
}

void Series::set_own_failure(std::shared_ptr<const Error> failure) {
  set_failure(std::move(failure));
  ++odd_->own_failures;
}

const std::string& Series::remark() const {
  static const std::string kNone;
  return odd_ ? odd_->remark : kNone;
}

void Series::set_remark(std::string remark) {
  if (remark.empty() && !odd_) return;
  if (!odd_) odd_ = std::make_unique<Odd>();
  odd_->remark = std::move(remark);
  tidy();
}

void Series::tidy() {
  if (!odd_->failure && odd_->remark.empty()) odd_.reset();
}

Demand::Demand(Targets& targets, DemandLimits limits)
    : targets_(targets), limits_(limits), look_at_(limits.unproven) {
  if (::getrandom(&seed_, sizeof seed_, 0) != sizeof seed_) seed_ = reinterpret_cast<uintptr_t>(this);
  series_.max_load_factor(kFullest);
  keys_.max_load_factor(kFullest);
  dimensions_.max_load_factor(kFullest);
}

Demand::KeyHash Demand::hash_of(std::string_view key) const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), seed_);
  return {{static_cast<uint32_t>(hash.low64), static_cast<uint32_t>(hash.low64 >> 32),
           static_cast<uint32_t>(hash.high64)}};
}

bool Demand::Same::operator()(const Series* a, const Series* b) const {
  return a->group == b->group && a->name == b->name && a->dimensions.get() == b->dimensions.get();
}

size_t Demand::Hash::operator()(const Series* series) const {
  size_t seed = std::hash<const void*>()(series->group);
  for (const void* part :
       {static_cast<const void*>(series->name), static_cast<const void*>(series->dimensions.get())}) {
    seed = mix(seed, part);
  }
  return seed;
}

size_t Demand::DimensionsHash::operator()(const DimensionsPtr& dimensions) const {
  const std::string text = dimensions_text(*dimensions);
  return XXH3_64bits(text.data(), text.size());
}

bool Demand::SameDimensions::operator()(const DimensionsPtr& a, const DimensionsPtr& b) const {
  return static_cast<const Dimensions&>(*a) == static_cast<const Dimensions&>(*b);
}

Demand::~Demand() {
  for (Series* series : series_) delete series;
}

Wanted Demand::find(std::string_view key) const {
  const auto found = keys_.find(hash_of(key));
  return found == keys_.end() ? Wanted{} : found->second.wanted();
}

LinkedAccount Demand::account_of(std::string_view text) const {
  const auto linked = targets_.may_be_account(text) ? std::nullopt : parse_linked_account(text);
  return linked.value_or(LinkedAccount{text, {}});
}

const Series* Demand::find(const MetricKey& meaning) const {
  const LinkedAccount of = account_of(meaning.account);
  const Account* const account = targets_.account(of.account);
  if (account == nullptr) return nullptr;
  const std::string& region = meaning.region.empty() ? account->default_region : meaning.region;
  const auto is_meant = [&](const MetricName& name) {
    const std::string_view linked = name.account_id == nullptr ? "" : std::string_view(*name.account_id);
    const std::string_view unit = name.unit == nullptr ? "" : std::string_view(*name.unit);
    return *name.metric == meaning.metric && *name.statistic == meaning.statistic && unit == meaning.unit &&
           linked == of.linked &&
           (name.inputs == nullptr ? meaning.inputs.empty() : *name.inputs == meaning.inputs);
  };
  for (const auto& group : groups_) {
    if (group->period != meaning.period_seconds || group->target->account != account ||
        group->target->region != region || *group->namespace_ != meaning.namespace_) {
      continue;
    }
    for (const Series* series : group->members) {
      if (is_meant(*series->name) && *series->dimensions == meaning.dimensions) return series;
    }
  }
  return nullptr;
}

void Demand::forget_keys() {
  keys_ = {};
  keys_.max_load_factor(kFullest);
}

Result<Wanted> Demand::add(std::string_view key, const MetricKey& meaning) {
  auto meant = add(meaning);
  if (!meant) return meant;
  // One metric has any number of spellings, and somebody may try them all.
  if (keys_.size() >= series_.size() + kSpareKeys) forget_keys();
  keys_.insert_or_assign(hash_of(key), PackedWanted(*meant));
  return meant;
}

Result<Wanted> Demand::add(const MetricKey& meaning) {
  const LinkedAccount of = account_of(meaning.account);
  auto target = targets_.find(meaning.region, of.account);
  if (!target) return fail(target.error());
  auto wanted = std::make_unique<Series>();
  wanted->name = intern(meaning, of.linked);
  wanted->group = &group_of(**target, wanted->name->namespace_, meaning.period_seconds);
  wanted->dimensions = intern(meaning.dimensions);
  const auto known = series_.find(wanted.get());
  Series* series = nullptr;
  if (known != series_.end()) {
    series = *known;
  } else if (series_.size() >= limits_.series) {
    return fail(ErrorKind::invalid, "{} metrics are in use; spread them over several agents", series_.size());
  } else {
    series = wanted.release();
    series->place = place_of(meaning);
    if (priority_of_) {
      const Priority priority = priority_of_(meaning.namespace_, meaning.metric);
      series->priority = static_cast<uint64_t>(priority) & 3U;
    }
    series_.insert(series);
    series->group->members.push_back(series);
  }
  if (meaning.missing_is_zero) series->zero = 1;
  return Wanted{series, meaning.missing_is_zero};
}

Demand::PriorityOf priorities(std::vector<PriorityConfig> configured) {
  return [configured = std::move(configured)](std::string_view name_space, std::string_view metric) {
    const std::string named(name_space);
    const std::string of(metric);
    for (const PriorityConfig& one : configured) {
      if (::fnmatch(one.namespace_.c_str(), named.c_str(), 0) != 0 ||
          ::fnmatch(one.metric.c_str(), of.c_str(), 0) != 0) {
        continue;
      }
      return one.value == "high" ? Priority::high : one.value == "low" ? Priority::low : Priority::normal;
    }
    return Priority::normal;
  };
}

void Demand::set_priorities(PriorityOf priority_of) {
  priority_of_ = std::move(priority_of);
  for (Series* series : series_) {
    const Priority priority = priority_of_(*series->name->namespace_, *series->name->metric);
    series->priority = static_cast<uint64_t>(priority) & 3U;
  }
}

Group& Demand::group_of(const Target& target, const std::string* name_space, int32_t period) {
  const auto [found, fresh] = group_at_.try_emplace(Place{&target, name_space, period}, nullptr);
  if (!fresh) return *found->second;
  groups_.push_back(std::make_unique<Group>());
  groups_.back()->target = &target;
  groups_.back()->namespace_ = name_space;
  groups_.back()->period = period;
  found->second = groups_.back().get();
  return *groups_.back();
}

const MetricName* Demand::intern(const MetricKey& meaning, std::string_view linked) {
  const auto kept = [this](std::string_view text) { return &*texts_.emplace(text).first; };
  MetricName name{kept(meaning.namespace_), kept(meaning.metric), kept(meaning.statistic), kept(linked)};
  if (!meaning.unit.empty()) name.unit = kept(meaning.unit);
  if (!meaning.inputs.empty())
    name.inputs = &inputs_.try_emplace(inputs_text(meaning.inputs), meaning.inputs).first->second;
  return &*names_.insert(name).first;
}

DimensionsPtr Demand::intern(const Dimensions& dimensions) {
  return *dimensions_.insert(DimensionsPtr(new SharedDimensions(dimensions))).first;
}

void Demand::note_asked(Series& series, int64_t now) {
  if (series.paced == 0 && series.last_asked != 0 && now > series.last_asked) {
    series.ask_gap = static_cast<uint64_t>(std::min(now - series.last_asked, kLongestGap)) & 0xFFFFFu;
  }
  series.last_asked = static_cast<Seconds32>(now);
}

namespace {

// Nobody waits for it or feeds on it.
bool is_loose(const Series& series) { return !series.reading && series.held == 0 && series.fed == 0; }

}  // namespace

void Demand::forget_unasked(int64_t now, const std::function<void(Series&)>& farewell) {
  std::vector<Series*> gone;
  std::copy_if(series_.begin(), series_.end(), std::back_inserter(gone), [now](Series* series) {
    // Asked by a clock that was ahead: from now on it is as old as others.
    if (series->last_asked > now) series->last_asked = static_cast<Seconds32>(now);
    const int64_t interval = std::max(static_cast<int64_t>(series->ask_gap), int64_t{series->group->period});
    return is_loose(*series) &&
           now - series->last_asked > std::max(kForgetAtLeast, kForgetIntervals * interval);
  });
  forget(std::move(gone), farewell);
}

void Demand::forget_crowd(const std::function<void(Series&)>& farewell) {
  std::vector<Series*> unproven;
  std::copy_if(series_.begin(), series_.end(), std::back_inserter(unproven),
               [](const Series* series) { return is_loose(*series) && series->point_clock == 0; });
  // An eighth goes at a time, so that all are not looked through for each that comes.
  const size_t step = std::max<size_t>(limits_.unproven / 8, 1);
  if (unproven.size() > limits_.unproven) {
    const auto kept =
        unproven.begin() + static_cast<ptrdiff_t>(limits_.unproven - std::min(step, limits_.unproven));
    std::nth_element(unproven.begin(), kept, unproven.end(),
                     [](const Series* a, const Series* b) { return a->last_asked > b->last_asked; });
    unproven.erase(unproven.begin(), kept);
    forget(std::move(unproven), farewell);
    look_at_ = series_.size() + step;
  } else {
    look_at_ = series_.size() + std::max(step, limits_.unproven - unproven.size());
  }
}

void Demand::forget(std::vector<Series*> gone, const std::function<void(Series&)>& farewell) {
  look_at_ = std::min(look_at_, series_.size() - gone.size() + limits_.unproven);
  if (gone.empty()) return;
  std::sort(gone.begin(), gone.end());
  const auto goes = [&](const Series* series) {
    return std::binary_search(gone.begin(), gone.end(), series);
  };
  for (const auto& group : groups_) {
    if (std::erase_if(group->members, goes) > 0 && group->members.size() < group->members.capacity() / 4)
      group->members.shrink_to_fit();
  }
  for (auto at = keys_.begin(); at != keys_.end();) at = goes(at->second.series()) ? keys_.erase(at) : ++at;
  for (Series* series : gone) {
    farewell(*series);
    series_.erase(series);
    delete series;
  }
  sweep();
}

// What only series had that are gone.
void Demand::sweep() {
  for (auto at = dimensions_.begin(); at != dimensions_.end();)
    at = (*at)->holders() == 1 ? dimensions_.erase(at) : ++at;
  std::erase_if(group_at_, [](const auto& entry) { return entry.second->members.empty(); });
  std::erase_if(groups_, [](const auto& group) { return group->members.empty(); });
  std::unordered_set<const MetricName*> names;
  std::unordered_set<const void*> used;
  for (const Series* series : series_) names.insert(series->name);
  std::erase_if(names_, [&](const MetricName& name) { return !names.contains(&name); });
  for (const MetricName& name : names_) {
    used.insert({name.namespace_, name.metric, name.statistic, name.account_id});
    used.insert(name.inputs);
  }
  std::erase_if(texts_, [&](const std::string& text) { return !used.contains(&text); });
  std::erase_if(inputs_, [&](const auto& entry) { return !used.contains(&entry.second); });
  // The tables' own room, after many have gone.
  if (series_.bucket_count() > 8 * (series_.size() + kSpareKeys)) series_.rehash(0);
  if (keys_.bucket_count() > 8 * (keys_.size() + kSpareKeys)) keys_.rehash(0);
  if (dimensions_.bucket_count() > 8 * (dimensions_.size() + kSpareKeys)) dimensions_.rehash(0);
}

}  // namespace bakusoku::agent
