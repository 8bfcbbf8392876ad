#include "agent/active.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "agent/spawn.h"
#include "zabbix/active.h"
#include "zabbix/frame.h"
#include "zabbix/reply.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kAskers = 2;  // at once
constexpr seconds kAnswerWithin{30};
constexpr seconds kAwayPause{5};  // a destination that does not answer is asked this often, for one host
constexpr std::chrono::hours kRarest{1};  // a host that Zabbix does not know
constexpr milliseconds kIdle{500};
// Zabbix tells items by id and the whole interval to agents that name their version.
constexpr const char* kSpokenVersion = "7.0.0";

int64_t milliseconds_of(WallTime time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Active::Active(Parts parts) : parts_(std::move(parts)), random_(std::random_device()()) {}

void Active::start() {
  for (int asker = 0; asker < kAskers; ++asker) spawn(parts_.io, "active checks", loop());
}

void Active::set_hosts(const std::set<std::string>& hosts) {
  for (auto at = hosts_.begin(); at != hosts_.end();) {
    if (hosts.contains(at->first)) {
      ++at;
      continue;
    }
    parts_.checks.replace(parts_.destination, at->first, {});
    set_known(at->second, false);
    queue_.erase({at->second.due, at->first});
    at = hosts_.erase(at);
  }
  const int64_t now = milliseconds_of(parts_.clock());
  for (const std::string& name : hosts) {
    if (hosts_.contains(name)) continue;
    hosts_[name].due = now;
    queue_.emplace(now, name);
  }
}

milliseconds Active::jittered(milliseconds time) {
  return time * std::uniform_int_distribution<int>(900, 1100)(random_) / 1000;
}

void Active::set_known(Host& host, bool known) {
  if (host.known == known) return;
  host.known = known;
  known_ += known ? 1 : size_t{0} - 1;
}

std::optional<Active::Seen> Active::seen(const std::string& name) const {
  const auto found = hosts_.find(name);
  if (found == hosts_.end()) return std::nullopt;
  const Host& host = found->second;
  return Seen{host.known, host.asked, host.due / 1000, host.refusal};
}

std::vector<std::string> Active::names() const {
  std::vector<std::string> names;
  names.reserve(hosts_.size());
  for (const auto& [name, host] : hosts_) names.push_back(name);
  return names;
}

size_t Active::unknown_hosts() const {
  return static_cast<size_t>(std::count_if(hosts_.begin(), hosts_.end(),
                                           [](const auto& entry) { return !entry.second.refusal.empty(); }));
}

asio::awaitable<void> Active::loop() {
  asio::steady_timer timer(parts_.io);
  for (;;) {
    const int64_t now = milliseconds_of(parts_.clock());
    if (queue_.empty() || queue_.begin()->first > now) {
      const auto longest = std::chrono::duration_cast<milliseconds>(parts_.config.refresh) * 2;
      // A clock that was set back leaves nobody due for long.
      if (!queue_.empty() &&
          queue_.begin()->first - now > std::max<milliseconds>(longest, kRarest * 2).count()) {
        std::set<std::pair<int64_t, std::string>> again;
        for (auto& [name, host] : hosts_) {
          host.due = now;
          again.emplace(now, name);
        }
        queue_ = std::move(again);
        continue;
      }
      timer.expires_after(kIdle);
      asio::error_code stopped;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
      if (stopped) co_return;
      continue;
    }
    const std::string name = queue_.begin()->second;
    queue_.erase(queue_.begin());
    const milliseconds wait = co_await ask(name);
    const auto host = hosts_.find(name);
    if (host == hosts_.end()) continue;      // gone meanwhile
    queue_.erase({host->second.due, name});  // it may have gone and come back
    host->second.due = milliseconds_of(parts_.clock()) + wait.count();
    queue_.emplace(host->second.due, name);
  }
}

asio::awaitable<milliseconds> Active::ask(const std::string& name) {
  zabbix::ActiveRequest request;
  request.dialect = zabbix::Dialect::v7;
  request.host = name;
  request.host_metadata = parts_.config.host_metadata;
  request.version = kSpokenVersion;
  request.session = parts_.session;
  request.config_revision = hosts_[name].config_revision;
  const auto answered =
      co_await zabbix::exchange_with_any(parts_.io, parts_.alternatives, parts_.link,
                                         zabbix::encode_request_frame(zabbix::encode_active_request(request)),
                                         std::chrono::steady_clock::now() + kAnswerWithin);
  if (!answered) {
    if (trouble_.empty()) trouble_since_ = unix_seconds(parts_.clock());
    if (trouble_ != answered.error().message)
      spdlog::warn("which items Zabbix wants is not known: {}", answered.error().message);
    trouble_ = answered.error().message;
    // What was wanted goes on being collected.
    asio::steady_timer timer(parts_.io, kAwayPause);
    asio::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_return milliseconds(0);
  }
  const auto reply = zabbix::decode_active_reply(*answered);
  const auto found = hosts_.find(name);
  if (found == hosts_.end()) co_return milliseconds(0);
  Host& host = found->second;
  if (!reply) {
    spdlog::warn("active checks of {}: {}", name, reply.error().message);
    co_return jittered(parts_.config.refresh);
  }
  if (!trouble_.empty()) spdlog::info("Zabbix answers again");
  trouble_.clear();
  host.asked = unix_seconds(parts_.clock());
  if (reply->head.verdict != zabbix::Verdict::accepted) {
    if (host.refusal != reply->head.info) {
      host.refusal = reply->head.info;
      spdlog::log(name == parts_.config.hostname ? spdlog::level::warn : spdlog::level::debug,
                  "no active checks of {}: {}", name, reply->head.info);
    }
    set_known(host, false);
    parts_.checks.replace(parts_.destination, name, {});
    host.config_revision = 0;
    const auto growing = std::chrono::duration_cast<milliseconds>(parts_.config.refresh) *
                         (1 << std::min(host.unknown_in_row, 10));
    ++host.unknown_in_row;
    co_return jittered(std::min<milliseconds>(growing, kRarest));
  }
  host.unknown_in_row = 0;
  host.refusal.clear();
  set_known(host, true);
  if (!reply->unchanged) {
    host.config_revision = reply->config_revision;
    parts_.checks.replace(parts_.destination, name, reply->items);
  }
  co_return jittered(parts_.config.refresh);
}

}  // namespace bakusoku::agent
