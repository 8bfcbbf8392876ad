// Credentials and where they come from. A provider knows one source (one per file: credentials_*.cpp); the chain asks
// them in AWS's own order; the cache in front keeps the answer until shortly before it expires.
#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace bakusoku::aws {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token{};              // empty for long-lived keys
  std::optional<WallTime> expires{};   // nothing: does not expire
  std::string source{};                // for people: "environment", "profile prod", "instance role web", ...
};

class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;

  /// Credentials valid now. not_found: this source is not set up here (the chain goes on to the next); any other kind:
  /// it is set up and failed, and the message says how to mend it.
  [[nodiscard]] virtual asio::awaitable<Result<Credentials>> get() = 0;

  /// What it would use, for messages: "environment variables", "profile prod in ~/.aws/config", ...
  [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace bakusoku::aws
