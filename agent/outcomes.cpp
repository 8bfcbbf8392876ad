#include "agent/outcomes.h"

#include <algorithm>

namespace bakusoku::agent {
namespace {

constexpr size_t kMostSteps = 2048;
constexpr size_t kExactSteps = 600;  // the newest ones are kept as they are

}  // namespace

void Outcomes::note_acknowledged(uint64_t up_to, int64_t now) {
  if (!steps_.empty() && up_to <= steps_.back().up_to) return;
  if (!steps_.empty() && steps_.back().at == now) {
    steps_.back().up_to = up_to;
    return;
  }
  steps_.push_back({up_to, now});
  if (steps_.size() < kMostSteps) return;
  // Of the old ones every second goes; what it stood for counts as acknowledged by the next.
  const size_t old = steps_.size() - kExactSteps;
  size_t kept = 0;
  for (size_t at = 0; at < steps_.size(); ++at) {
    if (at < old && at % 2 == 0) continue;
    steps_[kept++] = steps_[at];
  }
  steps_.resize(kept);
}

std::optional<int64_t> Outcomes::acknowledged_at(uint64_t id) const {
  const auto step = std::lower_bound(steps_.begin(), steps_.end(), id,
                                     [](const Step& one, uint64_t wanted) { return one.up_to < wanted; });
  if (step == steps_.end()) return std::nullopt;
  return step->at;
}

void Outcomes::note_refused(const Item& item, std::string_view info, int64_t now, int64_t again) {
  auto found = refusals_.find(item);
  if (found == refusals_.end()) {
    if (refusals_.size() >= most_refusals_) forget_oldest_refusals();
    found =
        refusals_.emplace(Kept{std::string(item.host), std::string(item.key), item.itemid}, Refusal{}).first;
  } else if (found->first.key != item.key) {
    auto renamed = refusals_.extract(found);
    renamed.key().key = item.key;
    found = refusals_.insert(std::move(renamed)).position;
  }
  Refusal& refusal = found->second;
  if (refusal.times == 0 || refusal.taken != 0) {
    refusal = Refusal{};
    refusal.since = now;
  }
  ++refusal.times;
  refusal.last = now;
  refusal.again = again;
  refusal.info = info.substr(0, 200);
}

void Outcomes::note_taken(const Item& item, int64_t now) {
  if (refusals_.empty()) return;
  const auto found = refusals_.find(item);
  if (found != refusals_.end() && found->second.taken == 0) found->second.taken = now;
}

const Refusal* Outcomes::refusal(const Item& item) const {
  if (item.itemid != 0) {
    const auto found = refusals_.find(item);
    return found == refusals_.end() ? nullptr : &found->second;
  }
  for (auto at = refusals_.lower_bound(Item{item.host, "", 0});
       at != refusals_.end() && at->first.host == item.host; ++at) {
    if (at->first.key == item.key) return &at->second;
  }
  return nullptr;
}

size_t Outcomes::refused_now() const {
  return static_cast<size_t>(std::count_if(refusals_.begin(), refusals_.end(),
                                           [](const auto& one) { return one.second.taken == 0; }));
}

std::vector<Outcomes::Refused> Outcomes::latest_refused(size_t most) const {
  std::vector<Refused> refused;
  for (const auto& [item, refusal] : refusals_) {
    if (refusal.taken == 0) refused.push_back({item, &refusal});
  }
  const size_t wanted = std::min(most, refused.size());
  std::partial_sort(
      refused.begin(), refused.begin() + static_cast<ptrdiff_t>(wanted), refused.end(),
      [](const Refused& one, const Refused& other) { return one.refusal->last > other.refusal->last; });
  refused.resize(wanted);
  return refused;
}

// A quarter at a time, those that Zabbix takes again first.
void Outcomes::forget_oldest_refusals() {
  std::vector<std::pair<bool, int64_t>> ages;
  ages.reserve(refusals_.size());
  const auto age_of = [](const Refusal& refusal) { return std::pair(refusal.taken == 0, refusal.last); };
  for (const auto& [item, refusal] : refusals_) ages.push_back(age_of(refusal));
  const auto quarter = ages.begin() + static_cast<ptrdiff_t>(ages.size() / 4);
  std::nth_element(ages.begin(), quarter, ages.end());
  size_t left = ages.size() / 4 + 1;
  const auto limit = *quarter;
  for (auto at = refusals_.begin(); at != refusals_.end() && left > 0;) {
    if (age_of(at->second) <= limit) {
      at = refusals_.erase(at);
      --left;
    } else {
      ++at;
    }
  }
}

}  // namespace bakusoku::agent
