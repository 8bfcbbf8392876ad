// Alarms as resources, and what filters find among them; against the simulator: one sweep for all hosts.
#include "agent/services_alarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <asio/io_context.hpp>
#include <set>

#include "agent/agent.h"
#include "agent/ask_fixture.h"
#include "agent/discovery.h"
#include "agent/items.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/alarms.h"

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::Alarm;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Alarm alarm(std::string name, std::vector<aws::cloudwatch::Dimension> dimensions, std::string state = "OK") {
  Alarm made{std::move(name), std::move(state)};
  made.namespace_ = "AWS/EC2";
  made.dimensions = std::move(dimensions);
  return made;
}

const Service& service() { return *find_service("alarm"); }

class AlarmSnapshotTest : public testing::Test {
 protected:
  void read(const std::vector<Alarm>& alarms) {
    for (const Alarm& one : alarms) add_alarm(snapshot_, one);
    snapshot_.finish(WallTime{});
  }
  std::vector<std::string> found(const std::string& filter) {
    const auto parsed = parse_filter(filter, service());
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
    std::vector<std::string> names;
    for (const Resource* const one : snapshot_.matching(parsed.value_or(Filter())))
      names.emplace_back(one->id);
    return names;
  }
  static std::string error(const std::string& filter) {
    const auto parsed = parse_filter(filter, service());
    EXPECT_FALSE(parsed) << filter;
    return parsed ? "" : parsed.error().message;
  }
  Snapshot snapshot_;
};

TEST_F(AlarmSnapshotTest, HasTheFieldsThatTheAlarmHas) {
  Alarm cpu = alarm("cpu", {{"InstanceId", "i-1"}}, "ALARM");
  cpu.reason = "Threshold Crossed";
  cpu.transitioned = 1700000040;
  cpu.updated = 1700000100;
  cpu.metric = "CPUUtilization";
  cpu.statistic = "Average";
  cpu.period_seconds = 300;
  cpu.threshold = 90.5;
  cpu.comparison = "GreaterThanThreshold";
  cpu.description = "hot";
  cpu.actions_enabled = false;
  Alarm any{"any", "OK"};
  any.type = aws::cloudwatch::AlarmType::composite;
  any.rule = "ALARM(\"cpu\")";
  any.updated = 1700000100;
  read({cpu, any});
  const Resource& one = *snapshot_.by_id("cpu");
  const std::pair<const char*, const char*> fields[] = {{"id", "cpu"},
                                                        {"name", "cpu"},
                                                        {"state", "ALARM"},
                                                        {"reason", "Threshold Crossed"},
                                                        {"since", "2023-11-14T22:14:00.000Z"},
                                                        {"updated", "2023-11-14T22:15:00.000Z"},
                                                        {"type", "metric"},
                                                        {"namespace", "AWS/EC2"},
                                                        {"metric", "CPUUtilization"},
                                                        {"statistic", "Average"},
                                                        {"period", "300"},
                                                        {"threshold", "90.5"},
                                                        {"comparison", "GreaterThanThreshold"},
                                                        {"description", "hot"},
                                                        {"actions_enabled", "false"},
                                                        {"dimension.InstanceId", "i-1"}};
  for (const auto& [field, value] : fields) {
    EXPECT_EQ(one.find(field), value) << field;
    EXPECT_TRUE(service().knows(field)) << field;
  }
  const Resource& composite = *snapshot_.by_id("any");
  EXPECT_EQ(composite.find("type"), "composite");
  EXPECT_EQ(composite.find("rule"), "ALARM(\"cpu\")");
  EXPECT_EQ(composite.find("since"), "2023-11-14T22:15:00.000Z") << "where AWS says no better";
  for (const char* const none : {"threshold", "metric", "period", "actions_enabled", "dimension.InstanceId"})
    EXPECT_EQ(composite.find(none), std::nullopt) << none;
  EXPECT_FALSE(service().knows("tag.env")) << "DescribeAlarms says nothing of tags";
  EXPECT_FALSE(service().knows("dimension."));
  EXPECT_TRUE(find_service("ec2")->knows("tag.env"));
  EXPECT_FALSE(find_service("ec2")->knows("dimension.InstanceId"));
}

