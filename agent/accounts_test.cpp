// Several accounts and regions at once, against the simulator: what one of them suffers is not felt by the
// others, and says what to do; and accounts that come, change and go while the agent runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/simulator_control.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"
#include "zabbix/scripted_peer.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kTwo = R"(
[aws]
regions = ["eu-west-1", "us-east-1", "ap-northeast-1"]
[[account]]
name = "a"
role_arn = "arn:aws:iam::111111111111:role/bakusoku"
regions = ["eu-west-1", "us-east-1", "ap-northeast-1"]
[[account]]
name = "b"
role_arn = "arn:aws:iam::222222222222:role/bakusoku"
regions = ["eu-west-1", "us-east-1", "ap-northeast-1"]
)";

class AccountsTest : public testing::Test {
 protected:
  void start(const std::string& text, std::vector<std::string> options = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    options.insert(options.begin(), {"--regions", "ap-northeast-1"});
    simulator_ = std::make_unique<Simulator>(std::move(options));
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    Environment environment = simulator_->environment();
    if (edit_) edit_(environment);
    auto agent = Agent::create(io_, parse(text), environment,
                               [this] { return std::chrono::system_clock::now() + ahead_; });
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    agent_->start();
  }
  static Config parse(const std::string& text) {
    auto config = parse_config(text + "\n[metrics]\nlist = 0\n", "bakusoku.toml");
    EXPECT_TRUE(config) << (config ? "" : config.error().message);
    return config ? *config : Config();
  }
  void reload(const std::string& text) {
    const auto done = agent_->reload(parse(text));
    EXPECT_TRUE(done) << done.error().message;
  }

  struct Timed {
    Answer answer;
    milliseconds took{0};
  };
  // Asks for all keys at once; the answers that have come when `done` says so, or in time.
  std::vector<Timed> ask(const std::vector<std::string>& keys, milliseconds timeout = seconds(10)) {
    std::vector<Timed> answers(keys.size());
    size_t open = keys.size();
    const auto begun = steady_clock::now();
    for (size_t at = 0; at < keys.size(); ++at) {
      asio::co_spawn(io_, agent_->items().answer(keys[at], begun + timeout),
                     [&, at](const std::exception_ptr& failure, Answer answer) {
                       EXPECT_FALSE(failure);
                       answers[at] = {std::move(answer),
                                      std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun)};
                       --open;
                     });
    }
    io_.restart();
    while (open > 0 && steady_clock::now() < begun + timeout + seconds(5)) io_.run_one_for(milliseconds(50));
    EXPECT_EQ(open, 0u) << "unanswered after the deadline";
    return answers;
  }
  std::string value(const std::string& key) {
    const Answer answer = ask({key})[0].answer;
    EXPECT_TRUE(answer.supported) << key << ": " << answer.text;
    return answer.text;
  }
  std::string error(const std::string& key) {
    const Answer answer = ask({key})[0].answer;
    EXPECT_FALSE(answer.supported) << key << ": " << answer.text;
    return answer.text;
  }
  std::string stat(const std::string& name) { return value("bakusoku.stats[" + name + "]"); }
  void run_for(milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }
  template <typename Done>
  void run_until(Done done) {
    const auto deadline = steady_clock::now() + seconds(20);
    io_.restart();
    while (!done() && steady_clock::now() < deadline) io_.run_one_for(milliseconds(20));
    EXPECT_TRUE(done()) << "not in time";
  }

  void faults(const std::string& spec) { set_faults(*simulator_, spec); }

  static std::string metric(const std::string& region, const std::string& account, size_t index = 0,
                            const std::string& name = "CPUUtilization") {
    const simaws::World world{1, {region}, 50};
    return fmt::format("aws.metric[AWS/EC2,{},InstanceId={},Average,300,{},{},zero]", name,
                       simaws::instance_id(world, region, index), region, account);
  }

  std::function<void(Environment&)> edit_;
  seconds ahead_{0};  // of the machine's clock
  std::unique_ptr<Simulator> simulator_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

const std::vector<std::string> kRegions = {"eu-west-1", "us-east-1", "ap-northeast-1"};

