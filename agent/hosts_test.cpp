// Whose region and account an empty one in a key means.
#include "agent/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>

#include "agent/agent.h"
#include "agent/ask_fixture.h"
#include "agent/items.h"
#include "agent/scripted_zabbix.h"
#include "agent/services_alarm.h"
#include "agent/services_ec2.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"

namespace bakusoku::agent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const Service& ec2() { return *find_service("ec2"); }
const Service& alarm() { return *find_service("alarm"); }
const std::string kFirst = "i-00000000000000001";
const std::string kSecond = "i-00000000000000002";

using Snap = std::shared_ptr<const Snapshot>;

Snap instances(const std::vector<std::string>& ids, const std::string& state = "running") {
  auto snapshot = std::make_shared<Snapshot>();
  for (const std::string& id : ids) {
    aws::ec2::Instance one;
    one.id = id;
    one.state = state;
    add_instance(*snapshot, one);
  }
  snapshot->finish(WallTime{});
  return snapshot;
}

Snap alarms(const std::vector<std::string>& names) {
  auto snapshot = std::make_shared<Snapshot>();
  for (const std::string& name : names) {
    aws::cloudwatch::Alarm one;
    one.name = name;
    add_alarm(*snapshot, one);
  }
  snapshot->finish(WallTime{});
  return snapshot;
}

class HostsTest : public testing::Test {
 protected:
  HostsTest() { prod_.name = "prod"; }
  std::string home(const std::string& host, const std::string& region = "", const std::string& account = "") {
    const auto found = hosts_.home_of(host, region, account);
    if (!found) return found.error().message;
    return *found == nullptr ? "default" : (*found)->region + "/" + (*found)->account->name;
  }
  std::string key(const std::string& text, const std::string& host = kFirst) {
    return key_of_host(text, host, hosts_).value_or("error");
  }
  Account own_;
  Account prod_;
  Target here_{&own_, "eu-west-1"};
  Target there_{&own_, "us-east-1"};
  Target there_prod_{&prod_, "us-east-1"};
  Hosts hosts_;
};

TEST_F(HostsTest, AHostIsWhereTheResourceOfItsNameIs) {
  hosts_.take({{&ec2(), &here_, instances({kFirst})}, {&ec2(), &there_prod_, instances({kSecond})}}, {});
  EXPECT_THAT(hosts_.found(), ElementsAre(kFirst, kSecond));
  EXPECT_EQ(home(kFirst), "eu-west-1/");
  EXPECT_EQ(home(kSecond), "us-east-1/prod");
  EXPECT_EQ(home("aws-collector"), "default");
  EXPECT_EQ(home("i-00000000000000009"), "default");
}

