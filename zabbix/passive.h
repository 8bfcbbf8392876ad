// Passive checks: what a Zabbix server, proxy or zabbix_get asks an agent, and the answer. Two dialects:
//
//   plain   the bare key; the bare value, or "ZBX_NOTSUPPORTED" NUL message                    (all versions)
//   json    {"request":"passive checks","data":[{"key":"k","timeout":3}]}                       (7.0 and
//   later)
//           {"version":"7.0.0","variant":1,"data":[{"value":"v"}]}, or {"error":"..."} in data or at the root
//
// Both come in a frame (zabbix/frame.h); a bare `key` and a line feed without any frame, as typed into
// telnet, is taken as well, since zabbix_agentd does, and is answered in a frame, as zabbix_agentd does.
// Pure: bytes in, values out.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "zabbix/frame.h"

namespace bakusoku::zabbix {

enum class PassiveDialect { plain, json };

struct PassiveRequest {
  PassiveDialect dialect = PassiveDialect::plain;
  std::string key{};
  std::optional<std::chrono::milliseconds> timeout{};  // none in the plain dialect; 1 s to 10 min
};

struct PassiveReply {
  bool supported = true;
  std::string text{};  // the value, or why the item is not supported
};

/// The message at the start of what a client sent, framed or one line; nothing when more bytes are needed.
/// Fails
/// (`corrupt`) when it cannot become a message of at most `limit_bytes`.
[[nodiscard]] Result<std::optional<Frame>> decode_passive_message(std::string_view bytes, size_t limit_bytes);

/// The dialect of a message: JSON begins with '{', a key never does.
[[nodiscard]] PassiveDialect passive_dialect(std::string_view payload);

/// Fails (`invalid`) with a sentence for encode_passive_refusal().
[[nodiscard]] Result<PassiveRequest> decode_passive_request(std::string_view payload);

/// The answer to a request. In the JSON dialect an error is cut to the 2047 bytes that Zabbix reads, after a
/// whole character. `version` is the Zabbix version the agent says it has, such as "7.0.0". Note that a
/// server takes an empty plain value for a refused connection.
[[nodiscard]] std::string encode_passive_reply(PassiveDialect dialect, const PassiveReply& reply,
                                               std::string_view version);
/// The answer to what is no request; in the plain dialect the same as not supported.
[[nodiscard]] std::string encode_passive_refusal(PassiveDialect dialect, std::string_view message,
                                                 std::string_view version);

/// The asking side. The timeout, in whole seconds rounded up, travels in the JSON dialect only.
[[nodiscard]] std::string encode_passive_request(const PassiveRequest& request);
/// Fails when the agent refused the request as such (`invalid`), or with bytes that are no answer
/// (`corrupt`).
[[nodiscard]] Result<PassiveReply> decode_passive_reply(PassiveDialect dialect, std::string_view payload);

}  // namespace bakusoku::zabbix
