#include "agent/delivery.h"

#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

#include "agent/spawn.h"
#include "zabbix/frame.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kPacketValues = 5000;
constexpr size_t kPacketBytes = size_t{4} << 20;
constexpr seconds kAnswerWithin{60};  // a server whose database is slow answers late
constexpr seconds kLongestPause{5};   // between tries: once Zabbix is back, live values must not wait longer
constexpr seconds kUploadDisabled{60};
constexpr seconds kUnknownAgain{30};  // Zabbix synchronises its configuration every 10 to 60 s
constexpr int kMostProbes = 64;       // to find refused values of one packet

std::string random_session() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes.fill(7);
  std::string session;
  for (const unsigned char byte : bytes) session += fmt::format("{:02x}", byte);
  return session;
}

}  // namespace

void Delivery::start() {
  put_ = std::make_shared<Event>(parts_.io);
  spawn(parts_.io, "delivery", loop());
}

void Delivery::wake() {
  if (put_) put_->set();
}

asio::awaitable<void> Delivery::pause(milliseconds time) {
  asio::steady_timer timer(parts_.io, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> Delivery::loop() {
  // A start is like an outage of ours: the server may have died meanwhile.
  if (const auto begun = begin_again(); !begun) spdlog::error("{}", begun.error().message);
  milliseconds wait{0};
  for (;;) {
    if (wait.count() > 0) co_await pause(wait);
    const Result<bool> done = co_await deliver();
    if (!done) {
      ++counters_.failures;
      if (trouble_ != done.error().message) {
        trouble_ = done.error().message;
        spdlog::warn("values wait for Zabbix: {}", trouble_);
      }
      wait = std::clamp<milliseconds>(wait * 2, seconds(1), kLongestPause);
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
  auto packet = parts_.spool.next(kSpoolDestination, kPacketValues, kPacketBytes);
  if (!packet) co_return fail(packet.error());
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

  const auto session = parts_.spool.session(kSpoolDestination);
  if (!session) co_return fail(session.error());
  const auto reply = co_await send(*session, *packet, 0, count, true);
  if (!reply) co_return fail(reply.error());
  if (reply->head.upload_disabled) {
    co_await pause(kUploadDisabled);
    co_return fail(ErrorKind::unavailable, "Zabbix takes no values at the moment: {}", reply->head.info);
  }
  if (reply->head.verdict != zabbix::Verdict::accepted) {
    co_return fail(ErrorKind::unavailable, "{} refused a packet: {}",
                   zabbix::to_string(parts_.alternatives.current()), reply->head.info);
  }
  ++counters_.packets;
  if (again) {
    counters_.resent += count;
  } else {
    std::vector<size_t> refused;
    if (!reply->counts || reply->counts->failed > 0) {
      auto found = co_await find_refused(*packet, count);
      if (!found) co_return fail(found.error());
      refused = std::move(*found);
    }
    counters_.delivered += count - refused.size();
    counters_.refused += refused.size();
    if (!refused.empty()) {
      report_refused(*packet, refused, reply->head.info);
      std::vector<uint64_t> ids;
      for (const size_t at : refused) ids.push_back(packet->ids[at]);
      if (auto kept = parts_.spool.retry_later(kSpoolDestination, ids, parts_.clock() + kUnknownAgain);
          !kept) {
        co_return fail(kept.error());
      }
    }
  }
  if (auto settled = parts_.spool.acknowledge(kSpoolDestination, up_to); !settled)
    co_return fail(settled.error());
  co_return true;
}

asio::awaitable<Result<zabbix::SenderReply>> Delivery::send(std::string session, const SpoolPacket& packet,
                                                            size_t from, size_t until, bool own_ids) {
  zabbix::PacketHead head;
  head.kind = parts_.kind;
  if (head.kind == zabbix::DataKind::agent) head.session = std::move(session);
  zabbix::PacketBuilder builder(head);
  for (size_t at = from; at < until; ++at) {
    const Value& value = packet.values[at];
    zabbix::Row row;
    row.host = value.host;
    row.key = value.key;
    row.value = value.text;
    row.supported = value.supported;
    row.id = own_ids ? packet.ids[at] : at - from + 1;
    row.clock = value.clock;
    row.ns = value.ns;
    (void)builder.add(row);
  }
  const int64_t now = unix_seconds(parts_.clock());
  auto answered = co_await zabbix::exchange_with_any(parts_.io, parts_.alternatives, parts_.link,
                                                     zabbix::encode_request_frame(builder.finish(now, 0)),
                                                     std::chrono::steady_clock::now() + kAnswerWithin);
  if (!answered) co_return fail(answered.error());
  co_return zabbix::decode_sender_reply(*answered);
}

// A server drops rows of a session whose ids it has seen, so each question is a session of its own. What it
// took already it takes again: clock and ns are the same, and its history keeps one.
asio::awaitable<Result<std::vector<size_t>>> Delivery::find_refused(const SpoolPacket& packet, size_t count) {
  std::vector<size_t> refused;
  std::vector<std::pair<size_t, size_t>> parts{{0, count}};
  for (int probes = 0; !parts.empty(); ++probes) {
    const auto [from, until] = parts.back();
    parts.pop_back();
    uint64_t failed = until - from;
    if (probes < kMostProbes) {
      const auto reply = co_await send(random_session(), packet, from, until, false);
      if (!reply) co_return fail(reply.error());
      if (reply->counts) failed = reply->counts->failed;
    }
    if (failed == 0) continue;
    if (failed >= until - from || until - from == 1) {
      for (size_t at = from; at < until; ++at) refused.push_back(at);
      continue;
    }
    const size_t middle = from + (until - from) / 2;
    parts.emplace_back(middle, until);
    parts.emplace_back(from, middle);
  }
  std::sort(refused.begin(), refused.end());
  co_return refused;
}

void Delivery::report_refused(const SpoolPacket& packet, const std::vector<size_t>& refused,
                              const std::string& info) {
  const Value& first = packet.values[refused.front()];
  spdlog::warn(
      "Zabbix did not take {} of {} values, the first of host {}, item {}: {}; unknown host or item, not yet "
      "synchronised, disabled, of another type, or another kind of connection is wanted; tried again in {} s",
      refused.size(), packet.values.size(), first.host, first.key, info, kUnknownAgain.count());
}

}  // namespace bakusoku::agent
