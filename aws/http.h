// HTTP client: the only user of libcurl. One Http per process lives on the agent's io_context (one thread, no
// locks) and drives curl's multi interface from it; connections are kept alive and shared by all callers.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/http_message.h"
#include "base/result.h"

namespace bakusoku::aws {

struct HttpSettings {
  std::string
      proxy{};  // URL; empty: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment, as curl reads them
  std::string ca_bundle{};            // file; empty: the system's
  size_t max_body_bytes = 64u << 20;  // a longer reply (after inflating) is an error of kind corrupt
  // 0: any number. Accounts share the hosts of a region, so a limit here would let one that hangs hold up the
  // others; each client keeps to a limit of its own (aws/client.h).
  long max_connections_per_host = 0;
};

class Http {
 public:
  Http(asio::io_context& io, HttpSettings settings);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Sends one request and returns the reply, whatever its status. Errors: timeout; unavailable (name,
  /// connection, TLS: the message says which and what to set); corrupt (not HTTP, cut short, too long).
  /// Redirects are not followed. A body in gzip or deflate is inflated. Cancelling the awaiting coroutine
  /// ends the transfer.
  [[nodiscard]] asio::awaitable<Result<HttpReply>> send(HttpRequest request);

  struct Counters {
    uint64_t requests = 0;
    uint64_t connections = 0;  // opened
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace bakusoku::aws
