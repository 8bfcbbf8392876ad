#include "agent/delivery_by_host.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// No proxy is killed and back in this time.
constexpr milliseconds kSure{200};

}  // namespace

bool DeliveryByHost::settled() const {
  return catching_up_.empty() && std::all_of(hosts_.begin(), hosts_.end(), [](const auto& each) {
           return each.second.state == State::settled;
         });
}

void DeliveryByHost::begin() {
  front_ = 0;
  hosts_.clear();
}

zabbix::Endpoint DeliveryByHost::place_of(const std::string& name, const Host& host) const {
  const auto now = steady_clock::now();
  auto first = parts_.alternatives.endpoints(name, now).front();
  const bool keeps = parts_.alternatives.route(name) == nullptr && !host.taken.empty() &&
                     !parts_.alternatives.failed_lately(host.to, now);
  return keeps ? host.to : first;
}

std::string DeliveryByHost::endpoint_of(const std::string& name) const {
  const auto host = hosts_.find(name);
  static const Host kNone{};
  return zabbix::to_string(place_of(name, host == hosts_.end() ? kNone : host->second));
}

void DeliveryByHost::forget_old(Host& host) const {
  const int64_t oldest = now() - parts_.spool.resend_window().count();
  std::erase_if(host.taken, [&](const auto& each) { return each.first < oldest; });
  std::erase_if(host.seen, [&](const Seen& each) { return each.when < oldest; });
}

void DeliveryByHost::note_seen(Host& host, const zabbix::Endpoint& by, bool took) const {
  if (took) {
    for (Seen& each : host.seen) each.passed = each.by != by;
  }
  const auto known =
      std::find_if(host.seen.begin(), host.seen.end(), [&](const Seen& each) { return each.by == by; });
  if (known != host.seen.end()) {
    known->when = now();
  } else {
    host.seen.push_back(Seen{by, now(), false});
  }
}

asio::awaitable<Result<bool>> DeliveryByHost::deliver(uint64_t fresh_from) {
  start_catching_up();
  auto next = next_packet(parts_.spool, front_);
  if (!next) co_return fail(next.error());
  if (next->ids.empty() && next->up_to <= front_) {
    co_return look_around();
  }
  front_ = next->up_to;
  const auto packet = std::make_shared<const SpoolPacket>(std::move(*next));
  std::map<std::string, Sending::Rows, std::less<>> shares;
  for (size_t at = 0; at < packet->values.size(); ++at) {
    auto share = shares.find(packet->values[at].host);
    if (share == shares.end()) share = shares.emplace(packet->values[at].host, Sending::Rows{}).first;
    share->second.push_back(at);
  }
  std::map<std::string, Lane> lanes;
  for (auto& [name, rows] : shares) {
    Host& host = hosts_[name];
    if (host.state != State::settled) continue;
    host.from = packet->ids[rows.front()];
    host.fresh = std::max(fresh_from, host.from);
    std::string endpoint = endpoint_of(name);
    host.state = away_.contains(endpoint) ? State::held : State::sending;
    if (host.state == State::sending) lanes[endpoint].shares.push_back(Share{name, std::move(rows)});
  }
  const auto until = steady_clock::now() + parts_.patience.front;
  const auto all_sent = make_event(parts_.io);
  const auto open = std::make_shared<size_t>(lanes.size());
  for (auto& [endpoint, lane] : lanes) {
    lane.endpoint = endpoint;
    spawn(parts_.io, "delivery to a proxy",
          send_lane(packet, std::make_shared<const Lane>(std::move(lane)), until), [all_sent, open] {
            if (--*open == 0) all_sent->set();
          });
  }
  // Each lane ends soon after `until`; the wait has no end of its own so that none is left behind.
  while (*open > 0) (void)co_await all_sent->wait(until + std::chrono::hours(1));
  start_catching_up();
  if (const auto acknowledged = acknowledge(); !acknowledged) co_return fail(acknowledged.error());
  co_return true;
}

asio::awaitable<void> DeliveryByHost::send_lane(Sending::PacketPtr packet, std::shared_ptr<const Lane> lane,
                                                Deadline until) {
  bool answers = true;
  for (const Share& share : lane->shares) {
    bool done = false;
    if (answers && steady_clock::now() < until) {
      const Sent sent = co_await send_share(packet, share, until);
      done = sent == Sent::yes;
      if (sent == Sent::away) {
        answers = false;
        away_.insert(lane->endpoint);
      }
    }
    Host& host = hosts_.at(share.host);
    if (done) host.from = std::max(host.from, packet->up_to + 1);
    finish(host, done);
  }
}

