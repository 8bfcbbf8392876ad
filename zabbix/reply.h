// What every answer of a Zabbix server or proxy to an active agent or sender has in common:
//
//   {"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000055"}
//   {"response":"failed","info":"host [web-1] not found"}
//   {"response":"failed","upload":"disabled","info":"..."}                        7.0: keep the values, come
//   later
//   {"response":"failed","redirect":{"revision":5,"address":"10.9.8.7:10051"}}    7.0, proxy groups
//   {"response":"failed","redirect":{"reset":true}}
//
// Unknown members are ignored. Pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::zabbix {

/// Another proxy of the group looks after this host. See zabbix/destination.h for what follows from it.
struct Redirect {
  bool reset = false;     // the address in use is no longer right, and the proxy knows no better one
  uint64_t revision = 0;  // higher is newer
  std::string address{};  // "10.9.8.7:10051"

  friend bool operator==(const Redirect&, const Redirect&) = default;
};

enum class Verdict { accepted, refused, redirected };

struct ReplyHead {
  Verdict verdict = Verdict::refused;
  std::string info{};            // Zabbix's own words, often empty
  bool upload_disabled = false;  // send no values until Zabbix says otherwise; they are not lost by that
  std::optional<Redirect> redirect{};

  friend bool operator==(const ReplyHead&, const ReplyHead&) = default;
};

/// The common part of any answer. Fails (`corrupt`) on what is no answer.
[[nodiscard]] Result<ReplyHead> decode_reply_head(std::string_view payload);

/// Whether a refusal's words say that Zabbix has no such host (yet): "host [web-1] not found" of active
/// checks, "unknown host 'web-1'" of agent data.
[[nodiscard]] bool says_unknown_host(std::string_view info);

}  // namespace bakusoku::zabbix
