// Budget: how much more rarely metrics are read so that the month's bill stays within `[budget]
// usd_per_month` (pure; times are unix seconds). Spending learns from what is billed what reading everything
// at its own interval would cost; Budget stretches the intervals of the least important metrics first, and
// goes back when that fits again.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace bakusoku::agent {

inline constexpr int kBudgetPriorities = 3;  // 0 high, 1 normal, 2 low
inline constexpr double kMostStretch = 12;

/// An interval of `interval` seconds under a factor: no longer than `longest` unless it is so by itself.
[[nodiscard]] int64_t stretched(int64_t interval, double factor, int64_t longest);

class Spending {
 public:
  explicit Spending(int64_t now) : since_(now) {}

  /// Something was billed for a metric that is to be read every `interval` seconds and is read every
  /// `actual` ones at present. A priority of kBudgetPriorities: nothing that can be stretched.
  void add(int priority, int64_t interval, int64_t actual, double usd, int64_t now);

  struct Rate {
    int priority = 0;
    int64_t interval = 0;
    double usd_per_second = 0;  // if they were read at their own interval
  };
  [[nodiscard]] std::vector<Rate> rates(int64_t now) const;
  /// For how long it has been learning.
  [[nodiscard]] int64_t learnt(int64_t now) const { return now - since_; }
  /// The clock says an earlier time than what was learnt is of: that teaches nothing any more.
  void set_back(int64_t now);

 private:
  // What a reading costs is spread over the time until the next one; the mean of the last hour is the rate.
  struct Class {
    double usd_per_second = 0;       // now
    std::map<int64_t, double> ends;  // what of it ends then
    double usd = 0;                  // of the past, fading
    double seconds = 0;
    int64_t at = 0;
  };
  static void advance(Class& of, int64_t now);

  int64_t since_;
  std::map<std::pair<int, int64_t>, Class> classes_;  // by priority and interval
};

class Budget {
 public:
  struct Limits {
    double usd_per_month = 0;  // 0: none
    int64_t longest_interval = 3600;
  };
  /// What is known of the month.
  struct Facts {
    int64_t now = 0;
    int64_t month = 0;  // any number that is another one for another month
    double spent_usd = 0;
    int64_t seconds_left = 0;
    std::vector<Spending::Rate> rates{};
  };
  using Factors = std::array<double, kBudgetPriorities>;

  explicit Budget(Limits limits) : limits_(limits) {}

  /// Looks at the month; true when the factors are others from now on.
  bool decide(const Facts& facts);
  /// By priority; 1: its own interval.
  [[nodiscard]] Factors factors() const { return factors_of(level_); }
  /// What the month comes to as it is going, and as it would with every metric at its own interval.
  [[nodiscard]] double forecast_usd(const Facts& facts) const { return forecast(facts, level_); }
  [[nodiscard]] double unstretched_usd(const Facts& facts) const { return forecast(facts, 0); }
  /// As it would with everything read as rarely as is allowed.
  [[nodiscard]] double least_usd(const Facts& facts) const;
  /// The longest intervals do not keep it. Reading goes on all the same.
  [[nodiscard]] bool exceeded() const { return exceeded_; }
  [[nodiscard]] const Limits& limits() const { return limits_; }

  /// How far it has gone, 0: not at all; to be given to resume() after a restart in the same month.
  [[nodiscard]] int level() const { return level_; }
  void resume(int level, int64_t month);

 private:
  [[nodiscard]] static Factors factors_of(int level);
  [[nodiscard]] double forecast(const Facts& facts, int level) const;
  [[nodiscard]] int least_level(const Facts& facts, double share) const;

  Limits limits_;
  int level_ = 0;
  int64_t month_ = -1;
  int64_t calm_since_ = 0;  // a lower level would do, from then on; 0: it would not
  bool exceeded_ = false;
};

}  // namespace bakusoku::agent
