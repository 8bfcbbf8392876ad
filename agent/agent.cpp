#include "agent/agent.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <new>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr unsigned kTicksBetweenForgetting = 60;
constexpr std::chrono::seconds kRegionRetry{60};
constexpr std::chrono::milliseconds kWeblogPause{250};

}  // namespace

Result<std::unique_ptr<Agent>> Agent::create(asio::io_context& io, Config config,
                                             const Environment& environment, Clock clock) {
  auto targets = Targets::create(io, config, environment, clock);
  if (!targets) return fail(targets.error());
  auto prices = Prices::load(config.budget.prices);
  if (!prices) return fail(prices.error());
  return std::unique_ptr<Agent>(
      new Agent(io, std::move(config), std::move(*targets), std::move(*prices), std::move(clock)));
}

Result<void> Agent::open_reporting() {
  auto reporting = Reporting::create(
      Reporting::Parts{io_, config_, items_, collect_, inventories_, *targets_, stats_, clock_});
  if (!reporting) return fail(reporting.error());
  reporting_ = std::move(*reporting);
  explain_.look_at(reporting_.get());
  status_.look_at(reporting_.get());
  planner_.look_at(reporting_.get());
  return {};
}

Agent::Agent(asio::io_context& io, Config config, std::unique_ptr<Targets> targets, Prices prices,
             Clock clock)
    : io_(io),
      config_(std::move(config)),
      clock_(clock),
      targets_(std::move(targets)),
      inventories_(io, config_.inventory.interval, clock),
      demand_(*targets_),
      collect_(io, demand_, config_.metrics, clock),
      bill_(*targets_, config_.budget, std::move(prices), clock),
      explain_(Explain::Parts{io, demand_, collect_, config_.metrics, bill_, clock}),
      status_(Status::Parts{stats_, *targets_, demand_, collect_, bill_, clock}),
      planner_(Planner::Parts{*targets_, demand_, config_, bill_.prices()}),
      weblogs_(config_.weblog, clock),
      items_(Items::Parts{*targets_, inventories_, demand_, collect_, board_, stats_, explain_, status_,
                          bill_, planner_, weblogs_, clock}),
      socket_entrance_(io, items_, board_, stats_),
      passive_entrance_(io, items_, stats_) {
  collect_.on_billed = [this](const Batch& batch) { bill_.note_billed(batch); };
  collect_.on_lag = [this](int64_t seconds) { stats_.lag.note(unix_seconds(clock_()), seconds); };
  collect_.set_longest_stretched(config_.budget.longest_interval.count());
  bill_.stretch = [this](int priority, double factor) { collect_.set_stretch(priority, factor); };
  bill_.items_of = [this](const Series& series, const Bill::UseItem& use) {
    if (reporting_) reporting_->checks().each_item_of(series, use);
  };
}

Result<void> Agent::open_entrances() {
  if (auto opened = socket_entrance_.open(config_.agent); !opened) return opened;
  return passive_entrance_.open(config_.agent);
}

void Agent::forget_unasked() {
  items_.keep_board();  // what was read from the board is not unasked
  if (reporting_) reporting_->tick();
  demand_.forget_unasked(unix_seconds(clock_()), [this](Series& series) {
    board_.withdraw(series);
    collect_.read_from(series, 0);
    bill_.forget(series);
  });
}

void Agent::open_weblogs() {
  const auto kept = weblogs_.keep_in(config_.zabbix.state_dir);
  if (kept) return;
  // Two agents without a Zabbix server of their own may share the default folder.
  spdlog::warn("{}; this one keeps its own in memory (another [zabbix] state_dir would keep them)",
               kept.error().message);
  (void)weblogs_.keep_in("");
}

void Agent::open_ledger() {
  const auto opened = bill_.open(config_.zabbix.state_dir);
  if (opened) return;
  spdlog::warn(
      "{}; this agent counts what AWS bills in memory, until it ends (another [zabbix] state_dir would keep "
      "it)",
      opened.error().message);
}

void Agent::start() {
  spawn(io_, "looking for the region", region_loop());
  spawn(io_, "reading ahead", tick_loop());
  spawn(io_, "web server logs", weblog_loop());
  if (reporting_) reporting_->start();
}

// The instance metadata may come after the agent when the machine starts.
asio::awaitable<void> Agent::region_loop() {
  asio::steady_timer timer(io_);
  for (bool said = false;; said = true) {
    const Result<void> found = co_await targets_->find_default_region();
    if (found) co_return;
    if (!said) spdlog::warn("{}", found.error().message);
    timer.expires_after(kRegionRetry);
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
  }
}

// A log that is far behind is read in steps of a few milliseconds, between which everything else has its
// turn.
asio::awaitable<void> Agent::weblog_loop() {
  asio::steady_timer timer(io_);
  for (;;) {
    while (weblogs_.step()) co_await asio::post(io_, asio::use_awaitable);
    timer.expires_after(kWeblogPause);
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
  }
}

asio::awaitable<void> Agent::tick_loop() {
  asio::steady_timer timer(io_);
  for (unsigned ticks = 1;; ++ticks) {
    timer.expires_after(kTick);
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
    try {
      items_.keep_board();
      inventories_.tick();
      collect_.tick();
      if (reporting_) reporting_->tick();
      status_.tick();
      bill_.tick();
      if (ticks % kTicksBetweenForgetting == 0) {
        forget_unasked();
        // Replies and replaced inventories leave holes that glibc keeps; give them back.
        malloc_trim(0);
      }
    } catch (const std::bad_alloc&) {
      spdlog::error("out of memory; nothing is read ahead in this second");
    }
  }
}

}  // namespace bakusoku::agent
