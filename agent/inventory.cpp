#include "agent/inventory.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <cstring>
#include <span>

#include "agent/metric_key.h"
#include "agent/services_alarm.h"
#include "agent/services_ec2.h"
#include "agent/spawn.h"
#include "aws/denial.h"

namespace bakusoku::agent {
namespace {

using std::chrono::steady_clock;

// A snapshot is still answered from while newer readings fail, for this many intervals.
constexpr int kStaleIntervals = 3;
// Answers outlive the time of the next reading by this much.
constexpr std::chrono::seconds kReadingTakes{30};
// After a failed reading the next try waits: doubled each time, up to the interval.
constexpr std::chrono::seconds kFirstRetry{5};
// ... where the credentials are to blame, which may be mended at any moment, up to this.
constexpr std::chrono::seconds kCredentialsRetry{30};
// A region that is closed is tried again so often.
constexpr std::chrono::hours kClosedRetry{1};
// No question takes longer, so that nobody holds one that is forgotten.
constexpr std::chrono::hours kForgetIdle{1};

const std::array<Service, 2>& services() {
  static const std::array<Service, 2> kServices = {ec2_service(), alarm_service()};
  return kServices;
}

}  // namespace

std::optional<std::string_view> Resource::find(std::string_view field) const {
  std::optional<std::string_view> found;
  each(field, [&](std::string_view value) {
    if (!found) found = value;
  });
  return found;
}

void Resource::each(std::string_view field, const std::function<void(std::string_view)>& use) const {
  if (field == "id") use(id);
  if (field == "name" && !name.empty()) use(name);
  const Pairs* among = &fields;
  for (const Labels* const labels : {&kTags, &kDimensions}) {
    if (!field.starts_with(labels->prefix)) continue;
    among = &(this->*labels->of);
    field.remove_prefix(labels->prefix.size());
    break;
  }
  for (const auto& [key, value] : *among) {
    if (key == field) use(value);
  }
}

std::string_view Snapshot::keep(std::string_view text) {
  if (text.empty()) return {};
  if (const auto known = strings_.find(text); known != strings_.end()) return *known;
  if (text.size() > block_left_) {
    block_left_ = std::max(kBlockBytes, text.size());
    blocks_.push_back(std::make_unique<char[]>(block_left_));
    block_size_ = block_left_;
  }
  char* at = blocks_.back().get() + (block_size_ - block_left_);
  std::memcpy(at, text.data(), text.size());
  block_left_ -= text.size();
  return *strings_.emplace(at, text.size()).first;
}

void Snapshot::finish(WallTime read_at) {
  read_at_ = read_at;
  strings_ = {};  // only keep() needs to find them
  resources_.shrink_to_fit();
  ids_.reserve(resources_.size());
  names_.reserve(resources_.size());
  for (uint32_t at = 0; at < resources_.size(); ++at) {
    const Resource& resource = resources_[at];
    ids_.emplace(resource.id, at);
    if (!resource.name.empty() && !resource.gone) names_.emplace(resource.name, at);
  }
}

const Resource* Snapshot::by_id(std::string_view id) const {
  const auto found = ids_.find(id);
  return found == ids_.end() ? nullptr : &resources_[found->second];
}

std::vector<const Resource*> Snapshot::by_name(std::string_view name) const {
  std::vector<const Resource*> found;
  const auto [first, last] = names_.equal_range(name);
  for (auto at = first; at != last; ++at) found.push_back(&resources_[at->second]);
  std::sort(found.begin(), found.end(), [](const Resource* a, const Resource* b) { return a->id < b->id; });
  return found;
}

const Resource* Snapshot::only_by_name(std::string_view name) const {
  const auto [first, last] = names_.equal_range(name);
  return first != last && std::next(first) == last ? &resources_[first->second] : nullptr;
}

const Snapshot::Sorted* Snapshot::sorted_by(const std::string& field) const {
  const auto known = sorted_.find(field);
  if (known != sorted_.end()) {
    known->second.used = ++questions_;
    return &known->second.values;
  }
  Sorted sorted;
  for (uint32_t at = 0; at < resources_.size(); ++at) {
    if (resources_[at].gone) continue;
    resources_[at].each(field, [&](std::string_view value) { sorted.emplace_back(value, at); });
  }
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  if (sorted.empty()) {
    static const Sorted kNone;
    return &kNone;
  }
  if (sorted_.size() == kMaxSorted) {
    sorted_.erase(std::min_element(sorted_.begin(), sorted_.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    }));
  }
  return &sorted_.emplace(field, SortedField{std::move(sorted), ++questions_}).first->second.values;
}

