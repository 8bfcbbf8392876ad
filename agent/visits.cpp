#include "agent/visits.h"

#include <map>
#include <string_view>
#include <utility>

namespace bakusoku::agent {

struct Visits::State {
  explicit State(Limits limits_) : limits(limits_) {}

  using Cost = size_t (*)(const Entry& entry);

  // Closes the connection that has kept us waiting longest, of those of the peer that costs most; `but`
  // stays. False: there is none. Looks at all, which only an entrance that is full has to pay.
  [[nodiscard]] bool make_room(Cost cost, const Entry* but) {
    std::map<std::string_view, size_t> costs;
    for (const Entry& entry : entries) {
      if (!entry.closed) costs[entry.peer] += cost(entry);
    }
    Entry* victim = nullptr;
    for (Entry& entry : entries) {
      if (&entry == but || entry.closed || entry.waits_since == 0 || !entry.close || cost(entry) == 0)
        continue;
      const size_t its = costs[entry.peer];
      const size_t most = victim == nullptr ? 0 : costs[victim->peer];
      if (its > most || (its == most && entry.waits_since < victim->waits_since)) victim = &entry;
    }
    if (victim == nullptr) return false;
    leave(*victim);
    ++closed;
    std::exchange(victim->close, nullptr)();
    std::string().swap(victim->kept);  // nothing reads or writes it any more
    return true;
  }
  void leave(Entry& entry) {
    if (std::exchange(entry.closed, true)) return;
    bytes -= std::exchange(entry.bytes, 0);
    --open;
  }

  Limits limits;
  std::list<Entry> entries;
  size_t bytes = 0;
  size_t open = 0;
  uint64_t moment = 0;
  uint64_t closed = 0;
};

Visits::Visits(Limits limits) : state_(std::make_shared<State>(limits)) {}

std::optional<Visits::Visit> Visits::admit(std::string peer) {
  State& state = *state_;
  while (state.open >= state.limits.connections) {
    if (!state.make_room([](const Entry&) { return size_t{1}; }, nullptr)) return std::nullopt;
  }
  Entry& entry = state.entries.emplace_back();
  entry.peer = std::move(peer);
  entry.waits_since = ++state.moment;
  ++state.open;
  return Visit(state_, std::prev(state.entries.end()));
}

size_t Visits::open() const { return state_->open; }
size_t Visits::held_bytes() const { return state_->bytes; }
uint64_t Visits::closed() const { return state_->closed; }

Visits::Visit::~Visit() {
  if (!state_) return;
  state_->leave(*entry_);
  state_->entries.erase(entry_);
}

void Visits::Visit::closes_by(std::function<void()> close) { entry_->close = std::move(close); }

void Visits::Visit::wait_for_peer() { entry_->waits_since = ++state_->moment; }

bool Visits::Visit::hold(size_t bytes) {
  State& state = *state_;
  if (entry_->closed) return false;
  state.bytes -= std::exchange(entry_->bytes, 0);
  while (bytes > 0 && state.bytes > 0 && state.bytes + bytes > state.limits.bytes) {
    // What this one is about to hold counts: who fills the room makes room for itself.
    entry_->bytes = bytes;
    const bool made = state.make_room([](const Entry& entry) { return entry.bytes; }, &*entry_);
    entry_->bytes = 0;
    if (!made) return false;
  }
  entry_->bytes = bytes;
  state.bytes += bytes;
  return true;
}

}  // namespace bakusoku::agent
