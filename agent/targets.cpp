#include "agent/targets.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <iterator>
#include <utility>

#include "agent/spawn.h"
#include "aws/ec2.h"
#include "aws/endpoint.h"
#include "aws/regions.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kMaxTargets = 20'000;  // accounts x regions; beyond it somebody is inventing regions
constexpr std::chrono::hours kRegionsAgain{1};
constexpr std::chrono::minutes kRegionsRetry{1};

Result<aws::Settings> settings_for(const AwsConfig& config, const Environment& environment,
                                   const std::string& profile) {
  aws::SettingsRequest request;
  request.environment = environment;
  if (!config.env_file.empty()) {
    request.env_file = config.env_file;
    request.env_file_required = true;
  }
  request.profile = profile;
  auto settings = aws::load_settings(request);
  if (!settings) return settings;
  if (!config.endpoint_url.empty()) {
    settings->endpoints.endpoint_url = config.endpoint_url;
    settings->endpoints.service_urls.clear();
    settings->endpoints.ignore_configured = false;
  }
  if (!config.sts_region.empty()) settings->sts_region = config.sts_region;
  if (!config.proxy.empty()) settings->http.proxy = config.proxy;
  if (!config.ca_bundle.empty()) settings->http.ca_bundle = config.ca_bundle;
  return settings;
}

std::string first_of(const Regions& regions) { return regions.names.empty() ? "" : regions.names.front(); }

// Where the clients of all accounts come from; what differs in it rebuilds them.
bool same_ways(const AwsConfig& a, const AwsConfig& b) {
  return a.region == b.region && a.profile == b.profile && a.env_file == b.env_file &&
         a.endpoint_url == b.endpoint_url && a.sts_region == b.sts_region && a.proxy == b.proxy &&
         a.ca_bundle == b.ca_bundle && first_of(a.regions) == first_of(b.regions);
}

// Nothing: as it is found out.
std::optional<aws::Spoken::Wire> wire_of(std::string_view protocol) {
  if (protocol == "cbor") return aws::Spoken::Wire::cbor;
  if (protocol == "json") return aws::Spoken::Wire::json;
  return std::nullopt;
}

void add(aws::ClientCounters& sum, const aws::ClientCounters& counters) {
  sum.calls += counters.calls;
  sum.attempts += counters.attempts;
  sum.throttled += counters.throttled;
  sum.paced += counters.paced;
  sum.failed += counters.failed;
}

}  // namespace

std::string Account::sts_region() const {
  aws::Settings here = settings;
  if (!default_region.empty()) here.region = default_region;
  return aws::sts_region(here, aws::partition_of(default_region));
}

std::string Target::description() const {
  return account->name.empty() ? region : fmt::format("{} of account {}", region, account->name);
}

Result<std::unique_ptr<Targets>> Targets::create(asio::io_context& io, const Config& config,
                                                 const Environment& environment, Clock clock,
                                                 SteadyClock steady) {
  std::unique_ptr<Targets> targets(new Targets(io, environment, std::move(clock), std::move(steady)));
  auto plan = targets->plan(config);
  if (!plan) return fail(plan.error());
  targets->apply(std::move(*plan));
  return targets;
}

Result<Targets::Plan> Targets::plan(const Config& config) const {
  Plan plan;
  plan.aws = config.aws;
  const auto add = [&](const AccountConfig& wanted) -> Result<void> {
    auto settings =
        settings_for(config.aws, environment_, wanted.profile.empty() ? config.aws.profile : wanted.profile);
    if (!settings) return fail(settings.error());
    std::string region;
    for (const std::string& candidate :
         {wanted.region, first_of(wanted.regions), config.aws.region, first_of(config.aws.regions),
          settings->region.value_or(""), found_default_region_}) {
      if (region.empty()) region = candidate;
    }
    if (!region.empty()) {
      if (auto good = aws::check_region(region); !good) return fail(good.error());
    }
    plan.accounts.push_back(Plan::Planned{wanted, std::move(region), std::move(*settings)});
    return {};
  };
  AccountConfig first;
  first.regions = config.aws.regions;
  if (auto added = add(first); !added) return fail(added.error());
  for (const AccountConfig& account : config.accounts) {
    if (auto added = add(account); !added) {
      return fail(added.error().with_context(fmt::format("account '{}'", account.name)));
    }
  }
  return plan;
}

