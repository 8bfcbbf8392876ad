#include "agent/checks.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <new>
#include <span>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kClockMaySlip = 60;
constexpr int64_t kRarest = 86400;  // an interval without a moment within a year is looked at again
constexpr int64_t kLongestGap = 7 * 86400;
constexpr size_t kKeptOfFact = 64;        // bytes, for whoever asks what was put
constexpr int64_t kListedLate = 1800;     // seconds; CloudWatch lists a new metric a quarter of an hour late
constexpr int64_t kLeastOpen = 5;         // periods
constexpr size_t kStoredAtOnce = 10'000;  // values
constexpr size_t kMostWaiting = 200'000;  // values kept in memory while the spool cannot be written

// Items of a host at one interval spread over it; the same item always at the same seconds.
uint32_t seed_of(const std::string& host, const zabbix::ActiveItem& item) {
  return static_cast<uint32_t>(std::hash<std::string>()(host + '\n' + item.key));
}

// A question that is open, until it is answered or ends by an exception (out of memory).
class Asking {
 public:
  explicit Asking(bool& open) : open_(open) { open_ = true; }
  ~Asking() { open_ = false; }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  bool& open_;
};

}  // namespace

// What is still held elsewhere, by a question under way, is no part of this any more.
Checks::~Checks() {
  while (!due_.empty()) due_.begin()->second.back()->remove();
}

void Checks::replace(size_t destination, const std::string& host,
                     const std::vector<zabbix::ActiveItem>& items) {
  const auto place = std::pair(destination, host);
  const auto known = hosts_.find(place);
  if (items.empty() || destination >= parts_.spools.size() || parts_.spools[destination] == nullptr) {
    if (known == hosts_.end()) return;
    for (const CheckPtr& check : known->second) check->remove();
    hosts_.erase(known);
    return;
  }
  std::vector<CheckPtr> before;
  if (known != hosts_.end()) before.swap(known->second);
  const auto name = before.empty() ? IntrusivePtr<const Host>(new Host(*this, host)) : before.front()->host;
  std::map<Identity, CheckPtr> by_identity;
  for (const CheckPtr& check : before)
    by_identity.emplace(identity_of(check->itemid, check->sent_key()), check);
  std::map<Identity, const zabbix::ActiveItem*> wanted;
  std::vector<std::pair<const zabbix::ActiveItem*, CheckPtr>> rows;  // null: it is new
  for (const zabbix::ActiveItem& item : items) {
    const Identity identity = identity_of(item.itemid, item.key_orig);
    if (!wanted.emplace(identity, &item).second) continue;
    CheckPtr same;
    if (const auto found = by_identity.find(identity); found != by_identity.end()) {
      if (found->second->key.view() == item.key) {
        same = std::move(found->second);
        by_identity.erase(found);
      }
    }
    rows.emplace_back(&item, std::move(same));
  }
  // An item whose key means something else now goes before it comes again.
  for (const auto& [identity, check] : by_identity) check->remove();
  by_identity.clear();
  before.clear();
  std::vector<CheckPtr> checks;
  checks.reserve(rows.size());
  bool added = false;
  for (auto& [item, check] : rows) {
    const bool is_new = !check;
    const bool other_pace = !is_new && check->delay->text != item->delay;
    if (is_new) check = add(destination, name, *item);
    check->tell(*item, parts_.timeout);
    if (is_new || other_pace) added = start(*check, *item) || added;
    checks.push_back(std::move(check));
  }
  hosts_[place] = std::move(checks);
  if (added && on_added) on_added();
}

void Checks::Check::tell(const zabbix::ActiveItem& item, std::chrono::milliseconds timeout) {
  const std::string_view known = item.key_orig == key.view() ? std::string_view() : item.key_orig;
  if (other_key.view() != known) other_key = PackedText(known);
  timeout_ms = static_cast<uint32_t>(item.timeout.value_or(timeout).count());
}

