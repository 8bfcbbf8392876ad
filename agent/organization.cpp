#include "agent/organization.h"

#include <fnmatch.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/spawn.h"
#include "aws/denial.h"
#include "aws/organizations.h"
#include "aws/sts.h"

namespace bakusoku::agent {
namespace {

constexpr std::chrono::seconds kSoon{30};

bool matches(const std::vector<std::string>& patterns, const aws::organizations::Account& account) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), account.id.c_str(), 0) == 0 ||
           ::fnmatch(pattern.c_str(), account.name.c_str(), 0) == 0;
  });
}

}  // namespace

std::vector<Member> members_of(const std::vector<aws::organizations::Account>& accounts,
                               const OrganizationConfig& config) {
  std::vector<Member> members;
  for (const aws::organizations::Account& account : accounts) {
    if (account.state != "ACTIVE") continue;
    if (!config.include.empty() && !matches(config.include, account)) continue;
    if (matches(config.exclude, account)) continue;
    members.push_back(Member{account.id, account.name});
  }
  return members;
}

Organization::Organization(asio::io_context& io, Targets& targets, OrganizationConfig config,
                           OrganizationTimes times)
    : io_(io), targets_(targets), config_(std::move(config)), times_(times) {
  if (config_.used) say_unknown("");
}

void Organization::say_unknown(const std::string& why) {
  targets_.set_members_unknown(
      why.empty() ? "the accounts of the organization have not been listed yet"
                  : fmt::format("the accounts of the organization cannot be listed: {}", why));
}

void Organization::start() {
  if (!config_.used || changed_) return;
  changed_ = make_event(io_);
  spawn_loop(io_, "listing the organization", loop());
}

void Organization::change(OrganizationConfig config) {
  const bool other = !(config_ == config);
  config_ = std::move(config);
  ++changes_;
  if (!config_.used) {
    listed_ = false;
    targets_.set_members(config_, {}, "", "[organization] is no longer in bakusoku.toml");
  } else if (listed_) {
    targets_.set_members(config_, members_of(accounts_, config_), own_, "");
  } else {
    say_unknown("");
  }
  // What failed is asked for at once: a permission may be there now.
  if (changed_ && (other || !trouble_.empty())) changed_->set();
  start();
}

asio::awaitable<Result<size_t>> Organization::list() {
  const uint64_t changes = changes_;
  const Account* const source = targets_.account(config_.account);
  if (source == nullptr) co_return fail(ErrorKind::invalid, "there is no account '{}'", config_.account);
  if (source->default_region.empty())
    co_return fail(ErrorKind::invalid, "no region is known to ask AWS Organizations from");
  aws::Client& client = *source->client;
  const std::string region = source->default_region;
  const auto caller = co_await aws::sts::get_caller_identity(client, source->sts_region());
  if (!caller) co_return fail(caller.error());
  auto accounts = co_await aws::organizations::list_accounts(client, aws::organizations::home_region(region));
  if (!accounts) co_return fail(accounts.error());
  if (changes != changes_) co_return fail(ErrorKind::unavailable, "the configuration was changed meanwhile");
  accounts_ = std::move(*accounts);
  own_ = caller->account;
  listed_ = true;
  const std::vector<Member> members = members_of(accounts_, config_);
  targets_.set_members(config_, members, own_, "");
  co_return members.size();
}

asio::awaitable<void> Organization::loop() {
  std::chrono::seconds wait = times_.retry;
  std::optional<size_t> said;
  while (config_.used) {
    const uint64_t changes = changes_;
    const auto listed = co_await list();
    const bool meanwhile = changes != changes_;
    if (listed) {
      if (said != *listed) spdlog::info("{} accounts of the organization are read", *listed);
      said = *listed;
      trouble_.clear();
      wait = times_.retry;
    } else if (!meanwhile) {
      if (!listed_) say_unknown(listed.error().message);
      if (std::exchange(trouble_, listed.error().message) != listed.error().message) {
        spdlog::warn("the accounts of the organization cannot be listed{}: {}",
                     listed_ ? ", those that were known stay" : "", trouble_);
      }
    }
    if (meanwhile) continue;
    changed_ = make_event(io_);
    const EventPtr changed = changed_;
    const auto pause = listed ? times_.again : wait;
    (void)co_await changed->wait(std::chrono::steady_clock::now() + pause);
    // Credentials that are refused may be mended at any moment.
    const bool soon = !listed && aws::blames_credentials(listed.error());
    if (!listed) wait = std::min(wait * 2, soon ? std::min(times_.again, kSoon) : times_.again);
  }
  changed_.reset();
}

}  // namespace bakusoku::agent
