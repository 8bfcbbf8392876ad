// Targets: account x region, the places things are read from. Accounts come from the configuration; a region
// becomes a target when it is first asked for. Pointers stay valid as long as Targets lives.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config.h"
#include "aws/client.h"
#include "aws/settings.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/result.h"

namespace bakusoku::agent {

struct Account {
  std::string name;            // as in item keys; empty: the default credentials
  std::string default_region;  // may be empty: then every key has to name one
  aws::Settings settings;
  std::unique_ptr<aws::CredentialsProvider> credentials;
  std::unique_ptr<aws::Client> client;
};

struct Target {
  Account* account = nullptr;
  std::string region;

  /// "eu-west-1" or "eu-west-1 of account prod", for messages.
  [[nodiscard]] std::string description() const;
};

class Targets {
 public:
  /// Reads the AWS tools' configuration and sets up one client per account; sends nothing. Errors: invalid,
  /// denied.
  [[nodiscard]] static Result<std::unique_ptr<Targets>> create(asio::io_context& io, const Config& config,
                                                               const Environment& environment, Clock clock);

  /// Asks the instance metadata for the region where neither configuration nor environment names one. Errors:
  /// those of the metadata, in words for the log.
  asio::awaitable<Result<void>> find_default_region();

  /// The target of an item key; empty strings mean the defaults. Errors: invalid (no such account, a
  /// malformed region, no region known), in words for the item.
  [[nodiscard]] Result<Target*> find(std::string_view region, std::string_view account);

  /// The default account is the first.
  [[nodiscard]] const std::vector<std::unique_ptr<Account>>& accounts() const { return accounts_; }
  /// What all accounts' clients counted.
  [[nodiscard]] aws::ClientCounters calls() const;
  [[nodiscard]] const aws::Http& http() const { return *http_; }
  /// What load_settings warned of, such as a world-readable env file.
  [[nodiscard]] const std::vector<std::string>& warnings() const {
    return accounts_.front()->settings.warnings;
  }

 private:
  Targets(asio::io_context& io, Clock clock) : io_(io), clock_(std::move(clock)) {}

  asio::io_context& io_;
  Clock clock_;
  std::unique_ptr<aws::Http> http_;
  std::vector<std::unique_ptr<Account>> accounts_;
  std::map<std::string, std::unique_ptr<Target>, std::less<>> targets_;  // "region" NUL "account"
};

}  // namespace bakusoku::agent
