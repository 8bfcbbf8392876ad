#include "agent/sending.h"

#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "zabbix/active.h"
#include "zabbix/frame.h"

namespace bakusoku::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kAnswerWithin{60};  // a server whose database is slow answers late
constexpr seconds kUnknownAgain{30};  // Zabbix synchronises its configuration every 10 to 60 s
constexpr int kMostQuestions = 64;    // to find refused items of one packet

// An item's places in a set of items.
std::array<size_t, 2> bits_of(const std::vector<bool>& set, const Value& value) {
  const size_t host = value.itemid != 0 ? value.itemid : std::hash<std::string_view>()(value.host);
  const size_t key = value.itemid != 0 ? 0 : std::hash<std::string_view>()(value.key);
  const size_t both = (host * 0xBF58476D1CE4E5B9U) ^ (key + 0x9E3779B97F4A7C15U + (host << 6) + (host >> 2));
  return {both % set.size(), (both >> 32) % set.size()};
}

bool is_set(const std::vector<bool>& set, const Value& value) {
  const auto bits = bits_of(set, value);
  return set[bits[0]] && set[bits[1]];
}

// A list of a low-level discovery's, whatever its item is called: Zabbix may make hosts of it.
bool discovers(const Value& value) { return value.supported && value.text.starts_with("[{\"{#"); }

Sending::Outcome failed(Error error, bool of_host = false) { return {std::move(error), of_host}; }

bool of_one_item(const Value& a, const Value& b) {
  return a.itemid == b.itemid && a.host == b.host && a.key == b.key;
}

}  // namespace

Result<SpoolPacket> next_packet(Spool& spool, uint64_t after) {
  auto packet = spool.next(kSpoolDestination, kPacketValues + 1, kPacketBytes, after);
  if (!packet || packet->values.size() <= kPacketValues) return packet;
  auto& values = packet->values;
  size_t count = kPacketValues;
  while (count > 0 && of_one_item(values[count - 1], values[kPacketValues])) --count;
  if (count == 0) count = kPacketValues;
  values.erase(values.begin() + static_cast<ptrdiff_t>(count), values.end());
  packet->ids.resize(count);
  packet->up_to = packet->ids.back();
  return packet;
}

bool Sending::by_id(const Value& value) const {
  return parts_.kind == zabbix::DataKind::agent && value.itemid != 0;
}

std::string Sending::name_for(const std::string& host) const {
  return !host.empty() || parts_.peer == nullptr ? host : parts_.peer->root();
}

// The forms do not mix in a packet, and ids have to increase within a session: so a run of one form at a
// time. While Zabbix knows no host in whose name they could travel, each host's own is tried, in sessions
// that are apart: Zabbix then says of each whether it knows it.
asio::awaitable<Sending::Outcome> Sending::settle_parts(PacketPtr packet, Rows rows, bool again, Way way) {
  Outcome outcome;
  const auto stopped = [&outcome] { return outcome.failed || outcome.redirected || outcome.moved; };
  for (auto from = rows.begin(); from != rows.end() && !stopped();) {
    const bool ids = by_id(packet->values[*from]);
    const auto end =
        std::find_if(from, rows.end(), [&](size_t at) { return by_id(packet->values[at]) != ids; });
    const std::string name = ids ? name_for(way.host) : std::string();
    std::map<std::string_view, Rows> by_name;
    if (ids && name.empty()) {
      for (auto row = from; row != end; ++row) by_name[packet->values[*row].host].push_back(*row);
    } else {
      by_name.emplace(name, Rows(from, end));
    }
    for (auto& [of, its_rows] : by_name) {
      // Named: GCC 12 destroys an aggregate made in the call a second time.
      Part part{packet, std::move(its_rows), way, std::string(of)};
      outcome = co_await settle_part(std::move(part), again);
      if (stopped()) break;
    }
    from = end;
  }
  co_return outcome;
}

asio::awaitable<Sending::Outcome> Sending::settle(PacketPtr packet, Rows rows, bool again, Way way) {
  Outcome outcome = co_await settle_parts(std::move(packet), std::move(rows), again, std::move(way));
  if (outcome.failed) ++counters_.failures;
  co_return outcome;
}

