#include "agent/checks.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <new>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

constexpr uint32_t kFixedNs =
    0;  // the same datapoint is the same row of Zabbix's history whenever it is sent
constexpr int64_t kClockMaySlip = 60;
constexpr int64_t kRarest = 86400;  // an interval without a moment within a year is looked at again
constexpr int64_t kLongestGap = 7 * 86400;
constexpr size_t kMostWaiting = 200'000;  // values kept in memory while the spool cannot be written

// Items of a host at one interval spread over it; the same item always at the same seconds.
uint64_t seed_of(const std::string& host, const zabbix::ActiveItem& item) {
  return std::hash<std::string>()(host + '\n' + item.key);
}

}  // namespace

void Checks::replace(size_t destination, const std::string& host,
                     const std::vector<zabbix::ActiveItem>& items) {
  auto& checks = hosts_[{destination, host}];
  std::map<std::string_view, CheckPtr> before;
  for (CheckPtr& check : checks) before.emplace(check->key, check);
  std::vector<CheckPtr> kept;
  const auto name = checks.empty() ? std::make_shared<const std::string>(host) : checks.front()->host;
  std::vector<const zabbix::ActiveItem*> fresh;
  for (const zabbix::ActiveItem& item : items) {
    const auto same = before.find(item.key);
    if (same == before.end() || same->second->delay != item.delay || same->second->itemid != item.itemid) {
      fresh.push_back(&item);
      continue;
    }
    same->second->sent_key = item.key_orig.empty() ? item.key : item.key_orig;
    same->second->timeout = item.timeout.value_or(parts_.timeout);
    kept.push_back(same->second);
    before.erase(same);
  }
  for (auto& [key, check] : before) remove(check);
  checks = std::move(kept);
  for (const zabbix::ActiveItem* item : fresh) add(destination, name, *item);
  if (checks.empty()) hosts_.erase({destination, host});
}

void Checks::add(size_t destination, const std::shared_ptr<const std::string>& host,
                 const zabbix::ActiveItem& item) {
  auto check = std::make_shared<Check>();
  check->destination = destination;
  check->host = host;
  check->key = item.key;
  check->sent_key = item.key_orig.empty() ? item.key : item.key_orig;
  check->itemid = item.itemid;
  check->delay = item.delay;
  check->timeout = item.timeout.value_or(parts_.timeout);
  check->seed = seed_of(*host, item);
  hosts_[{destination, *host}].push_back(check);
  const int64_t now = unix_seconds(parts_.clock());
  auto interval = zabbix::Interval::parse(item.delay);
  if (!interval) {
    put_error(check, now, interval.error().message);
    return;
  }
  check->interval = std::move(*interval);
  schedule(check, now);  // the first value does not wait for the interval
}

void Checks::remove(const CheckPtr& check) {
  check->gone = true;
  due_.erase({check->due, check});
  const Series* series = check->metric.series;
  if (series == nullptr) return;
  const auto fed = fed_.find(series);
  if (fed == fed_.end()) return;
  std::erase(fed->second, check);
  if (!fed->second.empty()) return;
  check->metric.series->fed = 0;
  parts_.collect.read_from(*series, 0);
  fed_.erase(fed);
}

void Checks::schedule(const CheckPtr& check, int64_t due) {
  due_.erase({check->due, check});
  check->due = due;
  due_.emplace(due, check);
}

void Checks::tick() {
  const int64_t now = unix_seconds(parts_.clock());
  if (now < last_tick_ - kClockMaySlip) reschedule_all(now);
  last_tick_ = now;
  for (const Collect::Reading& reading : parts_.collect.take_readings()) take_reading(reading, now);
  while (!due_.empty() && due_.begin()->first <= now) {
    const CheckPtr check = due_.begin()->second;
    schedule(check, check->interval->next_check(now, check->seed).value_or(now + kRarest));
    run(check, now);
  }
  flush();
}

// The clock was set back: what is due would be due for too long.
void Checks::reschedule_all(int64_t now) {
  std::vector<CheckPtr> all;
  for (const auto& [due, check] : due_) all.push_back(check);
  for (const CheckPtr& check : all) {
    schedule(check, check->interval->next_check(now, check->seed).value_or(now + kRarest));
  }
}

void Checks::run(const CheckPtr& check, int64_t now) {
  if (check->metric.series == nullptr) {
    const auto wanted = parts_.items.metric_behind(check->key);
    if (!wanted) {
      if (Items::is_of_this_machine(check->key) && !parts_.own_hosts.contains(*check->host)) {
        return put_error(check, now,
                         fmt::format("{}: it would be of the machine the agent runs on, not of {}; only the "
                                     "hosts that [zabbix] hostname and hosts name may have it",
                                     check->key, *check->host));
      }
      if (check->asking) return;  // the question before this one is still open
      check->asking = true;
      spawn(parts_.io, "a check", ask(check));
      return;
    }
    if (!*wanted) return put_error(check, now, (*wanted).error().message);
    check->metric = **wanted;
    const Series& series = *check->metric.series;
    const auto last = parts_.spools[check->destination]->last_clock(*check->host, check->sent_key);
    check->feed.emplace(series.group->period, last.value_or(0));
    check->metric.series->fed = 1;
    fed_[&series].push_back(check);
    if (check->feed->next() != 0) parts_.collect.read_from(series, check->feed->next());
    note_asked(*check, now);
    parts_.collect.want(*check->metric.series, true);
    return;
  }
  run_metric(*check, now);
}