TEST_F(AccountsTest, OneThatIsDeniedSaysWhatIsMissingAndTheOthersGoOn) {
  start(kTwo);
  faults("GetMetricData@222222222222:denied,DescribeInstances@222222222222:denied");
  std::vector<std::string> keys;
  for (const std::string& region : kRegions) {
    for (const char* const account : {"a", "b"}) keys.push_back(metric(region, account));
  }
  const auto answers = ask(keys);
  for (size_t at = 0; at < keys.size(); ++at) {
    const Answer& answer = answers[at].answer;
    if (at % 2 == 0) {
      EXPECT_TRUE(answer.supported) << keys[at] << ": " << answer.text;
    } else {
      EXPECT_FALSE(answer.supported) << keys[at];
      EXPECT_THAT(
          answer.text,
          AllOf(
              HasSubstr("cloudwatch:GetMetricData in " + kRegions[at / 2] + " denied"),
              HasSubstr("Allow cloudwatch:GetMetricData for role arn:aws:iam::222222222222:role/bakusoku")));
    }
  }
  EXPECT_THAT(value("aws.ec2.name2id[web-1,us-east-1,a]"), HasSubstr("i-"));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,us-east-1,b]"),
              HasSubstr("Allow ec2:DescribeInstances for role arn:aws:iam::222222222222:role/bakusoku"));
}

TEST_F(AccountsTest, OneRegionThatIsDeniedLeavesTheOtherRegionsOfTheAccount) {
  start(kTwo);
  faults("GetMetricData@us-east-1:denied");
  EXPECT_TRUE(ask({metric("eu-west-1", "b")})[0].answer.supported);
  EXPECT_THAT(error(metric("us-east-1", "b")), HasSubstr("in us-east-1 denied"));
  EXPECT_TRUE(ask({metric("ap-northeast-1", "b")})[0].answer.supported);
}

TEST_F(AccountsTest, WhoMayNotAssumeARoleIsNamed) {
  start("[[account]]\nname = \"c\"\nrole_arn = \"arn:aws:iam::333333333333:role/denied\"\n");
  EXPECT_THAT(error(metric("eu-west-1", "c")),
              AllOf(HasSubstr("assuming arn:aws:iam::333333333333:role/denied with the environment"),
                    HasSubstr("is not authorized to perform: sts:AssumeRole on resource: "
                              "arn:aws:iam::333333333333:role/denied"),
                    HasSubstr("the role's trust policy must allow"),
                    HasSubstr("their own policy sts:AssumeRole on arn:aws:iam::333333333333:role/denied")));
  EXPECT_TRUE(ask({metric("eu-west-1", "")})[0].answer.supported);
}

// More calls hang than connections were once shared by all accounts of a host.
TEST_F(AccountsTest, OneThatHangsHoldsUpNobody) {
  start(kTwo);
  value("aws.ec2.name2id[web-1,eu-west-1,a]");
  ask({metric("eu-west-1", "b")});  // its role is assumed
  faults("*@222222222222:hang");
  std::vector<std::string> hanging;
  for (const int period : {300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700, 3000, 3300, 3600}) {
    for (const std::string& region : kRegions) {
      hanging.push_back(
          fmt::format("aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,{},{},b]", period, region));
    }
  }
  for (const std::string& region : kRegions) hanging.push_back("aws.ec2.name2id[web-1," + region + ",b]");
  size_t came = 0;
  for (const std::string& key : hanging) {
    asio::co_spawn(io_, agent_->items().answer(key, steady_clock::now() + seconds(60)),
                   [&came](const std::exception_ptr&, const Answer&) { ++came; });
  }
  run_for(milliseconds(200));
  std::vector<std::string> keys;
  for (size_t index = 0; index < 20; ++index) {
    for (const std::string& region : kRegions) keys.push_back(metric(region, "a", index));
  }
  keys.emplace_back("aws.ec2.name2id[web-1,us-east-1,a]");
  for (const Timed& timed : ask(keys, seconds(8))) {
    EXPECT_TRUE(timed.answer.supported) << timed.answer.text;
  }
  EXPECT_EQ(came, 0u);
}