bool Targets::apply(Plan plan) {
  const bool rebuild = !http_ || !same_ways(aws_, plan.aws);
  if (rebuild) {
    if (http_) retired_.push_back(Retired{std::move(http_)});
    http_ = std::make_unique<aws::Http>(io_, plan.accounts.front().settings.http);
  }
  aws_ = std::move(plan.aws);
  spoken_->forget();
  spoken_->fix(wire_of(aws_.protocol));
  bool other_targets = rebuild;
  std::vector<Account*> wanted;
  for (Plan::Planned& planned : plan.accounts) {
    Account& account = account_named(planned.config.name, false);
    wanted.push_back(&account);
    if (!rebuild && account.client && account.asleep.empty() && account.config == planned.config) {
      account.client->set_quota_share(aws_.quota_share);
      continue;
    }
    other_targets = true;
    const bool same_account = account.config.profile == planned.config.profile &&
                              account.config.role_arn == planned.config.role_arn;
    if (!rebuild && account.client && account.asleep.empty() && same_account &&
        account.config.external_id == planned.config.external_id &&
        account.default_region == planned.default_region) {
      // Only the list of its regions is another one.
      account.config = std::move(planned.config);
      account.client->set_quota_share(aws_.quota_share);
      continue;
    }
    retire(account);
    account.config = std::move(planned.config);
    account.settings = std::move(planned.settings);
    account.default_region = std::move(planned.default_region);
    account.asleep.clear();
    account.found_regions.next = {};
    if (!same_account) account.found_regions.names.clear();
    build(account, accounts_.front().get());
  }
  for (const auto& account : accounts_) {
    if (account->member || !account->asleep.empty()) continue;
    if (std::find(wanted.begin(), wanted.end(), account.get()) != wanted.end()) continue;
    sleep(*account, fmt::format("account '{}' is no longer in bakusoku.toml", account->name));
    other_targets = true;
  }
  for (const auto& account : accounts_) {
    if (account->member && account->asleep.empty()) account->client->set_quota_share(aws_.quota_share);
  }
  name_accounts();
  if (other_targets) ++revision_;
  return other_targets;
}

// `source`: whose credentials assume the role.
void Targets::build(Account& account, Account* source) {
  const aws::ChainContext context{io_, *http_, clock_};
  const AccountConfig& config = account.config;
  aws::Settings settings = account.settings;
  if (!account.default_region.empty()) settings.region = account.default_region;
  account.lent_by = nullptr;
  if (!config.role_arn.empty()) {
    account.credentials = aws::assumed_role(context, settings, source->provider(), config.role_arn,
                                            config.external_id, "bakusoku");
  } else if (!account.name.empty() && config.profile.empty()) {
    account.lent_by = source;
  } else {
    account.credentials = aws::default_credentials(context, account.settings);
  }
  account.client =
      std::make_unique<aws::Client>(io_, *http_, &account.provider(), account.settings.endpoints,
                                    account.settings.retry, clock_, aws_.quota_share, spoken_, account.name);
}

void Targets::retire(Account& account) {
  if (!account.client) return;
  add(retired_calls_, account.client->counters());
  retired_.push_back(Retired{nullptr, std::move(account.credentials), std::move(account.client)});
}

void Targets::sleep(Account& account, std::string why) {
  spdlog::debug("{}", why);
  account.client->close(Error{ErrorKind::invalid, why, {}});
  account.asleep = std::move(why);
}