asio::awaitable<Result<bool>> DeliveryByHost::look(zabbix::Endpoint endpoint, bool sure,
                                                   std::optional<Deadline> until) {
  Proxy& proxy = proxies_[zabbix::to_string(endpoint)];
  // Whoever sends to it and whoever catches up with it may want to know at a time; a witness is asked once.
  while (proxy.looking) {
    const EventPtr looking = proxy.looking;
    const bool ended = co_await looking->wait(until.value_or(steady_clock::now() + std::chrono::hours(1)));
    if (steady_clock::now() < proxy.sure_until) co_return false;  // hosts that have to go back know it
    if (!ended)
      co_return fail(ErrorKind::timeout, "{} has not answered for a while", zabbix::to_string(endpoint));
  }
  proxy.looking = make_event(parts_.io);
  Sending::Reach reach{until, endpoint};
  auto back = co_await look_alone(proxy, std::move(reach), sure);
  std::exchange(proxy.looking, nullptr)->set();
  co_return back;
}

asio::awaitable<Result<bool>> DeliveryByHost::look_alone(Proxy& proxy, Sending::Reach reach, bool sure) {
  if (!proxy.witness.has_item() || proxy.forgetful) co_return false;
  const zabbix::Endpoint endpoint = *reach.only;
  const auto memory = co_await proxy.witness.look(parts_.sending, std::move(reach));
  if (!memory) co_return fail(memory.error());
  proxy.sure_until = steady_clock::now() + kSure;
  proxy.forgetful = *memory == Memory::forgetful;
  if (*memory == Memory::whole || proxy.forgetful || (*memory == Memory::begun && sure)) co_return false;
  if (!go_back(endpoint)) co_return false;
  spdlog::info("Zabbix at {} may have been started anew: what it took lately is sent again",
               zabbix::to_string(endpoint));
  co_return true;
}

bool DeliveryByHost::has_moved(const std::string& name, const Host& host) const {
  const zabbix::Endpoint* const route = parts_.alternatives.route(name);
  return route != nullptr && *route != host.to &&
         !parts_.alternatives.failed_lately(host.to, steady_clock::now());
}

bool DeliveryByHost::look_around() {
  std::map<std::string, zabbix::Endpoint> quiet;
  bool back = false;
  for (auto& [name, host] : hosts_) {
    if (host.state != State::settled) continue;
    forget_old(host);
    if (host.taken.empty()) continue;
    if (has_moved(name, host)) {
      back = go_back(host) || back;
    } else {
      quiet.emplace(zabbix::to_string(host.to), host.to);
    }
  }
  if (back) rewind();
  start_catching_up();
  for (const auto& [name, endpoint] : quiet) {
    Proxy& proxy = proxies_[name];
    const auto now = steady_clock::now();
    if (stopping_ || now < std::max(proxy.look_at, proxy.sure_until)) continue;
    proxy.look_at = now + parts_.patience.look;
    // One that does not answer holds up nobody who reads here.
    if (catching_up_.insert(name).second) spawn(parts_.io, "a look at a proxy", look_at_quiet(endpoint));
  }
  return back;
}

asio::awaitable<void> DeliveryByHost::look_at_quiet(zabbix::Endpoint endpoint) {
  (void)co_await look(endpoint, false, std::nullopt);  // without an answer it looks the next time
  catching_up_.erase(zabbix::to_string(endpoint));
  start_catching_up();
}

asio::awaitable<DeliveryByHost::Found> DeliveryByHost::find(Host& host, const Value& value,
                                                            std::optional<Deadline> until) {
  auto question = parts_.sending.question_of(value, true);
  const std::array<uint64_t, 2> ids{1, 2};
  Sending::Reach reach{until, std::nullopt};
  const auto told =
      co_await parts_.sending.ask(std::move(question), ids, Sending::random_session(), std::move(reach));
  Found found;
  if (!told) co_return found;
  if (told->elsewhere) {
    host.not_before = steady_clock::now() + parts_.patience.astray;
    found.sent = Sent::astray;
  } else {
    found.sent = Sent::yes;
    found.at = told->from;
  }
  co_return found;
}

asio::awaitable<DeliveryByHost::Sent> DeliveryByHost::find_way(const Share& share, const Value& newest,
                                                               Sending::Way& way) {
  Host& host = hosts_.at(share.host);  // stays where it is while it is being sent
  forget_old(host);
  if (!host.taken.empty()) {
    host.go_back = has_moved(share.host, host);
    if (host.go_back) co_return Sent::again;
    // One that did not answer a moment ago may still be the right one.
    if (host.to != place_of(share.host, host)) {
      const Found found = co_await find(host, newest, way.until);
      if (found.sent != Sent::yes) co_return found.sent;
      host.go_back = found.at != host.to;
      if (host.go_back) co_return Sent::again;
    }
    way.only = host.to;
  } else if (std::any_of(host.seen.begin(), host.seen.end(), [](const Seen& each) { return each.passed; })) {
    const Found found = co_await find(host, newest, way.until);
    if (found.sent != Sent::yes) co_return found.sent;
    way.only = found.at;
    const bool comes_back = std::any_of(host.seen.begin(), host.seen.end(),
                                        [&](const Seen& each) { return each.passed && each.by == found.at; });
    if (comes_back) {
      ++host.stay;
      host.seen.clear();
    }
  }
  way.stay = host.stay;
  co_return Sent::yes;
}