TEST_F(AccountsTest, DiscoveryOfAllIsWholeOrAnError) {
  start(kTwo, {"--instances", "3"});
  const std::string all = value("aws.discovery[ec2,*,*]");
  size_t rows = 0;
  for (size_t at = all.find("{#ID}"); at != std::string::npos; at = all.find("{#ID}", at + 1)) ++rows;
  EXPECT_EQ(rows, 3u * 3 * 3);
  for (const std::string& region : kRegions) EXPECT_THAT(all, HasSubstr("\"{#REGION}\":\"" + region + "\""));
  EXPECT_THAT(all, AllOf(HasSubstr("\"{#ACCOUNT}\":\"\""), HasSubstr("\"{#ACCOUNT}\":\"a\""),
                         HasSubstr("\"{#ACCOUNT}\":\"b\"")));
  EXPECT_THAT(value("aws.discovery[ec2,*,a]"), Not(HasSubstr("\"{#ACCOUNT}\":\"b\"")));
  EXPECT_THAT(value("aws.discovery[ec2,us-east-1,*]"), Not(HasSubstr("eu-west-1")));
}

TEST_F(AccountsTest, APartThatFailsIsNamedAndNothingIsLeftOut) {
  start(kTwo);
  faults("DescribeInstances@222222222222:denied");
  EXPECT_THAT(
      error("aws.discovery[ec2,*,*]"),
      AllOf(HasSubstr("3 of 9 lists cannot be read"), HasSubstr("us-east-1 of account b"),
            HasSubstr("Allow ec2:DescribeInstances for role arn:aws:iam::222222222222:role/bakusoku")));
  EXPECT_THAT(value("aws.discovery[ec2,*,a]"), HasSubstr("us-east-1"));
  EXPECT_THAT(value("aws.discovery[ec2,us-east-1]"), HasSubstr("us-east-1"));
}

TEST_F(AccountsTest, AllRegionsAreThoseThatEc2Names) {
  start("[aws]\nregions = \"all\"\n");
  const std::string all = value("aws.discovery[ec2,*]");
  for (const std::string& region : kRegions) EXPECT_THAT(all, HasSubstr(region));
  EXPECT_EQ(agent_->targets().known().size(), 3u);
}

TEST_F(AccountsTest, AllRegionsAreWithoutThoseThatAreExcluded) {
  start("[aws]\nregions = \"all\"\nexclude_regions = [\"us-*\"]\n");
  EXPECT_THAT(value("aws.discovery[ec2,*]"),
              AllOf(HasSubstr("eu-west-1"), HasSubstr("ap-northeast-1"), Not(HasSubstr("us-east-1"))));
  EXPECT_EQ(agent_->targets().known().size(), 2u);
  EXPECT_THAT(value("aws.discovery[ec2,us-east-1]"), HasSubstr("us-east-1")) << "a key may name it";
  reload("[aws]\nregions = \"all\"\nexclude_regions = [\"ap-northeast-1\"]\n");
  EXPECT_THAT(value("aws.discovery[ec2,*]"), AllOf(HasSubstr("us-east-1"), Not(HasSubstr("ap-northeast-1"))));
  reload("[aws]\nregions = \"all\"\nexclude_regions = [\"*\"]\n");
  EXPECT_THAT(error("aws.discovery[ec2,*]"), HasSubstr("exclude_regions leaves no region"));
  EXPECT_EQ(agent_->targets().known().size(), 0u);
}

size_t warnings_of(const std::string& region) {
  size_t times = 0;
  for (const Problem& problem : recent_problems()) {
    if (problem.text.find("in " + region) != std::string::npos) times += problem.times;
  }
  return times;
}

