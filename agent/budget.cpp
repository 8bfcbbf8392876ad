#include "agent/budget.h"

#include <algorithm>
#include <cmath>

namespace bakusoku::agent {
namespace {

// Whole multiples, so that readings stay at ends of periods.
constexpr std::array<double, 7> kSteps = {1, 2, 3, 4, 6, 8, kMostStretch};
constexpr int kLevels = kBudgetPriorities * (static_cast<int>(kSteps.size()) - 1);

// Stretched when the forecast passes the first share of the budget, so far that it is below the second; back
// when it would be below the third for an hour.
constexpr double kPassed = 0.99;
constexpr double kAimedAt = 0.97;
constexpr double kFits = 0.94;
constexpr int64_t kCalm = 3600;

constexpr double kMemory = 3600;  // seconds
constexpr int64_t kGrain = 60;
constexpr int64_t kClockMaySlip = 60;

// Questions that come at about the same interval are of one class.
int64_t rounded(int64_t interval) {
  const int64_t step = interval < 600 ? 30 : interval < 3600 ? 60 : interval < 86400 ? 300 : 3600;
  return std::max(step, (interval + step / 2) / step * step);
}

}  // namespace

int64_t stretched(int64_t interval, double factor, int64_t longest) {
  if (!(factor > 1)) return interval;
  const double wanted = static_cast<double>(interval) * std::min(factor, kMostStretch);
  return std::min(static_cast<int64_t>(wanted), std::max(interval, longest));
}

void Spending::advance(Class& of, int64_t now) {
  while (of.at < now) {
    const bool ends = !of.ends.empty() && of.ends.begin()->first <= now;
    const int64_t until = ends ? std::max(of.ends.begin()->first, of.at) : now;
    const double left = std::exp(-static_cast<double>(until - of.at) / kMemory);
    of.usd = of.usd * left + of.usd_per_second * kMemory * (1 - left);
    of.seconds = of.seconds * left + kMemory * (1 - left);
    of.at = until;
    if (!ends) break;
    of.usd_per_second -= of.ends.begin()->second;
    of.ends.erase(of.ends.begin());
    if (of.ends.empty()) of.usd_per_second = 0;
  }
}

void Spending::set_back(int64_t now) {
  since_ = std::min(since_, now);
  std::erase_if(classes_, [now](const auto& entry) { return entry.second.at > now + kClockMaySlip; });
}

void Spending::add(int priority, int64_t interval, int64_t actual, double usd, int64_t now) {
  set_back(now);
  interval = std::max<int64_t>(interval, 1);
  actual = std::max(actual, interval);
  const auto [found, fresh] = classes_.try_emplace({priority, rounded(interval)});
  Class& of = found->second;
  if (fresh) of.at = now;
  advance(of, now);
  const int64_t end = (of.at + actual + kGrain - 1) / kGrain * kGrain;
  const double unstretched = usd * static_cast<double>(actual) / static_cast<double>(interval);
  const double a_second = unstretched / static_cast<double>(end - of.at);
  of.usd_per_second += a_second;
  of.ends[end] += a_second;
}

std::vector<Spending::Rate> Spending::rates(int64_t now) const {
  std::vector<Rate> rates;
  for (const auto& [key, of] : classes_) {
    Class then = of;
    advance(then, now);
    const double rate = then.seconds < kGrain ? then.usd_per_second : then.usd / then.seconds;
    rates.push_back(Rate{key.first, key.second, rate});
  }
  return rates;
}

Budget::Factors Budget::factors_of(int level) {
  constexpr int kStepsEach = static_cast<int>(kSteps.size()) - 1;
  Factors factors{};
  for (int priority = kBudgetPriorities; priority-- > 0;) {
    const int own = std::clamp(level - (kBudgetPriorities - 1 - priority) * kStepsEach, 0, kStepsEach);
    factors[static_cast<size_t>(priority)] = kSteps[static_cast<size_t>(own)];
  }
  return factors;
}

double Budget::forecast(const Facts& facts, int level) const {
  const Factors factors = factors_of(level);
  double a_second = 0;
  for (const Spending::Rate& rate : facts.rates) {
    double share = 1;
    if (rate.priority >= 0 && rate.priority < kBudgetPriorities && rate.interval > 0) {
      const double factor = factors[static_cast<size_t>(rate.priority)];
      share = static_cast<double>(rate.interval) /
              static_cast<double>(stretched(rate.interval, factor, limits_.longest_interval));
    }
    a_second += rate.usd_per_second * share;
  }
  return facts.spent_usd + a_second * static_cast<double>(std::max<int64_t>(facts.seconds_left, 0));
}

double Budget::least_usd(const Facts& facts) const { return forecast(facts, kLevels); }

int Budget::least_level(const Facts& facts, double share) const {
  int level = 0;
  while (level < kLevels && forecast(facts, level) > share * limits_.usd_per_month) ++level;
  return level;
}

void Budget::resume(int level, int64_t month) {
  level_ = std::clamp(level, 0, kLevels);
  month_ = month;
}

bool Budget::decide(const Facts& facts) {
  const int before = level_;
  if (!(limits_.usd_per_month > 0)) {
    level_ = 0;
    exceeded_ = false;
    return before != 0;
  }
  if (facts.month != month_) {
    month_ = facts.month;
    calm_since_ = 0;
    level_ = least_level(facts, kAimedAt);
  } else if (forecast(facts, level_) > kPassed * limits_.usd_per_month) {
    calm_since_ = 0;
    level_ = std::max(level_, least_level(facts, kAimedAt));
  } else if (const int lower = least_level(facts, kFits); lower < level_) {
    if (calm_since_ == 0 || calm_since_ > facts.now) calm_since_ = facts.now;
    if (facts.now - calm_since_ >= kCalm) {
      calm_since_ = 0;
      level_ = lower;
    }
  } else {
    calm_since_ = 0;
  }
  exceeded_ = level_ == kLevels && forecast(facts, level_) > limits_.usd_per_month;
  return level_ != before;
}

}  // namespace bakusoku::agent
