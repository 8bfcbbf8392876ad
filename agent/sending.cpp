#include "agent/sending.h"

#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

#include "zabbix/active.h"
#include "zabbix/frame.h"

namespace bakusoku::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kAnswerWithin{60};  // a server whose database is slow answers late
constexpr seconds kUnknownAgain{30};  // Zabbix synchronises its configuration every 10 to 60 s
constexpr int kMostProbes = 64;       // to find refused values of one packet

std::string random_session() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes.fill(7);
  std::string session;
  for (const unsigned char byte : bytes) session += fmt::format("{:02x}", byte);
  return session;
}

Sending::Outcome failed(Error error, bool of_host = false) { return {std::move(error), of_host}; }

}  // namespace

bool Sending::by_id(const Value& value) const {
  return parts_.kind == zabbix::DataKind::agent && parts_.peer != nullptr &&
         parts_.peer->dialect == zabbix::Dialect::v7 && value.itemid != 0;
}

// The forms do not mix in a packet, and ids have to increase within a session: so a run of one form at a
// time.
asio::awaitable<Sending::Outcome> Sending::settle(PacketPtr packet, Rows rows, bool again, std::string host,
                                                  std::optional<Deadline> until) {
  Outcome outcome;
  for (auto from = rows.begin(); from != rows.end() && !outcome.failed && !outcome.redirected;) {
    const bool form = by_id(packet->values[*from]);
    const auto end =
        std::find_if(from, rows.end(), [&](size_t at) { return by_id(packet->values[at]) != form; });
    // Named: GCC 12 destroys an aggregate made in the call a second time.
    Part part{packet, Rows(from, end), host, until};
    outcome = co_await settle_part(std::move(part), again);
    from = end;
  }
  if (outcome.failed) ++counters_.failures;
  co_return outcome;
}

asio::awaitable<Sending::Outcome> Sending::settle_part(Part part, bool again) {
  const auto session = parts_.spool.session(kSpoolDestination);
  if (!session) co_return failed(session.error());
  Reply got;
  std::string root;
  for (;;) {
    const bool many = part.host.empty() && by_id(part.packet->values[part.rows.front()]);
    root = many ? parts_.peer->root() : std::string();
    auto sent = co_await send(part, 0, part.rows.size(), *session, true);
    if (!sent) co_return failed(sent.error());
    got = std::move(*sent);
    if (root.empty() || got.reply.head.verdict != zabbix::Verdict::accepted || got.reply.counts ||
        !zabbix::says_unknown_host(got.reply.head.info)) {
      break;
    }
    // The host in whose name the others' values travelled is gone: they go in another's.
    parts_.peer->set_known(root, false);
  }
  const zabbix::ReplyHead& head = got.reply.head;
  if (got.astray) co_return failed(*got.astray, true);
  if (head.redirect) {
    // Of many hosts, the one that was looked at.
    const auto followed = parts_.alternatives.follow(
        root.empty() ? part.packet->values[part.rows.front()].host : std::string_view(root),
        parts_.alternatives.current(), *head.redirect, std::chrono::steady_clock::now());
    if (!followed) co_return failed(followed.error());
    if (head.redirect->reset)
      co_return failed({ErrorKind::unavailable, "a Zabbix proxy is not in service in its group"});
    Outcome outcome;
    outcome.redirected = true;
    co_return outcome;
  }
  if (head.upload_disabled) {
    if (parts_.peer != nullptr) parts_.peer->upload_disabled = true;
    co_return failed({ErrorKind::unavailable, fmt::format("Zabbix takes no values at the moment{}{}",
                                                          head.info.empty() ? "" : ": ", head.info)});
  }
  if (head.verdict != zabbix::Verdict::accepted) {
    co_return failed(
        {ErrorKind::unavailable,
         fmt::format("{} refused a packet: {}",
                     zabbix::to_string(part.host.empty() ? parts_.alternatives.current() : got.from),
                     head.info)},
        !part.host.empty());
  }
  if (parts_.peer != nullptr) parts_.peer->upload_disabled = false;
  ++counters_.packets;
  Outcome outcome;
  outcome.from = got.from;
  if (again) {
    counters_.resent += part.rows.size();
    co_return outcome;
  }
  Rows refused;
  if (!part.host.empty() && !got.reply.counts && zabbix::says_unknown_host(head.info)) {
    refused = part.rows;
  } else if (!got.reply.counts || got.reply.counts->failed > 0) {
    auto found = co_await find_refused(part);
    if (!found) co_return failed(found.error());
    refused = std::move(*found);
  }
  counters_.delivered += part.rows.size() - refused.size();
  counters_.refused += refused.size();
  note_outcomes(part, refused, head.info);
  if (const auto kept = put_back(part, refused, head.info); !kept) co_return failed(kept.error());
  co_return outcome;
}

