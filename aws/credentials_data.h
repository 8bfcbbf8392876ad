// Credentials as a value. Where they come from is credentials.h's; this header holds no Asio, so that the
// signer and the STS codec stay pure.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/secret.h"

namespace bakusoku::aws {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token{};             // empty for long-lived keys
  std::optional<WallTime> expires{};  // nothing: does not expire
  std::string source{};               // for people: "environment", "profile prod", "instance role web", ...
};

}  // namespace bakusoku::aws