std::vector<const Resource*> Snapshot::matching(const Filter& filter) const {
  // Of the conditions the one that the fewest fit says which resources are looked at.
  std::optional<std::span<const Sorted::value_type>> fewest;
  for (size_t number = 0; number < std::min(filter.size(), kMaxSorted); ++number) {
    const Condition& condition = filter[number];
    const Sorted* const sorted = sorted_by(condition.field);
    const auto [first, last] =
        std::equal_range(sorted->begin(), sorted->end(), Sorted::value_type(condition.value, 0),
                         [](const auto& left, const auto& right) { return left.first < right.first; });
    const std::span<const Sorted::value_type> these(first, last);
    if (!fewest || these.size() < fewest->size()) fewest = these;
  }
  std::vector<const Resource*> found;
  const auto look_at = [&](const Resource& resource) {
    const auto fits = [&](const Condition& condition) {
      bool fit = false;
      resource.each(condition.field, [&](std::string_view value) { fit = fit || value == condition.value; });
      return fit;
    };
    if (!resource.gone && std::all_of(filter.begin(), filter.end(), fits)) found.push_back(&resource);
  };
  if (!fewest) {
    for (const Resource& resource : resources_) look_at(resource);
  } else {
    for (const auto& [value, at] : *fewest) look_at(resources_[at]);
  }
  return found;
}

bool Service::knows(std::string_view field) const {
  return field == "id" || field == "name" || std::find(fields.begin(), fields.end(), field) != fields.end() ||
         (field.starts_with(labels->prefix) && field.size() > labels->prefix.size());
}

std::string Service::known_fields() const {
  std::string known = fmt::format("id, name, {}<{}>", labels->prefix, labels == &kTags ? "key" : "name");
  for (const std::string_view field : fields) known += fmt::format(", {}", field);
  return known;
}

Result<Filter> parse_filter(std::string_view text, const Service& service) {
  constexpr std::string_view kWhat = "filter (parameter 4)";
  auto pairs = parse_pairs(text, kWhat, fmt::format("state=running;{}Name=x", service.labels->prefix));
  if (!pairs) return fail(pairs.error());
  Filter filter;
  for (auto& [name, value] : *pairs) {
    if (!service.knows(name)) {
      return fail(ErrorKind::invalid, "{}: the field '{}' is not known; known are: {}", kWhat, name,
                  service.known_fields());
    }
    filter.push_back({std::move(name), std::move(value)});
  }
  return filter;
}

std::chrono::seconds interval_of(const Service& service, const InventoryConfig& config) {
  const auto own = config.intervals.find(std::string(service.name));
  if (own != config.intervals.end()) return own->second;
  return service.interval.count() != 0 ? service.interval : config.interval;
}

Result<void> check(const InventoryConfig& config) {
  for (const auto& [name, interval] : config.intervals) {
    if (find_service(name) == nullptr) {
      return fail(ErrorKind::invalid, "[inventory] intervals: there is no service '{}'; known are: {}", name,
                  service_names());
    }
  }
  return {};
}

const Service* find_service(std::string_view name) {
  const auto found = std::find_if(services().begin(), services().end(),
                                  [&](const Service& service) { return service.name == name; });
  return found == services().end() ? nullptr : &*found;
}

