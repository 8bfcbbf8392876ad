// Accounts and regions by themselves: what is told apart, what is made anew and what stays.
#include "agent/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "agent/simulator_control.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using Wire = aws::Spoken::Wire;

class TargetsTest : public testing::Test {
 protected:
  static Config parse(const std::string& text) {
    auto config = parse_config(text, "bakusoku.toml");
    EXPECT_TRUE(config) << (config ? "" : config.error().message);
    return config ? *config : Config();
  }
  void start(const std::string& text, const std::string& endpoint = "http://127.0.0.1:1") {
    ASSERT_TRUE(set_up_log("off", false));
    Environment environment;
    environment.variables = {{"AWS_ACCESS_KEY_ID", "AKIASIMAWS0000000000"},
                             {"AWS_SECRET_ACCESS_KEY", "simaws/not/a/real/secret/0000000000000000"},
                             {"AWS_ENDPOINT_URL", endpoint},
                             {"AWS_REGION", "eu-west-1"},
                             {"AWS_MAX_ATTEMPTS", "1"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto targets = Targets::create(
        io_, parse(text), environment, [] { return std::chrono::system_clock::now(); },
        [this] { return std::chrono::steady_clock::now() + later_; });
    ASSERT_TRUE(targets) << targets.error().message;
    targets_ = std::move(*targets);
  }
  bool reload(const std::string& text) {
    auto plan = targets_->plan(parse(text));
    EXPECT_TRUE(plan) << plan.error().message;
    return plan && targets_->apply(std::move(*plan));
  }
  Target* target(const std::string& region, const std::string& account = "") {
    const auto found = targets_->find(region, account);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : nullptr;
  }
  std::string error_of(const std::string& region, const std::string& account = "") {
    const auto found = targets_->find(region, account);
    return found ? "" : found.error().message;
  }
  const aws::Client* client(const std::string& account) { return targets_->account(account)->client.get(); }
  static OrganizationConfig organization() {
    OrganizationConfig organization;
    organization.used = true;
    return organization;
  }

  seconds later_{0};
  asio::io_context io_;
  std::unique_ptr<Targets> targets_;
};

TEST_F(TargetsTest, RegionAndAccountTogetherTellATarget) {
  start("[[account]]\nname = \"1\"\nregion = \"us-east-1\"\n");
  Target* const of_default = target("us-east-11");
  Target* const of_one = target("us-east-1", "1");
  EXPECT_NE(of_default, of_one);
  EXPECT_EQ(of_default->account->name, "");
  EXPECT_EQ(of_one->account->name, "1");
  EXPECT_EQ(of_one->region, "us-east-1");
  EXPECT_EQ(target("", "1"), of_one);
}

TEST_F(TargetsTest, AMemberAndAnAccountOfTheFileWithOneNameAreTwo) {
  start("[[account]]\nname = \"111111111111\"\nrole_arn = \"arn:aws:iam::222222222222:role/x\"\n");
  Target* const of_file = target("", "111111111111");
  targets_->set_members(organization(), {{"111111111111", "shop"}}, "", "");
  EXPECT_EQ(target("", "111111111111"), of_file) << "what the file names goes before";
  EXPECT_NE(target("", "shop"), of_file);
  EXPECT_EQ(target("", "shop")->account->config.role_arn, "arn:aws:iam::111111111111:role/bakusoku");
}

TEST_F(TargetsTest, MembersThatAreListedAgainStayAsTheyAre) {
  start("");
  const std::vector<Member> both{{"111111111111", "shop"}, {"222222222222", "web"}};
  targets_->set_members(organization(), both, "", "");
  const aws::Client* const shop = client("shop");
  const aws::Client* const web = client("web");
  const uint64_t revision = targets_->revision();
  targets_->set_members(organization(), both, "", "");
  EXPECT_EQ(client("shop"), shop);
  EXPECT_EQ(client("web"), web);
  EXPECT_EQ(targets_->revision(), revision);
  // One goes, and comes back.
  targets_->set_members(organization(), {both[0]}, "", "");
  EXPECT_EQ(targets_->account("web"), nullptr);
  EXPECT_THAT(error_of("", "222222222222"), HasSubstr("no longer an active one of the organization"));
  EXPECT_GT(targets_->revision(), revision);
  targets_->set_members(organization(), both, "", "");
  EXPECT_NE(client("web"), web) << "the old one's calls were ended";
  EXPECT_EQ(client("shop"), shop);
}

TEST_F(TargetsTest, WhatMembersAreReachedByIsUsedFromThenOn) {
  start("");
  targets_->set_members(organization(), {{"111111111111", "shop"}}, "", "");
  for (const auto change : {+[](OrganizationConfig& config) { config.external_id = "ours"; },
                            +[](OrganizationConfig& config) { config.role_name = "other"; },
                            +[](OrganizationConfig& config) { config.regions.names = {"us-east-1"}; }}) {
    const aws::Client* const before = client("shop");
    OrganizationConfig changed = organization();
    change(changed);
    targets_->set_members(changed, {{"111111111111", "shop"}}, "", "");
    EXPECT_NE(client("shop"), before);
    const aws::Client* const after = client("shop");
    targets_->set_members(changed, {{"111111111111", "shop"}}, "", "");
    EXPECT_EQ(client("shop"), after);
  }
  EXPECT_EQ(target("", "shop")->region, "us-east-1");
  // New credentials of the account that lists mean new ones here.
  const aws::Client* const before = client("shop");
  EXPECT_TRUE(reload("[aws]\nregion = \"us-east-1\"\n"));
  targets_->set_members(organization(), {{"111111111111", "shop"}}, "", "");
  EXPECT_NE(client("shop"), before);
}

TEST_F(TargetsTest, WithoutTheAccountThatListsThereAreNoMembers) {
  start("[[account]]\nname = \"main\"\n");
  OrganizationConfig of_main = organization();
  of_main.account = "main";
  targets_->set_members(of_main, {{"111111111111", "shop"}}, "", "");
  EXPECT_NE(targets_->account("shop"), nullptr);
  EXPECT_TRUE(reload(""));
  targets_->set_members(of_main, {{"111111111111", "shop"}, {"222222222222", "web"}}, "", "");
  EXPECT_EQ(targets_->account("shop"), nullptr);
  EXPECT_EQ(targets_->account("web"), nullptr);
}

TEST_F(TargetsTest, TheProtocolThatIsSetIsSpokenFromTheReloadOn) {
  start("");
  EXPECT_EQ(targets_->spoken().fixed(), std::nullopt);
  reload("[aws]\nprotocol = \"cbor\"\n");
  EXPECT_EQ(targets_->spoken().fixed(), Wire::cbor);
  reload("[aws]\nprotocol = \"json\"\n");
  EXPECT_EQ(targets_->spoken().fixed(), Wire::json);
  reload("");
  EXPECT_EQ(targets_->spoken().fixed(), std::nullopt);
}

TEST_F(TargetsTest, OfInventedRegionsThereAreAFewAndTheyAreForgotten) {
  start("[[account]]\nname = \"a\"\nregions = [\"eu-moonbase-3\"]\n");
  const auto invented = [](size_t number) { return "eu-moon-" + std::to_string(number); };
  for (size_t number = 0; number < Targets::kMostUnknownRegions; ++number)
    EXPECT_EQ(error_of(invented(number)), "");
  EXPECT_THAT(error_of(invented(99)),
              HasSubstr("'eu-moon-99' is no region that this version knows, and items "
                        "ask for 64 such regions already"));
  EXPECT_EQ(error_of(invented(0)), "") << "it has its place";
  EXPECT_EQ(error_of("eu-moonbase-3", "a"), "") << "it is configured";
  EXPECT_EQ(error_of("ap-northeast-1"), "");
  const size_t size = targets_->size();
  later_ += minutes(59);
  Target* const used = target(invented(0));
  later_ += minutes(2);
  targets_->forget({});
  EXPECT_LT(targets_->size(), size);
  EXPECT_EQ(target(invented(0)), used) << "asked for two minutes ago";
  EXPECT_EQ(error_of(invented(99)), "");
}

TEST_F(TargetsTest, AListOfAnAccountThatIsNoneIsAnError) {
  start("");
  std::optional<Result<std::vector<Target*>>> found;
  asio::co_spawn(io_, targets_->find_all("*", "nobody", std::chrono::steady_clock::now() + seconds(10)),
                 [&](const std::exception_ptr& failure, Result<std::vector<Target*>> got) {
                   EXPECT_FALSE(failure);
                   found = std::move(got);
                 });
  io_.run();
  ASSERT_TRUE(found);
  ASSERT_FALSE(*found);
  EXPECT_THAT(found->error().message, HasSubstr("no account 'nobody'"));
}

TEST_F(TargetsTest, RegionsAreLookedForOnceAnHourAndAMinuteAfterAFailure) {
  const Simulator simulator({});
  ASSERT_FALSE(simulator.url().empty()) << "simaws did not start";
  start("[aws]\nregions = \"all\"\n", simulator.url());
  const Account& account = *targets_->accounts().front();
  const auto look = [&] {
    (void)targets_->known();
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    io_.restart();
    while (account.found_regions.looking && std::chrono::steady_clock::now() < until)
      io_.run_one_for(milliseconds(50));
    EXPECT_FALSE(account.found_regions.looking);
    return targets_->calls().calls;
  };
  EXPECT_EQ(look(), 1u);
  const std::vector<std::string> both{"eu-west-1", "us-east-1"};
  EXPECT_EQ(account.found_regions.names, both);
  later_ += minutes(55);
  EXPECT_EQ(look(), 1u);
  later_ += minutes(6);
  EXPECT_EQ(look(), 2u);
  later_ += minutes(61);
  set_faults(simulator, "DescribeRegions:denied");
  EXPECT_EQ(look(), 3u);
  EXPECT_EQ(account.found_regions.names, both) << "those that were known stay";
  ASSERT_TRUE(account.found_regions.failure);
  EXPECT_EQ(targets_->calls().failed, 1u);
  EXPECT_EQ(look(), 3u);
  later_ += seconds(65);
  EXPECT_EQ(look(), 4u);
  set_faults(simulator, "");
  later_ += seconds(65);
  EXPECT_EQ(look(), 5u);
  EXPECT_FALSE(account.found_regions.failure);
  later_ += seconds(65);
  EXPECT_EQ(look(), 5u);
  // What was counted stays counted when the account is made anew.
  const aws::ClientCounters before = targets_->calls();
  EXPECT_EQ(before.attempts, 5u);
  for (const char* region : {"us-east-1", "eu-west-1"}) {
    EXPECT_TRUE(reload("[aws]\nregion = \"" + std::string(region) + "\"\n"));
    const aws::ClientCounters after = targets_->calls();
    EXPECT_EQ(after.calls, before.calls);
    EXPECT_EQ(after.attempts, before.attempts);
    EXPECT_EQ(after.throttled, before.throttled);
    EXPECT_EQ(after.paced, before.paced);
    EXPECT_EQ(after.failed, before.failed);
  }
}

}  // namespace
}  // namespace bakusoku::agent
