#include "simaws/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace bakusoku::simaws {
namespace {

constexpr const char* kRegion = "eu-west-1";
constexpr int64_t kStart = 1'763'800'200;  // a multiple of 300

World world() { return World{7, {"eu-west-1", "us-east-1"}, 3000}; }

std::optional<double> cpu(const World& of, size_t index, std::string_view statistic, int32_t period,
                          int64_t start) {
  return value(of, kRegion, "AWS/EC2", "CPUUtilization", {{"InstanceId", instance_id(of, kRegion, index)}},
               statistic, period, start);
}

TEST(Fleet, MixIsABijection) {
  for (uint64_t at : {0ull, 1ull, 12345ull, ~0ull, 0x9E3779B97F4A7C15ull}) EXPECT_EQ(unmix(mix(at)), at);
}

TEST(Fleet, AnIdLeadsBackToItsIndexAndOnlyInItsRegion) {
  const World of = world();
  for (size_t index : {size_t{0}, size_t{9}, size_t{2999}}) {
    const std::string id = instance_id(of, kRegion, index);
    EXPECT_EQ(id.size(), 19u);
    EXPECT_EQ(index_of(of, kRegion, id), index);
    EXPECT_EQ(index_of(of, "us-east-1", id), std::nullopt);
  }
  EXPECT_EQ(index_of(of, kRegion, instance_id(of, kRegion, 3000)), std::nullopt);
  EXPECT_EQ(index_of(of, kRegion, "i-0123456789abcdeg0"), std::nullopt);
  EXPECT_EQ(index_of(of, kRegion, "i-0123"), std::nullopt);
}

TEST(Fleet, TheFirstNameIsUniqueAndTheOddNamesAreAsDocumented) {
  size_t first = 0;
  size_t duplicates = 0;
  for (size_t index = 0; index < 3000; ++index) {
    const auto name = name_tag(index);
    first += name == "web-1";
    duplicates += name == "dup-name";
  }
  EXPECT_EQ(first, 1u);
  EXPECT_EQ(duplicates, 2u);
  EXPECT_EQ(name_tag(10), std::nullopt);
  EXPECT_EQ(name_tag(12), "");
  EXPECT_EQ(name_tag(26)->size(), 255u);
  EXPECT_EQ(name_tag(33), "web-34");
  EXPECT_TRUE(instance(world(), kRegion, 11).tags.empty());
  EXPECT_EQ(instance(world(), kRegion, 27).state, "stopped");
  EXPECT_EQ(instance(world(), kRegion, 28).state, "terminated");
}

TEST(Synthetic, ALongPeriodIsMadeOfShorterOnes) {
  const World of = world();
  double sum = 0;
  double count = 0;
  double minimum = 1e9;
  double maximum = -1e9;
  for (int64_t minute = 0; minute < 5; ++minute) {
    sum += *cpu(of, 0, "Sum", 60, kStart + minute * 60);
    count += *cpu(of, 0, "SampleCount", 60, kStart + minute * 60);
    minimum = std::min(minimum, *cpu(of, 0, "Minimum", 60, kStart + minute * 60));
    maximum = std::max(maximum, *cpu(of, 0, "Maximum", 60, kStart + minute * 60));
  }
  EXPECT_NEAR(*cpu(of, 0, "Sum", 300, kStart), sum, 1e-6);
  EXPECT_EQ(cpu(of, 0, "SampleCount", 300, kStart), count);
  EXPECT_EQ(cpu(of, 0, "Minimum", 300, kStart), minimum);
  EXPECT_EQ(cpu(of, 0, "Maximum", 300, kStart), maximum);
  EXPECT_NEAR(*cpu(of, 0, "Average", 300, kStart), sum / count, 1e-6);
}

TEST(Synthetic, PercentilesLieInOrder) {
  const World of = world();
  double before = *cpu(of, 3, "Minimum", 3600, kStart);
  for (const char* percentile : {"p0", "p1", "p10", "p50", "p90", "p99", "p99.9999", "p100"}) {
    const double now = *cpu(of, 3, percentile, 3600, kStart);
    EXPECT_LE(before, now) << percentile;
    before = now;
  }
  EXPECT_EQ(before, *cpu(of, 3, "Maximum", 3600, kStart));
  EXPECT_EQ(cpu(of, 3, "tm100", 3600, kStart), cpu(of, 3, "Average", 3600, kStart));
  EXPECT_EQ(cpu(of, 3, "ts100", 3600, kStart), cpu(of, 3, "Sum", 3600, kStart));
  EXPECT_EQ(cpu(of, 3, "tc100", 3600, kStart), cpu(of, 3, "SampleCount", 3600, kStart));
  EXPECT_EQ(cpu(of, 3, "PR(:1000)", 3600, kStart), 100.0);
  EXPECT_EQ(cpu(of, 3, "TC(1000:)", 3600, kStart), 0.0);
  EXPECT_EQ(cpu(of, 3, "TM(1000:)", 3600, kStart), std::nullopt);
}

TEST(Synthetic, OtherSeedsRegionsAndInstancesGiveOtherValues) {
  World of = world();
  std::set<double> values;
  for (size_t index : {0, 1, 2, 3}) values.insert(*cpu(of, index, "Sum", 3600, kStart));
  of.seed = 8;
  values.insert(*cpu(of, 0, "Sum", 3600, kStart));
  EXPECT_EQ(values.size(), 5u);
}

TEST(Synthetic, DimensionsMayComeInAnyOrder) {
  const Dimensions sorted{{"Queue", "orders"}, {"Service", "checkout"}, {"Stage", "prod"}};
  const Dimensions reversed{sorted[2], sorted[1], sorted[0]};
  const auto first = value(world(), kRegion, "Sim/App", "QueueDepth", sorted, "Average", 60, kStart);
  ASSERT_TRUE(first);
  EXPECT_EQ(first, value(world(), kRegion, "Sim/App", "QueueDepth", reversed, "Average", 60, kStart));
}

TEST(Synthetic, OnlyWhatExistsHasValues) {
  const World of = world();
  EXPECT_FALSE(cpu(of, 27, "Average", 300, kStart)) << "stopped";
  EXPECT_FALSE(value(of, kRegion, "AWS/EC2", "CPUUtilization", {}, "Average", 300, kStart));
  EXPECT_FALSE(value(of, kRegion, "AWS/EC2", "NoSuch", {{"InstanceId", instance_id(of, kRegion, 0)}}, "Sum",
                     300, kStart));
  EXPECT_FALSE(value(of, kRegion, "Sim/App", "Latency", {{"Service", "checkout"}}, "Average", 300, kStart));
}

TEST(Synthetic, AsManyMetricsOfLoadAsAreWanted) {
  World of = world();
  const auto load = [&](const char* id) {
    return value(of, kRegion, "Sim/Load", "Value", {{"Id", id}}, "Average", 10, kStart + 10);
  };
  EXPECT_FALSE(load("0"));
  const size_t before = metric_slots(of);
  of.load = 3;
  ASSERT_EQ(metric_slots(of), before + 3);
  const auto last = metric_at(of, kRegion, before + 2);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->dimensions, (Dimensions{{"Id", "2"}}));
  EXPECT_TRUE(load("0"));
  EXPECT_TRUE(load("2"));
  EXPECT_NE(load("1"), load("2"));
  for (const char* none : {"3", "02", "-1", "", "2x"}) EXPECT_FALSE(load(none)) << none;
}

