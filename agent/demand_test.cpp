// What a question adds to the demand, and what goes again.
#include "agent/demand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <map>
#include <set>

#include "agent/config.h"

namespace bakusoku::agent {
namespace {

class DemandTest : public testing::Test {
 protected:
  DemandTest() {
    auto config = parse_config("[aws]\nregion = \"eu-west-1\"\n", "");
    EXPECT_TRUE(config);
    Environment environment;
    environment.variables = {{"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto targets = Targets::create(io_, *config, environment, system_clock());
    EXPECT_TRUE(targets);
    targets_ = std::move(*targets);
  }

  static MetricKey meaning(const std::string& name_space, const std::string& metric = "M",
                           const std::string& instance = "i-1") {
    MetricKey key;
    key.namespace_ = name_space;
    key.metric = metric;
    key.statistic = "Average";
    key.period_seconds = 60;
    key.dimensions = {{"InstanceId", instance}};
    return key;
  }
  Series& add(Demand& demand, const MetricKey& key) {
    const auto wanted = demand.add(key);
    EXPECT_TRUE(wanted) << wanted.error().message;
    return *wanted->series;
  }
  void part_from(Series& series) { gone_.insert(&series); }
  auto farewell() {
    return [this](Series& series) { part_from(series); };
  }

  asio::io_context io_;
  std::unique_ptr<Targets> targets_;
  std::set<Series*> gone_;
};

TEST_F(DemandTest, AnyNumberOfSpellingsIsOneMetric) {
  Demand demand(*targets_);
  for (int spelling = 0; spelling < 20'000; ++spelling) {
    const auto wanted = demand.add("key " + std::to_string(spelling), meaning("N"));
    ASSERT_TRUE(wanted);
  }
  EXPECT_EQ(demand.series(), 1u);
  EXPECT_LE(demand.keys(), 1002u) << "a key is a short cut, and no more";
  EXPECT_NE(demand.find("key 19999").series, nullptr);
}

TEST_F(DemandTest, WhatNeverHadAValueGoesFirstAndTheOldestOfIt) {
  Demand demand(*targets_, {1000, 80});
  std::vector<Series*> kept;
  Series& fed = add(demand, meaning("N", "Fed"));
  fed.fed = 1;
  Series& proven = add(demand, meaning("N", "Proven"));
  proven.point_clock = 60;
  Series& waited_for = add(demand, meaning("N", "WaitedFor"));
  waited_for.held = 1;
  for (int number = 0; number < 300; ++number) {
    Series& one = add(demand, meaning("N" + std::to_string(number), "M" + std::to_string(number)));
    Demand::note_asked(one, 1000 + number);
    if (number >= 230) kept.push_back(&one);
  }
  EXPECT_TRUE(demand.may_be_crowded());
  demand.forget_crowd(farewell());
  EXPECT_EQ(demand.series(), 3u + 70u);
  for (Series* one : kept) EXPECT_FALSE(gone_.contains(one));
  for (Series* one : {&fed, &proven, &waited_for}) EXPECT_FALSE(gone_.contains(one));
  EXPECT_EQ(gone_.size(), 230u);
  EXPECT_FALSE(demand.may_be_crowded()) << "it is looked at again when there are some more";
  for (int number = 0; number < 10; ++number) add(demand, meaning("More", "M" + std::to_string(number)));
  EXPECT_TRUE(demand.may_be_crowded());
}

TEST_F(DemandTest, WhatIsFullRefusesInWordsAndTakesAgain) {
  Demand demand(*targets_, {100, 10});
  for (int number = 0; number < 100; ++number) {
    const std::string metric = "M" + std::to_string(number);
    ASSERT_TRUE(demand.add("k" + metric, meaning("N", metric)));
  }
  const auto refused = demand.add("k", meaning("N", "More"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("100 metrics are in use"));
  EXPECT_TRUE(demand.add("another spelling", meaning("N", "M5"))) << "it is there already";
  demand.forget_crowd(farewell());
  EXPECT_TRUE(demand.add("k", meaning("N", "More")));
}

TEST_F(DemandTest, NothingStaysOfWhatNobodyAsksFor) {
  Demand demand(*targets_);
  Series& kept = add(demand, meaning("Kept", "K", "i-0"));
  Demand::note_asked(kept, 10'000);
  const size_t texts = demand.texts();
  for (int number = 0; number < 1000; ++number) {
    const std::string text = std::to_string(number);
    Series& one = add(demand, meaning("N" + text, "M" + text, "i-" + text));
    Demand::note_asked(one, 1000);
  }
  MetricKey math = meaning("", "a + b");
  math.statistic.clear();
  math.dimensions.clear();
  math.inputs = {{"a", "N1", "M1", {}, "Sum"}, {"b", "N2", "M2", {}, "Sum"}};
  Demand::note_asked(add(demand, math), 1000);
  EXPECT_EQ(demand.groups().size(), 1002u);
  demand.forget_unasked(10'000, farewell());
  EXPECT_EQ(gone_.size(), 1001u);
  EXPECT_EQ(demand.series(), 1u);
  EXPECT_EQ(demand.groups().size(), 1u);
  EXPECT_EQ(demand.texts(), texts);
  EXPECT_EQ(kept.description(), "Kept K (InstanceId=i-0) Average");
  // And it is found where it was.
  EXPECT_EQ(&add(demand, meaning("Kept", "K", "i-0")), &kept);
  EXPECT_EQ(demand.find(meaning("Kept", "K", "i-0")), &kept);
}

}  // namespace
}  // namespace bakusoku::agent
