// Which accounts of an organization are read.
#include "agent/organization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;

std::vector<aws::organizations::Account> accounts() {
  return {{"111111111111", "Management", "ACTIVE"},
          {"222222222222", "shop-prod", "ACTIVE"},
          {"333333333333", "shop-test", "ACTIVE"},
          {"444444444444", "old", "SUSPENDED"},
          {"555555555555", "closing", "PENDING_CLOSURE"}};
}

std::vector<std::string> ids(const OrganizationConfig& config) {
  std::vector<std::string> found;
  for (const Member& member : members_of(accounts(), config)) found.push_back(member.id);
  return found;
}

TEST(Organization, OnlyActiveAccountsAreRead) {
  EXPECT_THAT(ids({}), ElementsAre("111111111111", "222222222222", "333333333333"));
}

TEST(Organization, PatternsFitIdsAndNames) {
  OrganizationConfig config;
  config.include = {"shop-*", "1111*"};
  EXPECT_THAT(ids(config), ElementsAre("111111111111", "222222222222", "333333333333"));
  config.exclude = {"*-test"};
  EXPECT_THAT(ids(config), ElementsAre("111111111111", "222222222222"));
  config.include = {};
  config.exclude = {"222222222222", "Management"};
  EXPECT_THAT(ids(config), ElementsAre("333333333333"));
}

}  // namespace
}  // namespace bakusoku::agent