void Targets::set_members(const OrganizationConfig& config, const std::vector<Member>& members,
                          const std::string& own, const std::string& left) {
  Account* const source = account(config.account);
  aliases_.clear();
  std::map<std::string, Member> wanted;
  std::map<std::string, int> how_often;
  for (const Member& member : members) ++how_often[member.name];
  for (const Member& member : members) {
    // The account that lists needs no role, and one that the file names has its own: they are there already.
    Account* there = member.id == own ? source : nullptr;
    for (const auto& one : accounts_) {
      if (!one->member && one->asleep.empty() &&
          one->config.role_arn.find(fmt::format("::{}:role/", member.id)) != std::string::npos) {
        there = one.get();
      }
    }
    if (there == nullptr) {
      wanted.emplace(member.id, member);
      continue;
    }
    aliases_.emplace_back(member.id, there);
    if (how_often[member.name] == 1) aliases_.emplace_back(member.name, there);
  }
  bool changed = false;
  for (const auto& one : accounts_) {
    if (!one->member || !one->asleep.empty() || (wanted.contains(one->name) && source != nullptr)) continue;
    sleep(*one, left.empty() ? fmt::format("account {} is no longer an active one of the organization, or is "
                                           "left out of it in bakusoku.toml",
                                           one->name)
                             : left);
    changed = true;
  }
  for (const auto& [id, member] : wanted) {
    if (source == nullptr) break;
    AccountConfig made_of;
    made_of.name = id;
    made_of.role_arn = fmt::format("arn:{}:iam::{}:role/{}", aws::partition_of(source->default_region), id,
                                   config.role_name);
    made_of.external_id = config.external_id;
    made_of.region = first_of(config.regions);
    made_of.regions = config.regions;
    Account& one = account_named(id, true);
    std::string also = how_often[member.name] == 1 ? member.name : std::string();
    changed = changed || one.also_named != also;
    one.also_named = std::move(also);
    // Credentials of the listing account that are new mean new ones here.
    if (one.client && one.asleep.empty() && one.config == made_of && one.made_with == &source->provider())
      continue;
    changed = true;
    retire(one);
    one.settings = source->settings;
    one.default_region = made_of.region.empty() ? source->default_region : made_of.region;
    one.config = std::move(made_of);
    one.made_with = &source->provider();
    one.asleep.clear();
    one.found_regions.next = {};
    build(one, source);
  }
  members_unknown_.clear();
  name_accounts();
  if (changed) ++revision_;
}

// The one of that name, asleep or not, or a new one that is nothing yet.
Account& Targets::account_named(const std::string& name, bool member) {
  for (const auto& one : accounts_) {
    if (one->name == name && one->member == member) return *one;
  }
  Account& fresh = *accounts_.emplace_back(std::make_unique<Account>());
  fresh.name = name;
  fresh.member = member;
  return fresh;
}

// What the file names goes before members of the same name, and ids before names.
void Targets::name_accounts() {
  names_.clear();
  for (const auto& one : accounts_) {
    if (!one->member && one->asleep.empty()) names_[one->name] = one.get();
  }
  for (const auto& one : accounts_) {
    if (one->member && one->asleep.empty()) names_.emplace(one->name, one.get());
  }
  for (const auto& [name, one] : aliases_) {
    if (one->asleep.empty() && !name.empty()) names_.emplace(name, one);
  }
  for (const auto& one : accounts_) {
    if (one->member && one->asleep.empty() && !one->also_named.empty())
      names_.emplace(one->also_named, one.get());
  }
}

aws::ClientCounters Targets::calls() const {
  aws::ClientCounters calls = retired_calls_;
  for (const auto& account : accounts_) add(calls, account->client->counters());
  return calls;
}

asio::awaitable<Result<void>> Targets::find_default_region() {
  Account& first = *accounts_.front();
  if (!first.default_region.empty()) co_return Result<void>();
  const aws::ChainContext context{io_, *http_, clock_};
  auto region = co_await aws::instance_region(context, first.settings);
  if (!region) {
    no_region_ = region.error().message;
    co_return fail(
        region.error().kind,
        "no default region: set region in [aws] of bakusoku.toml or AWS_REGION, or name it in every item key "
        "({})",
        no_region_);
  }
  no_region_.clear();
  found_default_region_ = *region;
  for (const auto& account : accounts_) {
    if (account->default_region.empty()) account->default_region = *region;
  }
  co_return Result<void>();
}

Account* Targets::account(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : found->second;
}

bool Targets::may_be_account(std::string_view name) const {
  if (account(name) != nullptr) return true;
  if (!members_unknown_.empty() && name.find('/') == std::string_view::npos) return true;
  return std::any_of(accounts_.begin(), accounts_.end(), [&](const auto& one) { return one->name == name; });
}

