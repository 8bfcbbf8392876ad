// AWS Signature Version 4, headers variant, in its three stages: canonical request, string to sign,
// signature. Pure: the agent signs with it, the simulator verifies with the same functions. Source: AWS IAM
// User Guide, "Create a signed AWS API request"; services other than S3 (the path is normalised and encoded a
// second time).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aws/credentials_data.h"
#include "aws/http_message.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::aws::sigv4 {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// What a signature is valid for: "20150830/us-east-1/iam/aws4_request".
struct Scope {
  std::string date;     // YYYYMMDD, UTC
  std::string region;   // of the endpoint
  std::string service;  // signing name: "ec2", "monitoring", "sts"
  friend bool operator==(const Scope&, const Scope&) = default;
};
[[nodiscard]] std::string to_string(const Scope& scope);

/// "20150830T123600Z", the value of x-amz-date; its first eight characters are Scope::date.
[[nodiscard]] std::string amz_date(WallTime time);
/// The time of an x-amz-date value; invalid when it is not one.
[[nodiscard]] Result<WallTime> parse_amz_date(std::string_view text);

/// Lower-case hexadecimal SHA-256: of a body, the payload hash.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

/// `path` as on the request line (percent-encoded, without the query); empty counts as "/".
[[nodiscard]] std::string canonical_path(std::string_view path);
/// `query` as on the request line, without the "?": parameters sorted by name, then value. A "+" is a plus,
/// not a blank.
[[nodiscard]] std::string canonical_query(std::string_view query);

/// Stage 1. `path` and `query` as on the request line. `headers` in any order and case, repeated ones are
/// joined by a comma in their order; only those named in `signed_names` (lower case) count, and a named one
/// that is missing counts as empty.
[[nodiscard]] std::string canonical_request(std::string_view method, std::string_view path,
                                            std::string_view query, std::span<const HttpHeader> headers,
                                            std::span<const std::string> signed_names,
                                            std::string_view payload_hash);
/// Stage 2.
[[nodiscard]] std::string string_to_sign(std::string_view amz_date, const Scope& scope,
                                         std::string_view canonical_request);
/// Stage 3: 64 lower-case hexadecimal digits.
[[nodiscard]] std::string signature(const Secret& secret_access_key, const Scope& scope,
                                    std::string_view string_to_sign);

/// Signs `request` in place: sets Host, X-Amz-Date, X-Amz-Security-Token (when there is a session token) and
/// Authorization, replacing those left by an earlier attempt. All headers are signed but those that a proxy
/// or curl may change (User-Agent, Connection, Accept-Encoding, ...). Errors: invalid (the URL is not an http
/// or https one).
[[nodiscard]] Result<void> sign(HttpRequest& request, const Credentials& credentials, std::string_view region,
                                std::string_view service, WallTime time);

/// An Authorization header taken apart, for whoever verifies it.
struct Authorization {
  std::string access_key_id;
  Scope scope;
  std::vector<std::string> signed_headers;  // lower case, in the order given
  std::string signature;
};
/// Errors: invalid (another algorithm, a part missing, a scope that does not have five parts).
[[nodiscard]] Result<Authorization> parse_authorization(std::string_view header);

}  // namespace bakusoku::aws::sigv4
