#include "agent/agent.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/reload.h"
#include "agent/spawn.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

constexpr std::chrono::seconds kTick{1};
// A new item's first value is looked for so often, so long.
constexpr std::chrono::milliseconds kHurriedTick{100};
constexpr std::chrono::seconds kHurried{3};
constexpr unsigned kTicksBetweenForgetting = 60;
constexpr int kMappedFrom = 256 * 1024;  // bytes
constexpr std::chrono::seconds kRegionRetry{60};
constexpr std::chrono::milliseconds kWeblogPause{250};
constexpr const char* kDelaysNote = "delays";  // of the ledger: see Delays::text()

static_assert(kMostCallsInFlight == static_cast<int64_t>(aws::kMostCallsInFlight));

Collect::Listed listed_by(Existence& existence) {
  Collect::Listed listed;
  listed.is = [&existence](const Series& series) { return existence.of(series); };
  listed.learn = [&existence](const Target& target, std::vector<Series*> series, Deadline deadline) {
    return existence.learn(target, std::move(series), deadline);
  };
  listed.wants = [&existence](const Series& series) { existence.want(series); };
  return listed;
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::create(asio::io_context& io, Config config,
                                             const Environment& environment, Clock clock,
                                             SteadyClock steady) {
  if (auto good = check(config.inventory); !good) return fail(good.error());
  auto targets = Targets::create(io, config, environment, clock, steady);
  if (!targets) return fail(targets.error());
  auto prices = Prices::load(config.budget.prices);
  if (!prices) return fail(prices.error());
  return std::unique_ptr<Agent>(new Agent(io, std::move(config), std::move(*targets), std::move(*prices),
                                          std::move(clock), std::move(steady)));
}

Result<void> Agent::open_reporting() {
  auto reporting = Reporting::create(
      Reporting::Parts{io_, config_, items_, collect_, inventories_, *targets_, hosts_, stats_, clock_});
  if (!reporting) return fail(reporting.error());
  reporting_ = std::move(*reporting);
  if (reporting_) {
    reporting_->on_added([this] {
      const auto now = std::chrono::steady_clock::now();
      if (now >= hurried_until_) beat_.cancel();
      hurried_until_ = now + kHurried;
    });
  }
  explain_.look_at(reporting_.get());
  status_.look_at(reporting_.get());
  planner_.look_at(reporting_.get());
  return {};
}

Agent::Agent(asio::io_context& io, Config config, std::unique_ptr<Targets> targets, Prices prices,
             Clock clock, SteadyClock steady)
    : io_(io),
      config_(std::move(config)),
      clock_(clock),
      targets_(std::move(targets)),
      organization_(io, *targets_, config_.organization),
      accounts_seen_(targets_->revision()),
      beat_(io),
      inventories_(io, config_.inventory, clock, std::move(steady)),
      demand_(*targets_),
      existence_(io, config_.metrics.list, clock),
      collect_(io, demand_, config_.metrics, static_cast<int>(config_.aws.calls_in_flight), clock),
      bill_(*targets_, config_.budget, std::move(prices), clock),
      explain_(Explain::Parts{io, demand_, collect_, existence_, bill_, clock}),
      status_(Status::Parts{stats_, *targets_, inventories_, demand_, collect_, bill_, clock, config_}),
      planner_(Planner::Parts{*targets_, demand_, config_, bill_.prices()}),
      weblogs_(config_.weblog, clock),
      items_(Items::Parts{*targets_, inventories_, demand_, collect_, existence_, board_, stats_, explain_,
                          status_, bill_, planner_, weblogs_, hosts_, config_.zabbix, clock}),
      socket_entrance_(io, items_, board_, stats_),
      passive_entrance_(io, items_, stats_) {
  demand_.set_priorities(priorities(config_.priorities));
  collect_.listed = listed_by(existence_);
  collect_.on_billed = [this](const Batch& batch, const std::vector<Share>& shares) {
    bill_.note_billed(batch, shares);
  };
  collect_.may_begin = [this](const Series& series) { return bill_.may_begin(series); };
  collect_.on_lag = [this](int64_t seconds) { stats_.lag.note(unix_seconds(clock_()), seconds); };
  collect_.set_longest_stretched(config_.budget.longest_interval.count());
  bill_.stretch = [this](Priority priority, double factor) { collect_.set_stretch(priority, factor); };
  planner_.waits = [this](const Series& series) { return bill_.waits(series); };
  planner_.exists = [this](const Series& series) { return existence_.of(series); };
  bill_.items_of = [this](const Series& series, const Bill::UseItem& use) {
    if (reporting_) reporting_->checks().each_item_of(series, use);
  };
}

Result<void> Agent::open_entrances() {
  if (auto opened = socket_entrance_.open(config_.agent); !opened) return opened;
  return passive_entrance_.open(config_.agent);
}

Result<void> Agent::reload(Config next) {
  // Also one that says the same is followed: a file that it names may have been replaced (keys and
  // certificates for Zabbix, prices), and what failed is tried again.
  const std::vector<Change> changes = changes_between(config_, next);
  if (reporting_) reporting_->ask_again();
  Config wanted = effective(config_, std::move(next));
  // What may fail comes first.
  if (auto good = check(wanted.inventory); !good) return good;
  auto prices = Prices::load(wanted.budget.prices);
  if (!prices) return fail(prices.error());
  if (auto good = check_log_level(wanted.agent.log_level); !good) return good;
  auto plan = targets_->plan(wanted);
  if (!plan) return fail(plan.error());
  if (auto opened = passive_entrance_.open(wanted.agent); !opened) return opened;
  std::optional<zabbix::Link> link;
  if (reporting_) {
    auto prepared = reporting_->prepare(wanted);
    if (!prepared) {
      (void)passive_entrance_.open(config_.agent);
      return fail(prepared.error());
    }
    link = std::move(*prepared);
  } else if (!wanted.zabbix.server.empty()) {
    if (auto possible = Reporting::check(wanted); !possible) {
      (void)passive_entrance_.open(config_.agent);
      return possible;
    }
  }
  const bool other_organization = !(config_.organization == wanted.organization);
  if (config_.agent.log_level != wanted.agent.log_level) set_log_level(wanted.agent.log_level);
  // In place: the stages look at it where it stands.
  config_ = std::move(wanted);
  for (const Change& change : changes) spdlog::info("{}", to_string(change));
  if (changes.empty()) {
    spdlog::info(
        "the configuration was read again and says the same; the files that it names were read again");
  }
  use_accounts(std::move(*plan));
  if (other_organization || config_.organization.used) organization_.change(config_.organization);
  inventories_.configure(config_.inventory);
  collect_.configure(config_.metrics, static_cast<int>(config_.aws.calls_in_flight));
  demand_.set_priorities(priorities(config_.priorities));
  existence_.configure(config_.metrics.list);
  bill_.configure(config_.budget, std::move(*prices));
  collect_.set_longest_stretched(config_.budget.longest_interval.count());
  weblogs_.change(config_.weblog);
  if (accounts_seen_ != targets_->revision()) look_again();
  if (reporting_) {
    reporting_->take_changes(*link);
  } else if (auto opened = open_reporting(); !opened) {
    spdlog::error("{}", opened.error().message);
  } else if (reporting_ && started_) {
    reporting_->start();
  }
  return {};
}

void Agent::use_accounts(Targets::Plan plan) {
  std::map<const Account*, const aws::Client*> before;
  for (const auto& account : targets_->accounts()) before[account.get()] = account->client.get();
  targets_->apply(std::move(plan));
  // Another role or profile may be another account of AWS's, with other resources.
  inventories_.forget([&](const Target& target) {
    const auto known = before.find(target.account);
    return known != before.end() && known->second != target.account->client.get();
  });
}

// Keys may mean other targets than before, and what failed may work now.
void Agent::look_again() {
  accounts_seen_ = targets_->revision();
  for (const auto& group : demand_.groups()) {
    for (Series* const series : group->members) board_.withdraw(*series);
  }
  demand_.forget_keys();
  collect_.forgive();
  if (reporting_) reporting_->look_again();
}

void Agent::forget_unasked() {
  items_.keep_board();  // what was read from the board is not unasked
  if (reporting_) reporting_->tick();
  demand_.forget_unasked(unix_seconds(clock_()), [this](Series& series) { part_from(series); });
  collect_.forget_idle();
  inventories_.forget_idle([this](const Inventory& inventory) { board_.withdraw(inventory); });
  std::set<const Target*> used;
  const auto use = [&used](const Target& target) { used.insert(&target); };
  for (const auto& group : demand_.groups()) use(*group->target);
  collect_.each_target(use);
  existence_.each_target(use);
  inventories_.each_target(use);
  targets_->forget(used);
  board_.shrink();
}

void Agent::forget_crowd() {
  if (!demand_.may_be_crowded()) return;
  items_.keep_board();
  if (reporting_) reporting_->tick();
  demand_.forget_crowd([this](Series& series) { part_from(series); });
}

void Agent::part_from(Series& series) {
  board_.withdraw(series);
  collect_.forget(series);
  bill_.forget(series);
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
  if (!opened) {
    spdlog::warn(
        "{}; this agent counts what AWS bills in memory, until it ends (another [zabbix] state_dir would "
        "keep "
        "it)",
        opened.error().message);
    return;
  }
  kept_delays_ = bill_.ledger().note(kDelaysNote);
  if (const size_t wrong = collect_.delays().learn(kept_delays_, unix_seconds(clock_())); wrong > 0) {
    spdlog::warn(
        "{} of the lines in which the ledger of {} keeps how long CloudWatch takes to publish cannot be "
        "read; "
        "what they said is learnt anew",
        wrong, config_.zabbix.state_dir);
  }
}

void Agent::write_ledger() {
  keep_delays();
  bill_.write();
}

void Agent::keep_delays() {
  std::string text = collect_.delays().text(unix_seconds(clock_()));
  if (text != kept_delays_ && bill_.keep(kDelaysNote, text)) kept_delays_ = std::move(text);
}

void Agent::start() {
  started_ = true;
  // What a moment's readings take goes back to the system after it. glibc would raise the bound by itself.
  mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  organization_.start();
  spawn_loop(io_, "looking for the region", region_loop());
  spawn_loop(io_, tick_heart_.of(), tick_loop());
  spawn_loop(io_, weblog_heart_.of(), weblog_loop());
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
    weblog_heart_.beat();
    while (weblogs_.step()) {
      weblog_heart_.beat();
      co_await asio::post(io_, asio::use_awaitable);
    }
    timer.expires_after(kWeblogPause);
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
  }
}

