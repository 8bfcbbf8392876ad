// The simulated AWS STS, API 2011-06-15, and the credentials it hands out: GetCallerIdentity, AssumeRole,
// AssumeRoleWithWebIdentity. Vault remembers every temporary credential issued, for the signature check; one
// Vault per simulator, one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/secret.h"
#include "simaws/api.h"
#include "simaws/fleet.h"

namespace bakusoku::simaws {

inline constexpr const char* kStsVersion = "2011-06-15";
inline constexpr const char* kExternalId = "simaws-external";  // of roles named *external*
inline constexpr const char* kWebIdentityToken =
    "simaws-web-identity-token";  // every token starting with it is good
inline constexpr const char* kExpiredWebIdentityToken = "simaws-web-identity-token-expired";

/// `size` random characters of the base64 alphabet.
[[nodiscard]] std::string random_text(size_t size);

struct Identity {
  std::string account;
  std::string arn;
  std::string user_id;
};

struct Issued {
  std::string access_key;
  Secret secret_key;
  Secret session_token;  // empty: the long-lived key
  int64_t expires = 0;   // unix seconds; 0: never
  Identity identity;
};

class Vault {
 public:
  Vault(std::string access_key, Secret secret_key);

  /// New temporary credentials, random bytes from OpenSSL.
  const Issued& issue(Identity identity, int64_t expires);
  /// From now on this is the long-lived key; the one before is deleted.
  void replace_key(std::string access_key, Secret secret_key);
  /// Nothing for a key never issued (or forgotten: the newest kRemembered are kept).
  [[nodiscard]] const Issued* find(std::string_view access_key) const;
  [[nodiscard]] const std::string& long_lived_key() const { return long_lived_; }

 private:
  static constexpr size_t kRemembered = 10'000;
  std::string long_lived_;
  std::unordered_map<std::string, Issued> issued_;
  std::deque<std::string> order_;
};

/// The account that the call is about: of the role to be assumed; empty where there is none.
[[nodiscard]] std::string role_account(const Call& call);

/// The body of a successful reply. `caller` is null for an unsigned call. `lifetime_cap` (seconds, 0: none)
/// shortens what is issued, so that refreshing can be watched.
[[nodiscard]] ApiResult<std::string> call_sts(Vault& vault, const World& world, const Call& call,
                                              const Identity* caller, int64_t lifetime_cap);

}  // namespace bakusoku::simaws