std::string service_names() {
  std::string names;
  for (const Service& service : services())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", service.name);
  return names;
}

Inventory::Inventory(asio::io_context& io, const Service& service, const Target& target,
                     std::chrono::seconds interval, Clock clock, InventoryCounters& counters,
                     SteadyClock steady)
    : io_(io),
      service_(service),
      target_(target),
      interval_(interval),
      clock_(std::move(clock)),
      steady_(std::move(steady)),
      counters_(counters) {}

bool Inventory::young_enough() const {
  return snapshot_ && (!failure_ || steady_() - read_ended_ < interval_ * kStaleIntervals);
}

bool Inventory::closed() const { return closed_ && target_.account->config.regions.all; }

Inventory::Snap Inventory::now() {
  const auto asked = steady_();
  const bool was_idle = asked - last_asked_ >= interval_ * kIdleIntervals;
  last_asked_ = asked;
  // After an idle spell the snapshot may be of any age: the asker waits for a new one.
  if (!young_enough() || (was_idle && asked >= next_)) return nullptr;
  return snapshot_;
}

Inventory::Snap Inventory::now_or_start() {
  Snap snapshot = now();
  if (!snapshot && !reading_ && (!failure_ || steady_() >= failed_until_)) start_reading();
  return snapshot;
}

void Inventory::set_interval(std::chrono::seconds interval) {
  next_ += interval - interval_;
  interval_ = interval;
}

void Inventory::forget() {
  ++forgotten_;
  snapshot_.reset();
  failure_.reset();
  failures_in_row_ = 0;
  failed_until_ = next_ = {};
  last_early_.reset();
  closed_ = false;
  renewed_ = true;
}

asio::awaitable<Result<Inventory::Snap>> Inventory::get(Deadline deadline) {
  if (Snap snapshot = now()) co_return snapshot;
  if (!reading_ && failure_ && steady_() < failed_until_) co_return fail(*failure_);
  co_return co_await read_and_wait(deadline);
}

asio::awaitable<Result<Inventory::Snap>> Inventory::newer_than(Snap seen, Deadline deadline) {
  if (snapshot_ != seen && young_enough()) co_return snapshot_;
  if (!reading_) {
    const auto asked = steady_();
    const bool allowed = !last_early_ || asked - *last_early_ >= interval_;
    if (!allowed) co_return seen;
    last_early_ = asked;
    ++counters_.early;
  }
  co_return co_await read_and_wait(deadline);
}

asio::awaitable<Result<Inventory::Snap>> Inventory::read_and_wait(Deadline deadline) {
  for (;;) {
    if (!reading_) start_reading();
    const EventPtr reading = reading_;
    const bool ended = co_await reading->wait(deadline);
    if (!ended) {
      co_return fail(ErrorKind::timeout, "the {} list of {} is still being read; the next check will find it",
                     service_.person, target_.description());
    }
    if (failure_ && !young_enough()) co_return fail(*failure_);
    if (snapshot_) co_return snapshot_;
    // Forgotten by a reload, during the reading or after it: what the account is now is read again.
  }
}

void Inventory::start_reading() {
  reading_ = make_event(io_);
  spawn(io_, "reading resources", run_reading());
}