Result<Account*> Targets::find_account(std::string_view name) const {
  if (Account* const found = account(name)) return found;
  for (const auto& one : accounts_) {
    if (one->name == name && !one->asleep.empty()) return fail(ErrorKind::invalid, "{}", one->asleep);
  }
  if (!members_unknown_.empty()) {
    return fail(ErrorKind::invalid, "no account '{}' in bakusoku.toml, and {}", name, members_unknown_);
  }
  return fail(ErrorKind::invalid, "no account '{}': define it as [[account]] in bakusoku.toml", name);
}

Result<Target*> Targets::find(std::string_view region, std::string_view account_name) {
  const auto account = find_account(account_name);
  if (!account) return fail(account.error());
  return target(**account, region);
}

Result<Target*> Targets::target(Account& account, std::string_view region) {
  const std::string_view wanted = region.empty() ? std::string_view(account.default_region) : region;
  if (wanted.empty()) {
    return fail(ErrorKind::invalid,
                "no region: name it in the item key, or set region in [aws] of bakusoku.toml or AWS_REGION{}",
                no_region_.empty() ? std::string() : fmt::format(" ({})", no_region_));
  }
  std::string key(wanted);
  key += '\0';
  key += account.name;
  if (account.member) key += '\0';  // one of the file may bear the same name
  const auto known = targets_.find(key);
  if (known != targets_.end()) {
    known->second->asked = steady_();
    return known->second.get();
  }
  const bool configured = is_configured(account, wanted);
  const bool unknown = !configured && !aws::is_known_region(wanted);
  if (auto good = aws::check_region(wanted); !good) return fail(good.error());
  if (unknown && !aws::looks_like_region(wanted)) {
    return fail(ErrorKind::invalid, "'{}' is not an AWS region; write it as eu-west-1", wanted.substr(0, 64));
  }
  if (unknown && unknown_regions_ >= kMostUnknownRegions) {
    return fail(
        ErrorKind::invalid,
        "'{}' is no region that this version knows, and items ask for {} such regions already. If it is "
        "a new one of AWS's, name it in regions of [aws] or [[account]]",
        wanted, unknown_regions_);
  }
  if (!configured && targets_.size() >= kMaxTargets) {
    return fail(ErrorKind::invalid,
                "more than {} accounts x regions were asked for; check the regions in the item keys, or name "
                "this one in regions of [aws] or [[account]]",
                kMaxTargets);
  }
  auto made = std::make_unique<Target>(Target{&account, std::string(wanted), steady_()});
  Target* const target = targets_.emplace(std::move(key), std::move(made)).first->second.get();
  if (unknown) ++unknown_regions_;
  return target;
}

bool Targets::is_configured(const Account& account, std::string_view region) {
  const auto among = [region](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), region) != names.end();
  };
  return region == account.default_region || among(account.config.regions.names) ||
         among(account.found_regions.names);
}

void Targets::forget(const std::set<const Target*>& used) {
  const auto now = steady_();
  unknown_regions_ = 0;
  for (auto next = targets_.begin(); next != targets_.end();) {
    const auto at = next++;
    const Target& target = *at->second;
    const bool configured = target.account->asleep.empty() && is_configured(*target.account, target.region);
    if (configured || used.contains(&target) || now - target.asked < kForgetUnasked) {
      if (!configured && !aws::is_known_region(target.region)) ++unknown_regions_;
      continue;
    }
    if (target.account->client) target.account->client->forget_region(target.region);
    targets_.erase(at);
  }
}

Result<std::vector<Target*>> Targets::targets_of(Account& account, const std::vector<std::string>& names) {
  std::vector<Target*> targets;
  if (names.empty()) {
    auto found = target(account, "");
    if (!found) return fail(found.error());
    targets.push_back(*found);
  }
  for (const std::string& name : names) {
    auto found = target(account, name);
    if (!found) return fail(found.error());
    targets.push_back(*found);
  }
  return targets;
}