IntrusivePtr<const Checks::Delay> Checks::delay_of(const std::string& text) {
  const auto known = delays_.find(text);
  if (known != delays_.end()) return known->second;
  std::erase_if(delays_, [](const auto& entry) { return entry.second->holders() == 1; });
  auto interval = zabbix::Interval::parse(text);
  std::optional<zabbix::Interval> readable;
  if (interval) readable = std::move(*interval);
  IntrusivePtr<const Delay> delay(new Delay(text, std::move(readable)));
  delays_.emplace(delay->text, delay);
  return delay;
}

Checks::CheckPtr Checks::add(size_t destination, const IntrusivePtr<const Host>& host,
                             const zabbix::ActiveItem& item) {
  CheckPtr check(new Check());
  check->destination = static_cast<uint16_t>(destination);
  check->host = host;
  check->key = PackedText(item.key);
  check->itemid = item.itemid;
  check->seed = seed_of(host->name, item);
  return check;
}

bool Checks::start(Check& check, const zabbix::ActiveItem& item) {
  const int64_t now = unix_seconds(parts_.clock());
  check.delay = delay_of(item.delay);
  if (!check.interval()) {
    unschedule(check);
    let_go(check);
    put_error(check, now, zabbix::Interval::parse(item.delay).error().message);
    return false;
  }
  if (check.series != nullptr) set_pace(*check.series);
  schedule(check, now);
  return true;
}

void Checks::Check::remove() {
  gone = true;
  if (due != 0) host->checks.unschedule(*this);
  if (series != nullptr) host->checks.let_go(*this);
}

void Checks::let_go(Check& check) {
  if (check.series == nullptr) return;
  Series& series = *std::exchange(check.series, nullptr);
  Feeder** at = &series.feeders;
  while (*at != nullptr && *at != &check) at = &(*at)->next;
  if (*at == nullptr) return;
  *at = std::exchange(check.next, nullptr);
  set_pace(series);
  series.fed = series.feeders != nullptr ? 1 : 0;
  Collect::read_from(series, behind(series));
}

// A series is read at the shortest of the simple intervals of its items; those of other items are moments at
// which they want it.
void Checks::set_pace(Series& series) {
  int64_t shortest = 0;
  for (const Check* check = fed_by(series); check != nullptr; check = check->next_fed()) {
    const int64_t simple = check->interval()->simple_seconds();
    if (simple > 0 && (shortest == 0 || simple < shortest)) shortest = simple;
  }
  series.paced = shortest > 0 ? 1 : 0;
  if (shortest > 0) series.ask_gap = static_cast<uint64_t>(std::min(shortest, kLongestGap)) & 0xFFFFFu;
}

void Checks::set_spool(size_t destination, Spool* spool) {
  if (spool == nullptr) {
    flush();
    std::vector<std::string> hosts;
    for (const auto& [place, checks] : hosts_) {
      if (place.first == destination) hosts.push_back(place.second);
    }
    for (const std::string& host : hosts) replace(destination, host, {});
    if (destination < waiting_.size()) waiting_[destination].clear();
  }
  if (parts_.spools.size() <= destination) parts_.spools.resize(destination + 1);
  parts_.spools[destination] = spool;
}

void Checks::look_again() {
  const int64_t now = unix_seconds(parts_.clock());
  for (const auto& [place, checks] : hosts_) {
    for (const CheckPtr& check : checks) {
      if (check->series == nullptr) {
        // What could not be answered before may be now.
        if (!check->error.empty() && check->interval()) schedule(*check, now);
        continue;
      }
      const auto wanted = parts_.items.metric_behind(check->key.view(), check->host->name);
      if (wanted && *wanted && (**wanted).series == check->series) continue;
      let_go(*check);
      schedule(*check, now);
    }
  }
}

// What is kept in memory because the spool could not take it counts as well. A datapoint of a time that has
// not come is of a clock that was wrong.
int64_t Checks::position_of(const Check& check, int64_t now) const {
  const Spool& spool = *parts_.spools[check.destination];
  int64_t last = spool.last_clock(check.host->name, check.sent_key(), check.itemid).value_or(0);
  if (last > now) last = 0;
  if (check.destination >= waiting_.size()) return last;
  for (const Waiting& waiting : waiting_[check.destination]) {
    const Check& other = *waiting.check;
    if (waiting.kind != Kind::datapoint || waiting.clock <= last || waiting.clock > now) continue;
    if (other.host->name != check.host->name) continue;
    if (identity_of(other.itemid, other.sent_key()) == identity_of(check.itemid, check.sent_key()))
      last = waiting.clock;
  }
  return last;
}

