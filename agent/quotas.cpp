#include "agent/quotas.h"

#include <algorithm>

namespace bakusoku::agent {
namespace {

constexpr std::string_view kCalls = "cloudwatch GetMetricData";
constexpr std::string_view kDatapoints = "datapoints";

}  // namespace

void Quotas::tick(const Targets& targets) {
  size_t seen = 0;
  for (const auto& account : targets.accounts()) {
    if (!account->client) continue;
    for (aws::Pace& pace : account->client->paces()) {
      if (pace.what != kCalls && pace.what != kDatapoints) continue;
      Use& use = uses_[Key{account->name, std::move(pace.region), std::move(pace.what)}];
      use.limit = pace.limit;
      use.rate.sample(pace.taken);
      use.looked = looks_;
      ++seen;
    }
  }
  // Regions that nobody asks for any more.
  if (uses_.size() > seen)
    std::erase_if(uses_, [this](const auto& use) { return use.second.looked != looks_; });
  ++looks_;
}

std::vector<Quotas::Seen> Quotas::seen() const {
  std::map<std::pair<std::string, std::string>, Seen> places;
  for (const auto& [key, use] : uses_) {
    const auto& [account, region, what] = key;
    Seen& seen = places[{account, region}];
    seen.account = account;
    seen.region = region;
    (what == kCalls ? seen.calls : seen.datapoints) = use.rate.per_second();
    (what == kCalls ? seen.calls_limit : seen.datapoints_limit) = use.limit;
  }
  std::vector<Seen> all;
  for (auto& [place, seen] : places) all.push_back(std::move(seen));
  return all;
}

double Quotas::headroom(std::string_view what) const {
  double least = 1;
  for (const auto& [key, use] : uses_) {
    if (std::get<2>(key) != what || !(use.limit > 0)) continue;
    least = std::min(least, std::clamp(1 - use.rate.per_second() / use.limit, 0.0, 1.0));
  }
  return least;
}

double Quotas::calls_headroom() const { return headroom(kCalls); }
double Quotas::datapoints_headroom() const { return headroom(kDatapoints); }

}  // namespace bakusoku::agent