asio::awaitable<Sending::Outcome> Sending::settle_part(Part part, bool again) {
  const auto session = session_of(part.way.stay);
  if (!session) co_return failed(session.error());
  // Where it cannot be written values go all the same: only after a start they may be there twice.
  const bool in_a_name = part.way.host.empty() && !part.name.empty() && parts_.peer != nullptr;
  if (in_a_name && part.name == parts_.peer->root())
    (void)parts_.spool.set_root_host(kSpoolDestination, part.name);
  Selection all{part.rows, *session};
  auto sent = co_await send(part, std::move(all));
  if (!sent) {
    maybe_seen_ = std::max(maybe_seen_, part.packet->ids[part.rows.back()]);
    co_return failed(sent.error());
  }
  const Reply got = std::move(*sent);
  if (got.moved) {
    Outcome outcome;
    outcome.moved = true;
    co_return outcome;
  }
  const zabbix::ReplyHead& head = got.reply.head;
  const bool unknown =
      head.verdict == zabbix::Verdict::accepted && !got.reply.counts && zabbix::says_unknown_host(head.info);
  if (unknown && part.way.host.empty() && parts_.peer != nullptr && parts_.peer->knows(part.name)) {
    // The host in whose name the others' values travelled is gone: they go in another's.
    parts_.peer->set_known(part.name, false);
    co_return co_await settle_parts(part.packet, part.rows, again, part.way);
  }
  if (got.astray) co_return failed(*got.astray, true);
  if (head.redirect) {
    // Of many hosts, the one that was looked at.
    const auto followed = parts_.alternatives.follow(
        part.name.empty() ? part.packet->values[part.rows.front()].host : std::string_view(part.name),
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
                     zabbix::to_string(part.way.host.empty() ? parts_.alternatives.current() : got.from),
                     head.info)},
        !part.way.host.empty());
  }
  if (parts_.peer != nullptr) parts_.peer->upload_disabled = false;
  ++counters_.packets;
  Outcome outcome;
  outcome.from = got.from;
  if (again) {
    counters_.resent += part.rows.size();
    note_taken(part, {});
    co_return outcome;
  }
  Rows refused;
  if (unknown) {
    refused = part.rows;
  } else if (!got.reply.counts || got.reply.counts->failed > 0) {
    auto found = co_await find_refused(part, got.reply.counts ? got.reply.counts->failed : part.rows.size());
    if (!found) co_return failed(found.error());
    refused = std::move(*found);
  }
  note_taken(part, refused, true);
  counters_.delivered += part.rows.size() - refused.size();
  counters_.refused += refused.size();
  note_outcomes(part, refused, head.info);
  if (const auto kept = put_back(part, refused, head.info); !kept) co_return failed(kept.error());
  co_return outcome;
}

