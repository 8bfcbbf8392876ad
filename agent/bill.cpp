#include "agent/bill.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <tuple>

#include "base/time_text.h"
#include "zabbix/key.h"

namespace bakusoku::agent {
namespace {

static_assert(kBudgetPriorities == static_cast<int>(kPriorities));

constexpr int64_t kDay = 86400;
constexpr int64_t kBetweenItemWrites = 300;
constexpr int64_t kBetweenDecisions = 300;
constexpr int64_t kLearnsFirst = 600;      // before it decides anything
constexpr int64_t kRequestsRepeat = 3600;  // about
constexpr const char* kMetricData = "GetMetricData";
constexpr int64_t kBetweenLooks = 10;  // at what the month comes to at least
constexpr int64_t kAliveIntervals = 3;
constexpr uint32_t kStatisticsOfUnit = 5;
constexpr const char* kStretchNote = "stretch";  // "level month": the number of the month's first day

int64_t own_interval(const Series& series) {
  return std::max<int64_t>(static_cast<int64_t>(series.ask_gap), series.group->period);
}

// The same for all statistics of a metric.
uint64_t metric_of(const Series& series) {
  const auto group = reinterpret_cast<uintptr_t>(series.group);
  const auto owner = reinterpret_cast<uintptr_t>(series.name->account_id);
  return (((group * 31) ^ owner) + series.place) * 0x9E3779B97F4A7C15u;
}

// The key under which any Zabbix would ask for it.
std::string key_of(const Series& series) {
  if (series.name->inputs != nullptr) return series.description();
  std::string dimensions;
  for (const auto& dimension : *series.dimensions)
    dimensions += fmt::format("{}{}={}", dimensions.empty() ? "" : ";", dimension.name, dimension.value);
  const Target& target = *series.group->target;
  std::string account = target.account->name;
  if (series.name->account_id != nullptr && !series.name->account_id->empty())
    account += (account.empty() ? "" : "/") + *series.name->account_id;
  std::vector<std::string> parameters{*series.name->namespace_,
                                      *series.name->metric,
                                      dimensions,
                                      *series.name->statistic,
                                      std::to_string(series.group->period),
                                      target.region,
                                      account};
  return zabbix::format_key("aws.metric", parameters).value_or(series.description());
}

}  // namespace

Bill::Bill(const Targets& targets, BudgetConfig config, Prices prices, Clock clock)
    : targets_(targets),
      config_(std::move(config)),
      prices_(std::move(prices)),
      clock_(std::move(clock)),
      spending_(unix_seconds(clock_())),
      budget_({config_.usd_per_month, config_.longest_interval.count()}),
      items_written_(unix_seconds(clock_())) {
  auto ledger = Ledger::open("", clock_);
  if (!ledger) throw std::bad_alloc();  // SQLite has no memory for an empty one
  ledger_ = std::move(*ledger);
}

Result<void> Bill::open(const std::string& folder) {
  if (folder.empty()) return {};
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  auto ledger = Ledger::open(folder + "/ledger.sqlite", clock_);
  if (!ledger) return fail(ledger.error());
  for (const Error& warning : (*ledger)->take_warnings()) spdlog::warn("{}", warning.message);
  ledger_ = std::move(*ledger);
  folder_ = folder;
  ++turn_;
  const std::string note = ledger_->note(kStretchNote);
  int level = 0;
  int64_t month = 0;
  const char* const end = note.data() + note.size();
  const auto first = std::from_chars(note.data(), end, level);
  if (first.ec == std::errc() && first.ptr != end &&
      std::from_chars(first.ptr + 1, end, month).ec == std::errc() &&
      month == month_of(ledger_->day()).first && config_.usd_per_month > 0) {
    budget_.resume(level, month);
    if (level > 0) {
      spdlog::info("intervals stay as long as before the restart, for the month's budget");
      use_factors();
    }
  }
  return {};
}

Result<void> Bill::keep_file() {
  const auto again = ledger_->made_again();
  if (!again) return fail(again.error());
  if (!*again) return {};
  auto opened = Ledger::open(folder_ + "/ledger.sqlite", clock_);
  if (!opened) return fail(opened.error());
  ledger_ = std::move(*opened);
  ++turn_;
  spdlog::warn("the ledger of costs in {} was removed while it was in use; it is there again", folder_);
  return {};
}

bool Bill::is_known(const Series& series) {
  bool known = false;
  bool named = false;
  if (items_of) {
    items_of(series, [&](std::string_view host, std::string_view key) {
      named = true;
      known = known || ledger_->knows(host, key);
    });
  }
  return named ? known : ledger_->knows("", key_of(series));
}

// Until the month's end, of one that is read now and then as rarely as allowed.
double Bill::least_usd(const Series& series, int64_t now) const {
  const Target& target = *series.group->target;
  const size_t metrics = series.name->inputs == nullptr ? 1 : series.name->inputs->size();
  const int64_t interval = stretched(own_interval(series), kMostStretch, config_.longest_interval.count());
  const int64_t left = (month_of(ledger_->day()).last + 1) * kDay - now;
  const double readings = 1 + static_cast<double>(std::max<int64_t>(left, 0)) / static_cast<double>(interval);
  return prices_.usd_per_unit(kMetricData, target.region) * static_cast<double>(metrics) * readings;
}

// The month, read as rarely as allowed: what is known to be read, or what was learnt of the spending,
// whichever is more. The one lacks what was read before there was a budget, the other what began lately.
double Bill::least_usd() const { return spent_usd_ + std::max(learnt_usd_, requests_usd_ + begun_usd_); }

void Bill::look_at_budget(int64_t now) {
  if (now >= looked_ && now - looked_ < kBetweenLooks) return;
  looked_ = now;
  const Budget::Facts known = facts(now);
  spent_usd_ = known.spent_usd;
  learnt_usd_ = budget_.least_usd(known) - spent_usd_;
  requests_usd_ = 0;
  for (const Spending::Rate& rate : known.rates) {
    if (rate.priority == kBudgetPriorities)
      requests_usd_ += rate.usd_per_second * static_cast<double>(known.seconds_left);
  }
  begun_usd_ = 0;
  statistics_.clear();
  for (const Series* const series : begun_) {
    // What was asked for once costs no more than that.
    const bool alive =
        series->fed != 0 || now - series->last_asked <= kAliveIntervals * own_interval(*series);
    if (alive && statistics_[metric_of(*series)]++ % kStatisticsOfUnit == 0)
      begun_usd_ += least_usd(*series, now);
  }
  why_ = nullptr;
}

std::shared_ptr<const Error> Bill::may_begin(const Series& series) {
  if (!(config_.usd_per_month > 0)) return nullptr;
  const int64_t now = unix_seconds(clock_());
  look_at_budget(now);
  if (begun_.contains(&series)) return nullptr;
  uint32_t& statistics = statistics_[metric_of(series)];
  const double before = begun_usd_;
  if (statistics % kStatisticsOfUnit == 0) begun_usd_ += least_usd(series, now);
  if (least_usd() <= config_.usd_per_month || is_known(series)) {
    ++statistics;
    begun_.insert(&series);
    waiting_.erase(&series);
    return nullptr;
  }
  begun_usd_ = before;
  waiting_.insert(&series);
  if (!why_) {
    why_ = std::make_shared<const Error>(Error{
        ErrorKind::unavailable,
        fmt::format("a new metric, which waits: with it the month would pass the budget of US${:.2f} "
                    "([budget] usd_per_month), because what is read already comes to US${:.2f}, read as "
                    "rarely as is allowed. Raise the budget, or have fewer items; it is looked at again "
                    "every 5 min",
                    config_.usd_per_month, least_usd()),
        std::string(kWaitsForBudget)});
  }
  return why_;
}

// Once a day, and when nothing waits any more.
void Bill::say_waiting(int64_t now) {
  if (waiting_.empty()) {
    if (said_waiting_ != 0) spdlog::info("no new metric waits for the month's budget any more");
    said_waiting_ = 0;
  } else if (said_waiting_ != ledger_->day()) {
    said_waiting_ = ledger_->day();
    look_at_budget(now);
    spdlog::warn(
        "{} new metrics wait and are not read: with them the month would pass the budget of US${:.2f}, "
        "because "
        "what is read already comes to US${:.2f}, read as rarely as is allowed; raise [budget] usd_per_month "
        "or "
        "longest_interval, or have fewer items",
        waiting_.size(), config_.usd_per_month, least_usd());
  }
}

void Bill::configure(BudgetConfig config, Prices prices) {
  const bool same =
      config.usd_per_month == config_.usd_per_month && config.longest_interval == config_.longest_interval;
  config_ = std::move(config);
  prices_ = std::move(prices);
  if (!same) {
    const int level = config_.usd_per_month > 0 ? budget_.level() : 0;
    budget_ = Budget({config_.usd_per_month, config_.longest_interval.count()});
    if (level > 0) budget_.resume(level, month_of(ledger_->day()).first);
  }
  use_factors();
  decided_ = 0;
  looked_ = 0;
  if (!(config_.usd_per_month > 0)) {
    waiting_.clear();
    begun_.clear();
  }
}

void Bill::use_factors() const {
  if (!stretch) return;
  for (size_t priority = 0; priority < kPriorities; ++priority)
    stretch(static_cast<Priority>(priority), budget_.factors()[priority]);
}

void Bill::give(Series& series, uint32_t sixtieths) {
  wanting_.clear();
  if (items_of) {
    items_of(series,
             [this](std::string_view host, std::string_view key) { wanting_.emplace_back(host, key); });
  }
  if (wanting_.empty()) {
    if (std::exchange(series.billed_turn, turn_) != turn_)
      series.billed_item = ledger_->item("", key_of(series));
    ledger_->add_shares(series.billed_item, sixtieths);
    return;
  }
  // What does not divide goes to one after the other in turn.
  const auto count = static_cast<uint32_t>(wanting_.size());
  for (uint32_t at = 0; at < count; ++at) {
    const uint32_t turn = (at + series.readings) % count;
    const uint32_t share = sixtieths / count + (turn < sixtieths % count ? 1 : 0);
    if (share != 0) ledger_->add_shares(ledger_->item(wanting_[at].first, wanting_[at].second), share);
  }
}

void Bill::note_billed(const Batch& batch, const std::vector<Share>& shares) {
  const Target& target = *batch.target;
  const int64_t now = unix_seconds(clock_());
  const double usd = prices_.usd_per_unit(kMetricData, target.region) / kSharesOfUnit;
  std::map<std::string_view, uint64_t> by_namespace;
  std::map<std::tuple<int, int64_t, int64_t>, uint64_t> by_interval;
  std::vector<uint32_t> of_due(batch.due.size(), 0);
  for (const Share& share : shares) {
    by_namespace[share.namespace_] += share.sixtieths;
    of_due[share.due] += share.sixtieths;
  }
  for (size_t at = 0; at < batch.due.size(); ++at) {
    Series& one = *batch.due[at].series;
    const int64_t own = own_interval(one);
    const auto priority = static_cast<size_t>(one.priority);
    const int64_t actual = stretched(own, budget_.factors()[priority], config_.longest_interval.count());
    by_interval[{static_cast<int>(priority), own, actual}] += of_due[at];
    if (config_.usd_per_month > 0) begun_.insert(&one);
    give(one, of_due[at]);
  }
  for (const auto& [name, sixtieths] : by_namespace) {
    ledger_->add(Charge{target.account->name, target.region, kMetricData, std::string(name)},
                 sixtieths / kSharesOfUnit);
  }
  for (const auto& [key, sixtieths] : by_interval) {
    const auto& [priority, own, actual] = key;
    spending_.add(priority, own, actual, static_cast<double>(sixtieths) * usd, now);
  }
  if (!ledger_->has_much_to_write() || !trouble_.empty()) return;
  if (const auto written = ledger_->write(); !written) say(&written.error());
}

// Of what is paid by request, which the clients count.
void Bill::count_requests() {
  for (const auto& account : targets_.accounts()) {
    if (!account->client) continue;
    const aws::Client::Requests& requests = account->client->cloudwatch_requests();
    if (requests.empty()) continue;
    aws::Client::Requests& before = counted_[account.get()];
    for (const auto& [key, count] : requests) {
      uint64_t& known = before[key];
      if (known == count) continue;
      const uint64_t more = count > known ? count - known : count;  // or another client's
      known = count;
      if (key.second == kMetricData) continue;
      const double spent = prices_.usd_of_month(ledger_->month());
      ledger_->add(Charge{account->name, key.first, key.second, {}}, more);
      const double usd = prices_.usd_of_month(ledger_->month()) - spent;
      const int64_t now = unix_seconds(clock_());
      if (usd > 0) spending_.add(kBudgetPriorities, kRequestsRepeat, kRequestsRepeat, usd, now);
    }
  }
}

Budget::Facts Bill::facts(int64_t now) const {
  const Month month = month_of(ledger_->day());
  Budget::Facts facts;
  facts.now = now;
  facts.month = month.first;
  facts.spent_usd = prices_.usd_of_month(ledger_->month());
  facts.seconds_left = (month.last + 1) * kDay - now;
  facts.rates = spending_.rates(now);
  return facts;
}

void Bill::tick() {
  const int64_t now = unix_seconds(clock_());
  spending_.set_back(now);
  count_requests();
  Result<void> written = ledger_->write();
  if (now - items_written_ >= kBetweenItemWrites || now < items_written_) {
    items_written_ = now;
    if (written) written = ledger_->write_items();
  }
  if (written) written = keep_file();
  say(written ? nullptr : &written.error());
  for (const Error& warning : ledger_->take_warnings()) spdlog::warn("{}", warning.message);
  if (now - decided_ >= kBetweenDecisions || now < decided_) {
    decided_ = now;
    decide(now);
  }
  say_waiting(now);
}

void Bill::write() {
  count_requests();
  Result<void> written = ledger_->write();
  if (written) written = ledger_->write_items();
  say(written ? nullptr : &written.error());
}

void Bill::say(const Error* trouble) {
  if (trouble == nullptr) {
    if (!trouble_.empty()) spdlog::info("the ledger of costs is written again; nothing was lost");
    trouble_.clear();
  } else if (trouble_ != trouble->message) {
    trouble_ = trouble->message;
    spdlog::error("{}; costs are counted in memory until it can be written", trouble_);
  }
}

void Bill::decide(int64_t now) {
  if (!(config_.usd_per_month > 0) || spending_.learnt(now) < kLearnsFirst) return;
  const Budget::Facts known = facts(now);
  if (budget_.decide(known)) apply(known);
  if (!budget_.exceeded()) {
    said_exceeded_ = 0;
  } else if (said_exceeded_ != ledger_->day()) {
    said_exceeded_ = ledger_->day();
    spdlog::error(
        "the month's forecast is US${:.2f} of a budget of US${:.2f}, although every metric is read as rarely "
        "as "
        "[budget] allows; collection goes on: raise usd_per_month or longest_interval, or have fewer items",
        budget_.forecast_usd(known), config_.usd_per_month);
  }
}

void Bill::apply(const Budget::Facts& known) {
  use_factors();
  const Budget::Factors factors = budget_.factors();
  std::string slower;
  for (size_t priority = 0; priority < kPriorities; ++priority) {
    if (!(factors[priority] > 1)) continue;
    slower += fmt::format("{}those of {} priority every {:g} intervals", slower.empty() ? "" : ", ",
                          to_string(static_cast<Priority>(priority)), factors[priority]);
  }
  if (slower.empty()) {
    spdlog::info(
        "metrics are read at their own intervals again: the month's forecast is US${:.2f} of a budget "
        "of US${:.2f}",
        budget_.forecast_usd(known), config_.usd_per_month);
  } else {
    spdlog::warn(
        "the month would cost US${:.2f} of a budget of US${:.2f}: metrics are read more rarely ({}; at least "
        "every "
        "{}), which makes it US${:.2f}",
        budget_.unstretched_usd(known), config_.usd_per_month, slower,
        duration_text(config_.longest_interval.count()), budget_.forecast_usd(known));
  }
  (void)keep(kStretchNote, fmt::format("{} {}", budget_.level(), known.month));
}

bool Bill::keep(std::string_view name, std::string_view value) {
  const auto noted = ledger_->set_note(name, value);
  if (!noted) say(&noted.error());
  return noted.has_value();
}

Bill::Seen Bill::seen() const {
  const int64_t now = unix_seconds(clock_());
  const Budget::Facts known = facts(now);
  Seen seen;
  Charges before = ledger_->month();
  for (const auto& [charge, units] : ledger_->today()) before[charge] -= std::min(before[charge], units);
  seen.month_usd = known.spent_usd;
  seen.today_usd = std::max(0.0, known.spent_usd - prices_.usd_of_month(before));
  seen.forecast_usd = budget_.forecast_usd(known);
  seen.unstretched_usd = budget_.unstretched_usd(known);
  seen.budget_usd = config_.usd_per_month;
  seen.factors = budget_.factors();
  seen.exceeded = budget_.exceeded();
  seen.waiting = waiting_.size();
  seen.on_disk = ledger_->on_disk();
  seen.since = ledger_->since();
  return seen;
}

std::map<std::string, double> Bill::by_namespace() const {
  return prices_.usd_by_namespace(ledger_->month());
}

std::map<std::pair<std::string, std::string>, double> Bill::by_account_and_region() const {
  std::map<std::pair<std::string, std::string>, double> sums;
  for (const auto& [charge, units] : ledger_->month()) {
    if (charge.action == kMetricData) {
      sums[{charge.account, charge.region}] +=
          static_cast<double>(units) * prices_.usd_per_unit(charge.action, charge.region);
    }
  }
  return sums;
}

}  // namespace bakusoku::agent
