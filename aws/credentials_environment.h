// Credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in the process's
// environment.
#pragma once

#include "aws/credentials.h"
#include "base/environment.h"

namespace bakusoku::aws {

/// The keys in `environment`. not_found: none of the three is set; invalid: only some are.
/// `where` is for messages: "the environment", "/etc/zabbix/aws.env".
[[nodiscard]] Result<Credentials> credentials_of(const Environment& environment, std::string_view where);

class EnvironmentCredentials final : public CredentialsProvider {
 public:
  explicit EnvironmentCredentials(Environment environment);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  Environment environment_;
};

}  // namespace bakusoku::aws
