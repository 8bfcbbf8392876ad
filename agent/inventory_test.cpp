#include "agent/inventory.h"

#include <gtest/gtest.h>

#include "agent/discovery.h"
#include "agent/items.h"
#include "agent/services_ec2.h"

namespace bakusoku::agent {
namespace {

aws::ec2::Instance instance(std::string id, std::string name, std::string state = "running") {
  aws::ec2::Instance made;
  made.id = std::move(id);
  made.type = "t3.micro";
  made.state = std::move(state);
  made.availability_zone = "eu-west-1a";
  if (!name.empty()) made.tags.push_back({"Name", std::move(name)});
  return made;
}

class SnapshotTest : public testing::Test {
 protected:
  void read(const std::vector<aws::ec2::Instance>& instances) {
    for (const auto& one : instances) add_instance(snapshot_, one);
    snapshot_.finish(WallTime{});
  }
  Snapshot snapshot_;
};

TEST_F(SnapshotTest, FindsByNameAndById) {
  read({instance("i-1", "web-1"), instance("i-2", "web-2"), instance("i-3", "")});
  ASSERT_NE(snapshot_.only_by_name("web-2"), nullptr);
  EXPECT_EQ(snapshot_.only_by_name("web-2")->id, "i-2");
  EXPECT_EQ(snapshot_.only_by_name("web-3"), nullptr);
  EXPECT_EQ(snapshot_.only_by_name(""), nullptr);
  EXPECT_EQ(snapshot_.by_id("i-3")->find("type"), "t3.micro");
  EXPECT_EQ(snapshot_.by_id("i-9"), nullptr);
}

TEST_F(SnapshotTest, ANameThatTwoInstancesHaveIsNobodys) {
  read({instance("i-2", "db"), instance("i-1", "db")});
  EXPECT_EQ(snapshot_.only_by_name("db"), nullptr);
  const auto found = snapshot_.by_name("db");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]->id, "i-1");
}

TEST_F(SnapshotTest, ATerminatedInstanceDoesNotHoldItsName) {
  read({instance("i-old", "web-1", "terminated"), instance("i-new", "web-1")});
  ASSERT_NE(snapshot_.only_by_name("web-1"), nullptr);
  EXPECT_EQ(snapshot_.only_by_name("web-1")->id, "i-new");
  EXPECT_EQ(snapshot_.by_id("i-old")->find("state"), "terminated");
}

TEST_F(SnapshotTest, TellsFieldsAndTagsApart) {
  auto tagged = instance("i-1", "web-1");
  tagged.tags.push_back({"state", "tagged"});
  read({tagged});
  const Resource& resource = *snapshot_.by_id("i-1");
  EXPECT_EQ(resource.find("state"), "running");
  EXPECT_EQ(resource.find("tag.state"), "tagged");
  EXPECT_EQ(resource.find("public_ip"), std::nullopt);
  EXPECT_EQ(resource.find("tag.none"), std::nullopt);
}

TEST_F(SnapshotTest, BecomesDiscoveryRowsWithMacrosAndTags) {
  auto odd = instance("i-1", "a \"b\"");
  odd.tags.push_back({"env", "prod"});
  odd.tags.push_back({"ENV", "Prod"});
  odd.tags.push_back({"コスト", "1"});
  read({odd, instance("i-2", "gone", "terminated")});
  Account account;
  const Target target{&account, "eu-west-1"};
  EXPECT_EQ(
      discovery_json(*find_service("ec2"), snapshot_, target, {}),
      R"x([{"{#ID}":"i-1","{#NAME}":"a \"b\"","{#LABEL}":"a \"b\" (i-1)","{#REGION}":"eu-west-1","{#ACCOUNT}":"","{#STATE}":"running",)x"
      R"("{#TYPE}":"t3.micro","{#ZONE}":"eu-west-1a","{#TAG.NAME}":"a \"b\"","{#TAG.ENV_F4F52AA7}":"prod","{#TAG.ENV}":"Prod",)"
      R"("{#TAG.24EE9534}":"1","tags":{"Name":"a \"b\"","env":"prod","ENV":"Prod","コスト":"1"}}])");
}

TEST_F(SnapshotTest, WithoutResourcesIsAnEmptyList) {
  read({});
  Account account;
  EXPECT_EQ(discovery_json(*find_service("ec2"), snapshot_, Target{&account, "eu-west-1"}, {}), "[]");
}

TEST(Value, IsWrittenAsZabbixTakesIt) {
  EXPECT_EQ(format_value(0), "0");
  EXPECT_EQ(format_value(-0.0), "0");
  EXPECT_EQ(format_value(12), "12");
  EXPECT_EQ(format_value(1e15), "1000000000000000");
  EXPECT_EQ(format_value(0.1), "0.1");
  EXPECT_EQ(format_value(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(format_value(1e-9), "1e-09");
}

}  // namespace
}  // namespace bakusoku::agent