void Checks::schedule(Check& check, int64_t due) {
  if (check.due == due) return;
  auto& checks = due_[due];
  checks.push_back(&check);
  unschedule(check);
  check.due = static_cast<Seconds32>(due);
  check.due_place = static_cast<uint32_t>(checks.size() - 1);
  ++scheduled_;
}

void Checks::unschedule(Check& check) {
  if (check.due == 0) return;
  const auto found = due_.find(check.due);
  auto& checks = found->second;
  checks[check.due_place] = checks.back();
  checks[check.due_place]->due_place = check.due_place;
  checks.pop_back();
  if (checks.empty()) due_.erase(found);
  check.due = 0;
  --scheduled_;
}

void Checks::tick() {
  const int64_t now = unix_seconds(parts_.clock());
  if (now < last_tick_ - kClockMaySlip) go_back(now);
  last_tick_ = now;
  for (const Collect::Reading& reading : parts_.collect.take_readings()) take_reading(reading, now);
  while (!due_.empty() && due_.begin()->first <= now) {
    const CheckPtr check(due_.begin()->second.back());
    schedule(*check, check->interval()->next_check(now, check->seed).value_or(now + kRarest));
    run(check, now);
  }
  flush();
}

// The clock was set back: what is due would not be due until it gets there again, and what counts as read up
// to a time that has not come would not be read. Each item goes on behind the newest datapoint it has had.
void Checks::go_back(int64_t now) {
  std::vector<Check*> all;
  for (const auto& [due, checks] : due_) all.insert(all.end(), checks.begin(), checks.end());
  std::set<Series*> fed;
  for (Check* check : all) {
    schedule(*check, check->interval()->next_check(now, check->seed).value_or(now + kRarest));
    check->put.at = std::min(check->put.at, static_cast<Seconds32>(now));
    if (check->series == nullptr || check->feed.next() <= now) continue;
    check->feed = Feed(check->series->group->period, position_of(*check, now));
    fed.insert(check->series);
  }
  for (Series* const series : fed) Collect::read_from(*series, behind(*series));
}

// The oldest period that one of its items has not had; 0: they begin with the newest.
int64_t Checks::behind(const Series& series) {
  int64_t behind = 0;
  for (const Check* check = fed_by(series); check != nullptr; check = check->next_fed()) {
    const int64_t next = check->feed.next();
    if (next != 0 && (behind == 0 || next < behind)) behind = next;
  }
  return behind;
}

void Checks::run(const CheckPtr& check, int64_t now) {
  if (check->series == nullptr) {
    const auto wanted = parts_.items.metric_behind(check->key.view(), check->host->name);
    if (!wanted) {
      if (Items::is_of_this_machine(check->key.view()) && !parts_.own_hosts.contains(check->host->name)) {
        return put_error(*check, now,
                         fmt::format("it would be of the machine the agent runs on, not of {}; only the "
                                     "hosts that [zabbix] hostname and hosts name may have it",
                                     check->host->name));
      }
      if (check->asking) return;  // the question before this one is still open
      spawn(parts_.io, "a check", ask(check));
      return;
    }
    if (!*wanted) return put_error(*check, now, (*wanted).error().message);
    Series& series = *(**wanted).series;
    check->series = &series;
    check->missing_is_zero = (**wanted).missing_is_zero;
    check->feed = Feed(series.group->period, position_of(*check, now));
    series.fed = 1;
    check->next = std::exchange(series.feeders, check.get());
    set_pace(series);
    Collect::read_from(series, behind(series));
    note_asked(*check, now);
    parts_.collect.want(series, true);
    return;
  }
  run_metric(*check, now);
}

