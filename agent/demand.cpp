#include "agent/demand.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <utility>

namespace bakusoku::agent {
namespace {

constexpr size_t kMaxKeys = 1'000'000;
constexpr size_t kMaxKeyBytes = size_t{512} << 20;  // of all keys together
constexpr int64_t kLongestGap = 7 * 86400;          // a clock that was corrected by years is not an interval
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

size_t mix(size_t seed, const void* part) {
  return (seed ^ std::hash<const void*>()(part)) * 0x9E3779B97F4A7C15u;
}

}  // namespace

aws::cloudwatch::MetricQuery Series::query() const {
  aws::cloudwatch::MetricQuery query;
  query.namespace_ = *namespace_;
  query.metric = *metric;
  query.dimensions = *dimensions;
  query.statistic = *statistic;
  query.period_seconds = group->period;
  return query;
}

std::string Series::description() const {
  std::string text = fmt::format("{} {}", *namespace_, *metric);
  std::string_view separator = " (";
  for (const auto& dimension : *dimensions) {
    text += fmt::format("{}{}={}", separator, dimension.name, dimension.value);
    separator = ", ";
  }
  if (!dimensions->empty()) text += ')';
  return fmt::format("{} {}", text, *statistic);
}

const std::shared_ptr<const Error>& Series::failure() const {
  static const std::shared_ptr<const Error> kNone;
  return exception_ ? exception_->failure : kNone;
}

const std::shared_ptr<Event>& Series::reading() const {
  static const std::shared_ptr<Event> kNone;
  return exception_ ? exception_->reading : kNone;
}

void Series::set_failure(std::shared_ptr<const Error> failure) {
  if (!failure && !exception_) return;
  exception().failure = std::move(failure);
  drop_empty_exception();
}

std::shared_ptr<Event> Series::set_reading(std::shared_ptr<Event> reading) {
  if (!reading && !exception_) return nullptr;
  auto before = std::exchange(exception().reading, std::move(reading));
  drop_empty_exception();
  return before;
}

Series::Exception& Series::exception() {
  if (!exception_) exception_ = std::make_unique<Exception>();
  return *exception_;
}

void Series::drop_empty_exception() {
  if (exception_ && !exception_->failure && !exception_->reading) exception_.reset();
}

Demand::Spelling* Demand::Spelling::make(std::string_view text, Series* series, bool missing_is_zero) {
  void* block = ::operator new(sizeof(Spelling) + text.size());
  auto* spelling = new (block) Spelling{series, static_cast<uint32_t>(text.size()), missing_is_zero};
  std::memcpy(spelling + 1, text.data(), text.size());
  return spelling;
}

void Demand::Spelling::free(Spelling* spelling) { ::operator delete(spelling); }

bool Demand::Same::operator()(const Series* a, const Series* b) const {
  return a->group == b->group && a->namespace_ == b->namespace_ && a->metric == b->metric &&
         a->statistic == b->statistic && a->dimensions == b->dimensions;
}

size_t Demand::Hash::operator()(const Series* series) const {
  size_t seed = std::hash<const void*>()(series->group);
  for (const void* part :
       {static_cast<const void*>(series->namespace_), static_cast<const void*>(series->metric),
        static_cast<const void*>(series->statistic), static_cast<const void*>(series->dimensions.get())}) {
    seed = mix(seed, part);
  }
  return seed;
}

Demand::~Demand() {
  for (Spelling* spelling : keys_) Spelling::free(spelling);
  for (Series* series : series_) delete series;
}

Wanted Demand::find(std::string_view key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return Wanted{};
  return Wanted{(*found)->series, (*found)->missing_is_zero};
}

Result<Wanted> Demand::add(std::string_view key, const MetricKey& meaning) {
  auto target = targets_.find(meaning.region, meaning.account);
  if (!target) return fail(target.error());
  if (keys_.size() >= kMaxKeys || key_bytes_ + key.size() > kMaxKeyBytes) {
    return fail(ErrorKind::invalid, "{} metric keys of {} bytes are in use; spread them over several agents",
                keys_.size(), key_bytes_);
  }
  auto wanted = std::make_unique<Series>();
  wanted->group = &group_of(**target, meaning.period_seconds);
  wanted->namespace_ = intern(meaning.namespace_);
  wanted->metric = intern(meaning.metric);
  wanted->statistic = intern(meaning.statistic);
  wanted->dimensions = intern(meaning.dimensions);
  const auto known = series_.find(wanted.get());
  Series* series = nullptr;
  if (known != series_.end()) {
    series = *known;
  } else {
    series = wanted.release();
    series_.insert(series);
    series->group->members.push_back(series);
  }
  key_bytes_ += key.size();
  keys_.insert(Spelling::make(key, series, meaning.missing_is_zero));
  return Wanted{series, meaning.missing_is_zero};
}

Group& Demand::group_of(const Target& target, int32_t period) {
  const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) {
    return group->target == &target && group->period == period;
  });
  if (found != groups_.end()) return **found;
  groups_.push_back(std::make_unique<Group>());
  groups_.back()->target = &target;
  groups_.back()->period = period;
  return *groups_.back();
}

std::shared_ptr<const Dimensions> Demand::intern(const Dimensions& dimensions) {
  auto& slot = dimensions_[dimensions_text(dimensions)];
  std::shared_ptr<const Dimensions> kept = slot.lock();
  if (!kept) {
    kept = std::make_shared<const Dimensions>(dimensions);
    slot = kept;
  }
  return kept;
}

void Demand::note_asked(Series& series, int64_t now) {
  if (series.last_asked != 0 && now > series.last_asked) {
    series.ask_gap = static_cast<uint32_t>(std::min(now - series.last_asked, kLongestGap));
  }
  series.last_asked = static_cast<Seconds32>(now);
}

void Demand::forget_unasked(int64_t now) {
  const auto forgotten = [now](const Series* series) {
    const int64_t interval = std::max<int64_t>(series->ask_gap, series->group->period);
    return !series->reading() && series->waiting == 0 &&
           now - series->last_asked > std::max(kForgetAtLeast, kForgetIntervals * interval);
  };
  bool any = false;
  for (const auto& group : groups_) {
    any = std::erase_if(group->members, forgotten) > 0 || any;
  }
  if (!any) return;
  for (auto at = keys_.begin(); at != keys_.end();) {
    Spelling* spelling = *at;
    if (!forgotten(spelling->series)) {
      ++at;
      continue;
    }
    at = keys_.erase(at);
    key_bytes_ -= spelling->size;
    Spelling::free(spelling);
  }
  std::vector<Series*> gone;
  std::copy_if(series_.begin(), series_.end(), std::back_inserter(gone), forgotten);
  for (Series* series : gone) {
    series_.erase(series);
    delete series;
  }
  std::erase_if(dimensions_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace bakusoku::agent
