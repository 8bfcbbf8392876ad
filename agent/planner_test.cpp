#include "agent/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <map>

namespace bakusoku::agent {
namespace {

Environment no_files() {
  Environment environment;
  environment.variables = {{"AWS_CONFIG_FILE", "/nonexistent/config"},
                           {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
  return environment;
}

TEST(MeanInterval, OfSimpleFlexibleAndScheduledOnes) {
  EXPECT_EQ(mean_interval("5m").value(), 300);
  EXPECT_EQ(mean_interval("30").value(), 30);
  // Four times an hour, on seven days.
  EXPECT_NEAR(static_cast<double>(mean_interval("0;m0,15,30,45").value()), 900, 10);
  EXPECT_NEAR(static_cast<double>(mean_interval("0;h9").value()), 86400, 86400 / 6.0);
  EXPECT_FALSE(mean_interval("often"));
}

TEST(PlannedItems, ReadsKeysAsTheAgentDoes) {
  asio::io_context io;
  auto config = parse_config("[aws]\nregion = \"eu-west-1\"\n", "");
  ASSERT_TRUE(config);
  auto targets = Targets::create(io, *config, no_files(), system_clock());
  ASSERT_TRUE(targets) << targets.error().message;
  PlannedItems items(**targets);
  items.add("aws.metric[AWS/EC2,CPUUtilization,\"B=2;A=1\",Maximum,1m]", "10m");
  items.add("agent.ping", "1m");
  items.add("aws.metric[AWS/EC2]", "1m");
  items.add("aws.metric[AWS/EC2,X,,,,,nobody]", "1m");
  items.add("aws.metric[AWS/EC2,X]", "often");
  items.add("aws.metric[", "1m");
  ASSERT_EQ(items.series().size(), 1u);
  const PlannedSeries& row = items.series()[0];
  EXPECT_EQ(row.region, "eu-west-1");
  EXPECT_EQ(row.namespace_, "AWS/EC2");
  EXPECT_EQ(row.metric, "CPUUtilization");
  EXPECT_EQ(row.dimensions, "A=1;B=2");
  EXPECT_EQ(row.statistic, "Maximum");
  EXPECT_EQ(row.period, 60);
  EXPECT_EQ(row.interval, 600);
  EXPECT_EQ(row.exists, Exists::unknown);
  EXPECT_EQ(items.lists().size(), 0u);
  EXPECT_EQ(items.others(), 1u);
  EXPECT_EQ(items.problems().size(), 4u);
  EXPECT_THAT(items.problems(), testing::Contains(testing::HasSubstr("nobody")));
}

TEST(PlannedItems, KnowsWhichListsArePaidForAndHowOftenTheyAreAskedFor) {
  asio::io_context io;
  auto config = parse_config(R"([aws]
region = "eu-west-1"
regions = ["eu-west-1", "us-east-1"]
[[account]]
name = "prod"
role_arn = "arn:aws:iam::111111111111:role/r"
regions = ["eu-west-1"]
)",
                             "");
  ASSERT_TRUE(config) << config.error().message;
  auto targets = Targets::create(io, *config, no_files(), system_clock());
  ASSERT_TRUE(targets) << targets.error().message;
  PlannedItems items(**targets);
  items.add("aws.discovery[ec2]", "1m");  // free
  items.add("aws.discovery[alarm,,,dimension.InstanceId=i-1]", "5m");
  items.add("aws.resource[alarm,cpu,state]", "1m");
  items.add("aws.resource[alarm,cpu,state,us-east-1]", "10m");
  items.add("aws.discovery[alarm,*,*]", "1h");
  items.add("aws.discovery[alarm,moon]", "1h");
  items.add("aws.discovery[alarm]", "often");
  std::map<std::string, double> asked;
  for (const auto& [place, rate] : items.lists()) {
    EXPECT_EQ(place.first->name, "alarm");
    asked[place.second->account->name + "/" + place.second->region] = rate;
  }
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_NEAR(asked["/eu-west-1"], 1 / 300.0 + 1 / 60.0 + 1 / 3600.0, 1e-12);
  EXPECT_NEAR(asked["/us-east-1"], 1 / 600.0 + 1 / 3600.0, 1e-12);
  EXPECT_NEAR(asked["prod/eu-west-1"], 1 / 3600.0, 1e-12);
  EXPECT_EQ(items.others(), 1u);
  EXPECT_EQ(items.problems().size(), 2u);
}

TEST(ReadingsPerSecond, AreOncePerIntervalUnlessNobodyAsks) {
  using std::chrono::seconds;
  EXPECT_NEAR(readings_per_second(seconds(60), 1 / 60.0), 1 / 60.0, 1e-12);
  EXPECT_NEAR(readings_per_second(seconds(60), 100), 1 / 60.0, 1e-12) << "however many ask";
  EXPECT_NEAR(readings_per_second(seconds(60), 1 / 3600.0), 3 / 3600.0, 1e-12)
      << "it is read on for three intervals";
}

}  // namespace
}  // namespace bakusoku::agent
