#include "agent/delivery.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <numeric>
#include <utility>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLongestPause{5};  // between tries: once Zabbix is back, live values must not wait longer
constexpr seconds kUploadDisabled{60};
constexpr seconds kDialectWithin{5};
constexpr milliseconds kLook{100};

}  // namespace

Delivery::Delivery(Parts parts)
    : parts_(std::move(parts)),
      sending_({parts_.io, parts_.spool, parts_.alternatives, parts_.link, parts_.clock, parts_.kind,
                parts_.peer, parts_.discoveries}),
      by_host_({parts_.io, parts_.spool, parts_.alternatives, parts_.clock, sending_, parts_.patience}) {}

void Delivery::start() {
  put_ = std::make_shared<Event>(parts_.io);
  running_ = true;
  spawn(parts_.io, "delivery", loop(), [this] { running_ = false; });
}

void Delivery::stop() {
  stopping_ = true;
  by_host_.stop();
  wake();
}

void Delivery::wake() {
  if (put_) put_->set();
}

asio::awaitable<void> Delivery::pause(milliseconds time) {
  asio::steady_timer timer(parts_.io, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// What is sent again is recognised only in the name it was sent in before: of a host that Zabbix knows, which
// the first answer about items tells.
asio::awaitable<void> Delivery::wait_for_dialect() {
  if (parts_.peer == nullptr) co_return;
  const auto until = std::chrono::steady_clock::now() + kDialectWithin;
  while (!stopping_ && !parts_.peer->dialect && std::chrono::steady_clock::now() < until)
    co_await pause(kLook);
}

// The answers to active checks tell when values are wanted again; asked for themselves they tell it as well.
asio::awaitable<void> Delivery::wait_for_upload() {
  const auto until = std::chrono::steady_clock::now() + kUploadDisabled;
  while (!stopping_ && sending_.upload_disabled() && std::chrono::steady_clock::now() < until)
    co_await pause(kLook);
}

asio::awaitable<void> Delivery::loop() {
  co_await wait_for_dialect();
  // A start is like an outage of ours: the server may have died meanwhile.
  if (const auto begun = begin_again(); !begun) spdlog::error("{}", begun.error().message);
  milliseconds wait{0};
  for (;;) {
    if (wait.count() > 0) co_await pause(wait);
    co_await wait_for_upload();
    if (stopping_) co_return;
    const Result<bool> done = co_await deliver();
    if (!done) {
      if (trouble_.empty()) trouble_since_ = unix_seconds(parts_.clock());
      if (trouble_ != done.error().message) {
        trouble_ = done.error().message;
        spdlog::warn("values wait for Zabbix: {}", trouble_);
      }
      wait = std::clamp<milliseconds>(wait * 2, seconds(1), kLongestPause);
      if (travels_by_host_ || sending_.upload_disabled()) continue;
      if (const auto begun = begin_again(); !begun) spdlog::error("{}", begun.error().message);
      continue;
    }
    if (!trouble_.empty()) spdlog::info("Zabbix takes values again");
    trouble_.clear();
    wait = milliseconds(0);
    if (*done) continue;
    put_ = std::make_shared<Event>(parts_.io);
    const auto put = put_;
    (void)co_await put->wait(std::chrono::steady_clock::now() + seconds(1));
    if (const auto more = parts_.spool.tidy(); !more) spdlog::error("{}", more.error().message);
  }
}

Result<void> Delivery::begin_again() {
  const auto pending = parts_.spool.next(kSpoolDestination, 1, 1);
  if (!pending) return fail(pending.error());
  uint64_t fresh = pending->ids.empty() ? 0 : pending->ids.front();
  if (auto rewound = parts_.spool.rewind(kSpoolDestination); !rewound) return rewound;
  // With nothing pending, all that is offered now was acknowledged before.
  for (uint64_t after = 0; fresh == 0;) {
    const auto old = parts_.spool.next(kSpoolDestination, kPacketValues, kPacketBytes, after);
    if (!old) return fail(old.error());
    if (old->ids.empty()) {
      fresh = after + 1;
    } else {
      after = old->ids.back();
    }
  }
  fresh_from_ = std::max(fresh_from_, fresh);
  return {};
}

asio::awaitable<Result<bool>> Delivery::deliver() {
  if (!travels_by_host_ && parts_.alternatives.redirects()) {
    spdlog::info("Zabbix redirects hosts to the proxies of a group: each host's values travel by themselves");
    travels_by_host_ = true;
  }
  if (travels_by_host_) co_return co_await by_host_.deliver(fresh_from_);
  auto next = parts_.spool.next(kSpoolDestination, kPacketValues, kPacketBytes);
  if (!next) co_return fail(next.error());
  const auto packet = std::make_shared<const SpoolPacket>(std::move(*next));
  if (packet->ids.empty()) {
    if (packet->up_to != 0) {
      if (auto passed = parts_.spool.acknowledge(kSpoolDestination, packet->up_to); !passed)
        co_return fail(passed.error());
      co_return true;
    }
    co_return false;
  }
  // Of what was acknowledged before, a refusal tells nothing: the server has it. So the two kinds travel
  // apart.
  const bool again = packet->ids.front() < fresh_from_;
  const auto boundary = std::lower_bound(packet->ids.begin(), packet->ids.end(), fresh_from_);
  const size_t count = again ? static_cast<size_t>(boundary - packet->ids.begin()) : packet->ids.size();
  const uint64_t up_to = count < packet->ids.size() ? packet->ids[count - 1] : packet->up_to;
  Sending::Rows rows(count);
  std::iota(rows.begin(), rows.end(), size_t{0});
  const auto outcome = co_await sending_.settle(packet, std::move(rows), again, "");
  if (outcome.failed) co_return fail(*outcome.failed);
  if (outcome.redirected) co_return true;  // the same again, by host
  if (auto settled = parts_.spool.acknowledge(kSpoolDestination, up_to); !settled)
    co_return fail(settled.error());
  sending_.outcomes().note_acknowledged(up_to, unix_seconds(parts_.clock()));
  co_return true;
}

}  // namespace bakusoku::agent