// The first moments of an item may be closer together than its interval, which is how often it is to be paid
// for.
void Checks::note_asked(const Check& check, int64_t now) {
  Series& series = *check.series;
  Demand::note_asked(series, now);
  if (series.paced != 0) return;
  series.ask_gap =
      static_cast<uint64_t>(std::clamp<int64_t>(int64_t{check.due} - now, 1, kLongestGap)) & 0xFFFFFu;
}

void Checks::run_metric(Check& check, int64_t now) {
  Series& series = *check.series;
  note_asked(check, now);
  const bool has_moments = check.interval()->simple_seconds() > 0 && Collect::is_scheduled(series);
  // What has been read ahead for this moment was its reading.
  if (has_moments || parts_.collect.is_current(series)) {
    series.answered = 1;
  } else {
    parts_.collect.want(series, false);
  }
}

asio::awaitable<void> Checks::ask(CheckPtr check) {
  Answer answer;
  {
    const Asking asking(check->asking);
    answer = co_await parts_.items.answer(
        check->key.view(), answer_deadline(std::chrono::milliseconds(check->timeout_ms)), check->host->name);
  }
  if (check->gone) co_return;
  const int64_t stamp = next_stamp();
  const int64_t now = stamp / kNsPerSecond;
  if (!answer.supported) {
    put_error(*check, now, answer.text);
    co_return;
  }
  if (answer.text.size() > parts_.longest_text) {
    put_error(*check, now,
              fmt::format("an answer of {} bytes, at most {} can be sent", answer.text.size(),
                          parts_.longest_text));
    co_return;
  }
  check->error = {};
  put(*check, now, answer.text, Kind::fact, static_cast<uint32_t>(stamp % kNsPerSecond));
}

int64_t Checks::next_stamp() {
  const int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(parts_.clock().time_since_epoch()).count();
  const bool is_taken = now <= last_stamp_ && last_stamp_ - now < kNsPerSecond;
  last_stamp_ = is_taken ? last_stamp_ + 1 : now;
  return last_stamp_;
}

void Checks::take_reading(const Collect::Reading& reading, int64_t now) {
  Check* const first = fed_by(*reading.series);
  if (first == nullptr) return;
  const int32_t period = reading.series->group->period;
  // One that began before the clock was set back says nothing of what has not come yet.
  bool passed = false;
  Window window = reading.window;
  window.end = std::min(window.end, now - now % period + period);
  for (Check* check = first; check != nullptr; check = check->next_fed()) {
    if (reading.failure) {
      put_error(*check, now, reading.failure->message);
      continue;
    }
    if (reading.absent && !check->missing_is_zero) {
      // Its first datapoints come before CloudWatch lists it.
      const int64_t from = window.end - std::max<int64_t>(kListedLate, kLeastOpen * period);
      (void)check->feed.take({}, Window{from, from});
      continue;
    }
    // One that has come since the reading was begun, and is further behind than that goes back.
    const int64_t next = check->feed.next();
    if (next != 0 && next < window.start && (reading.from == 0 || next < reading.from)) {
      passed = true;
      continue;
    }
    std::span<const Point> points = reading.points;
    std::vector<Point> with_zeros;
    if (check->missing_is_zero) {
      with_zeros = reading.points;
      std::set<int64_t> there;
      for (const Point& point : points) there.insert(point.clock);
      const int64_t from = std::max(window.start, check->feed.next());
      for (int64_t clock = from - from % period; clock < window.end; clock += period) {
        if (!there.contains(clock)) with_zeros.push_back(Point{clock, 0});
      }
      points = with_zeros;
    }
    for (const Point& point : check->feed.take(points, window)) {
      check->error = {};
      put(*check, point.clock, format_value(point.value), Kind::datapoint);
    }
  }
  if (reading.failure) return;
  reading.series->answered = 1;
  // The next reading starts where the slowest of them left off, should more than the usual look-back have
  // passed then.
  Collect::read_from(*reading.series, behind(*reading.series));
  if (reading.cut || passed) parts_.collect.read_on(*reading.series);
}

void Checks::put(Check& check, int64_t clock, std::string text, Kind kind, uint32_t ns) {
  waiting_.resize(std::max(waiting_.size(), size_t{check.destination} + 1));
  waiting_[check.destination].push_back(Waiting{CheckPtr(&check), clock, std::move(text), kind, ns});
}