TEST_F(AlarmSnapshotTest, AHostFindsItsOwnAlarmsAndNoOthers) {
  read({alarm("a", {{"InstanceId", "i-1"}}), alarm("b", {{"VolumeId", "vol-1"}}),
        alarm("c", {{"InstanceId", "i-2"}}, "ALARM"), alarm("d", {{"InstanceId", "i-1"}}, "ALARM"),
        alarm("e", {{"VolumeId", "vol-2"}, {"InstanceId", "i-11"}}), alarm("f", {})});
  EXPECT_THAT(found("dimension.InstanceId=i-1"), ElementsAre("a", "d"));
  EXPECT_THAT(found("dimension.VolumeId=vol-1"), ElementsAre("b"));
  EXPECT_THAT(found("dimension.InstanceId=i-1;state=ALARM"), ElementsAre("d"));
  EXPECT_THAT(found("state=ALARM;namespace=AWS/EC2"), ElementsAre("c", "d"));
  EXPECT_THAT(found("dimension.InstanceId=i-3"), IsEmpty());
  EXPECT_THAT(found("dimension.instanceid=i-1"), IsEmpty()) << "CloudWatch minds the case, too";
  EXPECT_THAT(found("id=c"), ElementsAre("c"));
  EXPECT_THAT(found(""), ElementsAre("a", "b", "c", "d", "e", "f"));
}

TEST_F(AlarmSnapshotTest, AnAlarmOnMetricMathIsEachOfItsHosts) {
  read({alarm("sum", {{"InstanceId", "i-1"}, {"InstanceId", "i-2"}, {"Stage", "a;b\\"}}),
        alarm("other", {{"InstanceId", "i-3"}})});
  EXPECT_THAT(found("dimension.InstanceId=i-1"), ElementsAre("sum"));
  EXPECT_THAT(found("dimension.InstanceId=i-2"), ElementsAre("sum"));
  EXPECT_THAT(found("dimension.InstanceId=i-2;dimension.InstanceId=i-1"), ElementsAre("sum"));
  EXPECT_THAT(found("dimension.InstanceId=i-3;dimension.InstanceId=i-1"), IsEmpty());
  EXPECT_THAT(found("dimension.Stage=a\\;b\\\\"), ElementsAre("sum")) << "quoted as dimensions are";
}

TEST_F(AlarmSnapshotTest, MoreFieldsThanItIsSortedByAreComparedOneByOne) {
  std::vector<Alarm> alarms;
  for (int at = 0; at < 40; ++at) {
    alarms.push_back(alarm(fmt::format("a{:02}", at),
                           {{fmt::format("D{}", at), "x"}, {"Even", at % 2 == 0 ? "yes" : "no"}}));
  }
  read(alarms);
  for (int at = 0; at < 40; ++at) {
    EXPECT_THAT(found(fmt::format("dimension.D{}=x", at)), ElementsAre(fmt::format("a{:02}", at)));
    EXPECT_THAT(found(fmt::format("dimension.D{}=y", at)), IsEmpty());
  }
  EXPECT_EQ(found("dimension.Even=yes").size(), 20u);
  EXPECT_THAT(found("dimension.Even=yes;dimension.D39=x"), IsEmpty());
  EXPECT_THAT(found("dimension.Even=no;dimension.D39=x"), ElementsAre("a39"));
}

TEST_F(AlarmSnapshotTest, FindsWhatAPlainLookFinds) {
  std::vector<Alarm> alarms;
  uint64_t random = 1;
  const auto next = [&random](uint64_t below) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    return (random >> 33) % below;
  };
  for (int at = 0; at < 500; ++at) {
    alarms.push_back(
        alarm(fmt::format("a{:03}", at),
              {{"InstanceId", fmt::format("i-{}", next(40))}, {"Disk", fmt::format("{}", next(3))}},
              next(4) == 0 ? "ALARM" : "OK"));
  }
  read(alarms);
  for (int host = 0; host < 41; ++host) {
    for (const char* const state : {"", "ALARM", "OK", "INSUFFICIENT_DATA"}) {
      std::vector<std::string> plain;
      for (const Alarm& one : alarms) {
        if (one.dimensions[0].value == fmt::format("i-{}", host) && (*state == '\0' || one.state == state))
          plain.push_back(one.name);
      }
      const std::string more = *state == '\0' ? "" : fmt::format(";state={}", state);
      EXPECT_EQ(found(fmt::format("dimension.InstanceId=i-{}{}", host, more)), plain);
    }
  }
}

