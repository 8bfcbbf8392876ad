// An HTTP request and its reply as values. No curl and no Asio here, so that pure code (the signer, the error
// codecs) and the simulator can use them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bakusoku::aws {

struct HttpHeader {
  std::string name;
  std::string value;
  friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // absolute: scheme://host[:port]/path[?query], already percent-encoded
  std::vector<HttpHeader> headers{};
  std::string body{};
  std::chrono::milliseconds connect_timeout{3000};
  std::chrono::milliseconds timeout{20000};  // for the whole exchange
  bool use_proxy = true;                     // false: instance and container metadata
  // If given, counts how often the request went out: not at all where there was no connection, twice where
  // the server closed a connection that had been idle (or answered nothing) and it was sent again.
  uint32_t* issued = nullptr;
  // If given, the status of the reply as soon as it has begun, so also of one that was lost on its way; 0: no
  // reply began.
  int* answered = nullptr;
};

struct HttpReply {
  int status = 0;
  std::vector<HttpHeader> headers{};
  std::string body{};

  /// The first header of that name (any case), or nullptr.
  [[nodiscard]] const std::string* header(std::string_view name) const;
};

}  // namespace bakusoku::aws
