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
  const int64_t at = now();
  std::erase_if(host.taken,
                [&](const auto& each) { return each.first < at - parts_.spool.resend_window().count(); });
}

asio::awaitable<Result<bool>> DeliveryByHost::deliver(uint64_t fresh_from) {
  start_catching_up();
  auto next = next_packet(parts_.spool, front_);
  if (!next) co_return fail(next.error());
  if (next->ids.empty() && next->up_to <= front_) co_return false;
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
  const auto all_sent = std::make_shared<Event>(parts_.io);
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

asio::awaitable<Result<bool>> DeliveryByHost::look(zabbix::Endpoint endpoint, bool sure) {
  Proxy& proxy = proxies_[zabbix::to_string(endpoint)];
  if (!proxy.witness.has_item() || proxy.forgetful) co_return false;
  const auto memory = co_await proxy.witness.look(parts_.sending, endpoint);
  if (!memory) co_return fail(memory.error());
  proxy.sure_until = steady_clock::now() + kSure;
  proxy.forgetful = *memory == Memory::forgetful;
  if (*memory == Memory::whole || proxy.forgetful || (*memory == Memory::begun && sure)) co_return false;
  if (!go_back(endpoint)) co_return false;
  spdlog::info("Zabbix at {} may have been started anew: what it took lately is sent again",
               zabbix::to_string(endpoint));
  co_return true;
}

asio::awaitable<DeliveryByHost::Sent> DeliveryByHost::find(Host& host, const Value& value) {
  auto question = parts_.sending.question_of(value, true);
  const std::array<uint64_t, 2> ids{1, 2};
  const auto told = co_await parts_.sending.ask(std::move(question), ids, Sending::random_session(), {});
  if (!told) co_return Sent::away;
  if (told->elsewhere) {
    host.not_before = steady_clock::now() + parts_.patience.astray;
    co_return Sent::astray;
  }
  co_return told->from == host.to ? Sent::yes : Sent::again;
}

asio::awaitable<DeliveryByHost::Sent> DeliveryByHost::send_share(Sending::PacketPtr packet,
                                                                 const Share& share,
                                                                 std::optional<Deadline> until) {
  Host& host = hosts_.at(share.host);  // stays where it is while it is being sent
  // Another one's look has found out that it has to: nothing newer may go before that.
  if (host.go_back) co_return Sent::again;
  forget_old(host);
  const zabbix::Endpoint place = place_of(share.host, host);
  if (!host.taken.empty() && host.to != place) {
    // One that did not answer a moment ago may still be the right one.
    const bool asks = parts_.alternatives.failed_lately(host.to, steady_clock::now());
    const auto sent = asks ? co_await find(host, packet->values[share.rows.back()]) : Sent::again;
    if (sent != Sent::yes) {
      host.go_back = sent == Sent::again;
      co_return sent;
    }
  }
  if (steady_clock::now() >= proxies_[zabbix::to_string(place)].sure_until) {
    const auto back = co_await look(place, false);
    if (!back) {
      if (const auto left_out = log_limit_.may_log()) {
        spdlog::warn("values of {} wait for Zabbix: {} ({} such lines left out)", share.host,
                     back.error().message, *left_out);
      }
      co_return Sent::away;
    }
    if (host.go_back) co_return Sent::again;
  }
  const auto boundary = std::find_if(share.rows.begin(), share.rows.end(),
                                     [&](size_t at) { return packet->ids[at] >= host.fresh; });
  Sending::Outcome outcome;
  for (const bool again : {true, false}) {
    Sending::Rows rows =
        again ? Sending::Rows(share.rows.begin(), boundary) : Sending::Rows(boundary, share.rows.end());
    if (rows.empty()) continue;
    const uint64_t first = packet->ids[rows.front()];
    const uint64_t last = packet->ids[rows.back()];
    std::optional<zabbix::Endpoint> only;
    if (!host.taken.empty()) only = host.to;
    outcome = co_await parts_.sending.settle(packet, std::move(rows), again, share.host, until, only);
    if (outcome.failed || outcome.moved) break;
    host.to = outcome.from;
    host.from = last + 1;
    host.taken.emplace_back(now(), first);
    Proxy& proxy = proxies_[zabbix::to_string(outcome.from)];
    proxy.sure_until = steady_clock::now() + kSure;
    const Value& value = packet->values[share.rows.back()];
    if (!proxy.witness.has_item() && parts_.sending.takes(value)) {
      proxy.witness.choose(parts_.sending.question_of(value, true));
      // Without an answer it looks when the next values go.
      (void)co_await look(outcome.from, true);
      if (host.go_back) co_return Sent::again;
    }
  }
  if (outcome.moved) {
    host.go_back = true;
    co_return Sent::again;
  }
  if (!outcome.failed) co_return Sent::yes;
  if (outcome.of_host) host.not_before = steady_clock::now() + parts_.patience.astray;
  proxies_[zabbix::to_string(place)].sure_until = {};
  if (const auto left_out = log_limit_.may_log()) {
    spdlog::warn("values of {} wait for Zabbix: {} ({} such lines left out)", share.host,
                 outcome.failed->message, *left_out);
  }
  co_return outcome.of_host ? Sent::astray : Sent::away;
}

void DeliveryByHost::finish(Host& host, bool done) {
  host.state = done && host.from > front_ ? State::settled : State::held;
  if (std::exchange(host.go_back, false) && go_back(host)) {
    if (const auto rewound = parts_.spool.rewind(kSpoolDestination); !rewound)
      spdlog::error("{}", rewound.error().message);
  }
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
  if (now) {
    if (const auto rewound = parts_.spool.rewind(kSpoolDestination); !rewound)
      spdlog::error("{}", rewound.error().message);
  }
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
