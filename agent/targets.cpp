#include "agent/targets.h"

#include <algorithm>

namespace bakusoku::agent {
namespace {

constexpr size_t kMaxTargets = 1000;  // accounts x regions; beyond it somebody is inventing regions

bool is_region(std::string_view text) {
  const auto allowed = [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-';
  };
  return text.size() >= 4 && text.size() <= 32 && std::all_of(text.begin(), text.end(), allowed) &&
         text.find('-') != std::string_view::npos;
}

Result<aws::Settings> settings_for(const Config& config, const Environment& environment,
                                   const std::string& profile) {
  aws::SettingsRequest request;
  request.environment = environment;
  if (!config.aws.env_file.empty()) {
    request.env_file = config.aws.env_file;
    request.env_file_required = true;
  }
  request.profile = profile;
  auto settings = aws::load_settings(request);
  if (!settings) return settings;
  if (!config.aws.endpoint_url.empty()) {
    settings->endpoints.endpoint_url = config.aws.endpoint_url;
    settings->endpoints.service_urls.clear();
    settings->endpoints.ignore_configured = false;
  }
  if (!config.aws.proxy.empty()) settings->http.proxy = config.aws.proxy;
  if (!config.aws.ca_bundle.empty()) settings->http.ca_bundle = config.aws.ca_bundle;
  return settings;
}

}  // namespace

std::string Target::description() const {
  return account->name.empty() ? region : fmt::format("{} of account {}", region, account->name);
}

Result<std::unique_ptr<Targets>> Targets::create(asio::io_context& io, const Config& config,
                                                 const Environment& environment, Clock clock) {
  std::unique_ptr<Targets> targets(new Targets(io, std::move(clock)));
  const auto add = [&](const AccountConfig& wanted) -> Result<void> {
    const std::string& profile = wanted.profile.empty() ? config.aws.profile : wanted.profile;
    auto settings = settings_for(config, environment, profile);
    if (!settings) return fail(settings.error());
    if (!targets->http_) targets->http_ = std::make_unique<aws::Http>(io, settings->http);
    auto account = std::make_unique<Account>();
    account->name = wanted.name;
    account->settings = std::move(*settings);
    account->default_region = !wanted.region.empty()       ? wanted.region
                              : !config.aws.region.empty() ? config.aws.region
                                                           : account->settings.region.value_or("");
    if (!account->default_region.empty() && !is_region(account->default_region)) {
      return fail(ErrorKind::invalid, "'{}' is not an AWS region; write it as eu-west-1",
                  account->default_region);
    }
    const aws::ChainContext context{io, *targets->http_, targets->clock_};
    if (wanted.role_arn.empty()) {
      account->credentials = aws::default_credentials(context, account->settings);
    } else {
      // The role is assumed with the default account's credentials, which is always the first.
      account->credentials =
          aws::assumed_role(context, account->settings, *targets->accounts_.front()->credentials,
                            wanted.role_arn, wanted.external_id, "bakusoku");
    }
    account->client = std::make_unique<aws::Client>(io, *targets->http_, account->credentials.get(),
                                                    account->settings.endpoints, account->settings.retry,
                                                    targets->clock_, config.aws.quota_share);
    targets->accounts_.push_back(std::move(account));
    return {};
  };
  if (auto added = add(AccountConfig{}); !added) return fail(added.error());
  for (const AccountConfig& account : config.accounts) {
    if (auto added = add(account); !added) {
      return fail(added.error().with_context(fmt::format("account '{}'", account.name)));
    }
  }
  return targets;
}

aws::ClientCounters Targets::calls() const {
  aws::ClientCounters calls;
  for (const auto& account : accounts_) {
    const aws::ClientCounters& counters = account->client->counters();
    calls.calls += counters.calls;
    calls.attempts += counters.attempts;
    calls.throttled += counters.throttled;
    calls.paced += counters.paced;
    calls.failed += counters.failed;
  }
  return calls;
}

asio::awaitable<Result<void>> Targets::find_default_region() {
  Account& first = *accounts_.front();
  if (!first.default_region.empty()) co_return Result<void>();
  const aws::ChainContext context{io_, *http_, clock_};
  auto region = co_await aws::instance_region(context, first.settings);
  if (!region) {
    co_return fail(
        region.error().kind,
        "no default region: set region in [aws] of bakusoku.toml or AWS_REGION, or name it in every item key "
        "({})",
        region.error().message);
  }
  for (const auto& account : accounts_) {
    if (account->default_region.empty()) account->default_region = *region;
  }
  co_return Result<void>();
}

Result<Target*> Targets::find(std::string_view region, std::string_view account_name) {
  const auto account = std::find_if(accounts_.begin(), accounts_.end(),
                                    [&](const auto& candidate) { return candidate->name == account_name; });
  if (account == accounts_.end()) {
    return fail(ErrorKind::invalid, "no account '{}': define it as [[accounts]] in bakusoku.toml",
                account_name);
  }
  const std::string_view wanted = region.empty() ? std::string_view((*account)->default_region) : region;
  if (wanted.empty()) {
    return fail(ErrorKind::invalid,
                "no region: name it in the item key, or set region in [aws] of bakusoku.toml or AWS_REGION");
  }
  std::string key(wanted);
  key += '\0';
  key += account_name;
  const auto known = targets_.find(key);
  if (known != targets_.end()) return known->second.get();
  if (!is_region(wanted))
    return fail(ErrorKind::invalid, "'{}' is not an AWS region; write it as eu-west-1", wanted);
  if (targets_.size() >= kMaxTargets) {
    return fail(ErrorKind::invalid,
                "more than {} accounts x regions were asked for; check the regions in the item keys",
                kMaxTargets);
  }
  auto target = std::make_unique<Target>(Target{account->get(), std::string(wanted)});
  return targets_.emplace(std::move(key), std::move(target)).first->second.get();
}

}  // namespace bakusoku::agent
