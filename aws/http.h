// HTTP client: the only user of libcurl. One Http per process lives on the agent's io_context (one thread, no locks)
// and drives curl's multi interface from it; connections are kept alive and shared by all callers.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::aws {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // absolute: scheme://host[:port]/path[?query], already percent-encoded
  std::vector<HttpHeader> headers{};
  std::string body{};
  std::chrono::milliseconds connect_timeout{3000};
  std::chrono::milliseconds timeout{20000};  // for the whole exchange
  bool use_proxy = true;                     // false: instance and container metadata
};

struct HttpReply {
  int status = 0;
  std::vector<HttpHeader> headers{};
  std::string body{};

  /// The first header of that name (any case), or nullptr.
  [[nodiscard]] const std::string* header(std::string_view name) const;
};

struct HttpSettings {
  std::string proxy{};      // URL; empty: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment, as curl reads them
  std::string ca_bundle{};  // file; empty: the system's
  size_t max_body_bytes = 64u << 20;  // a longer reply (after inflating) is an error of kind corrupt
  long max_connections_per_host = 16;
};

class Http {
 public:
  Http(asio::io_context& io, HttpSettings settings);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Sends one request and returns the reply, whatever its status. Errors: timeout; unavailable (name, connection, TLS:
  /// the message says which and what to set); corrupt (not HTTP, cut short, too long). Redirects are not followed. A
  /// body in gzip or deflate is inflated. Cancelling the awaiting coroutine ends the transfer.
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
