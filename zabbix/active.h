// The active agent's question for one host, which items are wanted of it, and the answer. Two dialects:
//
//   6.0   {"request":"active
//   checks","host":"web-1","host_metadata":"..","ip":"..","port":10050,"version":"6.0.14"}
//         {"response":"success","data":[{"key":"k","itemid":1,"delay":"1m;h9","lastlogsize":0,"mtime":0}]}
//         without a version: "key_orig" instead of "itemid", and a delay of 0 for whatever is not simple
//   7.0   adds "config_revision", "session" and "variant" to the question; the answer has "config_revision"
//         and a "timeout" ("25s") for each item, or no "data" at all: nothing has changed
//
// and 6.2's heartbeat, which is not answered. "regexp" and "commands" of answers are ignored: nothing of
// Zabbix's is ever executed. Pure values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "zabbix/reply.h"

namespace bakusoku::zabbix {

enum class Dialect { v6, v7 };

/// The version that we say we are: Zabbix tells items by id and the whole interval to agents that name
/// theirs.
inline constexpr const char* kSpokenVersion = "7.0.0";

struct ActiveRequest {
  Dialect dialect = Dialect::v6;
  std::string host{};
  std::string host_metadata{};   // for autoregistration; empty: not sent
  std::string ip{};              // for autoregistration; empty: not sent
  uint16_t port = 0;             // 0: not sent
  std::string version{};         // of the agent we speak like, such as "6.0.14"; empty (6.0 only): not sent
  std::string session{};         // 7.0: 32 hexadecimal digits
  uint64_t config_revision = 0;  // 7.0: of the items we have; 0: none
};

struct ActiveItem {
  std::string key{};       // macros expanded: what to collect
  std::string key_orig{};  // as configured, which values are sent with when there is no itemid
  uint64_t itemid = 0;     // 0: not told
  std::string delay{};     // see zabbix/interval.h
  uint64_t lastlogsize = 0;
  int64_t mtime = 0;
  std::optional<std::chrono::milliseconds> timeout{};  // 7.0; 1 s to 10 min

  friend bool operator==(const ActiveItem&, const ActiveItem&) = default;
};

struct ActiveReply {
  ReplyHead head{};
  bool unchanged = false;        // the items of config_revision that were asked with are still right
  uint64_t config_revision = 0;  // 7.0; to ask with the next time
  std::vector<ActiveItem> items{};
  size_t unreadable = 0;  // rows of the answer that are no item: left out
};

inline constexpr size_t kMaxActiveItems = 500'000;

[[nodiscard]] std::string encode_active_request(const ActiveRequest& request);

/// 6.2 and later; the server closes the connection without an answer.
[[nodiscard]] std::string encode_heartbeat(std::string_view host, std::chrono::seconds frequency,
                                           std::string_view version);

/// A refusal ("host [web-1] not found") is a value too. Fails (`corrupt`) on what is no answer, or one of
/// more than kMaxActiveItems.
[[nodiscard]] Result<ActiveReply> decode_active_reply(std::string_view payload);

}  // namespace bakusoku::zabbix