TEST_F(AccountsTest, ARegionThatTheOrganizationForbidsIsLeftOutOfAllRegions) {
  start("[aws]\nregions = \"all\"\n", {"--instances", "3", "--fault", "DescribeInstances@us-east-1:scp"});
  const size_t before = warnings_of("us-east-1");
  for (int time = 0; time < 3; ++time) {
    EXPECT_THAT(value("aws.discovery[ec2,*]"),
                AllOf(HasSubstr("eu-west-1"), HasSubstr("ap-northeast-1"), Not(HasSubstr("us-east-1"))));
  }
  EXPECT_EQ(warnings_of("us-east-1"), before + 1) << "said once";
  EXPECT_THAT(value("bakusoku.status"),
              HasSubstr(R"("left_out":[{"account":"","region":"us-east-1","service":"ec2","why":")"));
  EXPECT_THAT(
      error("aws.discovery[ec2,us-east-1]"),
      AllOf(HasSubstr("A policy of the AWS organization forbids it: allowing ec2:DescribeInstances in the "
                      "account does not help"),
            Not(HasSubstr("Allow ec2"))));
}

TEST_F(AccountsTest, WhereEveryRegionIsForbiddenTheListIsAnError) {
  start("[aws]\nregions = \"all\"\n", {"--fault", "DescribeInstances:scp"});
  EXPECT_THAT(error("aws.discovery[ec2,*]"),
              AllOf(HasSubstr("no region is open"), HasSubstr("organization")));
}

TEST_F(AccountsTest, ARegionThatIsListedByNameIsNotLeftOut) {
  start(kTwo, {"--fault", "DescribeInstances@us-east-1:scp"});
  EXPECT_THAT(error("aws.discovery[ec2,*]"), HasSubstr("1 of 3 lists cannot be read"));
}

TEST_F(AccountsTest, KeysThatWereRotatedAreTakenFromTheirFileWithoutARestart) {
  std::string pattern = testing::TempDir() + "bakusoku-keys-XXXXXX";
  const int fd = ::mkstemp(pattern.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  const auto write = [&](const std::string& id, const std::string& secret) {
    std::ofstream(pattern) << "[default]\naws_access_key_id=" << id << "\naws_secret_access_key=" << secret
                           << "\n";
  };
  edit_ = [&](Environment& environment) {
    write(environment.variables["AWS_ACCESS_KEY_ID"], environment.variables["AWS_SECRET_ACCESS_KEY"]);
    environment.variables.erase("AWS_ACCESS_KEY_ID");
    environment.variables.erase("AWS_SECRET_ACCESS_KEY");
    environment.variables["AWS_SHARED_CREDENTIALS_FILE"] = pattern;
  };
  start("[[account]]\nname = \"role\"\nrole_arn = \"arn:aws:iam::111111111111:role/bakusoku\"\n");
  value("aws.ec2.name2id[web-1,eu-west-1]");
  control(*simulator_, "key", "AKIASIMAWSROTATED000 another/secret/that/is/no/real/one/00000");
  ahead_ += seconds(30);
  EXPECT_THAT(error("aws.ec2.name2id[web-1,us-east-1]"), HasSubstr("denied (AuthFailure)"));
  write("AKIASIMAWSROTATED000", "another/secret/that/is/no/real/one/00000");
  ahead_ += seconds(30);
  EXPECT_THAT(value("aws.ec2.name2id[web-1,ap-northeast-1]"), HasSubstr("i-"));
  EXPECT_THAT(value("aws.ec2.name2id[web-1,us-east-1,role]"), HasSubstr("i-"))
      << "a role is assumed with them";
  // What had failed is asked again by itself.
  const auto deadline = steady_clock::now() + seconds(60);
  Answer answer;
  while (!answer.supported && steady_clock::now() < deadline) {
    run_for(milliseconds(500));
    answer = ask({"aws.ec2.name2id[web-1,us-east-1]"})[0].answer;
  }
  EXPECT_TRUE(answer.supported) << answer.text;
  ::unlink(pattern.c_str());
}

TEST_F(AccountsTest, WhyThereIsNoRegionReachesTheItem) {
  edit_ = [&](Environment& environment) {
    environment.variables.erase("AWS_REGION");
    environment.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = simulator_->url();
  };
  start("", {"--fault", "Token:denied"});
  run_until([&] {
    return ask({"aws.ec2.name2id[web-1]"})[0].answer.text.find("gave no token") != std::string::npos;
  });
  EXPECT_THAT(error("aws.ec2.name2id[web-1]"),
              AllOf(HasSubstr("no region: name it in the item key"),
                    HasSubstr("gave no token (HTTP status 403)"), HasSubstr("tokens only")));
}

TEST_F(AccountsTest, AnInstanceWithoutTokensGivesRegionAndCredentials) {
  edit_ = [&](Environment& environment) {
    environment.variables.erase("AWS_REGION");
    environment.variables.erase("AWS_ACCESS_KEY_ID");
    environment.variables.erase("AWS_SECRET_ACCESS_KEY");
    environment.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = simulator_->url();
  };
  start("", {"--imds-v1", "--fault", "Token:denied"});
  run_until([&] { return ask({"aws.ec2.name2id[web-1]"})[0].answer.supported; });
}

TEST_F(AccountsTest, StsThatIsSwitchedOffIsNamedAndAnotherIsAsked) {
  const std::string account =
      "[[account]]\nname = \"role\"\nrole_arn = \"arn:aws:iam::111111111111:role/bakusoku\"\n";
  start(account, {"--fault", "sts@eu-west-1:off"});
  EXPECT_THAT(error("aws.ec2.name2id[web-1,us-east-1,role]"),
              HasSubstr("STS is switched off in eu-west-1: set sts_region in [aws] to another region"));
  reload("[aws]\nsts_region = \"us-east-1\"\n" + account);
  EXPECT_THAT(value("aws.ec2.name2id[web-1,ap-northeast-1,role]"), HasSubstr("i-"));
}

TEST_F(AccountsTest, RegionsThatMayNotBeListedAreAnErrorOfTheItem) {
  start("[aws]\nregions = \"all\"\n", {"--fault", "DescribeRegions:denied"});
  EXPECT_THAT(error("aws.discovery[ec2,*]"), HasSubstr("ec2:DescribeRegions in eu-west-1 denied"));
  const auto known = agent_->targets().known();
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0]->region, "eu-west-1");
}

