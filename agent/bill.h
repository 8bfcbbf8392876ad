// Bill: what reading metrics costs. Counts every request that AWS bills into the Ledger, shares what is
// billed among the items that want it, forecasts the month, and has the intervals stretched when the month
// would pass the budget. Runs on the agent's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/batch.h"
#include "agent/budget.h"
#include "agent/config.h"
#include "agent/exists.h"
#include "agent/ledger.h"
#include "agent/prices.h"
#include "agent/targets.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

class Bill {
 public:
  Bill(const Targets& targets, BudgetConfig config, Prices prices, Clock clock);
  Bill(const Bill&) = delete;
  Bill& operator=(const Bill&) = delete;

  /// Goes on with the ledger in a folder; an empty name: in memory. A ledger that cannot be used is one in
  /// memory too, and the error says why.
  [[nodiscard]] Result<void> open(const std::string& folder);

  /// Calls its second argument with host and key of each item that wants the series.
  using UseItem = std::function<void(std::string_view host, std::string_view key)>;
  std::function<void(const Series&, const UseItem&)> items_of;
  /// Has the metrics of a priority read every so many intervals.
  std::function<void(Priority priority, double factor)> stretch;

  /// From now on. What was counted stays.
  void configure(BudgetConfig config, Prices prices);

  /// A request that AWS bills was sent; `shares` are those of the batch.
  void note_billed(const Batch& batch, const std::vector<Share>& shares);
  /// Whether a series that was never read may be read within the month's budget. What was read in the last
  /// five weeks always may, restarts included: intervals are stretched for it. A new one may when the month,
  /// with everything read as rarely as allowed and the new one too, stays within the budget. Null: it may;
  /// else why it waits, in words for the item.
  [[nodiscard]] std::shared_ptr<const Error> may_begin(const Series& series);
  /// Series that wait for the budget.
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] bool waits(const Series& series) const { return waiting_.contains(&series); }
  /// The series is about to be forgotten.
  void forget(const Series& series) {
    begun_.erase(&series);
    waiting_.erase(&series);
  }

  /// Once a second: counts other paid requests, writes the ledger, looks at the month.
  void tick();
  /// Writes everything, at the end.
  void write();
  /// Has the ledger keep what else survives a restart. False: it cannot be written now, which the log says.
  [[nodiscard]] bool keep(std::string_view name, std::string_view value);

  struct Seen {
    double today_usd = 0;
    double month_usd = 0;        // so far
    double forecast_usd = 0;     // of the month, as it goes now
    double unstretched_usd = 0;  // the forecast, if every metric were read at its own interval
    double budget_usd = 0;       // 0: none
    Budget::Factors factors{1, 1, 1};
    bool exceeded = false;  // even the longest intervals do not keep the budget
    size_t waiting = 0;     // new series that would pass it
    bool on_disk = false;
    int64_t since = 0;  // unix seconds: counted since; 0: nothing yet
  };
  [[nodiscard]] Seen seen() const;
  /// US$ of the month so far.
  [[nodiscard]] std::map<std::string, double> by_namespace() const;
  [[nodiscard]] std::map<std::pair<std::string, std::string>, double> by_account_and_region() const;
  [[nodiscard]] const Prices& prices() const { return prices_; }
  [[nodiscard]] Ledger& ledger() { return *ledger_; }

 private:
  void count_requests();
  void decide(int64_t now);
  void apply(const Budget::Facts& facts);
  void use_factors() const;
  void say(const Error* trouble);
  [[nodiscard]] Result<void> keep_file();
  [[nodiscard]] bool is_known(const Series& series);
  [[nodiscard]] double least_usd(const Series& series, int64_t now) const;
  [[nodiscard]] double least_usd() const;
  void look_at_budget(int64_t now);
  void say_waiting(int64_t now);
  void give(Series& series, uint32_t sixtieths);
  [[nodiscard]] Budget::Facts facts(int64_t now) const;

  const Targets& targets_;
  BudgetConfig config_;
  Prices prices_;
  Clock clock_;
  std::unique_ptr<Ledger> ledger_;
  std::string folder_;  // where it is; empty: in memory
  Spending spending_;
  Budget budget_;
  uint32_t turn_ = 1;  // of the ledger: what series have noted of another is not valid
  std::map<const Account*, aws::Client::Requests> counted_;
  std::vector<std::pair<std::string_view, std::string_view>> wanting_;  // of one series, kept for its memory
  int64_t items_written_ = 0;
  int64_t decided_ = 0;
  int64_t said_exceeded_ = 0;  // the day
  std::string trouble_;        // of the ledger, logged last

  // With a budget: the series that are read, and those that wait.
  std::unordered_set<const Series*> begun_;
  std::unordered_map<uint64_t, uint32_t> statistics_;  // of their metrics
  std::unordered_set<const Series*> waiting_;
  int64_t looked_ = 0;  // at the month
  double spent_usd_ = 0;
  // Of the rest of the month, read as rarely as allowed:
  double learnt_usd_ = 0;    // as the spending was
  double requests_usd_ = 0;  // of what is paid by request
  double begun_usd_ = 0;     // of begun_
  std::shared_ptr<const Error> why_;
  int64_t said_waiting_ = 0;  // the day
};

}  // namespace bakusoku::agent