void Checks::put_error(Check& check, int64_t now, const std::string& error) {
  if (check.error.view() == error) return;
  check.error = PackedText(error);
  put(check, now, error, Kind::error);
}

void Checks::flush() {
  for (size_t destination = 0; destination < waiting_.size(); ++destination) {
    auto& waiting = waiting_[destination];
    size_t stored = 0;
    while (stored < waiting.size()) {
      const size_t count = std::min(kStoredAtOnce, waiting.size() - stored);
      if (!store(destination, std::span(waiting).subspan(stored, count))) break;
      stored += count;
    }
    if (stored == waiting.size()) {
      std::vector<Waiting>().swap(waiting);  // its memory too
      continue;
    }
    // They wait for the next second, as far as memory should go.
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(stored));
    if (waiting.size() <= kMostWaiting) continue;
    const size_t lost = waiting.size() - kMostWaiting / 2;
    spdlog::error("{} values are lost, the spool could not take them: {}", lost, trouble_);
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(lost));
  }
}

bool Checks::store(size_t destination, std::span<const Waiting> waiting) {
  std::vector<Value> values;
  values.reserve(waiting.size());
  for (const Waiting& one : waiting) {
    values.push_back(Value{.host = one.check->host->name,
                           .key = one.check->sent_key(),
                           .itemid = one.check->itemid,
                           .clock = one.clock,
                           .ns = one.ns,
                           .supported = one.kind != Kind::error,
                           .text = one.text,
                           .moves_clock = one.kind == Kind::datapoint});
  }
  const auto stored = parts_.spools[destination]->put(values, Durability::normal);
  if (!stored) {
    if (trouble_ != stored.error().message)
      spdlog::error("{}; values wait in memory", stored.error().message);
    trouble_ = stored.error().message;
    return false;
  }
  if (!trouble_.empty()) spdlog::info("the spool takes values again");
  trouble_.clear();
  note_put(waiting, stored->first_id);
  values_ += values.size();
  return true;
}

void Checks::note_put(std::span<const Waiting> put, uint64_t first_id) const {
  if (first_id == 0) return;
  const auto now = static_cast<Seconds32>(unix_seconds(parts_.clock()));
  for (size_t at = 0; at < put.size(); ++at) {
    Check& check = *put[at].check;
    check.put = Put{first_id + at, static_cast<Seconds32>(put[at].clock), now};
    const bool is_fact = put[at].kind == Kind::fact;
    check.fact = PackedText(is_fact ? std::string_view(put[at].text).substr(0, kKeptOfFact) : "");
  }
}

std::vector<Checks::Seen> Checks::seen(size_t destination, const std::string& host) const {
  std::vector<Seen> all;
  const auto found = hosts_.find({destination, host});
  if (found == hosts_.end()) return all;
  all.reserve(found->second.size());
  for (const CheckPtr& check : found->second) {
    Seen& seen = all.emplace_back();
    seen.itemid = check->itemid;
    seen.key = check->key.view();
    seen.sent_key = check->sent_key();
    seen.delay = check->delay->text;
    seen.has_interval = check->interval().has_value();
    seen.due = check->due;
    seen.metric = Wanted{check->series, check->missing_is_zero};
    seen.error = check->error.view();
    seen.asking = check->asking;
    seen.put = check->put;
    seen.fact = check->fact.view();
  }
  return all;
}

Checks::Pace Checks::pace() const {
  Pace pace;
  const int64_t now = unix_seconds(parts_.clock());
  for (const auto& [due, checks] : due_) {
    pace.due += due <= now ? checks.size() : 0;
    for (const Check* check : checks) {
      const Series* series = check->series;
      pace.asking += check->asking ? 1 : 0;
      pace.metrics += series != nullptr ? 1 : 0;
      pace.reading += series != nullptr && series->reading ? 1 : 0;
    }
  }
  for (const auto& waiting : waiting_) pace.waiting += waiting.size();
  return pace;
}

}  // namespace bakusoku::agent
