// Errors as values. Every operation that may fail in the course of normal life returns Result<T>; the kind
// says what the caller can do, the message tells the user what to do next. No exceptions cross a folder of
// ours.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace bakusoku {

enum class ErrorKind {
  throttled,    // the other side asks for fewer requests: wait and retry
  unavailable,  // the other side is not there or has a fault of its own: retry later
  timeout,      // no answer in the time allowed
  denied,       // credentials or permission: someone has to change a policy
  invalid,      // the request, key or configuration is wrong: someone has to change it
  not_found,    // what was asked for does not exist
  corrupt,      // bytes that are not what the format says
  io,           // the local machine failed: disk, socket, memory
};

/// The kind's name as written in logs and JSON ("throttled", ...).
[[nodiscard]] std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::invalid;
  std::string message;  // for the user; never holds a secret
  std::string code{};   // the other side's own error code, such as "UnauthorizedOperation", or empty

  /// The same error with "context: " put in front of its message.
  [[nodiscard]] Error with_context(std::string_view context) const {
    return Error{kind, fmt::format("{}: {}", context, message), code};
  }
};

template <typename T>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorKind::invalid, "no such region: {}", region);`
template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{kind, fmt::format(format, std::forward<Args>(args)...), {}});
}

/// Passes an error on: `if (!page) return fail(page.error().with_context("EC2 inventory"));`
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace bakusoku
