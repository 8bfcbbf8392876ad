#include "agent/active.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <random>

#include "agent/port.h"
#include "agent/spawn.h"
#include "zabbix/frame.h"
#include "zabbix/reply.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kAskers = 4;  // at once
constexpr seconds kAnswerWithin{30};
constexpr seconds kSentWithin{5};
constexpr seconds kAwayPause{5};   // a destination that answers for nobody is asked this often by each asker
constexpr seconds kHostAgain{15};  // one host without an answer while others have theirs
constexpr milliseconds kHeedDiscoveries{10'000};  // not more often
// Zabbix makes items of a discovery within a second, and tells them when it has next read its configuration,
// a minute later at most.
constexpr std::array<seconds, 4> kSoon{seconds(10), seconds(20), seconds(30), seconds(40)};
// The root host is where a new user waits for what he has just done, and one host costs little. A wait is
// half as long again at most: it is asked for within half a minute.
constexpr seconds kRoot{20};
constexpr int64_t kClockMaySlip = 1000;  // milliseconds
constexpr milliseconds kIdle{500};

// The interface that Zabbix gives a host it registers. Of all addresses it takes the one we come from.
void add_interface(zabbix::ActiveRequest& request, const AgentConfig& config) {
  const auto listen = config.listen.empty() ? std::nullopt : listen_address(config.listen);
  if (!listen) return;
  request.port = listen->port();
  const asio::ip::address address = listen->address();
  const bool has_scope = address.is_v6() && address.to_v6().scope_id() != 0;
  if (!address.is_unspecified() && !has_scope) request.ip = address.to_string();
}

}  // namespace

Active::Active(Parts parts)
    : parts_(std::move(parts)),
      questions_(parts_.config.refresh, std::random_device()()),
      refresh_(parts_.config.refresh),
      heartbeat_(parts_.config.heartbeat),
      heartbeats_(std::max(parts_.config.heartbeat, seconds(1)), std::random_device()()) {}

void Active::start() {
  for (int asker = 0; asker < kAskers; ++asker) {
    ++running_;
    spawn_loop(parts_.io, "active checks", loop(), [this] { --running_; });
  }
}

void Active::stop() {
  stopping_ = true;
  set_hosts({});
}

void Active::take_changes() {
  parts_.peer.prefer(parts_.config.hostname);
  if (std::exchange(refresh_, parts_.config.refresh) != parts_.config.refresh)
    questions_.set_round(parts_.config.refresh, now());
  const seconds before = std::exchange(heartbeat_, parts_.config.heartbeat);
  if (before == heartbeat_) return;
  heartbeats_.set_round(std::max(heartbeat_, seconds(1)), now());
  for (const auto& [name, host] : hosts_) {
    if (parts_.peer.knows(name)) set_known(name, true);
  }
}

int64_t Active::now() const {
  return std::chrono::duration_cast<milliseconds>(parts_.clock().time_since_epoch()).count();
}

void Active::set_hosts(const std::set<std::string>& hosts) {
  for (auto at = hosts_.begin(); at != hosts_.end();) {
    if (hosts.contains(at->first)) {
      ++at;
      continue;
    }
    parts_.checks.replace(parts_.destination, at->first, {});
    set_known(at->first, false);
    parts_.alternatives.forget(at->first);
    questions_.remove(at->first);
    at = hosts_.erase(at);
  }
  for (const std::string& name : hosts) {
    if (!hosts_.try_emplace(name).second) continue;
    // The root host is the first to be asked for: it names packets of many hosts.
    questions_.add(name, name == parts_.config.hostname ? now() - 1 : now());
  }
}

void Active::set_known(const std::string& name, bool known) {
  parts_.peer.set_known(name, known);
  if (!known) {
    heartbeats_.remove(name);
  } else if (parts_.config.heartbeat.count() > 0) {
    heartbeats_.add(name, now());
  } else {
    heartbeats_.remove(name);
  }
}

std::optional<Active::Seen> Active::seen(const std::string& name) const {
  const auto found = hosts_.find(name);
  if (found == hosts_.end()) return std::nullopt;
  const Host& host = found->second;
  return Seen{parts_.peer.knows(name), host.asked, questions_.due(name) / 1000, host.refusal, host.from};
}

std::vector<std::string> Active::names() const {
  std::vector<std::string> names;
  names.reserve(hosts_.size());
  for (const auto& [name, host] : hosts_) names.push_back(name);
  return names;
}

