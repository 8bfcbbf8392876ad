// AWS's error bodies: code and words, from the XML of "query" and "ec2" from the JSON protocols and from
// Smithy's RPC protocol. Pure.
#pragma once

#include <string>
#include <string_view>

namespace bakusoku::aws {

struct ServiceError {
  std::string
      code;  // "UnauthorizedOperation", "Throttling", ...; empty when the body is not an error of AWS's
  std::string message;  // AWS's words in valid UTF-8, at most kMaxServiceErrorBytes of them; may be empty
};

inline constexpr size_t kMaxServiceErrorBytes = 1000;

/// <ErrorResponse><Error><Code>, <Response><Errors><Error><Code>, and the bare <Error><Code> of a few front
/// ends.
[[nodiscard]] ServiceError decode_xml_error(std::string_view body);

/// {"__type":"com.amazon.coral.service#AccessDeniedException","message":...}. `query_error` is the header
/// x-amzn-query-error ("Throttling;Sender") and wins over __type, `error_type` is x-amzn-errortype; either
/// may be empty.
[[nodiscard]] ServiceError decode_json_error(std::string_view body, std::string_view query_error,
                                             std::string_view error_type);

/// The same in CBOR. Of a body in JSON or XML, as front ends and proxies answer whatever the protocol, that.
[[nodiscard]] ServiceError decode_cbor_error(std::string_view body, std::string_view query_error,
                                             std::string_view error_type);

}  // namespace bakusoku::aws
