#include "agent/trickle.h"

#include <algorithm>
#include <cmath>

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;

constexpr double kLeastPace = 20.0 / 1000;    // hosts a millisecond: few hosts need no pacing
constexpr double kPurse = 250;                // milliseconds of the pace that may be saved up
constexpr milliseconds kPacedRound{100'000};  // the longest that the pace follows
constexpr int64_t kClockMaySlip = 1000;
constexpr milliseconds kFirstRefused{5000};
constexpr milliseconds kSpreadRefused{50'000};  // all of them within it, however many they are

}  // namespace

milliseconds wait_of_refused(milliseconds round, int refusals_in_row, size_t refused) {
  const auto first = static_cast<double>(std::min(kFirstRefused, round).count());
  const double growing = first * std::pow(1.5, std::min(refusals_in_row, 100));
  const double spread =
      std::min(static_cast<double>(kSpreadRefused.count()), static_cast<double>(refused) / kLeastPace);
  const auto longest = static_cast<double>(milliseconds(kLongestRefused).count());
  return milliseconds(static_cast<int64_t>(std::clamp(growing, spread, longest)));
}

Trickle::Trickle(milliseconds round, uint32_t seed)
    : round_(round), random_(seed), may_take_(kLeastPace * 1000) {}

double Trickle::pace() const {
  const double whole =
      static_cast<double>(hosts_.size()) * 2 / static_cast<double>(std::min(round_, kPacedRound).count());
  return std::max(kLeastPace, whole);
}

double Trickle::purse() const { return std::max(kLeastPace * 1000, pace() * kPurse); }

void Trickle::set_round(milliseconds round, int64_t now) {
  round_ = round;
  for (auto& [name, host] : hosts_) {
    host.settled = false;
    if (host.out || host.due <= now + round.count() * 3 / 2) continue;
    queue_.erase({host.due, name});
    host.due = now;
    queue_.emplace(now, name);
  }
}

void Trickle::add(const std::string& host, int64_t now) {
  const auto [at, fresh] = hosts_.try_emplace(host);
  if (!fresh) return;
  at->second.due = now;
  queue_.emplace(now, host);
}

void Trickle::hasten(const std::string& name, int64_t now) {
  const auto at = hosts_.find(name);
  if (at == hosts_.end() || at->second.out || at->second.due <= now) return;
  queue_.erase({at->second.due, name});
  at->second.due = now;
  queue_.emplace(now, name);
}

void Trickle::remove(const std::string& host) {
  const auto at = hosts_.find(host);
  if (at == hosts_.end()) return;
  queue_.erase({at->second.due, host});
  hosts_.erase(at);
}

int64_t Trickle::due(const std::string& host) const {
  const auto found = hosts_.find(host);
  return found == hosts_.end() || found->second.out ? 0 : found->second.due;
}

std::optional<std::string> Trickle::take(int64_t now) {
  follow_clock(now);
  const auto passed = static_cast<double>(std::max<int64_t>(now - counted_at_, 0));
  may_take_ = std::min(purse(), may_take_ + passed * pace());
  counted_at_ = now;
  if (queue_.empty() || queue_.begin()->first > now || may_take_ < 1) return std::nullopt;
  may_take_ -= 1;
  std::string name = queue_.begin()->second;
  queue_.erase(queue_.begin());
  Host& host = hosts_.at(name);
  host.out = true;
  if (now - host.due > round_.count() / 8) host.settled = false;  // one of many that piled up
  return name;
}

// A clock that was set back takes all turns back with it, so that nobody waits until it gets there again.
void Trickle::follow_clock(int64_t now) {
  const int64_t back = counted_at_ - now;
  if (back <= kClockMaySlip) return;
  queue_.clear();
  for (auto& [name, host] : hosts_) {
    if (host.out) continue;
    host.due -= back;
    queue_.emplace(host.due, name);
  }
}

void Trickle::put_back(const std::string& name, int64_t now, milliseconds wait) {
  const auto at = hosts_.find(name);
  if (at == hosts_.end()) return;
  Host& host = at->second;
  queue_.erase({host.due, name});  // it may have been removed and added again
  const int least = host.settled ? 900 : 500;
  const auto jittered =
      wait.count() * std::uniform_int_distribution<int>(least, 2000 - least)(random_) / 1000;
  host = Host{now + jittered, false, host.settled || wait * 2 >= round_};
  queue_.emplace(host.due, name);
}

milliseconds Trickle::idle(int64_t now, milliseconds longest) const {
  if (queue_.empty()) return longest;
  int64_t wait = queue_.begin()->first - now;
  if (may_take_ < 1) wait = std::max(wait, static_cast<int64_t>(std::ceil((1 - may_take_) / pace())));
  return std::clamp<milliseconds>(milliseconds(wait), milliseconds(1), longest);
}

}  // namespace bakusoku::agent
