// Credentials written into a profile: aws_access_key_id, aws_secret_access_key and aws_session_token, in the
// shared credentials file or the shared config file. The files are read again at every get().
#pragma once

#include "aws/credentials.h"
#include "aws/profile.h"
#include "base/environment.h"

namespace bakusoku::aws {

/// The keys of one section of one file. not_found: none there; invalid: half of a pair.
[[nodiscard]] Result<Credentials> profile_keys(const SharedConfig& shared, std::string_view profile,
                                               ConfigKind file);

class ProfileCredentials final : public CredentialsProvider {
 public:
  ProfileCredentials(Environment environment, std::string profile, ConfigKind file);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  Environment environment_;
  std::string profile_;
  ConfigKind file_;
};

}  // namespace bakusoku::aws
