#include "agent/delivery_by_host.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

}  // namespace

std::string DeliveryByHost::endpoint_of(const std::string& host) const {
  return zabbix::to_string(parts_.alternatives.endpoints(host, steady_clock::now()).front());
}

asio::awaitable<Result<bool>> DeliveryByHost::deliver(uint64_t fresh_from) {
  start_catching_up();
  auto next = parts_.spool.next(kSpoolDestination, kPacketValues, kPacketBytes, front_);
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
      const auto outcome = co_await send_share(packet, share, until);
      done = !outcome.failed;
      if (outcome.failed && !outcome.of_host) {
        answers = false;
        away_.insert(lane->endpoint);
      }
    }
    Host& host = hosts_.at(share.host);
    if (done) host.from = std::max(host.from, packet->up_to + 1);
    finish(host, done);
  }
}

asio::awaitable<Sending::Outcome> DeliveryByHost::send_share(Sending::PacketPtr packet, const Share& share,
                                                             std::optional<Deadline> until) {
  Host& host = hosts_.at(share.host);  // stays where it is while it is being sent
  const auto before = parts_.alternatives.endpoints(share.host, steady_clock::now()).front();
  const auto boundary = std::find_if(share.rows.begin(), share.rows.end(),
                                     [&](size_t at) { return packet->ids[at] >= host.fresh; });
  Sending::Outcome outcome;
  for (const bool again : {true, false}) {
    Sending::Rows rows =
        again ? Sending::Rows(share.rows.begin(), boundary) : Sending::Rows(boundary, share.rows.end());
    if (rows.empty()) continue;
    const uint64_t first = packet->ids[rows.front()];
    const uint64_t last = packet->ids[rows.back()];
    outcome = co_await parts_.sending.settle(packet, std::move(rows), again, share.host, until);
    if (outcome.failed) break;
    host.to = outcome.from;
    host.from = last + 1;
    const int64_t at = now();
    std::erase_if(host.taken,
                  [&](const auto& each) { return each.first < at - parts_.spool.resend_window().count(); });
    host.taken.emplace_back(at, first);
  }
  if (outcome.failed && outcome.of_host) host.not_before = steady_clock::now() + parts_.patience.astray;
  if (outcome.failed) {
    if (const auto left_out = log_limit_.may_log()) {
      spdlog::warn("values of {} wait for Zabbix: {} ({} such lines left out)", share.host,
                   outcome.failed->message, *left_out);
    }
  }
  if ((outcome.failed || outcome.from != before) &&
      parts_.alternatives.failed_lately(before, steady_clock::now())) {
    go_back(before);
  }
  co_return outcome;
}

void DeliveryByHost::finish(Host& host, bool done) const {
  host.state = done && host.from > front_ ? State::settled : State::held;
  if (host.go_back) (void)go_back(host);
  host.go_back = false;
}

void DeliveryByHost::go_back(const zabbix::Endpoint& endpoint) {
  bool any = false;
  for (auto& [name, host] : hosts_) {
    if (host.to != endpoint || host.taken.empty()) continue;
    if (host.state == State::sending) {
      host.go_back = true;
      any = true;
    } else {
      any = go_back(host) || any;
    }
  }
  if (!any) return;
  if (const auto rewound = parts_.spool.rewind(kSpoolDestination); !rewound)
    spdlog::error("{}", rewound.error().message);
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
  auto next = parts_.spool.next(kSpoolDestination, kPacketValues, kPacketBytes, first - 1);
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
      const auto outcome = co_await send_share(packet, share, std::nullopt);
      done = !outcome.failed;
      answers = done || outcome.of_host;
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
