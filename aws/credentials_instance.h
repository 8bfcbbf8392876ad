// EC2 instance metadata (IMDS) and the credentials of the instance's role in it. Asked directly, never
// through a proxy. Version 2 with its session token, which is kept for its six hours; version 1 where no
// token is to be had, as AWS's own tools do, unless that is forbidden.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <optional>

#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/settings.h"
#include "base/clock.h"

namespace bakusoku::aws {

class InstanceMetadata {
 public:
  /// `http` outlives it.
  InstanceMetadata(asio::io_context& io, Http& http, InstanceMetadataSettings settings);

  /// The document at /latest/meta-data/`path`. Errors: not_found with `code` "" (disabled, or nothing
  /// answers: not an EC2 instance) or "404" (the instance has no such document); denied; unavailable;
  /// timeout; invalid (the service does not understand us). Source: Amazon EC2 user guide, "Use the Instance
  /// Metadata Service to access instance metadata".
  [[nodiscard]] asio::awaitable<Result<std::string>> get(std::string path);

 private:
  /// `issued` counts the requests that went out.
  [[nodiscard]] asio::awaitable<Result<HttpReply>> send(std::string method, std::string path, bool with_token,
                                                        uint32_t* issued = nullptr);
  [[nodiscard]] Error refused(const std::string& path, int status, bool with_token) const;
  [[nodiscard]] asio::awaitable<Result<void>> renew_token();

  asio::io_context& io_;
  Http& http_;
  InstanceMetadataSettings settings_;
  Secret token_;
  std::chrono::steady_clock::time_point token_until_{};
  bool v1_ = false;         // until token_until_ it is asked without a token
  std::string no_token_{};  // why, in words
  bool answered_ = false;   // it has answered before, so that silence is a fault and not "no EC2 instance"
};

class InstanceCredentials final : public CredentialsProvider {
 public:
  InstanceCredentials(const ChainContext& context, InstanceMetadataSettings settings);
  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  [[nodiscard]] std::string name() const override;

 private:
  InstanceMetadata metadata_;
  Clock clock_;
};

}  // namespace bakusoku::aws