size_t Active::unknown_hosts() const {
  return static_cast<size_t>(std::count_if(hosts_.begin(), hosts_.end(), [this](const auto& entry) {
    return is_stranger(entry.first, entry.second);
  }));
}

bool Active::is_stranger(const std::string& name, const Host& host) const {
  return !host.refusal.empty() && !parts_.peer.knows(name);
}

std::vector<Active::Stranger> Active::strangers(size_t most) const {
  std::vector<Stranger> strangers;
  for (const auto& [name, host] : hosts_) {
    if (strangers.size() >= most) break;
    if (is_stranger(name, host)) strangers.push_back({name, host.refusal});
  }
  return strangers;
}

asio::awaitable<void> Active::loop() {
  asio::steady_timer timer(parts_.io);
  while (!stopping_) {
    heed_clock(now());
    heed_discoveries(now());
    if (const auto name = questions_.take(now())) {
      const milliseconds wait = co_await ask(*name);
      questions_.put_back(*name, now(), wait);
      continue;
    }
    if (const auto name = heartbeats_.take(now())) {
      co_await send_heartbeat(*name);
      heartbeats_.put_back(*name, now(), parts_.config.heartbeat);
      continue;
    }
    timer.expires_after(std::min(questions_.idle(now(), kIdle), heartbeats_.idle(now(), kIdle)));
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
  }
}

void Active::ask_again() {
  for (auto& [name, host] : hosts_) {
    if (!is_stranger(name, host)) continue;
    host.unknown_in_row = 0;
    questions_.hasten(name, now());
  }
}

// Zabbix makes hosts of a discovery within a second, and knows them when it has next read its configuration,
// which takes up to a minute: they are asked for several times.
void Active::heed_discoveries(int64_t now) {
  for (const std::string& name : parts_.peer.take_growing()) {
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) continue;
    found->second.soon = kSoon.size();
    questions_.hasten(name, now);
  }
  if (parts_.peer.discoveries == discoveries_ || now - heeded_at_ < kHeedDiscoveries.count()) return;
  discoveries_ = parts_.peer.discoveries;
  heeded_at_ = now;
  ask_again();
}

milliseconds Active::wait_of(const std::string& name, Host& host) const {
  milliseconds wait = parts_.config.refresh;
  if (host.soon != 0) wait = std::min<milliseconds>(wait, kSoon[kSoon.size() - host.soon--]);
  return sooner_for_root(name, wait);
}

milliseconds Active::sooner_for_root(const std::string& name, milliseconds wait) const {
  return name == parts_.config.hostname ? std::min<milliseconds>(wait, kRoot) : wait;
}

// Nothing is known to have been done at a time that has not come yet.
void Active::heed_clock(int64_t now) {
  const int64_t before = std::exchange(looked_at_clock_, now);
  if (before - now <= kClockMaySlip) return;
  heeded_at_ = 0;
  trouble_since_ = std::min(trouble_since_, now / 1000);
  for (auto& [name, host] : hosts_) host.asked = std::min(host.asked, now / 1000);
}

asio::awaitable<milliseconds> Active::ask(std::string name) {
  zabbix::ActiveRequest request;
  request.dialect = zabbix::Dialect::v7;
  request.host = name;
  request.host_metadata = parts_.config.host_metadata;
  request.version = zabbix::kSpokenVersion;
  request.session = parts_.session;
  request.config_revision = hosts_[name].config_revision;
  if (parts_.agent != nullptr) add_interface(request, *parts_.agent);
  const auto answered =
      co_await zabbix::exchange_for_host(parts_.io, parts_.alternatives, name, parts_.link,
                                         zabbix::encode_request_frame(zabbix::encode_active_request(request)),
                                         steady_clock::now() + kAnswerWithin);
  // What was wanted goes on being collected while there is no answer.
  if (!answered) co_return co_await no_answer(name, answered.error().message);
  answered_at_ = steady_clock::now();
  const auto found = hosts_.find(name);
  if (found == hosts_.end()) co_return milliseconds(0);
  if (answered->astray) co_return leave_for_now(name, answered->astray->message);
  const auto reply = zabbix::decode_active_reply(answered->payload);
  if (!reply) {
    spdlog::warn("active checks of {}: {}", name, reply.error().message);
    co_return parts_.config.refresh;
  }
  if (!trouble_.empty()) spdlog::info("Zabbix answers again");
  trouble_.clear();
  co_return take(name, found->second, answered->from, *reply);
}

