// Credentials from an env file such as /etc/zabbix/aws.env, read again at every get() so that new keys need
// no restart.
#pragma once

#include "aws/credentials.h"

namespace bakusoku::aws {

class EnvFileCredentials final : public CredentialsProvider {
 public:
  explicit EnvFileCredentials(std::string path);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  std::string path_;
};

}  // namespace bakusoku::aws
