#include "agent/delays.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace bakusoku::agent {
namespace {

constexpr int64_t kHour = 3600;
constexpr int64_t kQuiet = 1200;
constexpr int64_t kDay = 86400;
constexpr int64_t kLongestHold = 32 * kDay;
constexpr int64_t kQuietPeriods = 10;
constexpr int64_t kLeastWrong = 2;
constexpr int64_t kEnough = 20;  // observations to lower the delay on
constexpr int64_t kDaysKept = 35;

struct Bounds {
  int64_t start;
  int64_t least;
  int64_t most;
  int64_t step;
};

const Bounds& bounds(PeriodClass of) {
  static constexpr Bounds kSeconds{10, 5, 120, 5};
  static constexpr Bounds kMinutes{120, 30, 900, 5};
  static constexpr Bounds kHours{300, 120, 2 * kHour, 60};
  static constexpr Bounds kDays{2 * kHour, kHour, 36 * kHour, 900};
  switch (of) {
    case PeriodClass::seconds:
      return kSeconds;
    case PeriodClass::minutes:
      return kMinutes;
    case PeriodClass::hours:
      return kHours;
    case PeriodClass::days:
      break;
  }
  return kDays;
}

int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// The next word of a line, taken off it.
std::string_view word(std::string_view& line) {
  const size_t end = std::min(line.find('\t'), line.size());
  const std::string_view found = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return found;
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

PeriodClass period_class(int64_t period) {
  return period < 60      ? PeriodClass::seconds
         : period < kHour ? PeriodClass::minutes
         : period < kDay  ? PeriodClass::hours
                          : PeriodClass::days;
}

std::string_view to_string(PeriodClass of) {
  switch (of) {
    case PeriodClass::seconds:
      return "periods below a minute";
    case PeriodClass::minutes:
      return "periods of minutes";
    case PeriodClass::hours:
      return "periods of hours";
    case PeriodClass::days:
      break;
  }
  return "periods of a day";
}

std::string_view name_of(PeriodClass of) {
  static constexpr std::array<std::string_view, 4> kNames{"seconds", "minutes", "hours", "days"};
  return kNames.at(static_cast<size_t>(of));
}

std::vector<Evidence> Sample::look(std::span<const aws::cloudwatch::Datapoint> points, const Window& window,
                                   int64_t period, int64_t now) {
  std::vector<Evidence> found;
  const int64_t from = std::max(window.start, window.end - static_cast<int64_t>(kKept) * period);
  for (int64_t clock = from; clock < window.end; clock += period) {
    const auto point =
        std::find_if(points.begin(), points.end(), [&](const auto& one) { return one.clock == clock; });
    const bool there = point != points.end();
    const int64_t age = std::clamp<int64_t>(now - clock - period, 0, INT32_MAX);
    First& first = kept_[static_cast<size_t>(clock / period) % kKept];
    if (int64_t{first.clock} != clock) {
      // One that is older than what is kept in its place was read before, and is no first look.
      if (int64_t{first.clock} > clock && first.clock <= now) continue;
      first = First{static_cast<uint32_t>(clock), static_cast<uint32_t>(age), there ? point->value : 0, there,
                    false};
      continue;
    }
    if (!there) continue;
    const bool changed = !first.there || first.value != point->value;
    const auto kind = !first.there ? Evidence::Kind::late : Evidence::Kind::revised;
    if (changed) {
      found.push_back(Evidence{kind, int64_t{first.age}, age});
    } else if (!first.told) {
      found.push_back(Evidence{Evidence::Kind::same, int64_t{first.age}, age});
    }
    first.there = first.told = true;
    first.value = point->value;
  }
  return found;
}

void Delay::reset(int64_t now) {
  since_ = now;
  seen_ = wrong_ = needed_ = 0;
  revised_ = false;
}

bool Delay::observe(const Evidence& evidence, int64_t period, int64_t now) {
  if (configured_) return false;
  const Bounds& limits = bounds(class_);
  looked_day_ = now / kDay;
  if (since_ == 0 || since_ > now) reset(now);
  if (evidence.kind == Evidence::Kind::same) {
    // Looks long after the delay say nothing of it.
    if (evidence.first_age <= learnt_ + 4 * limits.step) ++seen_;
  } else {
    const bool curable = evidence.first_age < limits.most && evidence.age > learnt_;
    const bool of_this_delay = evidence.first_age >= learnt_;  // not of a shorter one before it
    if (curable && of_this_delay) {
      ++seen_;
      ++wrong_;
      revised_ = revised_ || evidence.kind == Evidence::Kind::revised;
      const int64_t enough = evidence.kind == Evidence::Kind::revised
                                 ? evidence.age
                                 : evidence.first_age + (evidence.age - evidence.first_age) / 2;
      needed_ = std::max(needed_, enough);
    }
    if (wrong_ >= kLeastWrong && wrong_ * 100 > seen_) {
      // What was long enough just before is known better than what would be.
      const int64_t longer =
          good_ > learnt_ ? good_ : rounded_up(std::max(needed_, learnt_ + 1), limits.step);
      const int64_t tried = learnt_;
      const bool again = floor_ != 0 && longer <= floor_ + 4 * limits.step;
      learnt_ = std::min(longer, limits.most);
      floor_ = revised_ ? learnt_ : std::min(tried + limits.step, learnt_);
      hold_ = again ? std::min(2 * hold_, kLongestHold) : std::max(kDay, kQuietPeriods * period);
      floor_until_ = now + hold_;
      good_ = 0;
      reset(now);
      return true;
    }
  }
  if (now - since_ < std::max(kQuiet, kQuietPeriods * period)) return false;
  if (wrong_ == 0 && seen_ < kEnough) return false;
  const bool quiet = wrong_ == 0;
  reset(now);
  good_ = quiet ? learnt_ : 0;
  const int64_t shorter = learnt_ - limits.step;
  if (!quiet || shorter < limits.least || (shorter < floor_ && now < floor_until_)) return false;
  learnt_ = shorter;
  return true;
}

std::optional<int64_t> Delays::configured(std::string_view name_space) const {
  const auto found = by_namespace_.find(name_space);
  return found != by_namespace_.end() ? std::optional(found->second) : for_all_;
}

void Delays::configure(std::optional<int64_t> all, std::map<std::string, int64_t, std::less<>> by_namespace) {
  for_all_ = all;
  by_namespace_ = std::move(by_namespace);
  for (auto& [key, delay] : delays_) delay.configured_ = configured(key.first);
}

Delay& Delays::of(std::string_view name_space, int64_t period) {
  const PeriodClass of = period_class(period);
  const auto [at, added] = delays_.try_emplace({std::string(name_space), of}, of);
  if (added) {
    at->second.learnt_ = bounds(of).start;
    at->second.configured_ = configured(name_space);
  }
  at->second.read_ = true;
  return at->second;
}

std::vector<Delays::Known> Delays::all() const {
  std::vector<Known> known;
  for (const auto& [key, delay] : delays_) {
    if (!delay.read_) continue;
    known.push_back(
        Known{key.first, key.second, delay.seconds(), bounds(key.second).start, delay.is_configured()});
  }
  return known;
}

void Delays::forget_unused(const std::set<const Delay*>& used) {
  std::erase_if(delays_, [&](const auto& entry) {
    return !used.contains(&entry.second) && entry.second.looked_day_ == 0;
  });
}

std::string Delays::text(int64_t now) const {
  using Entry = std::map<std::pair<std::string, PeriodClass>, Delay>::const_pointer;
  std::vector<Entry> kept;
  for (const auto& entry : delays_) {
    const Delay& delay = entry.second;
    const bool is_line = std::none_of(entry.first.first.begin(), entry.first.first.end(),
                                      [](char ch) { return ch >= 0 && ch < ' '; });
    const bool teaches = delay.learnt_ != bounds(entry.first.second).start || delay.floor_ != 0;
    if (is_line && teaches && delay.looked_day_ + kDaysKept >= now / kDay) kept.push_back(&entry);
  }
  if (kept.size() > kMostKept) {
    std::stable_sort(kept.begin(), kept.end(),
                     [](Entry a, Entry b) { return a->second.looked_day_ > b->second.looked_day_; });
    kept.resize(kMostKept);
    std::sort(kept.begin(), kept.end(), [](Entry a, Entry b) { return a->first < b->first; });
  }
  std::string text;
  for (const Entry entry : kept) {
    const auto& [key, delay] = *entry;
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\n", key.first, static_cast<int>(key.second),
                        delay.learnt_, delay.floor_, delay.floor_until_, delay.hold_, delay.looked_day_);
  }
  return text;
}

size_t Delays::learn(std::string_view text, int64_t now) {
  size_t wrong = 0;
  for (size_t lines = 0; !text.empty(); ++lines) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view name_space = word(line);
    const auto of = number(word(line));
    const auto learnt = number(word(line));
    const auto floor = number(word(line));
    const auto until = number(word(line));
    const auto hold = number(word(line));
    const auto looked_day = number(word(line));
    // A line without its end was cut, and its last number too.
    const bool whole = end != std::string_view::npos && line.empty();
    if (lines >= kMostKept || !whole || name_space.empty() || !of || *of > 3 || !learnt || !floor || !until ||
        !hold || !looked_day) {
      ++wrong;
      continue;
    }
    if (*looked_day < now / kDay - kDaysKept) continue;
    const auto period = static_cast<PeriodClass>(*of);
    const Bounds& limits = bounds(period);
    Delay& delay = delays_.try_emplace({std::string(name_space), period}, period).first->second;
    delay.looked_day_ = std::min(*looked_day, now / kDay);
    delay.learnt_ = std::clamp(*learnt, limits.least, limits.most);
    delay.floor_ = std::min(*floor, limits.most);
    delay.hold_ = std::min(*hold, kLongestHold);
    delay.floor_until_ = std::min(*until, now + delay.hold_);
    delay.configured_ = configured(name_space);
  }
  return wrong;
}

}  // namespace bakusoku::agent