TEST_F(AccountsTest, AnAccountWithoutAProfileOrRoleUsesTheDefaultCredentials) {
  start("[[account]]\nname = \"us\"\nregion = \"us-east-1\"\n");
  EXPECT_EQ(value("aws.ec2.name2id[web-1,,us]"), value("aws.ec2.name2id[web-1,us-east-1]"));
}

TEST_F(AccountsTest, MembersOfAnOrganizationAreAccounts) {
  start("[organization]\nregions = [\"eu-west-1\", \"us-east-1\"]\n",
        {"--organization", "30", "--instances", "2"});
  run_until([&] { return agent_->targets().account("200000000001") != nullptr; });
  const Account& first = *agent_->targets().account("200000000001");
  EXPECT_EQ(first.config.role_arn, "arn:aws:iam::200000000001:role/bakusoku");
  EXPECT_FALSE(first.also_named.empty());
  EXPECT_EQ(agent_->targets().account(first.also_named), &first);
  EXPECT_THAT(value("aws.ec2.name2id[web-1,us-east-1,200000000001]"), HasSubstr("i-"));
  // The management account lists, and is there as the default account.
  EXPECT_EQ(agent_->targets().account("000000000000"), agent_->targets().accounts().front().get());
  size_t members = 0;
  for (const auto& account : agent_->targets().accounts()) members += account->member ? 1 : 0;
  EXPECT_GT(members, 20u);
  EXPECT_LT(members, 30u) << "suspended ones are left out";
  // One that is left out goes to sleep.
  reload("[organization]\nregions = [\"eu-west-1\", \"us-east-1\"]\nexclude = [\"200000000001\"]\n");
  EXPECT_THAT(error("aws.ec2.name2id[web-1,us-east-1,200000000001]"),
              HasSubstr("account 200000000001 is no longer an active one of the organization"));
  reload("[organization]\nregions = [\"eu-west-1\", \"us-east-1\"]\n");
  EXPECT_THAT(value("aws.ec2.name2id[web-1,us-east-1,200000000001]"), HasSubstr("i-"));
  reload("");
  EXPECT_THAT(error("aws.ec2.name2id[web-1,us-east-1,200000000001]"),
              HasSubstr("[organization] is no longer in bakusoku.toml"));
}