TEST(Synthetic, ASparseMetricHasAPointInAQuarterOfItsBlocks) {
  int points = 0;
  for (int64_t block = 0; block < 1000; ++block) {
    points += value(world(), kRegion, "Sim/App", "Retries", {{"Service", "checkout"}}, "Sum", 300,
                    kStart + block * 300)
                  .has_value();
  }
  EXPECT_THAT(points, testing::AllOf(testing::Gt(200), testing::Lt(300)));
}

TEST(Synthetic, ShortPeriodsHavePointsOnlyWhereTheMetricIsStored) {
  EXPECT_TRUE(cpu(world(), 0, "Average", 10, kStart));
  EXPECT_FALSE(cpu(world(), 0, "Average", 10, kStart + 10)) << "a standard metric is stored each minute";
  const Dimensions latency{{"Service", "checkout"}, {"Stage", "prod"}};
  EXPECT_TRUE(value(world(), kRegion, "Sim/App", "Latency", latency, "Average", 10, kStart + 10));
}

TEST(Synthetic, StatisticNamesAreTakenAsCloudWatchTakesThem) {
  for (const char* good :
       {"Average",  "Sum",      "Minimum",  "Maximum",  "SampleCount", "IQM",     "p0",          "p99",
        "p99.9",    "p100",     "tm95",     "wm98.5",   "tc90",        "ts10",    "TM(10%:90%)", "TM(:90%)",
        "TM(10%:)", "WM(:200)", "TC(0.5:)", "TS(80%:)", "PR(:300)",    "PR(-5:5)"}) {
    EXPECT_TRUE(parse_statistic(good)) << good;
  }
  for (const char* bad :
       {"",           "average",     "Avg",      "p",  "p101", "p-1",        "p99.12345678901",
        "p1e1",       "p.5",         "p5.",      "TM", "TM()", "TM(:)",      "TM(90%:10%)",
        "TM(10:90%)", "PR(10%:90%)", "IQM(1:2)", "tm", "P99",  "TM(10%:90%", "tm99x"}) {
    EXPECT_FALSE(parse_statistic(bad)) << bad;
  }
}

TEST(Synthetic, MillionthsAreWrittenAsShortAsTheyGo) {
  const auto written = [](int64_t millionths) {
    std::string out;
    append_millionths(out, millionths);
    return out;
  };
  EXPECT_EQ(written(0), "0.0");
  EXPECT_EQ(written(3'000'000), "3.0");
  EXPECT_EQ(written(12'500'000), "12.5");
  EXPECT_EQ(written(-1), "-0.000001");
  EXPECT_EQ(written(-20'125'000), "-20.125");
  EXPECT_EQ(written(90'000'000'123'400), "90000000.1234");
}

TEST(Synthetic, EveryListedMetricHasASeries) {
  const World of{7, {kRegion}, 60};
  size_t listed = 0;
  for (size_t slot = 0; slot < metric_slots(of); ++slot) {
    const auto name = metric_at(of, kRegion, slot);
    if (!name) continue;
    ++listed;
    EXPECT_TRUE(find_series(of, kRegion, name->namespace_, name->metric, name->dimensions)) << name->metric;
  }
  EXPECT_GT(listed, 800u);
  EXPECT_FALSE(metric_at(of, kRegion, metric_slots(of)));
}

}  // namespace
}  // namespace bakusoku::simaws
