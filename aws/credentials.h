// Credentials and where they come from. A provider knows one source (one per file: credentials_*.cpp); the
// chain asks them in AWS's own order; the cache in front keeps the answer until shortly before it expires.
#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aws/credentials_data.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace bakusoku::aws {

class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;

  /// Credentials valid now. not_found: this source is not set up here (the chain goes on to the next); any
  /// other kind: it is set up and failed, and the message says how to mend it.
  [[nodiscard]] virtual asio::awaitable<Result<Credentials>> get() = 0;

  /// AWS has refused these (expired, deleted): the next get() fetches new ones. Providers that keep nothing
  /// ignore it.
  virtual void invalidate() {}

  /// What it would use, for messages: "environment variables", "profile prod in ~/.aws/config", ...
  [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace bakusoku::aws