TEST_F(AlarmSnapshotTest, AFilterThatIsNoneSaysWhatItMayBe) {
  EXPECT_THAT(error("colour=red"),
              AllOf(HasSubstr("filter (parameter 4): the field 'colour' is not known; known are: id, name, "
                              "dimension.<name>, state, reason, since"),
                    HasSubstr("actions_enabled")));
  EXPECT_THAT(error("tag.env=prod"), HasSubstr("'tag.env' is not known"));
  EXPECT_THAT(error("state"), HasSubstr("filter (parameter 4): 'state' is not Name=Value"));
  EXPECT_THAT(error("state="), HasSubstr("is not Name=Value"));
  EXPECT_THAT(error("state=OK;"), HasSubstr("'' is not Name=Value"));
}

TEST_F(AlarmSnapshotTest, BecomesDiscoveryRowsWithDimensions) {
  Alarm sum = alarm("a \"b\"", {{"InstanceId", "i-1"}, {"InstanceId", "i-2"}, {"Auto Group", "g"}});
  sum.threshold = 90;
  read({sum, alarm("plain", {})});
  Account account;
  const Target target{&account, "eu-west-1"};
  EXPECT_EQ(
      discovery_json(service(), snapshot_, target, {}),
      R"x([{"{#ID}":"a \"b\"","{#NAME}":"a \"b\"","{#LABEL}":"a \"b\" (eu-west-1)","{#REGION}":"eu-west-1","{#ACCOUNT}":"","{#STATE}":"OK",)x"
      R"("{#TYPE}":"metric","{#NAMESPACE}":"AWS/EC2","{#THRESHOLD}":"90","{#DIMENSION.INSTANCEID}":"i-1",)"
      R"("{#DIMENSION.AUTO_GROUP}":"g","dimensions":{"InstanceId":"i-1","Auto Group":"g"}},)"
      R"x({"{#ID}":"plain","{#NAME}":"plain","{#LABEL}":"plain (eu-west-1)","{#REGION}":"eu-west-1","{#ACCOUNT}":"","{#STATE}":"OK",)x"
      R"("{#TYPE}":"metric","{#NAMESPACE}":"AWS/EC2","dimensions":{}}])");
  EXPECT_EQ(discovery_json(service(), snapshot_, target, {{"dimension.InstanceId", "i-9"}}), "[]");
}

// ---- against the simulator

class AlarmsTest : public testing::Test {
 protected:
  void start(std::vector<std::string> options = {}, const std::string& config = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    simulator_ = std::make_unique<Simulator>(std::move(options));
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    auto parsed = parse_config("[metrics]\nlist = 0\n" + config, "");
    ASSERT_TRUE(parsed) << parsed.error().message;
    auto agent = Agent::create(io_, std::move(*parsed), simulator_->environment());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
  }
  std::vector<Answer> ask(const std::vector<std::string>& keys) {
    return ask_all(io_, agent_->items(), keys, std::chrono::seconds(30));
  }
  std::string value(const std::string& key) {
    const Answer answer = ask({key})[0];
    EXPECT_TRUE(answer.supported) << key << ": " << answer.text;
    return answer.text;
  }
  std::string error(const std::string& key) {
    const Answer answer = ask({key})[0];
    EXPECT_FALSE(answer.supported) << key << ": " << answer.text;
    return answer.text;
  }
  static std::set<std::string> ids(const std::string& json) {
    simdjson::dom::parser parser;
    simdjson::dom::array rows;
    EXPECT_EQ(parser.parse(json).get_array().get(rows), simdjson::SUCCESS) << json;
    std::set<std::string> found;
    for (const auto row : rows) found.emplace(row["{#ID}"].get_string().value_unsafe());
    return found;
  }
  std::string stat(const std::string& name) { return value("bakusoku.stats[" + name + "]"); }

  simaws::World world_{1, {"eu-west-1", "us-east-1"}, 400};
  std::unique_ptr<Simulator> simulator_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AlarmsTest, OneSweepAnswersEveryHost) {
  start({"--instances", "400"});
  std::vector<std::string> keys;
  std::vector<std::set<std::string>> wanted;
  for (size_t index = 0; index < world_.instances; ++index) {
    const std::string instance = simaws::instance_id(world_, "eu-west-1", index);
    const std::string volume = simaws::volume_id(world_, "eu-west-1", index);
    keys.push_back("aws.discovery[alarm,,,dimension.InstanceId=" + instance + "]");
    wanted.emplace_back();
    if (simaws::is_running(index)) wanted.back().insert(simaws::alarm_name(world_, "eu-west-1", index, 0));
    if (index < 2) wanted.back().insert("simaws-math");
    keys.push_back("aws.discovery[alarm,,,\"dimension.VolumeId=" + volume + ";type=metric\"]");
    wanted.emplace_back();
    if (simaws::is_running(index)) wanted.back().insert(simaws::alarm_name(world_, "eu-west-1", index, 1));
  }
  const auto answers = ask(keys);
  size_t alarms = 0;
  for (size_t at = 0; at < keys.size(); ++at) {
    ASSERT_TRUE(answers[at].supported) << answers[at].text;
    EXPECT_EQ(ids(answers[at].text), wanted[at]) << keys[at];
    alarms += wanted[at].size();
  }
  EXPECT_EQ(stat("inventory.readings"), "1");
  const size_t in_region = alarms - 1 + 1;  // simaws-math counted twice; and the composite one
  EXPECT_EQ(stat("aws.calls"), std::to_string((in_region + 99) / 100));
  EXPECT_EQ(ids(value("aws.discovery[alarm]")).size(), in_region);
  EXPECT_EQ(ids(value("aws.discovery[alarm,,,type=composite]")), std::set<std::string>{"simaws-composite"});
}

TEST_F(AlarmsTest, FactsOfAnAlarm) {
  start();
  const std::string name = simaws::alarm_name(world_, "eu-west-1", 0, 0);
  const auto fact = [&](const std::string& field) {
    return "aws.resource[alarm," + name + "," + field + "]";
  };
  EXPECT_EQ(value(fact("metric")), "CPUUtilization");
  EXPECT_EQ(value(fact("dimension.InstanceId")), simaws::instance_id(world_, "eu-west-1", 0));
  EXPECT_EQ(value(fact("threshold")), "90");
  EXPECT_EQ(value(fact("period")), "300");
  EXPECT_EQ(value(fact("actions_enabled")), "true");
  EXPECT_EQ(value("aws.resource[alarm,simaws-math,expression]"), "m0+m1");
  EXPECT_THAT(value("aws.resource[alarm,simaws-composite,rule]"), HasSubstr("ALARM(\"" + name + "\")"));
  EXPECT_THAT(error("aws.resource[alarm,simaws-composite,metric]"),
              HasSubstr("CloudWatch alarm simaws-composite has no metric"));
  EXPECT_THAT(error(fact("colour")), HasSubstr("known are: id, name, dimension.<name>, state"));
  EXPECT_THAT(error("aws.resource[alarm,nobody,state]"), HasSubstr("no CloudWatch alarm 'nobody'"));
  const auto answer = ask({fact("state")})[0];
  EXPECT_TRUE(answer.lease) << "posted for Zabbix's workers to read";
}

TEST_F(AlarmsTest, FiltersFindInstancesToo) {
  start({"--instances", "200"});
  std::set<std::string> wanted;
  for (size_t index = 0; index < 200; ++index) {
    const simaws::Instance one = simaws::instance(world_, "eu-west-1", index);
    const bool prod = std::any_of(one.tags.begin(), one.tags.end(), [](const auto& tag) {
      return tag == std::pair<std::string, std::string>("env", "prod");
    });
    if (prod && one.state == "running") wanted.insert(one.id);
  }
  EXPECT_EQ(ids(value("aws.discovery[ec2,,,\"tag.env=prod;state=running\"]")), wanted);
  EXPECT_EQ(value("aws.discovery[ec2,,,state=terminated]"), "[]") << "gone, whatever is asked for";
  EXPECT_EQ(ids(value("aws.discovery[ec2,,,name=web-1]")),
            std::set<std::string>{simaws::instance_id(world_, "eu-west-1", 0)});
  EXPECT_THAT(error("aws.discovery[ec2,,,dimension.X=1]"),
              AllOf(HasSubstr("'dimension.X' is not known"), HasSubstr("tag.<key>")));
  EXPECT_THAT(error("aws.discovery[ec2,*,*,colour=red]"), HasSubstr("'colour' is not known"));
  EXPECT_THAT(error("aws.discovery[ec2,,,,]"), HasSubstr("at most 4"));
}

TEST_F(AlarmsTest, AFilterHoldsInAllRegions) {
  start({}, "[aws]\nregions = [\"eu-west-1\", \"us-east-1\"]\n");
  EXPECT_EQ(ids(value("aws.discovery[alarm,*,,type=composite]")), std::set<std::string>{"simaws-composite"});
  const std::string there = simaws::instance_id(world_, "us-east-1", 3);
  EXPECT_EQ(ids(value("aws.discovery[alarm,*,,dimension.InstanceId=" + there + "]")),
            std::set<std::string>{simaws::alarm_name(world_, "us-east-1", 3, 0)});
  EXPECT_EQ(value("aws.discovery[alarm,,,dimension.InstanceId=" + there + "]"), "[]");
}

TEST_F(AlarmsTest, DeniedNamesThePermissionAndWhoLacksIt) {
  start({"--fault", "DescribeAlarms:denied"},
        "[[account]]\nname = \"a\"\nrole_arn = \"arn:aws:iam::111111111111:role/bakusoku\"\n");
  EXPECT_THAT(error("aws.discovery[alarm,,a]"),
              HasSubstr("Allow cloudwatch:DescribeAlarms for role arn:aws:iam::111111111111:role/bakusoku"));
  for (const char* const key : {"aws.discovery[alarm]", "aws.resource[alarm,simaws-math,state]"}) {
    EXPECT_THAT(error(key), AllOf(HasSubstr("CloudWatch alarm list of eu-west-1"),
                                  HasSubstr("cloudwatch:DescribeAlarms"), HasSubstr("arn:aws:")))
        << key;
  }
  EXPECT_EQ(ids(value("aws.discovery[ec2]")).count("i-1"), 0u) << "the rest goes on";
}

TEST_F(AlarmsTest, AFailedReadingNeverBecomesAnEmptyDiscovery) {
  start({"--fault", "DescribeAlarms:garbage"});
  EXPECT_THAT(error("aws.discovery[alarm]"),
              AllOf(HasSubstr("CloudWatch alarm list of eu-west-1"), HasSubstr("DescribeAlarms")));
}

TEST_F(AlarmsTest, AreReadMoreOftenThanWhatRarelyChanges) {
  start();
  const Target& target = **agent_->targets().find("", "");
  const auto seconds = [&](const char* name, const std::string& config) {
    const auto parsed = parse_config(config, "");
    EXPECT_TRUE(parsed) << config;
    asio::io_context io;
    Inventories inventories(io, parsed->inventory, system_clock());
    return inventories.of(*find_service(name), target).interval().count();
  };
  EXPECT_EQ(seconds("ec2", ""), 300);
  EXPECT_EQ(seconds("alarm", ""), 60);
  EXPECT_EQ(seconds("ec2", "[inventory]\ninterval = \"10m\"\n"), 600);
  EXPECT_EQ(seconds("alarm", "[inventory]\ninterval = \"10m\"\n"), 60) << "an interval of its own";
  EXPECT_EQ(seconds("alarm", "[inventory]\nintervals = {alarm = \"2m\"}\n"), 120);
  EXPECT_EQ(seconds("ec2", "[inventory]\nintervals = {ec2 = \"15s\"}\n"), 15);
}

TEST_F(AlarmsTest, AnotherIntervalHoldsWithoutARestart) {
  start();
  const Service& alarms = service();
  const Target& target = **agent_->targets().find("", "");
  asio::io_context io;
  Inventories inventories(io, {}, system_clock());
  Inventory& inventory = inventories.of(alarms, target);
  EXPECT_EQ(inventory.interval().count(), 60);
  InventoryConfig config;
  config.intervals["alarm"] = std::chrono::seconds(20);
  inventories.configure(config);
  EXPECT_EQ(inventory.interval().count(), 20);
  inventories.configure({});
  EXPECT_EQ(inventory.interval().count(), 60);
}

TEST_F(AlarmsTest, AnIntervalOfNoServiceIsRefused) {
  start();
  auto config = parse_config("[inventory]\nintervals = {alarms = \"1m\"}\n", "");
  ASSERT_TRUE(config);
  const auto agent = Agent::create(io_, *config, simulator_->environment());
  ASSERT_FALSE(agent);
  EXPECT_THAT(agent.error().message,
              HasSubstr("[inventory] intervals: there is no service 'alarms'; known are: ec2, alarm"));
  const auto reloaded = agent_->reload(*config);
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error().message, HasSubstr("there is no service 'alarms'"));
}

}  // namespace
}  // namespace bakusoku::agent
