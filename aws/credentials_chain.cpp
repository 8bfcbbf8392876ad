#include "aws/credentials_chain.h"

#include "aws/credentials_assume_role.h"
#include "aws/credentials_cache.h"
#include "aws/credentials_container.h"
#include "aws/credentials_env_file.h"
#include "aws/credentials_environment.h"
#include "aws/credentials_instance.h"
#include "aws/credentials_process.h"
#include "aws/credentials_profile.h"
#include "aws/credentials_web_identity.h"
#include "aws/shared_config.h"

namespace bakusoku::aws {
namespace {

using Providers = std::vector<std::unique_ptr<CredentialsProvider>>;

void add_variables(const Settings& settings, Providers& providers) {
  Environment process = settings.environment;
  for (const std::string& name : settings.env_file_variables) process.variables.erase(name);
  providers.push_back(std::make_unique<EnvironmentCredentials>(std::move(process)));
  if (!settings.env_file.empty())
    providers.push_back(std::make_unique<EnvFileCredentials>(settings.env_file));
}

std::unique_ptr<CredentialsProvider> cached(const ChainContext& context,
                                            std::unique_ptr<CredentialsProvider> provider) {
  return std::make_unique<CachedCredentials>(context.io, context.clock, std::move(provider));
}

}  // namespace

CredentialsChain::CredentialsChain(Providers providers, std::string advice, ErrorKind nothing_found)
    : providers_(std::move(providers)), advice_(std::move(advice)), nothing_found_(nothing_found) {}

asio::awaitable<Result<Credentials>> CredentialsChain::get() {
  std::string looked;
  for (const auto& provider : providers_) {
    auto credentials = co_await provider->get();
    if (credentials) {
      last_ = provider->name();
      co_return std::move(*credentials);
    }
    Error& error = credentials.error();
    if (error.kind != ErrorKind::not_found) co_return fail(std::move(error));
    looked += (looked.empty() ? "" : "; ") + error.message;
  }
  co_return fail(nothing_found_, "no AWS credentials: {}. {}", looked, advice_);
}

void CredentialsChain::invalidate() {
  for (const auto& provider : providers_) provider->invalidate();
}

std::string CredentialsChain::name() const {
  if (!last_.empty()) return last_;
  std::string names;
  for (const auto& provider : providers_) names += (names.empty() ? "" : ", ") + provider->name();
  return names;
}

std::string describe(const ProfilePlan& plan) {
  using Method = ProfilePlan::Method;
  switch (plan.method) {
    case Method::none:
      return "none";
    case Method::credentials_file:
      return fmt::format("keys of profile {} in the credentials file", plan.profile);
    case Method::config_file:
      return fmt::format("keys of profile {} in the config file", plan.profile);
    case Method::credential_process:
      return fmt::format("process of profile {}: {}", plan.profile, plan.command);
    case Method::web_identity:
      return fmt::format("web identity {} as '{}' for {} s with {}", plan.role_arn, plan.session_name,
                         plan.duration.count(), plan.token_file);
    case Method::assume_role:
      break;
  }
  std::string source = "?";
  if (plan.source) {
    source = describe(*plan.source);
  } else if (plan.credential_source) {
    source = *plan.credential_source == CredentialSource::environment ? "environment"
             : *plan.credential_source == CredentialSource::instance  ? "instance"
                                                                      : "container";
  }
  return fmt::format("role {} as '{}' external id '{}' for {} s with ({})", plan.role_arn, plan.session_name,
                     plan.external_id, plan.duration.count(), source);
}

ProfileChain::ProfileChain(const ChainContext& context, Settings settings)
    : context_(context), settings_(std::move(settings)) {}

std::unique_ptr<CredentialsProvider> ProfileChain::build(const ProfilePlan& plan) const {
  using Method = ProfilePlan::Method;
  RoleToAssume role{plan.role_arn, plan.session_name, plan.external_id, plan.duration};
  switch (plan.method) {
    case Method::none:
      return nullptr;
    case Method::credentials_file:
      return std::make_unique<ProfileCredentials>(settings_.environment, plan.profile,
                                                  ConfigKind::credentials);
    case Method::config_file:
      return std::make_unique<ProfileCredentials>(settings_.environment, plan.profile, ConfigKind::config);
    case Method::credential_process:
      return std::make_unique<ProcessCredentials>(context_.io, settings_.environment, plan.command,
                                                  "profile " + plan.profile);
    case Method::web_identity:
      return std::make_unique<WebIdentityCredentials>(context_, settings_, std::move(role), plan.token_file);
    case Method::assume_role:
      break;
  }
  std::unique_ptr<CredentialsProvider> source;
  if (plan.source) {
    source = build(*plan.source);
  } else if (plan.credential_source == CredentialSource::environment) {
    Providers variables;
    add_variables(settings_, variables);
    source = std::make_unique<CredentialsChain>(
        std::move(variables),
        fmt::format("Set both, as profile {} has credential_source = Environment", plan.profile),
        ErrorKind::not_found);
  } else if (plan.credential_source == CredentialSource::instance) {
    source = std::make_unique<InstanceCredentials>(context_, settings_.instance_metadata);
  } else {
    source = std::make_unique<ContainerCredentials>(context_.io, context_.http, settings_.environment);
  }
  return std::make_unique<AssumeRoleCredentials>(context_, settings_, cached(context_, std::move(source)),
                                                 std::move(role));
}

asio::awaitable<Result<Credentials>> ProfileChain::get() {
  auto shared = read_shared_config(settings_.environment, nullptr);
  if (!shared) co_return fail(std::move(shared.error()));
  // What comes after it would be another identity.
  if (shared->unreadable) co_return fail(*shared->unreadable);
  WebIdentityVariables variables;
  if (!settings_.profile_requested) {
    variables.token_file = settings_.environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").value_or("");
    variables.role_arn = settings_.environment.get("AWS_ROLE_ARN").value_or("");
    variables.session_name = settings_.environment.get("AWS_ROLE_SESSION_NAME").value_or("");
  }
  const auto plan = plan_profile(*shared, settings_.profile, variables);
  if (!plan) co_return fail(plan.error());
  std::string description = describe(*plan);
  if (description != built_for_) {
    provider_ = build(*plan);
    built_for_ = std::move(description);
  }
  if (!provider_) {
    co_return fail(ErrorKind::not_found, "no web identity (AWS_WEB_IDENTITY_TOKEN_FILE is not set); {} in {}",
                   shared->has_profile(settings_.profile)
                       ? fmt::format("profile {} has no credentials", settings_.profile)
                       : fmt::format("there is no profile {}", settings_.profile),
                   shared->paths().empty() ? "any file (HOME is not set)" : shared->paths());
  }
  co_return co_await provider_->get();
}

void ProfileChain::invalidate() {
  if (provider_) provider_->invalidate();
}

std::string ProfileChain::name() const {
  const SharedConfigPaths paths = shared_config_paths(settings_.environment);
  return provider_
             ? provider_->name()
             : fmt::format("profile {} in {} and {}", settings_.profile, paths.credentials, paths.config);
}

std::unique_ptr<CredentialsProvider> default_credentials(const ChainContext& context,
                                                         const Settings& settings) {
  Providers providers;
  // A profile that was asked for by name goes before variables that happen to be set.
  if (!settings.profile_requested) add_variables(settings, providers);
  providers.push_back(std::make_unique<ProfileChain>(context, settings));
  providers.push_back(std::make_unique<ContainerCredentials>(context.io, context.http, settings.environment));
  providers.push_back(std::make_unique<InstanceCredentials>(context, settings.instance_metadata));
  std::string advice =
      settings.profile_requested
          ? fmt::format("Give profile {} credentials, or attach a role to the instance", settings.profile)
          : fmt::format(
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in {}, or attach a role to the instance",
                settings.env_file.empty() ? "the environment" : settings.env_file);
  return cached(context, std::make_unique<CredentialsChain>(std::move(providers), std::move(advice),
                                                            ErrorKind::denied));
}

namespace {

// Lends a provider that somebody else owns.
std::shared_ptr<CredentialsProvider> lend(CredentialsProvider& provider) {
  return std::shared_ptr<CredentialsProvider>(std::shared_ptr<void>(), &provider);
}

}  // namespace

std::unique_ptr<CredentialsProvider> assumed_role(const ChainContext& context, const Settings& settings,
                                                  CredentialsProvider& source, std::string role_arn,
                                                  std::string external_id, std::string session_name) {
  RoleToAssume role;
  role.role_arn = std::move(role_arn);
  role.external_id = std::move(external_id);
  role.session_name = std::move(session_name);
  return cached(context,
                std::make_unique<AssumeRoleCredentials>(context, settings, lend(source), std::move(role)));
}

}  // namespace bakusoku::aws