TEST_F(AccountsTest, AnOrganizationThatCannotBeListedSaysWhy) {
  start("[organization]\n", {"--organization", "3", "--fault", "ListAccounts:denied"});
  run_until([&] { return agent_->targets().calls().failed > 0; });
  run_for(milliseconds(50));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,,200000000001]"),
              AllOf(HasSubstr("no account '200000000001'"), HasSubstr("organizations:ListAccounts")));
  EXPECT_THAT(error("aws.discovery[ec2,,*]"), HasSubstr("cannot be listed"));
  EXPECT_THAT(value("aws.ec2.name2id[web-1]"), HasSubstr("i-"));
}

TEST_F(AccountsTest, AReloadLeavesUnchangedAccountsAlone) {
  start(kTwo);
  const std::string kept = metric("eu-west-1", "a");
  const std::string gone = metric("eu-west-1", "b");
  value(kept);
  value(gone);
  const aws::Client* const client = agent_->targets().account("a")->client.get();
  const std::string requested = stat("metrics.requested");
  const std::string calls = stat("aws.calls");
  std::string text = kTwo;
  text.resize(text.rfind("[[account]]"));
  reload(text);
  EXPECT_EQ(agent_->targets().account("a")->client.get(), client);
  value(kept);
  EXPECT_THAT(error(gone), HasSubstr("account 'b' is no longer in bakusoku.toml"));
  EXPECT_EQ(stat("metrics.requested"), requested);
  EXPECT_EQ(stat("aws.calls"), calls) << "no call is made for it";
  reload(kTwo);
  value(gone);
  EXPECT_EQ(stat("metrics.requested"), requested) << "a value that is still the newest is not read again";
}

TEST_F(AccountsTest, AnAccountThatChangesIsReadAnew) {
  start(kTwo);
  const std::string before = value("aws.ec2.name2id[web-1,eu-west-1,b]");
  const aws::Client* const client = agent_->targets().account("a")->client.get();
  std::string text = kTwo;
  text.replace(text.find("222222222222"), 12, "444444444444");
  reload(text);
  EXPECT_NE(value("aws.ec2.name2id[web-1,eu-west-1,b]"), before);
  EXPECT_EQ(agent_->targets().account("a")->client.get(), client);
}

TEST_F(AccountsTest, WhatAnAccountIsReachedByIsUsedFromTheReloadOn) {
  start(kTwo);
  const auto client = [&](const char* name) { return agent_->targets().account(name)->client.get(); };
  const auto changed = [&](const std::string& from, const std::string& to) {
    const aws::Client* const a = client("a");
    const aws::Client* const b = client("b");
    std::string text = kTwo;
    text.replace(text.find(from), from.size(), to);
    reload(text);
    EXPECT_EQ(client("a"), a) << to;
    EXPECT_NE(client("b"), b) << to;
    EXPECT_THAT(value("aws.ec2.name2id[web-1,eu-west-1,b]"), HasSubstr("i-")) << to;
    reload(kTwo);
    EXPECT_NE(client("b"), b) << to;
  };
  changed("222222222222:role/bakusoku\"", "222222222222:role/bakusoku\"\nexternal_id = \"ours\"");
  changed("222222222222:role/bakusoku", "222222222222:role/other");
  changed("222222222222", "444444444444");
}

// The role's account wants an external id, and says no to any other.
TEST_F(AccountsTest, AnExternalIdThatIsPutRightAtAReloadIsUsed) {
  const auto text = [](const std::string& id) {
    return "[[account]]\nname = \"a\"\nrole_arn = \"arn:aws:iam::111111111111:role/an-external-role\"\n"
           "external_id = \"" +
           id + "\"\n";
  };
  start(text("theirs"));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,eu-west-1,a]"), HasSubstr("AssumeRole"));
  reload(text("simaws-external"));
  EXPECT_THAT(value("aws.ec2.name2id[web-1,us-east-1,a]"), HasSubstr("i-"));
  reload(text("theirs"));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,ap-northeast-1,a]"), HasSubstr("AssumeRole"));
}

