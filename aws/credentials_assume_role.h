// Credentials of a role, from STS AssumeRole called with another provider's credentials.
#pragma once

#include <chrono>
#include <memory>

#include "aws/client.h"
#include "aws/credentials.h"
#include "aws/settings.h"

namespace bakusoku::aws {

struct RoleToAssume {
  std::string role_arn;
  std::string session_name{};  // empty: "bakusoku"
  std::string external_id{};
  std::chrono::seconds duration{};  // zero: an hour
};

inline constexpr const char* kDefaultSessionName = "bakusoku";

/// "aws" of "arn:aws:iam::123456789012:role/x".
[[nodiscard]] std::string_view partition_of_role(std::string_view role_arn);

/// Errors: invalid (not arn:PARTITION:iam::ACCOUNT:role/...).
[[nodiscard]] Result<void> check_role_arn(std::string_view role_arn);

class AssumeRoleCredentials final : public CredentialsProvider {
 public:
  /// `context.http` outlives it. `source` is best a cached one: it is asked for every call to STS.
  AssumeRoleCredentials(const ChainContext& context, const Settings& settings,
                        std::shared_ptr<CredentialsProvider> source, RoleToAssume role);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  void invalidate() override;
  [[nodiscard]] std::string name() const override;

 private:
  std::shared_ptr<CredentialsProvider> source_;
  RoleToAssume role_;
  std::string region_;
  Client client_;
};

}  // namespace bakusoku::aws