asio::awaitable<DeliveryByHost::Sent> DeliveryByHost::look_first(const Share& share, const Value& newest,
                                                                 Sending::Way& way) {
  Host& host = hosts_.at(share.host);
  zabbix::Endpoint place = way.only.value_or(place_of(share.host, host));
  // Whoever has taken nothing of the host may be the right one no longer; in a hurry that is not found out.
  for (bool may_ask = !way.only && !way.until;; may_ask = false) {
    if (steady_clock::now() < proxies_[zabbix::to_string(place)].sure_until) co_return Sent::yes;
    const auto back = co_await look(place, false, way.until);
    if (back) co_return host.go_back ? Sent::again : Sent::yes;
    Found found;
    if (may_ask) found = co_await find(host, newest, way.until);
    if (found.sent != Sent::yes || found.at == place) {
      note_waiting(share.host, back.error());
      co_return found.sent == Sent::astray ? Sent::astray : Sent::away;
    }
    way.only = place = found.at;
  }
}

void DeliveryByHost::note_waiting(const std::string& host, const Error& why) {
  if (const auto left_out = log_limit_.may_log())
    spdlog::warn("values of {} wait for Zabbix: {} ({} such lines left out)", host, why.message, *left_out);
}

asio::awaitable<DeliveryByHost::Sent> DeliveryByHost::send_share(Sending::PacketPtr packet,
                                                                 const Share& share,
                                                                 std::optional<Deadline> until) {
  Host& host = hosts_.at(share.host);  // stays where it is while it is being sent
  // Another one's look has found out that it has to: nothing newer may go before that.
  if (host.go_back) co_return Sent::again;
  const Value& newest = packet->values[share.rows.back()];
  Sending::Way way;
  way.host = share.host;
  way.until = until;
  const Sent found = co_await find_way(share, newest, way);
  if (found != Sent::yes) co_return found;
  const Sent looked = co_await look_first(share, newest, way);
  if (looked != Sent::yes) co_return looked;
  const auto boundary = std::find_if(share.rows.begin(), share.rows.end(),
                                     [&](size_t at) { return packet->ids[at] >= host.fresh; });
  for (const bool again : {true, false}) {
    Sending::Rows rows =
        again ? Sending::Rows(share.rows.begin(), boundary) : Sending::Rows(boundary, share.rows.end());
    if (rows.empty()) continue;
    const uint64_t first = packet->ids[rows.front()];
    const uint64_t last = packet->ids[rows.back()];
    const zabbix::Endpoint place = way.only.value_or(place_of(share.host, host));
    const auto outcome = co_await parts_.sending.settle(packet, std::move(rows), again, way);
    if (outcome.moved) {
      host.go_back = true;
      co_return Sent::again;
    }
    if (outcome.failed) {
      note_seen(host, place, false);
      if (outcome.of_host) host.not_before = steady_clock::now() + parts_.patience.astray;
      proxies_[zabbix::to_string(place)].sure_until = {};
      note_waiting(share.host, *outcome.failed);
      co_return outcome.of_host ? Sent::astray : Sent::away;
    }
    note_seen(host, outcome.from, true);
    way.only = host.to = outcome.from;
    host.from = last + 1;
    host.taken.emplace_back(now(), first);
    Proxy& proxy = proxies_[zabbix::to_string(outcome.from)];
    proxy.sure_until = steady_clock::now() + kSure;
    if (!proxy.witness.has_item() && parts_.sending.takes(newest)) {
      proxy.witness.choose(parts_.sending.question_of(newest, true));
      // Without an answer it looks when the next values go.
      (void)co_await look(outcome.from, true, way.until);
      if (host.go_back) co_return Sent::again;
    }
  }
  co_return Sent::yes;
}

void DeliveryByHost::finish(Host& host, bool done) {
  host.state = done && host.from > front_ ? State::settled : State::held;
  if (std::exchange(host.go_back, false) && go_back(host)) rewind();
}

void DeliveryByHost::rewind() {
  if (const auto rewound = parts_.spool.rewind(kSpoolDestination); !rewound)
    spdlog::error("{}", rewound.error().message);
}

