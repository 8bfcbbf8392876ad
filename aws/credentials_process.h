// Credentials from the output of a command: credential_process in a profile. The command runs beside the
// loop, as a process group of its own that is killed when its time is up; its standard error goes nowhere, as
// it may hold secrets.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>

#include "aws/credentials.h"
#include "base/environment.h"

namespace bakusoku::aws {

class ProcessCredentials final : public CredentialsProvider {
 public:
  /// `environment` is the command's. `label` is for messages: "profile prod".
  ProcessCredentials(asio::io_context& io, Environment environment, std::string command, std::string label,
                     std::chrono::milliseconds timeout = std::chrono::seconds(60));
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  asio::io_context& io_;
  Environment environment_;
  std::string command_;
  std::string label_;
  std::chrono::milliseconds timeout_;
};

}  // namespace bakusoku::aws
