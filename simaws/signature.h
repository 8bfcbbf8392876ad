// AWS Signature Version 4, the verifying side, written from AWS's document ("Create a signed AWS API
// request") and on its own: the agent's signer is not used here, so that the two check each other. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "simaws/http.h"

namespace bakusoku::simaws {

/// The Authorization header, taken apart.
struct Authorization {
  std::string access_key;
  std::string date;  // YYYYMMDD of the credential scope
  std::string region;
  std::string service;
  std::vector<std::string> signed_headers;
  std::string signature;
};

/// Errors: invalid, in AWS's words for an IncompleteSignature.
[[nodiscard]] Result<Authorization> parse_authorization(std::string_view header);

/// Errors: invalid when a signed header is not in the request.
[[nodiscard]] Result<std::string> canonical_request(const Request& request,
                                                    const Authorization& authorization);

/// The signature the request must carry, in hexadecimal digits.
[[nodiscard]] std::string expected_signature(std::string_view secret_key, std::string_view amz_date,
                                             const Authorization& authorization, std::string_view canonical);

/// YYYYMMDD'T'HHMMSS'Z' as unix seconds; nothing when it is not such a date.
[[nodiscard]] std::optional<int64_t> parse_amz_date(std::string_view text);
[[nodiscard]] std::string format_amz_date(int64_t unix_seconds);

/// Compares in time that does not depend on where the two differ.
[[nodiscard]] bool equal_secrets(std::string_view a, std::string_view b);

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace bakusoku::simaws
