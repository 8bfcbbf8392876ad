// What the simulated services share: a decoded call, errors with AWS's codes, the three ways they are written
// on the wire, opaque page tokens, and times. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "simaws/http.h"

namespace bakusoku::simaws {

enum class Protocol { ec2, query, json, json11, cbor };  // json: AWS JSON 1.0; cbor: Smithy's RPC

/// A refusal. `code` is the query protocol's; write_error knows what the other two call it.
struct ApiError {
  std::string code;
  std::string message;
  int status = 400;
};

template <typename T>
using ApiResult = tl::expected<T, ApiError>;

[[nodiscard]] inline tl::unexpected<ApiError> refuse(std::string code, std::string message,
                                                     int status = 400) {
  return tl::unexpected<ApiError>(ApiError{std::move(code), std::move(message), status});
}

/// One call after authentication.
struct Call {
  Protocol protocol = Protocol::query;
  std::string service;  // as signed: "ec2", "monitoring", "sts", "organizations"
  std::string action;
  std::string region;
  Parameters parameters{};  // of the two form protocols, Action and Version included
  std::string body{};       // JSON or CBOR
  std::string request_id{};
  int64_t now = 0;  // unix seconds, as the simulator's clock has it
  double precise_now = 0;
  std::string account = "000000000000";  // of the caller

  /// The parameter's value, or nullptr.
  [[nodiscard]] const std::string* parameter(std::string_view name) const;
};

/// The error as AWS writes it in the protocol.
[[nodiscard]] Reply write_error(Protocol protocol, const ApiError& error, std::string_view request_id);

[[nodiscard]] const char* content_type(Protocol protocol);

void append_xml_text(std::string& out, std::string_view text);
/// <name>text</name>
void append_element(std::string& out, std::string_view name, std::string_view text);

/// A position within a listing, bound to `binding` (a hash of what was asked), that the asker can only send
/// back.
[[nodiscard]] std::string make_token(std::string_view kind, uint64_t first, uint64_t second,
                                     uint64_t binding);
struct Position {
  uint64_t first = 0;
  uint64_t second = 0;
};
[[nodiscard]] std::optional<Position> read_token(std::string_view token, std::string_view kind,
                                                 uint64_t binding);

/// 2026-11-22T20:00:00Z; fractions of a second are dropped and +00:00 is understood when reading.
[[nodiscard]] std::string format_iso(int64_t unix_seconds);
[[nodiscard]] std::optional<int64_t> parse_iso(std::string_view text);

/// A whole number and nothing else.
[[nodiscard]] std::optional<int64_t> parse_integer(std::string_view text);

}  // namespace bakusoku::simaws