TEST_F(AccountsTest, AProxyIsUsedFromTheReloadOn) {
  start("");
  value("aws.ec2.name2id[web-1]");
  zabbix::ScriptedPeer proxy([](zabbix::Wire& wire) {
    char bytes[1024];
    (void)::recv(wire.fd(), bytes, sizeof bytes, 0);
    wire.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  reload("[aws]\nproxy = \"http://127.0.0.1:" + std::to_string(proxy.endpoint().port) + "\"\n");
  error("aws.ec2.name2id[web-1]");
  EXPECT_GT(proxy.connections(), 0);
  reload("");
  value("aws.ec2.name2id[web-1]");
}

TEST_F(AccountsTest, TwoMembersOfOneNameAreNamedByTheirIds) {
  start("");
  Targets& targets = agent_->targets();
  OrganizationConfig organization;
  organization.used = true;
  organization.role_name = "bakusoku";
  targets.set_members(organization,
                      {{"111111111111", "shop"}, {"222222222222", "shop"}, {"333333333333", "web"}}, "", "");
  EXPECT_EQ(targets.account("shop"), nullptr) << "it may be either";
  EXPECT_EQ(targets.account("web"), targets.account("333333333333"));
  ASSERT_NE(targets.account("111111111111"), nullptr);
  EXPECT_NE(targets.account("111111111111"), targets.account("222222222222"));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,eu-west-1,shop]"), HasSubstr("no account 'shop'"));
  const uint64_t before = targets.revision();
  targets.set_members(organization, {{"111111111111", "shop"}, {"222222222222", "store"}}, "", "");
  EXPECT_EQ(targets.account("shop"), targets.account("111111111111"));
  EXPECT_EQ(targets.account("store"), targets.account("222222222222"));
  EXPECT_EQ(targets.account("web"), nullptr);
  EXPECT_GT(targets.revision(), before) << "keys may mean others now";
}

// A list that is waited for while its account becomes another one is that of the other.
TEST_F(AccountsTest, AListThatIsReadDuringAReloadIsOfTheNewAccount) {
  start(kTwo);
  const std::string of_two = value("aws.ec2.name2id[web-1,eu-west-1,b]");
  std::string text = kTwo;
  text.replace(text.find("222222222222"), 12, "444444444444");
  reload(text);
  const std::string of_four = value("aws.ec2.name2id[web-1,eu-west-1,b]");
  ASSERT_NE(of_two, of_four);
  faults("DescribeInstances:slow=200");
  for (int time = 0; time < 6; ++time) {
    reload(time % 2 == 0 ? std::string(kTwo) : text);
    Answer answer;
    bool came = false;
    asio::co_spawn(
        io_, agent_->items().answer("aws.ec2.name2id[web-1,eu-west-1,b]", steady_clock::now() + seconds(20)),
        [&](const std::exception_ptr& failure, Answer got) {
          EXPECT_FALSE(failure);
          answer = std::move(got);
          came = true;
        });
    run_for(milliseconds(30 * time));
    const bool before = came;  // on a machine that slept
    reload(time % 2 == 0 ? text : std::string(kTwo));
    run_until([&] { return came; });
    EXPECT_EQ(answer.text, (time % 2 == 0) != before ? of_four : of_two) << time;
  }
}

TEST_F(AccountsTest, ADefaultRegionThatChangesMeansOtherMetrics) {
  start("[aws]\nregion = \"eu-west-1\"\n");
  const std::string ireland = value("aws.ec2.name2id[web-1]");
  reload("[aws]\nregion = \"us-east-1\"\n");
  const std::string virginia = value("aws.ec2.name2id[web-1]");
  EXPECT_NE(ireland, virginia);
  EXPECT_EQ(virginia, value("aws.ec2.name2id[web-1,us-east-1]"));
}

TEST_F(AccountsTest, AReloadThatFailsChangesNothing) {
  start(kTwo);
  const aws::Client* const client = agent_->targets().account("b")->client.get();
  const auto failed = agent_->reload(parse("[[account]]\nname = \"b\"\nprofile = \"there is none\"\n"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("there is none"));
  EXPECT_EQ(agent_->targets().account("b")->client.get(), client);
  EXPECT_NE(agent_->targets().account("a"), nullptr);
  EXPECT_EQ(agent_->config().accounts.size(), 2u);
}

}  // namespace
}  // namespace bakusoku::agent
