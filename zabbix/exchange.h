// One question to a Zabbix server or proxy and its answer: resolve, connect, TLS, send a frame, read a frame,
// close. Zabbix takes one request a connection. Runs on the thread of the io_context; only names are looked
// up elsewhere, by Asio, one after the other on a thread of its own: a resolver that hangs delays other
// look-ups until it gives up, but never an exchange beyond its deadline. Addresses need no look-up.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "zabbix/destination.h"
#include "zabbix/sender.h"
#include "zabbix/tls.h"

namespace bakusoku::zabbix {

/// How connections of one destination are made.
struct Link {
  std::string source_ip{};                   // Zabbix's SourceIP=; empty: the system's choice
  std::shared_ptr<const TlsContext> tls{};   // null: unencrypted
  size_t max_reply_bytes = kMaxPacketBytes;  // on the wire and inflated
};

enum class Expect {
  reply,
  nothing  // a heartbeat: done when it is sent
};

using Deadline = std::chrono::steady_clock::time_point;

/// Sends `frame` (see encode_request_frame()) and returns the payload of the answer, inflated. Every error
/// names the endpoint, the step and what to look at:
///   timeout      the deadline came first
///   unavailable  refused, unreachable, closed without a whole answer: another time or another server
///   not_found    the name does not resolve
///   denied       TLS: keys, certificates, issuer or subject
///   invalid      source_ip is no address of this machine
///   corrupt      the answer is no frame of Zabbix's protocol, or larger than allowed
/// A cancelled coroutine ends at once, with kind timeout; the connection is closed.
[[nodiscard]] asio::awaitable<Result<std::string>> exchange(asio::io_context& io, Endpoint endpoint,
                                                            Link link, std::string frame, Deadline deadline,
                                                            Expect expect = Expect::reply);

/// The same with the first of the alternatives that answers, each within its share of the time left. Those
/// that fail go to the end of `alternatives`, which must live as long as the coroutine. When all fail, the
/// error names each.
[[nodiscard]] asio::awaitable<Result<std::string>> exchange_with_any(asio::io_context& io,
                                                                     Alternatives& alternatives, Link link,
                                                                     std::string frame, Deadline deadline,
                                                                     Expect expect = Expect::reply);

struct Answered {
  std::string payload{};
  Endpoint from{};
  /// Why a redirect could not be followed: sequential, older than another, or its address does not answer.
  /// The one who redirected did answer; there is no payload then.
  std::optional<Error> astray{};
  /// Nobody else was to be asked than the one who was named, and he says that the host is elsewhere now;
  /// there is no payload then.
  bool moved = false;
};

/// The same on behalf of one host of a destination that may be a group of proxies: its own endpoint is asked
/// first, and a redirect followed, at once and once. What was known of the host's place is forgotten, and the
/// common endpoints are asked, when the one it was redirected to does not know the host (it has left the
/// group) or redirects it by an older map (the group was made anew, or that proxy is behind). With `only`
/// nobody else is asked.
[[nodiscard]] asio::awaitable<Result<Answered>> exchange_for_host(asio::io_context& io,
                                                                  Alternatives& alternatives,
                                                                  std::string host, Link link,
                                                                  std::string frame, Deadline deadline,
                                                                  std::optional<Endpoint> only = {});

}  // namespace bakusoku::zabbix
