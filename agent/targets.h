// Targets: account x region, the places things are read from. Accounts come from the configuration, which may
// be read again while the agent runs, and from AWS Organizations (agent/organization.h); a region becomes a
// target when it is first asked for. An account that is there no more goes to sleep: pointers stay valid as
// long as Targets lives, and what is still asked of it is answered with the reason, without a call. A region
// that is configured, or is one of AWS's, always has a place. Of others, which a new one of AWS's may be and
// anybody may invent, there are a few only; forget() gives back what nobody uses. Runs on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config.h"
#include "agent/event.h"
#include "aws/client.h"
#include "aws/settings.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/result.h"

namespace bakusoku::agent {

struct Account {
  std::string name;  // as in item keys; empty: the default credentials
  std::string
      also_named{};  // the name that a member of an organization has beside its id, if no other has it
  std::string default_region;  // may be empty: then every key has to name one
  aws::Settings settings;
  std::unique_ptr<aws::CredentialsProvider> credentials;  // null: those of `lent_by`
  const Account* lent_by = nullptr;
  std::unique_ptr<aws::Client> client;
  AccountConfig config{};                               // that all this was made of
  bool member = false;                                  // of an organization
  const aws::CredentialsProvider* made_with = nullptr;  // of a member: the listing account's when it was made
  std::string asleep{};                                 // why nothing is read there; empty: it is

  /// Those that EC2 named, where the configuration wants all.
  struct FoundRegions {
    std::vector<std::string> names{};
    std::optional<Error> failure{};  // of the newest look
    EventPtr looking{};              // set when the look under way has ended; null: none
    std::chrono::steady_clock::time_point next{};
  } found_regions{};

  /// The region whose STS its own calls ask.
  [[nodiscard]] std::string sts_region() const;
  [[nodiscard]] aws::CredentialsProvider& provider() const {
    return credentials ? *credentials : lent_by->provider();
  }
};

struct Target {
  Account* account = nullptr;
  std::string region;
  std::chrono::steady_clock::time_point asked{};  // the newest question for it

  /// "eu-west-1" or "eu-west-1 of account prod", for messages.
  [[nodiscard]] std::string description() const;
};

/// An account of an organization.
struct Member {
  std::string id;
  std::string name{};

  friend bool operator==(const Member&, const Member&) = default;
};

class Targets {
 public:
  /// Reads the AWS tools' configuration and sets up one client per account; sends nothing. Errors: invalid,
  /// denied.
  [[nodiscard]] static Result<std::unique_ptr<Targets>> create(asio::io_context& io, const Config& config,
                                                               const Environment& environment, Clock clock,
                                                               SteadyClock steady = steady_time());

  /// What an account is to be made of, with the AWS tools' configuration read.
  struct Plan {
    struct Planned {
      AccountConfig config;
      std::string default_region;
      aws::Settings settings;
    };
    AwsConfig aws;
    std::vector<Planned> accounts;  // the default one first
  };
  /// Changes nothing yet. Errors as create()'s.
  [[nodiscard]] Result<Plan> plan(const Config& config) const;
  /// From now on the accounts are these. One whose configuration stays keeps client and credentials. Returns
  /// whether keys may mean other targets than before.
  bool apply(Plan plan);

  /// The members of the organization from now on; those of before that are none go to sleep, for the reason
  /// `left` if there is one. `own` is the id of the account whose credentials listed them: it is there
  /// already and only gets that name too, as does an account of the configuration whose role is a member's.
  void set_members(const OrganizationConfig& config, const std::vector<Member>& members,
                   const std::string& own, const std::string& left);
  /// Why the members are not known; empty: they are, or there is no organization.
  void set_members_unknown(std::string why) { members_unknown_ = std::move(why); }
  [[nodiscard]] const std::string& members_unknown() const { return members_unknown_; }
  /// Grows when a set of accounts was replaced by another.
  [[nodiscard]] uint64_t revision() const { return revision_; }

  /// Asks the instance metadata for the region where neither configuration nor environment names one. Errors:
  /// those of the metadata, in words for the log.
  asio::awaitable<Result<void>> find_default_region();

  /// The target of an item key; empty strings mean the defaults. Errors: invalid (no such account, a
  /// malformed region, no region known), in words for the item.
  [[nodiscard]] Result<Target*> find(std::string_view region, std::string_view account);

