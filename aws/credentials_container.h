// Credentials from the container endpoint of ECS tasks and EKS pods (Pod Identity), which the platform
// announces in AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI.
#pragma once

#include <asio/io_context.hpp>

#include "aws/credentials.h"
#include "aws/http.h"
#include "base/environment.h"

namespace bakusoku::aws {

/// The URL to ask. The relative one goes first and means http://169.254.170.2. A full one must be https, or
/// http to this machine itself or to an address of the platform: 169.254.170.2, 169.254.170.23,
/// [fd00:ec2::23]. Errors: not_found (neither variable is set), invalid.
[[nodiscard]] Result<std::string> container_credentials_url(const Environment& environment);

class ContainerCredentials final : public CredentialsProvider {
 public:
  /// `http` outlives it.
  ContainerCredentials(asio::io_context& io, Http& http, Environment environment);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  asio::io_context& io_;
  Http& http_;
  Environment environment_;
};

}  // namespace bakusoku::aws
