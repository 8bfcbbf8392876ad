// The AWS tools' shared config and credentials files: their format, and what a profile in them says about
// where its credentials come from. Pure: text in, values out; shared_config.h reads the files. The values may
// be secrets, so no error or hint ever repeats one.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::aws {

using ConfigValues = std::map<std::string, std::string, std::less<>>;

/// One section: keys in lower case. A key with an empty value and indented `key = value` lines below is in
/// `nested`.
struct ConfigSection {
  ConfigValues values;
  std::map<std::string, ConfigValues, std::less<>> nested;
  int line = 0;  // of its first header

  [[nodiscard]] const std::string* find(std::string_view key) const {
    const auto found = values.find(key);
    return found == values.end() ? nullptr : &found->second;
  }
};

enum class ConfigKind {
  config,       // [default], [profile NAME], [services NAME], ...
  credentials,  // [NAME]
};

struct ConfigFile {
  std::string path;  // for messages
  std::map<std::string, ConfigSection, std::less<>> profiles;
  std::map<std::string, ConfigSection, std::less<>> services;
  std::vector<std::string>
      other_sections;  // headers that name neither, such as a [NAME] that lacks "profile"
};

/// Format: `[section]`, `key = value` (or `key: value`), lines that start with # or ; are comments, as is the
/// end of a line after a blank and # or ; (except in credential_process); lines indented deeper than their
/// key continue it. A section or key that comes twice: merged, the later wins; [profile default] wins over
/// [default] as a whole. Errors: invalid, "FILE:LINE: ..." without the line's text. Source: AWS SDKs and
/// Tools Reference Guide, "Shared config and credentials files"; botocore's reading of them.
[[nodiscard]] Result<ConfigFile> parse_config_file(std::string_view text, ConfigKind kind, std::string path);

/// Both files together; either may be absent (empty).
struct SharedConfig {
  ConfigFile config;
  ConfigFile credentials;
  std::optional<Error> unreadable{};  // a file that is there and may not be read: it counts as empty

  [[nodiscard]] bool has_profile(std::string_view name) const;
  /// A value of a profile: the credentials file's goes before the config file's.
  [[nodiscard]] const std::string* find(std::string_view profile, std::string_view key) const;
  /// The endpoint_url in the [services NAME] section that the profile points to. Errors: invalid (no such
  /// section).
  [[nodiscard]] Result<std::map<std::string, std::string, std::less<>>> service_endpoint_urls(
      std::string_view profile) const;
  /// "no profile 'x' in A or B ..." with a hint where a section is written in the other file's manner.
  [[nodiscard]] Error no_such_profile(std::string_view name) const;
  /// "~/.aws/credentials and ~/.aws/config", as paths.
  [[nodiscard]] std::string paths() const;
};

enum class CredentialSource { environment, instance, container };

/// Where a profile's credentials come from, decided as the AWS tools do.
struct ProfilePlan {
  enum class Method {
    none,                // the profile names no credentials
    assume_role,         // role_arn with source_profile or credential_source
    web_identity,        // role_arn with web_identity_token_file
    credentials_file,    // aws_access_key_id and aws_secret_access_key in the credentials file
    credential_process,  // the output of a command
    config_file,         // keys in the config file
  };
  Method method = Method::none;
  std::string profile{};
  std::string role_arn{};           // assume_role, web_identity
  std::string session_name{};       // may be empty
  std::string external_id{};        // assume_role
  std::chrono::seconds duration{};  // zero: not set
  std::optional<CredentialSource> credential_source{};
  std::shared_ptr<const ProfilePlan> source{};  // of source_profile
  std::string token_file{};                     // web_identity
  std::string command{};                        // credential_process
};

/// Variables that a profile's web identity may come from instead; empty where a profile was named explicitly.
struct WebIdentityVariables {
  std::string token_file{};    // AWS_WEB_IDENTITY_TOKEN_FILE
  std::string role_arn{};      // AWS_ROLE_ARN
  std::string session_name{};  // AWS_ROLE_SESSION_NAME
};

/// The plan for `profile`; method none if nothing is set up in it (or there is no such profile). Errors:
/// invalid, in words: loops, half a key pair, a missing source profile, mfa_serial, sso_* and login_session
/// (they need a person).
[[nodiscard]] Result<ProfilePlan> plan_profile(const SharedConfig& shared, std::string_view profile,
                                               const WebIdentityVariables& variables);

/// "true" and "false" in any case; nothing else.
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);

/// Splits a command line as a POSIX shell's words: blanks, quotes and backslashes; nothing is expanded.
/// Errors: invalid (an open quote, no word at all).
[[nodiscard]] Result<std::vector<std::string>> split_command(std::string_view command);

}  // namespace bakusoku::aws