// The first moments of an item may be closer together than its interval, which is how often it is to be paid
// for.
void Checks::note_asked(const Check& check, int64_t now) {
  Series& series = *check.metric.series;
  Demand::note_asked(series, now);
  const int64_t simple = check.interval->simple_seconds();
  const int64_t gap = simple > 0 ? simple : check.due - now;
  series.ask_gap = static_cast<uint64_t>(std::clamp<int64_t>(gap, 1, kLongestGap)) & 0xFFFFFu;
}

void Checks::run_metric(Check& check, int64_t now) {
  Series& series = *check.metric.series;
  note_asked(check, now);
  // What has been read ahead for this moment was its reading.
  if (parts_.collect.is_current(series)) {
    series.answered = 1;
  } else {
    parts_.collect.want(series, false);
  }
}

asio::awaitable<void> Checks::ask(CheckPtr check) {
  const Answer answer = co_await parts_.items.answer(check->key, answer_deadline(check->timeout));
  check->asking = false;
  if (check->gone) co_return;
  const int64_t now = unix_seconds(parts_.clock());
  if (!answer.supported) {
    put_error(check, now, answer.text);
    co_return;
  }
  check->error.clear();
  put(check, now, answer.text, Kind::fact);
}

void Checks::take_reading(const Collect::Reading& reading, int64_t now) {
  const auto fed = fed_.find(reading.series);
  if (fed == fed_.end()) return;
  const int32_t period = reading.series->group->period;
  int64_t behind = 0;
  for (const CheckPtr& check : fed->second) {
    if (reading.failure) {
      put_error(check, now, "aws.metric: " + reading.failure->message);
      continue;
    }
    std::vector<Point> points = reading.points;
    if (check->metric.missing_is_zero) {
      std::set<int64_t> there;
      for (const Point& point : points) there.insert(point.clock);
      const int64_t from = std::max(reading.window.start, check->feed->next());
      for (int64_t clock = from - from % period; clock < reading.window.end; clock += period) {
        if (!there.contains(clock)) points.push_back(Point{clock, 0});
      }
    }
    for (const Point& point : check->feed->take(points, reading.window)) {
      check->error.clear();
      put(check, point.clock, format_value(point.value), Kind::datapoint);
    }
    const int64_t next = check->feed->next();
    if (next != 0 && (behind == 0 || next < behind)) behind = next;
  }
  if (reading.failure) return;
  reading.series->answered = 1;
  // The next reading starts where the slowest of them left off, should more than the usual look-back have
  // passed then.
  parts_.collect.read_from(*reading.series, behind);
}

void Checks::put(const CheckPtr& check, int64_t clock, std::string text, Kind kind) {
  waiting_.resize(std::max(waiting_.size(), check->destination + 1));
  waiting_[check->destination].push_back(Waiting{check, clock, std::move(text), kind});
}

void Checks::put_error(const CheckPtr& check, int64_t now, const std::string& error) {
  if (check->error == error) return;
  check->error = error;
  put(check, now, error, Kind::error);
}

void Checks::flush() {
  std::vector<Value> values;
  for (size_t destination = 0; destination < waiting_.size(); ++destination) {
    auto& waiting = waiting_[destination];
    if (waiting.empty()) continue;
    values.clear();
    for (const Waiting& one : waiting) {
      values.push_back(Value{.host = *one.check->host,
                             .key = one.check->sent_key,
                             .itemid = one.check->itemid,
                             .clock = one.clock,
                             .ns = kFixedNs,
                             .supported = one.kind != Kind::error,
                             .text = one.text,
                             .moves_clock = one.kind == Kind::datapoint});
    }
    const auto stored = parts_.spools[destination]->put(values, Durability::normal);
    if (!stored) {
      // They wait for the next second, as far as memory should go.
      if (trouble_ != stored.error().message) spdlog::error("{}", stored.error().message);
      trouble_ = stored.error().message;
      if (waiting.size() > kMostWaiting) {
        const size_t lost = waiting.size() - kMostWaiting / 2;
        spdlog::error("{} values are lost, the spool could not take them: {}", lost, trouble_);
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(lost));
      }
      continue;
    }
    trouble_.clear();
    values_ += values.size();
    waiting.clear();
  }
}

}  // namespace bakusoku::agent