// New items are looked at meanwhile.
asio::awaitable<void> Agent::wait_for_tick() {
  using std::chrono::steady_clock;
  const steady_clock::time_point tick = steady_clock::now() + kTick;
  for (auto now = steady_clock::now(); now < tick; now = steady_clock::now()) {
    const bool hurried = now < hurried_until_;
    beat_.expires_at(hurried ? std::min(tick, now + kHurriedTick) : tick);
    asio::error_code woken;
    co_await beat_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (!hurried || !reporting_ || steady_clock::now() >= tick) continue;
    reporting_->bring();
  }
}

asio::awaitable<void> Agent::tick_loop() {
  for (unsigned ticks = 1;; ++ticks) {
    co_await wait_for_tick();
    tick_heart_.beat();
    flush_log();
    if (accounts_seen_ != targets_->revision()) look_again();
    items_.keep_board();
    inventories_.tick();
    existence_.tick();
    collect_.tick();
    if (reporting_) reporting_->tick();
    socket_entrance_.tick();
    status_.tick();
    bill_.tick();
    forget_crowd();
    if (ticks % kTicksBetweenForgetting == 0) {
      forget_unasked();
      keep_delays();
      // Replies and replaced inventories leave holes that glibc keeps; give them back.
      malloc_trim(0);
    }
  }
}

}  // namespace bakusoku::agent
