// What the AWS tools' own configuration says: the shared config and credentials files, the environment variables, and
// an env file, merged in AWS's order, with the default credential chain built from them.
#pragma once

#include <asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/client.h"
#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/result.h"

namespace bakusoku::aws {

inline constexpr const char* kDefaultEnvFile = "/etc/zabbix/aws.env";

struct SettingsRequest {
  Environment environment;
  std::string env_file = kDefaultEnvFile;  // KEY=VALUE lines; read if it exists, below the environment itself
  bool env_file_required = false;          // set when the user named it: then a missing file is an error
  std::string profile{};                   // empty: AWS_PROFILE, else "default"
};

/// A snapshot of the configuration, without any credentials in it.
struct Settings {
  Environment environment;  // the process's, with the env file's variables filled in below it
  std::string profile;
  std::optional<std::string> region;  // AWS_REGION, AWS_DEFAULT_REGION, profile's region
  EndpointSettings endpoints;
  HttpSettings http;                  // AWS_CA_BUNDLE / ca_bundle
  RetrySettings retry;                // AWS_MAX_ATTEMPTS / max_attempts
  std::vector<std::string> warnings;  // such as: the env file is readable by everybody
};

/// Reads files and variables. Errors: invalid (a line that is not understood: file and line number; a profile that does
/// not exist), denied (a file that may not be read).
[[nodiscard]] Result<Settings> load_settings(const SettingsRequest& request);

struct ChainContext {
  asio::io_context& io;
  Http& http;
  Clock clock;
};

/// The default chain for the settings' profile, cached. `http` outlives it.
[[nodiscard]] std::unique_ptr<CredentialsProvider> default_credentials(const ChainContext& context, const Settings& settings);

/// A role assumed with `source`'s credentials (an [[accounts]] entry with role_arn), cached. `source` outlives it.
[[nodiscard]] std::unique_ptr<CredentialsProvider> assumed_role(const ChainContext& context, const Settings& settings,
                                                                CredentialsProvider& source, std::string role_arn,
                                                                std::string external_id, std::string session_name);

/// The region of the instance this runs on, from IMDSv2; not_found where there is none or it is disabled.
[[nodiscard]] asio::awaitable<Result<std::string>> instance_region(const ChainContext& context, const Settings& settings);

}  // namespace bakusoku::aws
