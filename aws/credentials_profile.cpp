#include "aws/credentials_profile.h"

#include "aws/credentials_json.h"
#include "aws/shared_config.h"

namespace bakusoku::aws {

Result<Credentials> profile_keys(const SharedConfig& shared, std::string_view profile, ConfigKind file) {
  const ConfigFile& from = file == ConfigKind::credentials ? shared.credentials : shared.config;
  const auto section = from.profiles.find(profile);
  const auto value = [&](std::string_view key) -> std::string {
    if (section == from.profiles.end()) return {};
    const std::string* found = section->second.find(key);
    return found == nullptr ? std::string() : *found;
  };
  Credentials credentials;
  credentials.access_key_id = value("aws_access_key_id");
  credentials.secret_access_key = Secret(value("aws_secret_access_key"));
  std::string token = value("aws_security_token");  // the old name goes first, as in AWS's own tools
  credentials.session_token = Secret(token.empty() ? value("aws_session_token") : std::move(token));
  credentials.source = fmt::format("profile {} in {}", profile, from.path);
  const bool has_id = !credentials.access_key_id.empty();
  const bool has_secret = !credentials.secret_access_key.empty();
  if (!has_id && !has_secret)
    return fail(ErrorKind::not_found, "profile '{}' in {} has no access key", profile, from.path);
  if (!has_id || !has_secret) {
    return fail(ErrorKind::invalid, "{}:{}: profile '{}' has {} but not {}: it needs both", from.path,
                section->second.line, profile, has_id ? "aws_access_key_id" : "aws_secret_access_key",
                has_id ? "aws_secret_access_key" : "aws_access_key_id");
  }
  if (auto checked = check_credentials(credentials, credentials.source); !checked)
    return fail(std::move(checked.error()));
  return credentials;
}

ProfileCredentials::ProfileCredentials(Environment environment, std::string profile, ConfigKind file)
    : environment_(std::move(environment)), profile_(std::move(profile)), file_(file) {}

asio::awaitable<Result<Credentials>> ProfileCredentials::get() {
  auto shared = read_shared_config(environment_, nullptr);
  if (!shared) co_return fail(std::move(shared.error()));
  co_return profile_keys(*shared, profile_, file_);
}

std::string ProfileCredentials::name() const {
  const SharedConfigPaths paths = shared_config_paths(environment_);
  return fmt::format("profile {} in {}", profile_,
                     file_ == ConfigKind::credentials ? paths.credentials : paths.config);
}

}  // namespace bakusoku::aws
