// HTTP/1.1 as values: a request as the simulator sees it (with its target as sent, which the signature
// covers) and the reply it makes. Parsing and writing are pure; the sockets are in server.cpp.
//
// Debian's cpp-httplib cannot serve here: it refuses form bodies above 8 KB, which a GetMetricData of 500
// queries in the query protocol is far above, and it cannot cut, garble or withhold a reply.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bakusoku::simaws {

inline constexpr size_t kMaxHeadBytes = size_t{64} * 1024;
inline constexpr size_t kMaxBodyBytes = size_t{8} * 1024 * 1024;

using Header = std::pair<std::string, std::string>;
using Parameters = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;  // as sent: path, and ? query
  std::vector<Header> headers{};
  std::string body{};

  [[nodiscard]] std::string_view path() const;
  [[nodiscard]] std::string_view query() const;
  /// The first header of that name (any case), or nullptr.
  [[nodiscard]] const std::string* header(std::string_view name) const;
};

struct Reply {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body{};
  std::vector<Header> headers{};
};

struct Head {
  Request request;
  size_t head_bytes = 0;  // consumed, with the empty line
  size_t body_bytes = 0;  // that follow
  bool keep_alive = true;
  bool expects_continue = false;
  bool accepts_gzip = false;
};

/// Nothing while the empty line has not come. Errors: corrupt (not HTTP/1.x, head or body too long, chunked
/// body).
[[nodiscard]] Result<std::optional<Head>> parse_head(std::string_view bytes);

/// The bytes of a reply. The body is compressed when `gzip` is set and it is long enough to be worth it.
[[nodiscard]] std::string write_reply(const Reply& reply, bool keep_alive, bool gzip);

/// `%41+` -> "A "; nothing when a percent sign is not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// application/x-www-form-urlencoded, in order; nothing when it is malformed.
[[nodiscard]] std::optional<Parameters> parse_form(std::string_view text);

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] const char* reason_phrase(int status);

}  // namespace bakusoku::simaws
