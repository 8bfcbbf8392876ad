// Catching up: what a series missed is read behind all other readings, oldest first, and as far back as is
// wanted.
#include "agent/collect.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "agent/agent.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CollectTest : public testing::Test {
 protected:
  void start(const std::string& metrics = {}, std::vector<std::string> options = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    simulator_ = std::make_unique<Simulator>(std::move(options));
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    auto config = parse_config("[metrics]\n" + metrics, "");
    ASSERT_TRUE(config);
    auto agent = Agent::create(io_, std::move(*config), simulator_->environment());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
  }

  Collect& collect() { return agent_->collect(); }

  /// A series somebody wants every datapoint of.
  Series& feed(const std::string& metric, const std::string& statistic = "Average", int period = 60) {
    const std::string id = simaws::instance_id(simaws::World{}, "eu-west-1", 0);
    const auto wanted = agent_->items().metric_behind(
        fmt::format("aws.metric[AWS/EC2,{},\"InstanceId={}\",{},{}]", metric, id, statistic, period));
    EXPECT_TRUE(wanted && *wanted);
    (**wanted).series->fed = 1;
    return *(**wanted).series;
  }

  /// Until `count` more readings have come; as the agent's loop does it, faster.
  void run_until(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    const size_t wanted = readings_.size() + count;
    while (readings_.size() < wanted && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_for(milliseconds(5));
      for (Collect::Reading& reading : collect().take_readings()) readings_.push_back(std::move(reading));
      collect().tick();
    }
    ASSERT_GE(readings_.size(), wanted) << "not read in time";
  }

  std::unique_ptr<Simulator> simulator_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
  std::vector<Collect::Reading> readings_;
};

TEST_F(CollectTest, WhatWasMissedDoesNotHoldUpOthers) {
  start("catch_up = \"15d\"", {"--delay", "50"});
  const int64_t now = unix_seconds(std::chrono::system_clock::now());
  // Each from another time, so that each is a call of its own.
  for (int64_t at = 0; at < 8; ++at) {
    Series& series = feed("NetworkIn", "p" + std::to_string(10 + at));
    Collect::read_from(series, now - (at + 1) * 43'200);
    collect().want(series, true);
  }
  io_.run_for(milliseconds(40));  // they are gathered, and the first of them is under way
  Series& live = feed("CPUUtilization");
  collect().want(live, true);
  run_until(9);
  size_t before = 0;
  while (readings_[before].series != &live) ++before;
  EXPECT_LE(before, 2u) << "only what was under way already may come first";
}

TEST_F(CollectTest, AReadingThatWasCutGoesOnWhereItEnded) {
  start("catch_up = \"15d\"");
  const int64_t now = unix_seconds(std::chrono::system_clock::now());
  const int64_t from = (now - 43'200) / 60 * 60;
  Series& series = feed("CPUUtilization");
  Collect::read_from(series, from);
  collect().want(series, true);
  std::vector<int64_t> clocks;
  int64_t end = 0;
  for (size_t at = 0;; ++at) {
    run_until(1);
    ASSERT_EQ(readings_.size(), at + 1) << "one reading at a time";
    ASSERT_EQ(readings_[at].failure, nullptr);
    std::vector<int64_t> came;
    for (const Point& point : readings_[at].points) {
      if (point.clock >= std::max(end, from)) came.push_back(point.clock);
    }
    std::sort(came.begin(), came.end());
    clocks.insert(clocks.end(), came.begin(), came.end());
    end = readings_[at].window.end;
    if (!readings_[at].cut) break;
    Collect::read_from(series, end);
    collect().read_on(series);
  }
  EXPECT_GE(readings_.size(), 4u) << "twelve hours of minutes are more than one call brings";
  ASSERT_FALSE(clocks.empty());
  EXPECT_EQ(clocks.front(), from);
  for (size_t at = 1; at < clocks.size(); ++at) ASSERT_EQ(clocks[at], clocks[at - 1] + 60);
  EXPECT_GE(clocks.back(), now - 120 - 120);
}

TEST_F(CollectTest, WhenItFailsOthersAreStillRead) {
  start("", {"--fault", "GetMetricData:denied:1"});
  const int64_t now = unix_seconds(std::chrono::system_clock::now());
  Series& behind = feed("NetworkIn");
  Collect::read_from(behind, now - 7200);
  collect().want(behind, true);
  run_until(1);
  ASSERT_EQ(readings_[0].series, &behind);
  ASSERT_NE(readings_[0].failure, nullptr);
  collect().want(feed("CPUUtilization"), true);
  run_until(1);
  EXPECT_EQ(readings_[1].failure, nullptr);
  EXPECT_EQ(readings_[1].points.size(), 5u);
}

TEST_F(CollectTest, IsReadBackNoFurtherThanWanted) {
  start("catch_up = \"1h\"");
  const int64_t now = unix_seconds(std::chrono::system_clock::now());
  Series& series = feed("CPUUtilization");
  Collect::read_from(series, now - 86'400);
  collect().want(series, true);
  run_until(1);
  EXPECT_GE(readings_[0].window.start, now - 3600 - 60);
  EXPECT_LE(readings_[0].window.start, now - 3500);
  EXPECT_FALSE(readings_[0].cut);
}

TEST_F(CollectTest, CallsThatWaitForTheirTurnAreCounted) {
  start("[aws]\nquota_share = 0.1\n");  // DescribeAlarms: one at once, then 0.9 a second
  aws::Client& client = *agent_->targets().accounts().front()->client;
  for (int times = 0; times < 2; ++times) {
    asio::co_spawn(
        io_,
        [&client]() -> asio::awaitable<void> {
          aws::Call call{.service = "cloudwatch",
                         .signing_name = "monitoring",
                         .region = "eu-west-1",
                         .action = "DescribeAlarms"};
          (void)co_await client.send(std::move(call));
        },
        asio::detached);
  }
  io_.run_for(seconds(20));
  EXPECT_EQ(agent_->targets().calls().calls, 2U);
  EXPECT_EQ(agent_->targets().calls().paced, 1U);
}

}  // namespace
}  // namespace bakusoku::agent
