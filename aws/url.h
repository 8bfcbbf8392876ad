// An absolute http or https URL taken apart, and percent-encoding. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

/// Views into the URL that was split.
struct UrlParts {
  std::string_view scheme;     // "http" or "https" as written
  std::string_view authority;  // host[:port], as written; without user information, which is refused
  std::string_view path;       // with its leading slash; empty when the URL has none
  std::string_view query;      // without the "?"
};

/// Errors: invalid (not http or https, no host, user information, control characters or blanks).
[[nodiscard]] Result<UrlParts> split_url(std::string_view url);

/// What the Host header says for it: lower case, without the scheme's default port.
[[nodiscard]] std::string host_header(const UrlParts& url);

/// Appends `text` with everything but RFC 3986's unreserved characters as %XX (AWS's UriEncode).
void append_percent_encoded(std::string& out, std::string_view text);

}  // namespace bakusoku::aws