// All hosts of a destination that is away fail alike: then the asker pauses instead of trying the next one.
asio::awaitable<milliseconds> Active::no_answer(const std::string& name, const std::string& why) {
  ++parts_.peer.signs;
  if (answered_at_ && steady_clock::now() - *answered_at_ <= kAwayPause) {
    co_return leave_for_now(name, why);
  }
  if (trouble_.empty()) trouble_since_ = unix_seconds(parts_.clock());
  if (trouble_ != why) spdlog::warn("which items Zabbix wants is not known: {}", why);
  trouble_ = why;
  asio::steady_timer timer(parts_.io, kAwayPause);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return milliseconds(0);
}

milliseconds Active::leave_for_now(const std::string& name, const std::string& why) {
  if (const auto left_out = log_limit_.may_log())
    spdlog::warn("active checks of {}: {} ({} such lines left out)", name, why, *left_out);
  return std::min<milliseconds>(kHostAgain, parts_.config.refresh);
}

milliseconds Active::take(const std::string& name, Host& host, const zabbix::Endpoint& from,
                          const zabbix::ActiveReply& reply) {
  host.asked = unix_seconds(parts_.clock());
  if (reply.head.upload_disabled) parts_.peer.upload_disabled = true;
  if (reply.head.verdict != zabbix::Verdict::accepted) {
    // Values are not wanted at the moment, which says nothing about the host and its items.
    if (reply.head.upload_disabled) return parts_.config.refresh;
    return take_refusal(name, host, reply.head.info);
  }
  parts_.peer.upload_disabled = reply.head.upload_disabled;
  host.unknown_in_row = 0;
  host.refusal.clear();
  // A server 6.0 knows a new host at once, by its database, and its items when it has next read its
  // configuration.
  if (!parts_.peer.knows(name) && reply.items.empty()) host.soon = kSoon.size();
  set_known(name, true);
  if (reply.unchanged) {
    set_dialect(zabbix::Dialect::v7);
    if (from == host.from) return wait_of(name, host);
    host.config_revision = 0;  // another one's revision: everything, please
    host.from = from;
    return milliseconds(0);
  }
  // One that has not been started anew since would have said that nothing has changed.
  if (reply.config_revision != 0 && reply.config_revision == host.config_revision && from == host.from)
    ++parts_.peer.signs;
  set_dialect(reply.config_revision != 0 ? zabbix::Dialect::v7 : zabbix::Dialect::v6);
  host.config_revision = reply.config_revision;
  host.from = from;
  if (reply.unreadable != 0)
    spdlog::warn("active checks of {}: {} items of the answer cannot be read", name, reply.unreadable);
  parts_.checks.replace(parts_.destination, name, reply.items);
  return wait_of(name, host);
}

// Values travel from then on, in the name of the root host if Zabbix knows it, as they did before a restart:
// so its answer comes first.
void Active::set_dialect(zabbix::Dialect dialect) {
  const auto root = hosts_.find(parts_.config.hostname);
  if (root == hosts_.end() || root->second.asked != 0) parts_.peer.dialect = dialect;
}

milliseconds Active::take_refusal(const std::string& name, Host& host, const std::string& why) {
  if (std::exchange(host.refusal, why) != why) {
    spdlog::log(name == parts_.config.hostname ? spdlog::level::warn : spdlog::level::debug,
                "no active checks of {}: {}", name, why);
  }
  set_known(name, false);
  parts_.checks.replace(parts_.destination, name, {});
  host.config_revision = 0;
  return sooner_for_root(name, wait_of_refused(parts_.config.refresh, host.unknown_in_row++,
                                               hosts_.size() - parts_.peer.known()));
}

// One that does not arrive is not sent again: the questions show whether Zabbix is there.
asio::awaitable<void> Active::send_heartbeat(std::string name) {
  if (parts_.peer.dialect != zabbix::Dialect::v7 || !trouble_.empty()) co_return;
  const auto to = parts_.alternatives.endpoints(name, steady_clock::now()).front();
  const auto sent = co_await zabbix::exchange(parts_.io, to, parts_.link,
                                              zabbix::encode_request_frame(zabbix::encode_heartbeat(
                                                  name, parts_.config.heartbeat, zabbix::kSpokenVersion)),
                                              steady_clock::now() + kSentWithin, zabbix::Expect::nothing);
  if (sent) co_return;
  ++parts_.peer.signs;
  spdlog::debug("heartbeat of {}: {}", name, sent.error().message);
}

}  // namespace bakusoku::agent
