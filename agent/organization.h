// Organization: the member accounts of an AWS organization, as accounts of ours. Lists them once an hour with
// the credentials of one account; a member is read through a role of the same name in each, which is assumed
// when something is first asked of it. A list that cannot be read leaves the members that were known. Runs on
// the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/event.h"
#include "agent/targets.h"
#include "aws/organizations_codec.h"
#include "base/result.h"

namespace bakusoku::agent {

/// Those of an organization's accounts that are to be read: active, and wanted by the configuration (pure).
[[nodiscard]] std::vector<Member> members_of(const std::vector<aws::organizations::Account>& accounts,
                                             const OrganizationConfig& config);

struct OrganizationTimes {
  std::chrono::seconds again{3600};
  std::chrono::seconds retry{15};  // after a failure; doubled each time, up to `again`
};

class Organization {
 public:
  Organization(asio::io_context& io, Targets& targets, OrganizationConfig config,
               OrganizationTimes times = {});
  Organization(const Organization&) = delete;
  Organization& operator=(const Organization&) = delete;

  /// Lists the members from now on, if the configuration has an organization.
  void start();
  /// Another configuration, or other accounts beside it: the members are made anew where they differ, and
  /// listed again.
  void change(OrganizationConfig config);

  /// What bakusoku check reports: lists the members now, and once. Errors: of AWS, in words that name the
  /// account that asked.
  [[nodiscard]] asio::awaitable<Result<size_t>> list();

 private:
  [[nodiscard]] asio::awaitable<void> loop();
  void say_unknown(const std::string& why);

  asio::io_context& io_;
  Targets& targets_;
  OrganizationConfig config_;
  OrganizationTimes times_;
  bool listed_ = false;
  std::vector<aws::organizations::Account> accounts_;
  std::string own_;  // id of the account that listed
  std::string trouble_;
  EventPtr changed_;  // null: the loop does not run
  uint64_t changes_ = 0;
};

}  // namespace bakusoku::agent
