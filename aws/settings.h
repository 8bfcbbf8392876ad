// What the AWS tools' own configuration says: the shared config and credentials files, the environment
// variables, and an env file, merged in AWS's order, with the default credential chain built from them.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
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

/// How instance metadata (IMDS) is reached.
struct InstanceMetadataSettings {
  bool disabled = false;                            // AWS_EC2_METADATA_DISABLED
  bool v1_disabled = false;                         // AWS_EC2_METADATA_V1_DISABLED / ec2_metadata_v1_disabled
  std::string endpoint = "http://169.254.169.254";  // AWS_EC2_METADATA_SERVICE_ENDPOINT, _ENDPOINT_MODE
  std::chrono::milliseconds timeout{
      1000};         // AWS_METADATA_SERVICE_TIMEOUT / metadata_service_timeout: to connect
  int attempts = 1;  // AWS_METADATA_SERVICE_NUM_ATTEMPTS / metadata_service_num_attempts
};

/// A snapshot of the configuration, without any credentials in it.
struct Settings {
  Environment environment;  // the process's, with the env file's variables filled in below it
  std::string env_file{};   // the env file's path; empty: none is to be read
  std::set<std::string, std::less<>>
      env_file_variables{};  // names of those in `environment` that come from it
  std::string profile;
  bool profile_requested =
      false;  // SettingsRequest::profile was set: access keys in variables are then not used
  std::optional<std::string> region;  // AWS_REGION, AWS_DEFAULT_REGION, profile's region
  std::string sts_region{};           // whose STS is asked; empty: that of the region. "aws-global" where
                                      // AWS_STS_REGIONAL_ENDPOINTS / sts_regional_endpoints is "legacy"
  EndpointSettings endpoints;
  HttpSettings http;  // AWS_CA_BUNDLE / ca_bundle
  InstanceMetadataSettings instance_metadata{};
  RetrySettings retry;                // AWS_MAX_ATTEMPTS / max_attempts
  std::vector<std::string> warnings;  // such as: the env file is readable by everybody
};

/// Reads files and variables. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN belong together:
/// if the process has one of them, none is taken from the env file. Errors: invalid (a line that is not
/// understood: file and line number; a profile that does not exist; a value that is none), denied (a named
/// file that may not be read; a default one is a warning), not_found (the env file that the user named).
[[nodiscard]] Result<Settings> load_settings(const SettingsRequest& request);

struct ChainContext {
  asio::io_context& io;
  Http& http;
  Clock clock;
};

/// The default chain for the settings' profile, cached. `http` outlives it.
[[nodiscard]] std::unique_ptr<CredentialsProvider> default_credentials(const ChainContext& context,
                                                                       const Settings& settings);

/// A role assumed with `source`'s credentials (an [[account]] entry with role_arn), cached. `source`
/// outlives it.
[[nodiscard]] std::unique_ptr<CredentialsProvider> assumed_role(const ChainContext& context,
                                                                const Settings& settings,
                                                                CredentialsProvider& source,
                                                                std::string role_arn, std::string external_id,
                                                                std::string session_name);

/// The region whose STS is asked: the settings' own if it is of `partition`, else one of that.
[[nodiscard]] std::string sts_region(const Settings& settings, std::string_view partition);

/// The region of the instance this runs on, from IMDSv2; not_found where there is none or it is disabled.
[[nodiscard]] asio::awaitable<Result<std::string>> instance_region(const ChainContext& context,
                                                                   const Settings& settings);

}  // namespace bakusoku::aws