asio::awaitable<Result<std::vector<Target*>>> Targets::find_all(std::string region, std::string account_name,
                                                                Deadline deadline) {
  std::vector<Account*> accounts;
  if (account_name == "*") {
    if (!members_unknown_.empty()) co_return fail(ErrorKind::unavailable, "{}", members_unknown_);
    for (const auto& one : accounts_) {
      if (one->asleep.empty() && account(one->name) == one.get()) accounts.push_back(one.get());
    }
  } else {
    const auto found = find_account(account_name);
    if (!found) co_return fail(found.error());
    accounts.push_back(*found);
  }
  const bool all_regions = region == "*";
  for (Account* const one : accounts) {
    if (all_regions && one->config.regions.all) look_for_regions(*one);
  }
  std::vector<Target*> targets;
  for (Account* const one : accounts) {
    std::vector<std::string> names = one->config.regions.names;
    if (!all_regions) {
      names = region.empty() ? std::vector<std::string>{} : std::vector<std::string>{region};
    } else if (one->config.regions.all) {
      Account::FoundRegions& regions = one->found_regions;
      if (regions.names.empty() && regions.looking) {
        const EventPtr looking = regions.looking;
        if (!co_await looking->wait(deadline)) {
          co_return fail(ErrorKind::timeout, "the regions of account '{}' are still being read", one->name);
        }
      }
      if (regions.names.empty() && regions.failure) co_return fail(*regions.failure);
      names = found_regions_of(*one);
      if (names.empty()) {
        co_return fail(ErrorKind::invalid, "exclude_regions leaves no region of account '{}'", one->name);
      }
    }
    auto found = targets_of(*one, names);
    if (!found) co_return fail(found.error());
    targets.insert(targets.end(), found->begin(), found->end());
  }
  co_return targets;
}

std::vector<Target*> Targets::known() {
  std::vector<Target*> targets;
  for (const auto& one : accounts_) {
    if (!one->asleep.empty() || account(one->name) != one.get()) continue;
    std::vector<std::string> names = one->config.regions.names;
    if (one->config.regions.all) {
      look_for_regions(*one);
      names = found_regions_of(*one);
      if (names.empty() && !one->found_regions.names.empty()) continue;
    }
    const auto found = targets_of(*one, names);
    if (found) targets.insert(targets.end(), found->begin(), found->end());
  }
  return targets;
}

std::vector<std::string> Targets::found_regions_of(const Account& account) {
  std::vector<std::string> names = account.found_regions.names;
  std::erase_if(names, [&](const std::string& name) { return is_excluded(account.config.regions, name); });
  return names;
}

void Targets::look_for_regions(Account& account) {
  Account::FoundRegions& regions = account.found_regions;
  if (regions.looking || account.default_region.empty() || steady_() < regions.next) return;
  regions.looking = make_event(io_);
  spawn(io_, "looking for regions", read_regions(account));
}

asio::awaitable<void> Targets::read_regions(Account& account) {
  co_await asio::post(io_, asio::use_awaitable);  // `looking` is waited for first
  auto names = co_await aws::ec2::describe_regions(*account.client, account.default_region);
  Account::FoundRegions& regions = account.found_regions;
  if (names && names->empty()) {
    names = fail(ErrorKind::corrupt, "ec2:DescribeRegions in {} named no region", account.default_region);
  }
  if (names) {
    std::sort(names->begin(), names->end());
    if (*names != regions.names) {
      std::vector<std::string> gone;
      std::set_difference(regions.names.begin(), regions.names.end(), names->begin(), names->end(),
                          std::back_inserter(gone));
      spdlog::info("account '{}' has {} regions{}", account.name, names->size(),
                   gone.empty()
                       ? std::string()
                       : fmt::format("; no longer enabled, and left out: {}", fmt::join(gone, ", ")));
      regions.names = std::move(*names);
    }
    regions.failure.reset();
    regions.next = steady_() + kRegionsAgain;
  } else {
    Error error = names.error().with_context(account.name.empty()
                                                 ? "the regions of the account"
                                                 : fmt::format("the regions of account {}", account.name));
    if (!regions.failure || regions.failure->message != error.message) {
      spdlog::warn("{}; {}", error.message,
                   regions.names.empty()
                       ? fmt::format("hosts are looked for in {} only", account.default_region)
                       : "those that were known stay");
    }
    regions.failure = std::move(error);
    regions.next = steady_() + kRegionsRetry;
  }
  std::exchange(regions.looking, nullptr)->set();
}

}  // namespace bakusoku::agent
