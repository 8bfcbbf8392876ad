#include "agent/existence.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>
#include <utility>

#include "agent/spawn.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::ListMetricsRequest;
using aws::cloudwatch::MetricsPage;

constexpr uint32_t kFirstGap = 300;
constexpr uint32_t kLongestGap = 3600;
// What is due within this time is looked for together.
constexpr int64_t kTogether = 30;
// A whole list that old says what is absent without another look.
constexpr int64_t kFresh = 60;
// Before a namespace was listed as a whole, so many calls look for single metrics.
constexpr size_t kFewCalls = 4;
// A filter that finds more pages than this is none; a list of more pages (two million metrics) is not kept.
constexpr size_t kMaxFilteredPages = 20;
constexpr size_t kMaxPages = 4000;
// What was absent that long ago, and could not be looked for since, is unknown.
constexpr int64_t kTrusted = 2 * 3600;
// What nobody wanted for so long is forgotten.
constexpr int64_t kForgetSought = 3 * 3600;
constexpr int64_t kForgetListing = 24 * 3600;
constexpr int64_t kForgetEmptyListing = 3 * 3600;  // that has nothing
// Listings at a time of one target.
constexpr size_t kMostAtOnce = 32;
constexpr int64_t kBetweenCrowds = 10;
constexpr int64_t kFirstHold = 60;
constexpr int64_t kLongestHold = 3600;

std::string_view owner_of(const Series& series) {
  return series.name->account_id == nullptr ? "" : std::string_view(*series.name->account_id);
}

// Calls `visit` with the namespace, the name and the dimensions of each metric of a series.
template <typename Visit>
void each_metric(const Series& series, Visit&& visit) {
  const MetricName& name = *series.name;
  if (name.inputs == nullptr) {
    visit(*name.namespace_, *name.metric, *series.dimensions);
    return;
  }
  for (const auto& input : *name.inputs) visit(input.namespace_, input.metric, input.dimensions);
}

// The hashes are evenly spread, so where one is to be found can be guessed.
bool contains(const std::vector<uint64_t>& sorted, uint64_t hash) {
  constexpr double kHashes = 18446744073709551616.0;  // 2^64
  const auto size = static_cast<double>(sorted.size());
  const double guess = static_cast<double>(hash) / kHashes * size;
  const double slack = 4 * std::sqrt(size) + 16;
  auto begin = sorted.begin() + static_cast<ptrdiff_t>(std::max(guess - slack, 0.0));
  auto end = sorted.begin() + static_cast<ptrdiff_t>(std::min(guess + slack, size));
  if (begin != sorted.begin() && *(begin - 1) >= hash) begin = sorted.begin();
  if (end != sorted.end() && *end <= hash) end = sorted.end();
  return std::binary_search(begin, end, hash);
}

void sort_unique(std::vector<uint64_t>& hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
}

