// An absolute http or https URL taken apart, percent-encoding, and how a URL that may hold a password is
// spoken of. Pure.
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

/// Whether `authority` is host[:port]; without user information.
[[nodiscard]] bool is_authority(std::string_view authority);

/// Nothing if `url` is a proxy's: [scheme://][user[:password]@]host[:port]. Errors: invalid, in words without
/// any part of it.
[[nodiscard]] Result<void> check_proxy_url(std::string_view url);

/// A proxy's URL for people: scheme://host[:port]. Of one that is no URL, nothing of it.
[[nodiscard]] std::string shown_proxy(std::string_view url);

[[nodiscard]] bool names_a_user(std::string_view proxy);

/// A library's words, without the user part of `proxy` and of any URL in them.
[[nodiscard]] std::string without_user_part(std::string text, std::string_view proxy);

}  // namespace bakusoku::aws