asio::awaitable<Result<Sending::Reply>> Sending::send(const Part& part, size_t from, size_t until,
                                                      std::string session, bool own_ids) {
  zabbix::PacketHead head;
  head.kind = parts_.kind;
  if (head.kind == zabbix::DataKind::agent) head.session = std::move(session);
  bool ids = by_id(part.packet->values[part.rows[from]]);
  if (ids) {
    head.host = part.host.empty() ? parts_.peer->root() : part.host;
    ids = !head.host.empty();
    if (ids) head.version = zabbix::kSpokenVersion;
  }
  zabbix::PacketBuilder builder(head);
  for (size_t i = from; i < until; ++i) {
    const size_t at = part.rows[i];
    const Value& value = part.packet->values[at];
    zabbix::Row row;
    row.host = value.host;
    row.key = value.key;
    if (ids) row.itemid = value.itemid;
    row.value = value.text;
    row.supported = value.supported;
    row.id = own_ids ? part.packet->ids[at] : i - from + 1;
    row.clock = value.clock;
    row.ns = value.ns;
    (void)builder.add(row);
  }
  std::string frame = zabbix::encode_request_frame(builder.finish(unix_seconds(parts_.clock()), 0));
  const Deadline deadline = part.until.value_or(std::chrono::steady_clock::now() + kAnswerWithin);
  zabbix::Answered answered;
  if (part.host.empty()) {
    auto payload = co_await zabbix::exchange_with_any(parts_.io, parts_.alternatives, parts_.link,
                                                      std::move(frame), deadline);
    if (!payload) co_return fail(payload.error());
    answered.payload = std::move(*payload);
  } else {
    auto for_host = co_await zabbix::exchange_for_host(parts_.io, parts_.alternatives, part.host, parts_.link,
                                                       std::move(frame), deadline);
    if (!for_host) co_return fail(for_host.error());
    answered = std::move(*for_host);
    if (answered.astray) {
      Reply astray;
      astray.from = answered.from;
      astray.astray = answered.astray;
      co_return astray;
    }
  }
  auto reply = zabbix::decode_sender_reply(answered.payload);
  if (!reply) co_return fail(reply.error());
  Reply got;
  got.reply = std::move(*reply);
  got.from = answered.from;
  co_return got;
}

// A server drops rows of a session whose ids it has seen, so each question is a session of its own. What it
// took already it takes again: clock and ns are the same, and its history keeps one.
asio::awaitable<Result<Sending::Rows>> Sending::find_refused(const Part& part) {
  Rows refused;
  std::vector<std::pair<size_t, size_t>> parts{{0, part.rows.size()}};
  for (int probes = 0; !parts.empty(); ++probes) {
    const auto [from, until] = parts.back();
    parts.pop_back();
    uint64_t failed = until - from;
    if (probes < kMostProbes) {
      const auto got = co_await send(part, from, until, random_session(), false);
      if (!got) co_return fail(got.error());
      if (got->astray) co_return fail(*got->astray);
      if (got->reply.counts) failed = got->reply.counts->failed;
    }
    if (failed == 0) continue;
    if (failed >= until - from || until - from == 1) {
      for (size_t i = from; i < until; ++i) refused.push_back(part.rows[i]);
      continue;
    }
    const size_t middle = from + (until - from) / 2;
    parts.emplace_back(middle, until);
    parts.emplace_back(from, middle);
  }
  std::sort(refused.begin(), refused.end());
  co_return refused;
}

void Sending::note_outcomes(const Part& part, const Rows& refused, const std::string& info) {
  if (refused.empty() && outcomes_.refusals() == 0) return;
  const int64_t now = unix_seconds(parts_.clock());
  auto next = refused.begin();
  for (const size_t at : part.rows) {
    const Value& value = part.packet->values[at];
    if (next != refused.end() && *next == at) {
      outcomes_.note_refused(value.host, value.key, info, now, now + kUnknownAgain.count());
      ++next;
    } else {
      outcomes_.note_taken(value.host, value.key, now);
    }
  }
}

Result<void> Sending::put_back(const Part& part, const Rows& refused, const std::string& info) {
  if (refused.empty()) return {};
  std::vector<uint64_t> ids;
  for (const size_t at : refused) {
    ids.push_back(part.packet->ids[at]);
    refusals_.note(part.packet->values[at].host, part.packet->values[at].key);
  }
  if (const auto line = refusals_.line(zabbix::to_string(parts_.alternatives.current()), info,
                                       std::chrono::steady_clock::now())) {
    spdlog::warn("{}", *line);
  }
  return parts_.spool.retry_later(kSpoolDestination, ids, parts_.clock() + kUnknownAgain);
}

}  // namespace bakusoku::agent