void add(std::vector<uint64_t>& sorted, std::vector<uint64_t> more) {
  sort_unique(more);
  const auto middle = static_cast<ptrdiff_t>(sorted.size());
  sorted.insert(sorted.end(), more.begin(), more.end());
  std::inplace_merge(sorted.begin(), sorted.begin() + middle, sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

void sort_by_name(Dimensions& dimensions) {
  std::sort(dimensions.begin(), dimensions.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

}  // namespace

const Existence::Sought* Existence::SoughtList::find(uint64_t hash) const {
  const auto at = std::lower_bound(all_.begin(), all_.end(), hash,
                                   [](const Sought& one, uint64_t than) { return one.hash < than; });
  return at != all_.end() && at->hash == hash ? &*at : nullptr;
}

Existence::Sought* Existence::SoughtList::find(uint64_t hash) {
  return const_cast<Sought*>(std::as_const(*this).find(hash));
}

std::vector<uint64_t> Existence::SoughtList::add(std::vector<Sought> more) {
  const auto less = [](const Sought& a, const Sought& b) { return a.hash < b.hash; };
  const auto same = [](const Sought& a, const Sought& b) { return a.hash == b.hash; };
  std::sort(more.begin(), more.end(), less);
  more.erase(std::unique(more.begin(), more.end(), same), more.end());
  std::vector<uint64_t> added;
  added.reserve(more.size());
  for (const Sought& one : more) added.push_back(one.hash);
  if (all_.empty()) {
    all_ = std::move(more);
    return added;
  }
  const auto middle = static_cast<ptrdiff_t>(all_.size());
  all_.insert(all_.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  std::inplace_merge(all_.begin(), all_.begin() + middle, all_.end(), less);
  return added;
}

template <typename Predicate>
void Existence::SoughtList::erase_if(Predicate predicate) {
  std::erase_if(all_, predicate);
  if (all_.size() < all_.capacity() / 4) all_.shrink_to_fit();
}

// Metrics with the same dimensions are found by these; one without any by its name.
struct Existence::Filter {
  std::string metric;
  Dimensions dimensions;
  std::vector<uint64_t> hashes;
};

Existence::Existence(asio::io_context& io, std::chrono::seconds every, Clock clock, ExistenceLimits limits)
    : io_(io), every_(every), clock_(std::move(clock)), limits_(limits) {}

uint64_t Existence::hash_of(std::string_view metric, const Dimensions& dimensions) const {
  scratch_.assign(metric);
  for (const auto& dimension : dimensions) {
    scratch_ += '\0';
    scratch_ += dimension.name;
    scratch_ += '\0';
    scratch_ += dimension.value;
  }
  return XXH3_64bits(scratch_.data(), scratch_.size());
}

const Existence::Listing* Existence::find(const Target& target, std::string_view namespace_,
                                          std::string_view owner) const {
  const auto found = listings_.find(Key{&target, namespace_, owner});
  return found == listings_.end() ? nullptr : found->second.get();
}

Existence::Listing& Existence::listing_of(const Target& target, std::string_view namespace_,
                                          std::string_view owner) {
  const auto found = listings_.find(Key{&target, namespace_, owner});
  if (found != listings_.end()) return *found->second;
  auto listing = std::make_unique<Listing>();
  listing->target = &target;
  listing->namespace_ = namespace_;
  listing->owner = owner;
  const Key key{&target, listing->namespace_, listing->owner};
  return *listings_.emplace(key, std::move(listing)).first->second;
}

bool Existence::is_held(const Listing& listing) const {
  return now() < listing.held_until && listing.held_until - now() <= kLongestHold;
}

Exists Existence::of(const Listing* listing, std::string_view metric, const Dimensions& dimensions) const {
  if (listing == nullptr) return Exists::unknown;
  const uint64_t hash = hash_of(metric, dimensions);
  if (contains(listing->there, hash)) return Exists::there;
  const Sought* const sought = listing->sought.find(hash);
  return sought != nullptr && sought->looked != 0 ? Exists::absent : Exists::unknown;
}

Exists Existence::of(const Series& series) const {
  if (every_.count() == 0) return Exists::unknown;
  Exists all = Exists::absent;
  each_metric(series,
              [&](std::string_view namespace_, std::string_view metric, const Dimensions& dimensions) {
                if (all == Exists::there) return;
                const Listing* listing = find(*series.group->target, namespace_, owner_of(series));
                const Exists one = of(listing, metric, dimensions);
                if (one != Exists::absent) all = one;
              });
  return all;
}

int64_t Existence::looks_again(const Series& series) const {
  int64_t soonest = 0;
  each_metric(series,
              [&](std::string_view namespace_, std::string_view metric, const Dimensions& dimensions) {
                const Listing* listing = find(*series.group->target, namespace_, owner_of(series));
                if (listing == nullptr) return;
                const Sought* const sought = listing->sought.find(hash_of(metric, dimensions));
                if (sought == nullptr || sought->looked == 0) return;
                const int64_t again = std::max(sought->again(), listing->held_until);
                soonest = soonest == 0 ? again : std::min(soonest, again);
              });
  return soonest;
}

size_t Existence::metrics_there() const {
  size_t metrics = 0;
  for (const auto& [key, listing] : listings_) metrics += listing->there.size();
  return metrics;
}

size_t Existence::metrics_absent() const {
  size_t metrics = 0;
  for (const auto& [key, listing] : listings_) metrics += listing->sought.all().size();
  return metrics;
}

void Existence::each_target(const std::function<void(const Target&)>& use) const {
  for (const auto& [key, listing] : listings_) use(*listing->target);
}

void Existence::want(const Series& series) {
  if (every_.count() == 0) return;
  const int64_t at = now();
  each_metric(series,
              [&](std::string_view namespace_, std::string_view metric, const Dimensions& dimensions) {
                Listing& listing = listing_of(*series.group->target, namespace_, owner_of(series));
                listing.wanted_at = at;
                listing.wanted_regularly = true;
                if (listing.sought.all().empty()) return;
                Sought* const sought = listing.sought.find(hash_of(metric, dimensions));
                if (sought != nullptr) sought->wanted = static_cast<Seconds32>(at);
              });
}

asio::awaitable<void> Existence::learn(const Target& target, std::vector<Series*> series, Deadline deadline) {
  if (every_.count() == 0) co_return;
  const int64_t at = now();
  std::map<Listing*, std::vector<Sought>> concerned;  // with what is new to them
  std::map<std::string_view, std::shared_ptr<const std::string>> names;
  for (const Series* one : series) {
    each_metric(
        *one, [&](std::string_view namespace_, const std::string& metric, const Dimensions& dimensions) {
          Listing& listing = listing_of(target, namespace_, owner_of(*one));
          listing.wanted_at = at;
          const uint64_t hash = hash_of(metric, dimensions);
          if (is_held(listing) || contains(listing.there, hash)) return;
          Sought* const known = listing.sought.find(hash);
          if (known != nullptr) known->wanted = static_cast<Seconds32>(at);
          if (known != nullptr && known->looked != 0) return;
          std::vector<Sought>& fresh = concerned[&listing];
          if (known != nullptr) return;
          Sought& sought = fresh.emplace_back();
          sought.hash = hash;
          auto& name = names[metric];
          if (!name) name = std::make_shared<const std::string>(metric);
          sought.metric = name;
          sought.dimensions = one->name->inputs == nullptr ? one->dimensions
                                                           : DimensionsPtr(new SharedDimensions(dimensions));
          sought.wanted = static_cast<Seconds32>(at);
        });
  }
  std::vector<EventPtr> open;
  for (auto& [listing, fresh] : concerned) {
    const std::vector<uint64_t> added = listing->sought.add(std::exchange(fresh, {}));
    listing->asked.insert(listing->asked.end(), added.begin(), added.end());
    if (!listing->working && listing->listed_at != 0 && at >= listing->listed_at &&
        at - listing->listed_at < kFresh) {
      const std::vector<uint64_t> asked = std::exchange(listing->asked, {});
      settle(*listing, asked, at);
      plan_next_look(*listing);
      continue;
    }
    start(*listing);
    open.push_back(listing->done);
  }
  for (const auto& done : open) {
    if (!co_await done->wait(deadline)) co_return;
  }
}

void Existence::tick() {
  if (every_.count() == 0) return;
  const int64_t at = now();
  // Looking through all costs as much as there is, so not each time.
  if (at / kBetweenCrowds != crowds_ / kBetweenCrowds) forget_crowd();
  crowds_ = at;
  for (auto next = listings_.begin(); next != listings_.end();) {
    const auto current = next++;
    Listing& listing = *current->second;
    if (listing.working) continue;
    listing.wanted_at = std::min(listing.wanted_at, at);
    const int64_t kept =
        listing.there.empty() ? kForgetEmptyListing : std::max(kForgetListing, every_.count());
    if (at - listing.wanted_at > kept) {
      listings_.erase(current);
      continue;
    }
    if (is_held(listing)) continue;
    // Not all at once: the namespace decides who is earlier.
    const int64_t every =
        every_.count() - static_cast<int64_t>(hash_of(listing.namespace_, {}) %
                                              static_cast<uint64_t>(every_.count() / 10 + 1));
    const int64_t age = at - listing.listed_at;
    const bool due = listing.listed_at == 0 ? listing.wanted_regularly : age < 0 || age >= every;
    if (due && !listing.too_long) {
      listing.whole = true;
      start(listing);
    } else if (!listing.sought.all().empty() &&
               (at >= listing.next_look || listing.next_look - at > int64_t{kLongestGap} + kTogether)) {
      listing.sought.erase_if([&](const Sought& sought) {
        const int64_t unwanted = at - sought.wanted;
        return sought.looked != 0 && unwanted > kForgetSought;
      });
      listing.asked.clear();
      for (const Sought& sought : listing.sought.all()) {
        if (sought.again() <= at + kTogether || int64_t{sought.looked} > at)
          listing.asked.push_back(sought.hash);
      }
      if (listing.asked.empty()) {
        plan_next_look(listing);
      } else {
        start(listing);
      }
    }
  }
}

// What is beyond the bounds: many listings, or much that is sought, come from somebody who invents names.
void Existence::forget_crowd() {
  std::vector<std::pair<int64_t, Key>> empty;
  size_t sought = 0;
  for (const auto& [key, listing] : listings_) {
    sought += listing->sought.all().size();
    if (listing->there.empty() && !listing->working) empty.emplace_back(listing->wanted_at, key);
  }
  if (empty.size() > limits_.empty) {
    const auto end = empty.begin() + static_cast<ptrdiff_t>(empty.size() - limits_.empty + limits_.empty / 8);
    std::nth_element(empty.begin(), end - 1, empty.end());
    for (auto at = empty.begin(); at != end; ++at) listings_.erase(at->second);
  }
  if (sought <= limits_.sought) return;
  std::vector<Seconds32> wanted;
  for (const auto& [key, listing] : listings_) {
    for (const Sought& one : listing->sought.all()) wanted.push_back(one.wanted);
  }
  if (wanted.size() <= limits_.sought) return;
  const auto kept =
      wanted.begin() + static_cast<ptrdiff_t>(std::min(limits_.sought / 8 * 7, wanted.size() - 1));
  std::nth_element(wanted.begin(), kept, wanted.end(), std::greater<>());
  for (auto& [key, listing] : listings_) {
    if (!listing->working) listing->sought.erase_if([&](const Sought& one) { return one.wanted <= *kept; });
  }
}

void Existence::start(Listing& listing) {
  if (listing.working) return;
  listing.working = true;
  listing.done = make_event(io_);
  Turns& turns = turns_[listing.target];
  if (turns.running < kMostAtOnce) {
    begin(listing);
  } else {
    turns.waiting.push_back(&listing);
  }
}

void Existence::begin(Listing& listing) {
  ++turns_[listing.target].running;
  spawn(io_, "listing metrics", work(listing));
}

void Existence::end(Listing& listing) {
  listing.working = false;
  listing.done->set();
  const auto at = turns_.find(listing.target);
  Turns& turns = at->second;
  --turns.running;
  if (turns.waiting.empty()) {
    if (turns.running == 0) turns_.erase(at);
    return;
  }
  // One that has metrics, or whose metrics are read regularly, is nobody's invention.
  const auto known = std::find_if(turns.waiting.begin(), turns.waiting.end(), [](const Listing* one) {
    return !one->there.empty() || one->wanted_regularly;
  });
  const auto next = known == turns.waiting.end() ? turns.waiting.begin() : known;
  Listing& begun = **next;
  turns.waiting.erase(next);
  begin(begun);
}

asio::awaitable<void> Existence::work(Listing& listing) {
  while (listing.whole || !listing.asked.empty()) {
    std::vector<Filter> filters;
    if (!listing.whole) filters = filters_of(listing);
    // One after the other they come to as many calls as together.
    const size_t calls = listing.lookups + filters.size();
    const bool first = listing.listed_at == 0 && !listing.too_long && calls > kFewCalls;
    Result<void> done;
    if (listing.whole || first) {
      listing.whole = false;
      done = co_await list(listing, false);
    } else if (listing.listed_at != 0 && !listing.too_long && filters.size() > listing.pages) {
      done = co_await list(listing, true);
    } else {
      listing.lookups = calls;
      done = co_await look_up(listing, std::move(filters));
    }
    if (!done) {
      note_failed(listing, done.error());
      break;
    }
    listing.failures = 0;
    listing.held_until = 0;
    if (!listing.trouble.empty())
      spdlog::info("cloudwatch:ListMetrics of {} works again", listing.namespace_);
    listing.trouble.clear();
  }
  plan_next_look(listing);
  end(listing);
}

std::vector<Existence::Filter> Existence::filters_of(const Listing& listing) {
  std::map<std::string, Filter> filters;
  for (const uint64_t hash : listing.asked) {
    const Sought* const sought = listing.sought.find(hash);
    if (sought == nullptr) continue;
    std::string key;
    for (const auto& dimension : *sought->dimensions) {
      key += dimension.name;
      key += '\0';
      key += dimension.value;
      key += '\0';
    }
    if (key.empty()) key = *sought->metric;
    Filter& filter = filters[key];
    if (filter.hashes.empty()) {
      filter.metric = *sought->metric;
      filter.dimensions = *sought->dimensions;
      if (filter.dimensions.size() > aws::cloudwatch::kMaxDimensionFilters)
        filter.dimensions.resize(aws::cloudwatch::kMaxDimensionFilters);
    } else if (filter.metric != *sought->metric) {
      filter.metric.clear();
    }
    filter.hashes.push_back(hash);
  }
  std::vector<Filter> all;
  for (auto& [key, filter] : filters) all.push_back(std::move(filter));
  return all;
}

asio::awaitable<Result<MetricsPage>> Existence::page(const Listing& listing, ListMetricsRequest request) {
  request.namespace_ = listing.namespace_;
  request.owning_account = listing.owner;
  auto answer = co_await aws::cloudwatch::list_metrics(*listing.target->account->client,
                                                       listing.target->region, request);
  if (answer && !answer->next_token.empty() && answer->next_token == request.next_token) {
    co_return fail(ErrorKind::corrupt, "cloudwatch:ListMetrics in {} answers with the same page again",
                   listing.target->description());
  }
  co_return answer;
}

// Adds what the page lists; the next request is for the one behind it.
void Existence::take_page(MetricsPage page, std::vector<uint64_t>& found, ListMetricsRequest& request) const {
  for (auto& metric : page.metrics) {
    sort_by_name(metric.dimensions);
    found.push_back(hash_of(metric.metric, metric.dimensions));
  }
  request.next_token = std::move(page.next_token);
}

asio::awaitable<Result<void>> Existence::list(Listing& listing, bool recently_active) {
  const int64_t begun = now();
  const bool first = !recently_active && listing.listed_at == 0;
  std::vector<uint64_t> asked = std::exchange(listing.asked, {});
  std::vector<uint64_t> found;
  ListMetricsRequest request;
  request.recently_active = recently_active;
  size_t pages = 0;
  do {
    if (pages == kMaxPages) {
      spdlog::warn(
          "{} in {} has more than {} pages of metrics: they are looked for one by one instead of being "
          "listed",
          listing.namespace_, listing.target->description(), kMaxPages);
      listing.too_long = true;
      std::vector<uint64_t>().swap(listing.there);
      listing.asked.insert(listing.asked.end(), asked.begin(), asked.end());
      co_return Result<void>();
    }
    ListMetricsRequest sent = request;
    auto answer = co_await page(listing, std::move(sent));
    if (!answer) co_return fail(std::move(answer.error()));
    take_page(std::move(*answer), found, request);
    ++pages;
    // A long first list is of use before its end, and merged a few times only.
    if (first && std::has_single_bit(pages)) add(listing.there, found);
  } while (!request.next_token.empty());
  if (recently_active) {
    add(listing.there, std::move(found));
  } else {
    sort_unique(found);
    found.shrink_to_fit();
    listing.there = std::move(found);
    listing.listed_at = begun;
    listing.pages = pages;
    listing.lookups = 0;
  }
  // It says of all that are sought whether they are there, asked now or not.
  asked.clear();
  for (const Sought& sought : listing.sought.all()) asked.push_back(sought.hash);
  listing.asked.clear();
  settle(listing, asked, now());
  co_return Result<void>();
}

asio::awaitable<Result<void>> Existence::look_up(Listing& listing, std::vector<Filter> filters) {
  std::vector<uint64_t> asked = std::exchange(listing.asked, {});
  std::vector<uint64_t> found;
  for (const Filter& filter : filters) {
    ListMetricsRequest request;
    request.metric = filter.metric;
    request.dimensions = filter.dimensions;
    size_t pages = 0;
    do {
      if (pages == kMaxFilteredPages) {
        // What cannot be told is read. The whole list may tell.
        found.insert(found.end(), filter.hashes.begin(), filter.hashes.end());
        listing.whole = listing.whole || (listing.listed_at == 0 && !listing.too_long);
        break;
      }
      ListMetricsRequest sent = request;
      auto answer = co_await page(listing, std::move(sent));
      if (!answer) co_return fail(std::move(answer.error()));
      take_page(std::move(*answer), found, request);
      ++pages;
    } while (!request.next_token.empty());
  }
  add(listing.there, std::move(found));
  settle(listing, asked, now());
  co_return Result<void>();
}

void Existence::settle(Listing& listing, const std::vector<uint64_t>& looked_for, int64_t at) {
  for (const uint64_t hash : looked_for) {
    Sought* const entry = listing.sought.find(hash);
    if (entry == nullptr) continue;
    Sought& sought = *entry;
    sought.found = contains(listing.there, hash);
    if (sought.found) continue;
    // A list that happens to be read earlier makes no interval longer.
    if (sought.looked == 0 || at < int64_t{sought.looked}) {
      sought.gap = kFirstGap;
    } else if (at + kTogether >= sought.again()) {
      sought.gap = std::min(sought.gap * 2, kLongestGap);
    }
    sought.looked = static_cast<Seconds32>(at);
  }
  listing.sought.erase_if([](const Sought& sought) { return sought.found; });
}

void Existence::note_failed(Listing& listing, const Error& error) {
  const int64_t at = now();
  const int64_t hold = error.kind == ErrorKind::denied
                           ? kLongestHold
                           : std::min(kFirstHold << std::min(listing.failures, 10), kLongestHold);
  ++listing.failures;
  listing.held_until = at + hold;
  listing.whole = false;
  listing.asked.clear();
  listing.sought.erase_if(
      [&](const Sought& sought) { return sought.looked == 0 || at - int64_t{sought.looked} > kTrusted; });
  if (listing.trouble == error.message) return;
  listing.trouble = error.message;
  spdlog::warn(
      "{} (which metrics of {} there are is not known, so all are read, and paid for; next try in {} s)",
      error.message, listing.namespace_, hold);
}

void Existence::plan_next_look(Listing& listing) {
  int64_t next = 0;
  for (const Sought& sought : listing.sought.all()) {
    if (sought.looked == 0) continue;
    next = next == 0 ? sought.again() : std::min(next, sought.again());
  }
  listing.next_look = next;
}

}  // namespace bakusoku::agent