Result<std::string> Sending::session_of(uint64_t stay) const {
  auto session = parts_.spool.session(kSpoolDestination);
  if (!session || stay == 0) return session;
  const std::string of = fmt::format("{}/{}", *session, stay);
  const XXH128_hash_t hash = XXH3_128bits(of.data(), of.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string Sending::random_session() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes.fill(7);
  std::string session;
  for (const unsigned char byte : bytes) session += fmt::format("{:02x}", byte);
  return session;
}

Sending::Question Sending::question_of(const Value& value, bool by_host) {
  Question question{std::string(value.host), std::string(value.key), 0, {}, by_host};
  if (!by_id(value)) return question;
  question.root = name_for(by_host ? question.host : std::string());
  if (question.root.empty()) question.root = question.host;
  question.itemid = value.itemid;
  return question;
}

asio::awaitable<Result<Sending::Told>> Sending::ask(Question question, std::array<uint64_t, 2> ids,
                                                    std::string session, Reach reach) {
  zabbix::PacketHead head;
  head.kind = parts_.kind;
  head.session = std::move(session);
  if (question.itemid != 0) {
    head.host = question.root;
    head.version = zabbix::kSpokenVersion;
  }
  zabbix::PacketBuilder builder(head);
  const int64_t now = unix_seconds(parts_.clock());
  for (const uint64_t id : ids) {
    zabbix::Row row;
    row.host = question.host;
    row.key = question.key;
    row.itemid = question.itemid;
    row.question = true;
    row.id = id;
    row.clock = now;
    (void)builder.add(row);
  }
  std::string frame = zabbix::encode_request_frame(builder.finish(now, 0));
  const Deadline deadline = reach.until.value_or(std::chrono::steady_clock::now() + kAnswerWithin);
  zabbix::Answered answered;
  if (question.of_host) {
    auto for_host = co_await zabbix::exchange_for_host(parts_.io, parts_.alternatives, question.host,
                                                       parts_.link, std::move(frame), deadline, reach.only);
    if (!for_host) co_return fail(for_host.error());
    answered = std::move(*for_host);
    if (answered.astray || answered.moved) {
      Told told;
      told.elsewhere = true;
      co_return told;
    }
  } else {
    auto payload = co_await zabbix::exchange_with_any(parts_.io, parts_.alternatives, parts_.link,
                                                      std::move(frame), deadline);
    if (!payload) co_return fail(payload.error());
    answered.payload = std::move(*payload);
  }
  const auto reply = zabbix::decode_sender_reply(answered.payload);
  if (!reply) co_return fail(reply.error());
  if (reply->head.upload_disabled) {
    if (parts_.peer != nullptr) parts_.peer->upload_disabled = true;
    co_return fail(ErrorKind::unavailable, "Zabbix takes no values at the moment{}{}",
                   reply->head.info.empty() ? "" : ": ", reply->head.info);
  }
  Told told;
  told.from = answered.from;
  if (reply->head.verdict == zabbix::Verdict::accepted) told.counts = reply->counts;
  co_return told;
}

asio::awaitable<Result<Sending::Reply>> Sending::send(const Part& part, Selection selection) {
  zabbix::PacketHead head;
  head.kind = parts_.kind;
  head.session = std::move(selection.session);
  const bool ids = !part.name.empty();
  if (ids) {
    head.host = part.name;
    head.version = zabbix::kSpokenVersion;
  }
  zabbix::PacketBuilder builder(head);
  for (const size_t at : selection.rows) {
    const Value& value = part.packet->values[at];
    zabbix::Row row;
    row.host = value.host;
    row.key = value.key;
    if (ids) row.itemid = value.itemid;
    row.value = value.text;
    // Zabbix refuses a reason that is none, and takes one again for what it is: the item is as it was.
    row.question = value.supported && selection.form == Form::questions;
    row.supported = value.supported;
    row.id = selection.form == Form::values ? part.packet->ids[at] : builder.rows() + 1;
    row.clock = value.clock;
    row.ns = value.ns;
    (void)builder.add(row);
  }
  std::string frame = zabbix::encode_request_frame(builder.finish(unix_seconds(parts_.clock()), 0));
  const Deadline deadline = part.way.until.value_or(std::chrono::steady_clock::now() + kAnswerWithin);
  zabbix::Answered answered;
  if (part.way.host.empty()) {
    auto payload = co_await zabbix::exchange_with_any(parts_.io, parts_.alternatives, parts_.link,
                                                      std::move(frame), deadline);
    if (!payload) co_return fail(payload.error());
    answered.payload = std::move(*payload);
  } else {
    auto for_host =
        co_await zabbix::exchange_for_host(parts_.io, parts_.alternatives, part.way.host, parts_.link,
                                           std::move(frame), deadline, part.way.only);
    if (!for_host) co_return fail(for_host.error());
    answered = std::move(*for_host);
    if (answered.astray || answered.moved) {
      Reply elsewhere;
      elsewhere.from = answered.from;
      elsewhere.astray = answered.astray;
      elsewhere.moved = answered.moved;
      co_return elsewhere;
    }
  }
  auto reply = zabbix::decode_sender_reply(answered.payload);
  if (!reply) co_return fail(reply.error());
  Reply got;
  got.reply = std::move(*reply);
  got.from = answered.from;
  co_return got;
}

// Rows that have never been sent before fail because they are refused, and only then. Of others nobody knows
// whether they were taken: values of items of which nothing is known to be taken go once more, each in a
// session that has seen none. An item may become known in between: then there are fewer refused than counted.
asio::awaitable<Result<Sending::Rows>> Sending::find_refused(const Part& part, uint64_t failed) {
  constexpr int kMostTries = 3;
  bool counted = part.packet->ids[part.rows.front()] > maybe_seen_;
  Rows unsure;
  for (const size_t at : part.rows) {
    if (!is_set(taken_, part.packet->values[at])) unsure.push_back(at);
  }
  for (int tries = 1;; ++tries) {
    if (!counted && !unsure.empty()) {
      Selection selection{unsure, random_session(), Form::values_anew};
      const auto got = co_await send(part, std::move(selection));
      if (!got) co_return fail(got.error());
      if (got->astray) co_return fail(*got->astray);
      if (got->moved) co_return fail(ErrorKind::unavailable, "Zabbix has just moved the host");
      failed = got->reply.counts ? got->reply.counts->failed : unsure.size();
    }
    auto refused = co_await ask_for_refused(part);
    if (!refused || tries == kMostTries) co_return refused;
    if (!counted && unsure.empty()) co_return refused;
    const auto among_unsure = [&](size_t at) { return std::binary_search(unsure.begin(), unsure.end(), at); };
    const auto found =
        counted ? refused->size()
                : static_cast<size_t>(std::count_if(refused->begin(), refused->end(), among_unsure));
    if (found >= failed) co_return refused;
    counted = false;
  }
}

// A count of failed rows tells of items that are not taken, and of rows that have been taken before: those
// whose answer was lost. So it is asked of each item, by a row without its value: what is there already is
// not stored a second time, whatever the history's keys. A server drops rows of a session whose ids it has
// seen, so each question is a session of its own. Of an item's rows the newest asks: one that says that the
// item is not supported is no question, and must not be older than what the item was told before.
asio::awaitable<Result<Sending::Rows>> Sending::ask_for_refused(const Part& part) {
  const bool ids = by_id(part.packet->values[part.rows.front()]);
  const auto item_of = [&](size_t at) {
    const Value& value = part.packet->values[at];
    return ids ? std::tuple(value.itemid, std::string_view(), std::string_view())
               : std::tuple(uint64_t{0}, value.host, value.key);
  };
  std::map<std::tuple<uint64_t, std::string_view, std::string_view>, size_t> newest;
  Rows asked;
  for (const size_t at : part.rows) newest[item_of(at)] = at;
  for (const auto& [item, at] : newest) asked.push_back(at);
  std::sort(asked.begin(), asked.end());
  std::set<size_t> refused;
  std::vector<std::pair<size_t, size_t>> parts{{0, asked.size()}};
  for (int questions = 0; !parts.empty(); ++questions) {
    const auto [from, until] = parts.back();
    parts.pop_back();
    uint64_t failed = until - from;
    const auto begin = asked.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end = asked.begin() + static_cast<std::ptrdiff_t>(until);
    if (questions < kMostQuestions) {
      Selection selection{Rows(begin, end), random_session(), Form::questions};
      const auto got = co_await send(part, std::move(selection));
      if (!got) co_return fail(got.error());
      if (got->astray) co_return fail(*got->astray);
      if (got->moved) co_return fail(ErrorKind::unavailable, "Zabbix has just moved the host");
      if (got->reply.head.verdict != zabbix::Verdict::accepted)
        co_return fail(ErrorKind::unavailable, "Zabbix refused a packet: {}", got->reply.head.info);
      if (got->reply.counts) failed = got->reply.counts->failed;
    }
    if (failed == 0) continue;
    if (failed >= until - from || until - from == 1) {
      refused.insert(begin, end);
      continue;
    }
    const size_t middle = from + (until - from) / 2;
    parts.emplace_back(middle, until);
    parts.emplace_back(from, middle);
  }
  Rows rows;
  for (const size_t at : part.rows) {
    if (refused.contains(newest.at(item_of(at)))) rows.push_back(at);
  }
  co_return rows;
}

bool Sending::takes(const Value& value) const { return is_set(taken_, value); }

void Sending::note_taken(const Part& part, const Rows& refused, bool for_the_first_time) {
  auto next = refused.begin();
  for (const size_t at : part.rows) {
    if (next != refused.end() && *next == at) {
      ++next;
      continue;
    }
    const Value& value = part.packet->values[at];
    for (const size_t bit : bits_of(taken_, value)) taken_[bit] = true;
    if (for_the_first_time && parts_.peer != nullptr && discovers(value)) {
      const std::hash<std::string_view> hash;
      const uint64_t item = value.itemid != 0 ? value.itemid : hash(value.host) * 31 + hash(value.key);
      parts_.peer->note_discovery(std::string(value.host), item, hash(value.text));
    }
  }
}

void Sending::note_outcomes(const Part& part, const Rows& refused, const std::string& info) {
  if (refused.empty() && outcomes_.refusals() == 0) return;
  const int64_t now = unix_seconds(parts_.clock());
  auto next = refused.begin();
  for (const size_t at : part.rows) {
    const Value& value = part.packet->values[at];
    if (next != refused.end() && *next == at) {
      outcomes_.note_refused({value.host, value.key, value.itemid}, info, now, now + kUnknownAgain.count());
      ++next;
    } else {
      outcomes_.note_taken({value.host, value.key, value.itemid}, now);
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