TEST_F(HostsTest, AKeyOfItMeansItsOwnRegionAndAccountWhereItNamesNone) {
  hosts_.take({{&ec2(), &here_, instances({kSecond})}, {&ec2(), &there_prod_, instances({kFirst})}}, {});
  const std::pair<std::string, std::string> keys[] = {
      {"aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1]",
       "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,,,us-east-1,prod]"},
      {"aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Sum,60,,,zero]",
       "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Sum,60,us-east-1,prod,zero]"},
      {"aws.metric[AWS/EC2,CPUUtilization,\"A=1;B=a,b\",Sum,60,\"\",\"\"]",
       "aws.metric[AWS/EC2,CPUUtilization,\"A=1;B=a,b\",Sum,60,us-east-1,prod]"},
      {"aws.metric[AWS/EC2,CPUUtilization,,,,eu-west-1]",
       "aws.metric[AWS/EC2,CPUUtilization,,,,eu-west-1,prod]"},
      {"aws.metric[AWS/EC2,CPUUtilization,,,,,other]",
       "aws.metric[AWS/EC2,CPUUtilization,,,,us-east-1,other]"},
      {"aws.resource[ec2,i-1,state]", "aws.resource[ec2,i-1,state,us-east-1,prod]"},
      {"aws.resource[alarm,\"a, b\",state,,]", "aws.resource[alarm,\"a, b\",state,us-east-1,prod]"},
      {"aws.discovery[alarm,,,dimension.InstanceId=i-1]",
       "aws.discovery[alarm,us-east-1,prod,dimension.InstanceId=i-1]"},
      {"aws.discovery[ec2]", "aws.discovery[ec2,us-east-1,prod]"},
      {"aws.discovery[ec2,*]", "aws.discovery[ec2,*,prod]"},
      {"aws.ec2.name2id[web-1]", "aws.ec2.name2id[web-1,us-east-1,prod]"},
      {"aws.math[2*a,\"a=AWS/EC2,NetworkIn,InstanceId=i-1,Sum\"]",
       "aws.math[2*a,\"a=AWS/EC2,NetworkIn,InstanceId=i-1,Sum\",region=us-east-1,account=prod]"},
      {"aws.math[2*a,region=,\"a=AWS/EC2,NetworkIn,InstanceId=i-1,Sum\",account=x]",
       "aws.math[2*a,\"a=AWS/EC2,NetworkIn,InstanceId=i-1,Sum\",account=x,region=us-east-1]"},
      // Nothing to fill in.
      {"aws.resource[ec2,i-1,state,eu-west-1,x]", "aws.resource[ec2,i-1,state,eu-west-1,x]"},
      {"bakusoku.echo[hello]", "bakusoku.echo[hello]"},
      {"aws.metric[not a key", "aws.metric[not a key"},
      {"agent.ping", "agent.ping"},
  };
  for (const auto& [written, meant] : keys) {
    EXPECT_EQ(key(written), meant);
    EXPECT_EQ(key(written, "aws-collector"), written) << "of a host that is no resource's";
  }
  EXPECT_EQ(key("aws.resource[ec2,i-1,state]", kSecond), "aws.resource[ec2,i-1,state,eu-west-1,]")
      << "the default account is the host's own";
}

TEST_F(HostsTest, WithoutDiscoveryTheDefaultsHold) {
  EXPECT_EQ(home(kFirst), "default");
  EXPECT_EQ(key("aws.resource[ec2,i-1,state]"), "aws.resource[ec2,i-1,state]");
}

TEST_F(HostsTest, WhatIsSeenThroughTwoAccountsIsAskedThroughTheFirst) {
  hosts_.take({{&ec2(), &there_, instances({kFirst})}, {&ec2(), &there_prod_, instances({kFirst})}}, {});
  EXPECT_EQ(home(kFirst), "us-east-1/");
  EXPECT_EQ(home(kFirst, "", "prod"), "us-east-1/prod");
}

TEST_F(HostsTest, ANameInTwoPlacesIsAnErrorUnlessTheKeySaysWhich) {
  hosts_.take({{&alarm(), &here_, alarms({"cpu", "disk"})}, {&alarm(), &there_prod_, alarms({"cpu"})}}, {});
  EXPECT_EQ(home("disk"), "eu-west-1/");
  EXPECT_THAT(home("cpu"), AllOf(HasSubstr("CloudWatch alarm"), HasSubstr("'cpu'"), HasSubstr("eu-west-1"),
                                 HasSubstr("us-east-1 of account prod"), HasSubstr("name them in the key")));
  EXPECT_EQ(home("cpu", "us-east-1"), "us-east-1/prod");
  EXPECT_EQ(home("cpu", "", "prod"), "us-east-1/prod");
  EXPECT_THAT(home("cpu", "ap-northeast-1"), HasSubstr("several places"));
}

TEST_F(HostsTest, AnAlarmOfThatNameMovesNeitherAnInstanceNorAHostOfTheConfiguration) {
  hosts_.take({{&alarm(), &there_, alarms({kFirst, "aws-collector"})}, {&ec2(), &here_, instances({kFirst})}},
              {{"aws-collector"}, {}});
  EXPECT_EQ(home(kFirst), "eu-west-1/");
  EXPECT_EQ(home("aws-collector"), "default");
}