asio::awaitable<void> Inventory::run_reading() {
  // Not from inside start_reading(): a reading that fails at once would be over before anybody waits for it.
  co_await asio::post(io_, asio::use_awaitable);
  ++counters_.readings;
  const uint64_t forgotten = forgotten_;
  Result<std::shared_ptr<Snapshot>> read = co_await service_.read(target_);
  if (read) (*read)->finish(clock_());
  const auto ended = steady_();
  if (forgotten != forgotten_) {
    // Of the account as it was before a reload: neither list nor failure, and who waits has it read again.
    spdlog::debug("{} list of {}: the account was changed in the configuration meanwhile", service_.person,
                  target_.description());
  } else if (read) {
    if (std::exchange(closed_, false)) spdlog::info("{} is read again", target_.description());
    snapshot_ = std::move(*read);
    renewed_ = true;
    failure_.reset();
    failures_in_row_ = 0;
    read_ended_ = ended;
    next_ = ended + interval_;
    spdlog::debug("{} list of {}: {} resources", service_.person, target_.description(),
                  snapshot_->resources().size());
  } else {
    ++counters_.failures;
    failure_ =
        read.error().with_context(fmt::format("{} list of {}", service_.person, target_.description()));
    auto wait =
        std::min<steady_clock::duration>(kFirstRetry * (1 << std::min(failures_in_row_, 10)), interval_);
    if (aws::blames_credentials(*failure_)) wait = std::min<steady_clock::duration>(wait, kCredentialsRetry);
    const bool closed = target_.account->config.regions.all && aws::closes_region(*failure_);
    if (closed) wait = kClosedRetry;
    ++failures_in_row_;
    failed_until_ = next_ = ended + wait;
    if (!closed) {
      spdlog::warn("{}", failure_->message);
    } else if (!closed_) {
      spdlog::warn("{}; lists over all regions go without it (exclude_regions says so for good)",
                   failure_->message);
    }
    closed_ = closed;
  }
  const EventPtr reading = std::move(reading_);
  reading_.reset();
  reading->set();
}

Span Inventory::current_span() const {
  const auto at = steady_();
  auto left = std::max(next_ - at, steady_clock::duration::zero()) + kReadingTakes;
  if (failure_) left = std::min(left, read_ended_ + interval_ * kStaleIntervals - at);
  const int64_t now = unix_seconds(clock_());
  const int64_t until = now + std::chrono::duration_cast<std::chrono::seconds>(left).count();
  return Span{static_cast<Seconds32>(now), static_cast<Seconds32>(until)};
}

void Inventory::tick() {
  const auto now = steady_();
  if (reading_ || now < next_ || now - last_asked_ >= interval_ * kIdleIntervals) return;
  start_reading();
}

bool Inventory::is_idle() const {
  return !reading_ &&
         steady_() - last_asked_ >= std::max<Steady::duration>(kForgetIdle, interval_ * kIdleIntervals);
}

Inventory& Inventories::of(const Service& service, const Target& target) {
  auto& inventory = inventories_[{&service, &target}];
  if (!inventory) {
    inventory = std::make_unique<Inventory>(io_, service, target, interval_of(service, config_), clock_,
                                            counters_, steady_);
  }
  return *inventory;
}

std::vector<const Inventory*> Inventories::closed() const {
  std::vector<const Inventory*> closed;
  for (const auto& [of, inventory] : inventories_) {
    if (inventory->closed() && of.second->account->asleep.empty()) closed.push_back(inventory.get());
  }
  return closed;
}

std::vector<const Inventory*> Inventories::take_renewed() {
  std::vector<const Inventory*> renewed;
  for (auto& [of, inventory] : inventories_) {
    if (inventory->take_renewed()) renewed.push_back(inventory.get());
  }
  return renewed;
}

void Inventories::tick() {
  for (auto& [of, inventory] : inventories_) {
    if (of.second->account->asleep.empty()) inventory->tick();
  }
}

void Inventories::configure(InventoryConfig config) {
  config_ = std::move(config);
  for (auto& [of, inventory] : inventories_) inventory->set_interval(interval_of(*of.first, config_));
}

void Inventories::forget_idle(const std::function<void(const Inventory&)>& farewell) {
  std::erase_if(inventories_, [&](const auto& entry) {
    if (!entry.second->is_idle()) return false;
    farewell(*entry.second);
    return true;
  });
}

void Inventories::each_target(const std::function<void(const Target&)>& use) const {
  for (const auto& [of, inventory] : inventories_) use(*of.second);
}

void Inventories::forget(const std::function<bool(const Target&)>& of) {
  for (auto& [key, inventory] : inventories_) {
    if (of(*key.second)) inventory->forget();
  }
}

}  // namespace bakusoku::agent