bool DeliveryByHost::go_back(const zabbix::Endpoint& endpoint) {
  bool any = false;
  bool now = false;
  for (auto& [name, host] : hosts_) {
    if (host.to != endpoint || host.taken.empty()) continue;
    any = true;
    if (host.state == State::sending) {
      host.go_back = true;
    } else {
      now = go_back(host) || now;
    }
  }
  if (now) rewind();
  return any;
}

bool DeliveryByHost::go_back(Host& host) const {
  const int64_t oldest = now() - parts_.spool.resend_window().count();
  uint64_t back = 0;
  for (const auto& [at, first] : host.taken) {
    if (at >= oldest && (back == 0 || first < back)) back = first;
  }
  host.taken.clear();
  if (back == 0) return false;
  const uint64_t from = host.state == State::settled ? front_ + 1 : host.from;
  host.fresh = host.state == State::settled ? from : std::max(host.fresh, from);
  host.from = std::min(from, back);
  host.state = State::held;
  return true;
}

Result<void> DeliveryByHost::acknowledge() {
  uint64_t up_to = front_;
  const int64_t oldest = now() - parts_.spool.resend_window().count();
  for (auto at = hosts_.begin(); at != hosts_.end();) {
    const Host& host = at->second;
    const bool settled = host.state == State::settled;
    if (!settled) up_to = std::min(up_to, host.from - 1);
    const bool of_no_use = settled && (host.taken.empty() || host.taken.back().first < oldest);
    at = of_no_use ? hosts_.erase(at) : std::next(at);
  }
  if (auto settled = parts_.spool.acknowledge(kSpoolDestination, up_to); !settled) return settled;
  parts_.sending.outcomes().note_acknowledged(up_to, now());
  return {};
}

void DeliveryByHost::start_catching_up() {
  if (stopping_) return;
  for (const auto& [name, host] : hosts_) {
    if (host.state != State::held) continue;
    std::string endpoint = endpoint_of(name);
    if (catching_up_.insert(endpoint).second)
      spawn(parts_.io, "late delivery to a proxy", catch_up(std::move(endpoint)));
  }
}

asio::awaitable<void> DeliveryByHost::catch_up(std::string endpoint) {
  asio::steady_timer timer(parts_.io);
  for (milliseconds wait = parts_.patience.pause;;) {
    timer.expires_after(wait);
    asio::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (stopping_) break;
    std::vector<std::string> ready;
    bool any = false;
    const auto at = steady_clock::now();
    for (const auto& [name, host] : hosts_) {
      if (host.state != State::held || endpoint_of(name) != endpoint) continue;
      any = true;
      if (host.not_before <= at) ready.push_back(name);
    }
    if (!any) break;
    if (ready.empty() || parts_.sending.upload_disabled()) {
      wait = parts_.patience.pause;
      continue;
    }
    const auto answers = co_await catch_up_once(endpoint, std::move(ready));
    if (!answers) spdlog::error("{}", answers.error().message);
    wait = answers && *answers
               ? milliseconds(0)
               : std::clamp<milliseconds>(wait * 2, parts_.patience.pause, parts_.patience.longest);
  }
  catching_up_.erase(endpoint);
  away_.erase(endpoint);
}

asio::awaitable<Result<bool>> DeliveryByHost::catch_up_once(std::string endpoint,
                                                            std::vector<std::string> hosts) {
  uint64_t first = front_ + 1;
  for (const std::string& name : hosts) first = std::min(first, hosts_.at(name).from);
  auto next = next_packet(parts_.spool, first - 1);
  if (!next) co_return fail(next.error());
  const uint64_t end = next->ids.empty() ? front_ : std::min(next->up_to, front_);
  const auto packet = std::make_shared<const SpoolPacket>(std::move(*next));
  std::map<std::string_view, Share> shares;
  for (const std::string& name : hosts) {
    hosts_.at(name).state = State::sending;
    shares[name].host = name;
  }
  for (size_t at = 0; at < packet->values.size() && packet->ids[at] <= end; ++at) {
    const auto share = shares.find(packet->values[at].host);
    if (share != shares.end() && packet->ids[at] >= hosts_.at(share->second.host).from)
      share->second.rows.push_back(at);
  }
  bool answers = true;
  for (const auto& [name, share] : shares) {
    Host& host = hosts_.at(share.host);
    bool done = answers;
    if (done && !share.rows.empty()) {
      const Sent sent = co_await send_share(packet, share, std::nullopt);
      done = sent == Sent::yes;
      answers = sent != Sent::away;
    }
    if (done) host.from = std::max(host.from, end + 1);
    finish(host, done);
  }
  if (answers) {
    away_.erase(endpoint);
  } else {
    away_.insert(endpoint);
  }
  if (const auto acknowledged = acknowledge(); !acknowledged) co_return fail(acknowledged.error());
  co_return answers;
}

}  // namespace bakusoku::agent