TEST_F(HostsTest, WhileItsListIsNotThereNoOtherRegionIsAsked) {
  const Hosts::Named named{{kFirst, "aws-collector"}, {}};
  hosts_.take({{&ec2(), nullptr}}, named);
  EXPECT_THAT(home(kFirst),
              AllOf(HasSubstr("not known yet"), HasSubstr("EC2 instance list"), HasSubstr("being read")));
  EXPECT_EQ(home("aws-collector"), "default") << "no instance is called so";
  EXPECT_EQ(home("i-am-no-id"), "default");
  EXPECT_TRUE(
      hosts_.take({{&ec2(), &here_, instances({kSecond})}, {&ec2(), &there_, nullptr, "denied: no"}}, named));
  EXPECT_THAT(home(kFirst), HasSubstr("denied: no"));
  EXPECT_TRUE(
      hosts_.take({{&ec2(), &here_, instances({kSecond})}, {&ec2(), &there_, instances({kFirst})}}, named));
  EXPECT_EQ(home(kFirst), "us-east-1/");
  EXPECT_FALSE(
      hosts_.take({{&ec2(), &here_, instances({kSecond})}, {&ec2(), &there_, instances({kFirst})}}, named));
}

TEST_F(HostsTest, AListThatFailsLeavesItsHostsWhereTheyWere) {
  hosts_.take({{&ec2(), &there_, instances({kFirst})}}, {});
  EXPECT_FALSE(hosts_.take({{&ec2(), &there_, nullptr, "throttled"}}, {}));
  EXPECT_EQ(home(kFirst), "us-east-1/");
  EXPECT_THAT(hosts_.found(), ElementsAre(kFirst));
}

TEST_F(HostsTest, AHostOfTheConfigurationStaysWhereItsResourceWas) {
  const Hosts::Named named{{kFirst}, {kSecond}};
  hosts_.take({{&ec2(), &there_, instances({kFirst, kSecond})}}, named);
  EXPECT_FALSE(hosts_.take({{&ec2(), &there_, instances({kFirst, kSecond}, "terminated")}}, named));
  EXPECT_THAT(hosts_.found(), testing::IsEmpty());
  EXPECT_FALSE(hosts_.take({{&ec2(), &there_, instances({})}}, named));
  EXPECT_EQ(home(kFirst), "us-east-1/");
  EXPECT_EQ(home(kSecond), "us-east-1/");
  hosts_.take({{&ec2(), &there_, instances({})}}, {});
  EXPECT_EQ(home(kFirst), "default");
}

TEST_F(HostsTest, SaysWhenAHostThatStaysIsElsewhere) {
  EXPECT_FALSE(hosts_.take({{&alarm(), &here_, alarms({"cpu"})}}, {}));
  EXPECT_FALSE(hosts_.take({{&alarm(), &here_, alarms({"cpu", "disk"})}}, {})) << "one that comes";
  EXPECT_TRUE(hosts_.take({{&alarm(), &here_, alarms({"cpu"})}, {&alarm(), &there_, alarms({"cpu"})}}, {}))
      << "now it is not clear where";
  EXPECT_TRUE(hosts_.take({{&alarm(), &there_, alarms({"cpu"})}}, {}));
  EXPECT_FALSE(hosts_.take({}, {})) << "one that goes";
}

