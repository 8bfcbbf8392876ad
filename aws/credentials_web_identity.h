// Credentials of a role, from STS AssumeRoleWithWebIdentity and a token file that the platform keeps fresh
// (EKS service accounts, CI systems). The file is read again every time.
#pragma once

#include "aws/client.h"
#include "aws/credentials.h"
#include "aws/credentials_assume_role.h"
#include "aws/settings.h"

namespace bakusoku::aws {

class WebIdentityCredentials final : public CredentialsProvider {
 public:
  /// `context.http` outlives it. RoleToAssume::external_id is not used.
  WebIdentityCredentials(const ChainContext& context, const Settings& settings, RoleToAssume role,
                         std::string token_file);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  RoleToAssume role_;
  std::string token_file_;
  std::string region_;
  Client client_;
};

}  // namespace bakusoku::aws