  /// The targets of an item key in which "*" means all regions of the account, or all accounts. Waits where
  /// AWS has to be asked for the regions. Errors: as find(); of that question; timeout. There are no parts of
  /// an answer: a list that lacks a region looks as if its resources were gone.
  [[nodiscard]] asio::awaitable<Result<std::vector<Target*>>> find_all(std::string region,
                                                                       std::string account,
                                                                       Deadline deadline);
  /// All regions of all accounts, as far as they are known now; never waits. Where the regions of an account
  /// cannot be found out, its default region stands for them.
  [[nodiscard]] std::vector<Target*> known();

  /// Forgets the targets that nobody has asked for in the last hour (no question takes longer) and that are
  /// neither in `used` nor configured.
  void forget(const std::set<const Target*>& used);
  static constexpr std::chrono::hours kForgetUnasked{1};
  /// Regions that neither the configuration nor this version knows, of all accounts.
  static constexpr size_t kMostUnknownRegions = 64;
  [[nodiscard]] size_t size() const { return targets_.size(); }

  /// The default account is the first. Some may be asleep.
  [[nodiscard]] const std::vector<std::unique_ptr<Account>>& accounts() const { return accounts_; }
  /// The account that keys name so, awake; null: there is none.
  [[nodiscard]] Account* account(std::string_view name) const;
  /// Whether keys may name an account so: one that is there, asleep, or a member that is not known yet.
  [[nodiscard]] bool may_be_account(std::string_view name) const;
  /// What all accounts' clients counted.
  [[nodiscard]] aws::ClientCounters calls() const;
  [[nodiscard]] const aws::Http& http() const { return *http_; }
  /// Which protocol the endpoints of CloudWatch speak, found out anew at each apply().
  [[nodiscard]] const aws::Spoken& spoken() const { return *spoken_; }
  /// What load_settings warned of, such as a world-readable env file.
  [[nodiscard]] const std::vector<std::string>& warnings() const {
    return accounts_.front()->settings.warnings;
  }

 private:
  Targets(asio::io_context& io, Environment environment, Clock clock, SteadyClock steady)
      : io_(io), environment_(std::move(environment)), clock_(std::move(clock)), steady_(std::move(steady)) {}
  void build(Account& account, Account* source);
  void retire(Account& account);
  void sleep(Account& account, std::string why);
  [[nodiscard]] Account& account_named(const std::string& name, bool member);
  void name_accounts();
  [[nodiscard]] Result<Account*> find_account(std::string_view name) const;
  [[nodiscard]] Result<Target*> target(Account& account, std::string_view region);
  /// Those that were found and are not excluded.
  [[nodiscard]] static std::vector<std::string> found_regions_of(const Account& account);
  [[nodiscard]] static bool is_configured(const Account& account, std::string_view region);
  void look_for_regions(Account& account);
  [[nodiscard]] asio::awaitable<void> read_regions(Account& account);
  /// In every region that is configured; the default one when there is none.
  [[nodiscard]] Result<std::vector<Target*>> targets_of(Account& account,
                                                        const std::vector<std::string>& names);

  /// What was replaced, or belonged to an account that sleeps: calls may still be under way.
  struct Retired {
    std::unique_ptr<aws::Http> http{};
    std::unique_ptr<aws::CredentialsProvider> credentials{};
    std::unique_ptr<aws::Client> client{};
  };

  asio::io_context& io_;
  Environment environment_;
  Clock clock_;
  SteadyClock steady_;
  AwsConfig aws_{};
  std::unique_ptr<aws::Http> http_;
  std::shared_ptr<aws::Spoken> spoken_ = std::make_shared<aws::Spoken>();
  std::vector<Retired> retired_;
  std::vector<std::unique_ptr<Account>> accounts_;
  std::map<std::string, Account*, std::less<>> names_;     // of accounts that are awake
  std::vector<std::pair<std::string, Account*>> aliases_;  // names of members that are there as others
  std::map<std::string, std::unique_ptr<Target>, std::less<>> targets_;  // "region" NUL "account"
  size_t unknown_regions_ = 0;                                           // of them
  std::string found_default_region_;                                     // by the instance metadata
  std::string no_region_;  // why the instance metadata named none
  std::string members_unknown_;
  aws::ClientCounters retired_calls_{};
  uint64_t revision_ = 0;
};

}  // namespace bakusoku::agent