// A Zabbix that wants the same of each host, as one that has linked a template.
class OneTemplate : public testing::Test {
 protected:
  void start(const std::string& more) {
    ASSERT_TRUE(set_up_log("off", false));
    auto config = parse_config(
        "[aws]\nregions = [\"eu-west-1\", \"us-east-1\"]\n[metrics]\nlist = 0\n[zabbix]\nserver = \"" +
            zabbix_.address() + "\"\nhostname = \"aws-collector\"\nstate_dir = \"\"\nrefresh = \"1s\"\n" +
            more,
        "test");
    ASSERT_TRUE(config) << config.error().message;
    auto agent = Agent::create(io_, std::move(*config), simulator_.environment());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    const auto opened = agent_->open_reporting();
    ASSERT_TRUE(opened) << opened.error().message;
    agent_->start();
  }
  static std::string reply(const std::string& request) {
    if (request.find("\"agent data\"") != std::string::npos)
      return R"({"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.01"})";
    std::string items;
    for (const auto& [key, delay] : std::initializer_list<std::pair<const char*, const char*>>{
             {"aws.ec2.name2id[web-1]", "1s"},
             {"aws.metric[Sim/App,Latency,Service=checkout;Stage=prod,Average,60]", "1m"},
             {"agent.ping", "1m"},
             {"agent.hostname", "1m"}}) {
      items += fmt::format(R"({}{{"key":"{}","key_orig":"{}","delay":"{}"}})", items.empty() ? "" : ",", key,
                           key, delay);
    }
    return R"({"response":"success","data":[)" + items + "]}";
  }
  // Whether a value of the host with that text was sent.
  bool sent(const std::string& host, const std::string& text) {
    for (const std::string& request : zabbix_.requests()) {
      for (size_t at = request.find("\"host\":\"" + host + "\",\"key\""); at != std::string::npos;
           at = request.find("\"host\":\"" + host + "\",\"key\"", at + 1)) {
        if (request.substr(at, request.find('}', at) - at).find(text) != std::string::npos) return true;
      }
    }
    return false;
  }
  std::string instance(const std::string& region, size_t index) const {
    return simaws::instance_id(world_, region, index);
  }
  std::set<std::string> regions_of_metrics() {
    std::set<std::string> regions;
    for (const auto& group : agent_->demand().groups()) {
      if (!group->members.empty()) regions.insert(group->target->region);
    }
    return regions;
  }

  simaws::World world_{1, {"eu-west-1", "us-east-1"}, 4};
  Simulator simulator_{{"--instances", "4"}};
  ScriptedZabbix zabbix_{reply};
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(OneTemplate, ServesAllRegions) {
  start("discover = [\"ec2\"]\n");
  const std::string here = instance("eu-west-1", 1);
  const std::string there = instance("us-east-1", 1);
  ASSERT_TRUE(run_until(io_, [&] {
    return sent(here, instance("eu-west-1", 0)) && sent(there, instance("us-east-1", 0)) &&
           sent("aws-collector", instance("eu-west-1", 0)) && regions_of_metrics().size() == 2;
  }));
  EXPECT_FALSE(sent(there, instance("eu-west-1", 0))) << "not even once at the start";
  EXPECT_THAT(regions_of_metrics(), ElementsAre("eu-west-1", "us-east-1"));
  EXPECT_EQ(agent_->demand().series(), 2u) << "the hosts of a region share its metric";
  const Answer told =
      ask_all(io_, agent_->items(), {"bakusoku.explain[" + there + ",\"aws.ec2.name2id[web-1]\"]"},
              std::chrono::seconds(10))[0];
  EXPECT_THAT(told.text,
              AllOf(HasSubstr("aws.ec2.name2id[web-1,us-east-1,]"), HasSubstr("those of the resource")));
}

TEST_F(OneTemplate, AHostOfTheConfigurationWaitsForTheListsAndAsksNoOtherRegion) {
  const std::string there = instance("us-east-1", 1);
  start("discover = [\"ec2\"]\nhosts = [\"" + there + "\"]\n");
  ASSERT_TRUE(run_until(io_, [&] { return sent(there, instance("us-east-1", 0)); }));
  EXPECT_FALSE(sent(there, instance("eu-west-1", 0)));
}

TEST_F(OneTemplate, ItemsOfTheAgentAreOfItsOwnHostsOnly) {
  const std::string found = instance("us-east-1", 1);
  start("discover = [\"ec2\"]\nhosts = [\"second\"]\n");
  ASSERT_TRUE(run_until(io_, [&] {
    return sent("aws-collector", R"("key":"agent.ping","value":"1")") &&
           sent("aws-collector", R"("key":"agent.hostname","value":"aws-collector")") &&
           sent("second", R"("key":"agent.hostname","value":"second")") &&
           sent(found, "it would be of the machine the agent runs on");
  }));
  EXPECT_FALSE(sent(found, R"("key":"agent.ping","value":"1")"));
}

}  // namespace
}  // namespace bakusoku::agent
