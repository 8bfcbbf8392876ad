// Catching up: what a series missed is read behind all other readings, oldest first, and as far back as is
// wanted. And how many calls are under way at once, and which metrics come first.
#include "agent/collect.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <thread>

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
    auto agent = Agent::create(io_, std::move(*config), simulator_->environment(), clock());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
  }

  Collect& collect() { return agent_->collect(); }
  Clock clock() {
    return [this] { return std::chrono::system_clock::now() + later_; };
  }
  int64_t now() { return unix_seconds(clock()()); }

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

  /// So many times 15 s pass until a reading that succeeds; 20 when there is none.
  int steps_to_a_reading() {
    for (int steps = 0; steps < 20; ++steps) {
      const auto deadline = std::chrono::steady_clock::now() + seconds(30);
      collect().forgive();
      bool well = false;
      for (int idle = 0; idle < 5 && std::chrono::steady_clock::now() < deadline; ++idle) {
        io_.restart();
        io_.run_for(milliseconds(5));
        std::this_thread::sleep_for(milliseconds(2));  // what was missed is read at a pace of its own
        collect().tick();
        if (collect().calls_in_flight() > 0 || collect().series_gathered() > 0) idle = 0;
        for (Collect::Reading& reading : collect().take_readings()) {
          well = well || reading.failure == nullptr;
          if (reading.failure == nullptr) readings_.push_back(std::move(reading));
        }
      }
      if (well) return steps;
      later_ += seconds(15);
    }
    return 20;
  }

  seconds later_{0};
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
  io_.run_for(milliseconds(200));
  EXPECT_EQ(client.waiting_for_quota("eu-west-1", "cloudwatch"), 1U);
  EXPECT_EQ(client.waiting_for_quota("eu-west-1", "ec2"), 0U);
  EXPECT_EQ(client.waiting_for_quota("us-east-1", "cloudwatch"), 0U);
  io_.run_for(seconds(20));
  EXPECT_EQ(client.waiting_for_quota("eu-west-1", "cloudwatch"), 0U);
  EXPECT_EQ(agent_->targets().calls().calls, 2U);
  EXPECT_EQ(agent_->targets().calls().paced, 1U);
}

// Every call hangs, longer than a test takes.
class CallsInFlightTest : public CollectTest {
 protected:
  void start_hanging(const std::string& calls_in_flight) {
    start("gather = \"0ms\"\nlist = 0\n[aws]\nquota_share = 1\ncalls_in_flight = " + calls_in_flight,
          {"--regions", "eu-west-1,us-east-1,eu-central-1", "--fault", "GetMetricData:hang"});
  }
  /// So many calls, each of one metric.
  void want_calls(const std::string& region, int calls) {
    for (int number = 0; number < calls; ++number) {
      const auto wanted = agent_->items().metric_behind(
          fmt::format("aws.metric[AWS/EC2,NetworkIn,\"InstanceId=i-{}\",Average,60,{}]", number, region));
      ASSERT_TRUE(wanted && *wanted);
      collect().want(*(**wanted).series, true);
      const size_t gathered = collect().series_gathered();
      for (int turns = 0; turns < 1000 && collect().series_gathered() == gathered; ++turns) {
        io_.restart();
        io_.run_for(milliseconds(1));
      }
    }
  }
};

TEST_F(CallsInFlightTest, AreAsManyAsConfiguredInEachRegion) {
  start_hanging("3");
  want_calls("eu-west-1", 8);
  EXPECT_EQ(collect().calls_in_flight(), 3u);
  EXPECT_EQ(collect().calls_queued(), 5u);
  want_calls("us-east-1", 2);
  EXPECT_EQ(collect().calls_in_flight(), 5u) << "another region has its own";
  auto config =
      parse_config("[metrics]\ngather = \"0ms\"\nlist = 0\n[aws]\nquota_share = 1\ncalls_in_flight = 5", "");
  ASSERT_TRUE(config);
  ASSERT_TRUE(agent_->reload(std::move(*config)));
  collect().tick();
  io_.restart();
  io_.run_for(milliseconds(20));
  EXPECT_EQ(collect().calls_in_flight(), 7u) << "from the next moment on";
  EXPECT_EQ(collect().calls_queued(), 3u);
}

TEST_F(CallsInFlightTest, AreSixtyFourInAllAndTwoInEachRegionAllTheSame) {
  start_hanging("32");
  want_calls("eu-west-1", 40);
  EXPECT_EQ(collect().calls_in_flight(), 32u);
  want_calls("us-east-1", 40);
  EXPECT_EQ(collect().calls_in_flight(), static_cast<size_t>(kAllCallsInFlight));
  want_calls("eu-central-1", 5);
  EXPECT_EQ(collect().calls_in_flight(), static_cast<size_t>(kAllCallsInFlight) + 2);
  EXPECT_EQ(collect().calls_queued(), 8u + 8u + 3u);
}

TEST(Priorities, AreOfTheFirstTableThatFits) {
  const auto priority_of = priorities({{"AWS/ELB", "*", "high"},
                                       {"AWS/*", "CPU*", "low"},
                                       {"*", "?PU", "high"},
                                       {"Nobody/Has?That", "*", "high"}});
  EXPECT_EQ(priority_of("AWS/ELB", "CPUUtilization"), Priority::high);
  EXPECT_EQ(priority_of("AWS/EC2", "CPUUtilization"), Priority::low);
  EXPECT_EQ(priority_of("Own", "CPU"), Priority::high);
  EXPECT_EQ(priority_of("Own", "CPUUtilization"), Priority::normal);
  EXPECT_EQ(priority_of("aws/elb", "x"), Priority::normal) << "letters are told apart, as CloudWatch does";
  EXPECT_EQ(priorities({})("AWS/EC2", "CPUUtilization"), Priority::normal);
}

TEST_F(CollectTest, PrioritiesChangeWithTheConfiguration) {
  start("list = 0\n[[priority]]\nmetric = \"CPU*\"\nvalue = \"high\"");
  const Series& cpu = feed("CPUUtilization");
  const Series& network = feed("NetworkIn");
  const auto of = [](const Series& series) { return static_cast<Priority>(series.priority); };
  EXPECT_EQ(of(cpu), Priority::high);
  EXPECT_EQ(of(network), Priority::normal);
  auto config = parse_config("[metrics]\nlist = 0\n[[priority]]\nmetric = \"Net*\"\nvalue = \"low\"", "");
  ASSERT_TRUE(config);
  ASSERT_TRUE(agent_->reload(std::move(*config)));
  EXPECT_EQ(of(cpu), Priority::normal);
  EXPECT_EQ(of(network), Priority::low);
  EXPECT_EQ(of(feed("NetworkOut")), Priority::low) << "and those to come";
}

constexpr seconds kJumps[] = {std::chrono::hours(3), std::chrono::hours(24), std::chrono::hours(24 * 3653)};

TEST_F(CollectTest, AClockThatWasAheadOrBehindForAWhileHoldsUpNoReading) {
  start("list = 0");
  Series& series = feed("CPUUtilization");
  series.paced = 1;
  series.ask_gap = 60;
  collect().want(series, true);
  run_until(1);
  for (const seconds jump : kJumps) {
    for (const seconds off : {jump, -jump}) {
      later_ += off;
      (void)steps_to_a_reading();  // AWS may refuse it, as its clock is another
      later_ -= off;
      readings_.clear();
      EXPECT_LE(steps_to_a_reading(), 8) << "two minutes: " << off.count();
      ASSERT_FALSE(readings_.empty()) << off.count();
      const Window back = readings_.back().window;
      EXPECT_LE(back.end, now()) << off.count();
      EXPECT_GT(back.end, now() - 60 - collect().delay(series) - 60) << off.count();
      EXPECT_LE(steps_to_a_reading(), 8) << "and it goes on: " << off.count();
      EXPECT_GT(readings_.back().window.end, back.end) << off.count();
    }
  }
}

TEST_F(CollectTest, WhatWasNotedByAClockThatWasAheadIsSetBack) {
  start("list = 0");
  Series& series = feed("CPUUtilization");
  series.paced = 1;
  series.ask_gap = 60;
  collect().want(series, true);
  run_until(1);
  for (const seconds jump : kJumps) {
    const auto future = static_cast<Seconds32>(now() + jump.count());
    series.last_read = series.last_asked = series.read_until = series.wanted_from = series.absent_since =
        future;
    series.group->next_look = future;
    collect().tick();
    EXPECT_LE(series.last_read, now()) << jump.count();
    EXPECT_LE(series.last_asked, now());
    EXPECT_LE(series.wanted_from, now());
    EXPECT_LE(series.absent_since, now());
    run_until(1);
    EXPECT_LE(series.read_until, now()) << jump.count();
    EXPECT_EQ(readings_.back().window.start, readings_.back().window.end - 5 * 60) << "as every reading";

    // A failure is tried again after its own time, not after the jump.
    series.set_failure(std::make_shared<const Error>(Error{ErrorKind::denied, "no", "Forbidden"}));
    series.last_read = static_cast<Seconds32>(now() + jump.count());
    series.group->next_look = series.last_read;
    collect().tick();
    EXPECT_LE(collect().held_until(series), now() + 30) << jump.count();
    later_ += seconds(90);
    run_until(1);
    EXPECT_EQ(series.failure(), nullptr) << jump.count();
  }
}

TEST_F(CollectTest, WhoAskedByAClockThatWasAheadIsAnsweredAndForgottenInTime) {
  start("list = 0");
  const std::string key = "aws.metric[AWS/EC2,CPUUtilization,,Average,60]";
  Demand demand(agent_->targets());
  const auto wanted = demand.add(
      key,
      *series_meant("aws.metric", std::vector<std::string>{"AWS/EC2", "CPUUtilization", "", "Average", "60"})
           .value());
  ASSERT_TRUE(wanted);
  Series& series = *wanted->series;
  const int64_t at = now();
  const auto ignored = [](Series&) {};
  for (const seconds jump : kJumps) {
    Demand::note_asked(series, at + jump.count());
    demand.forget_unasked(at, ignored);
    EXPECT_LE(series.last_asked, at);
    Demand::note_asked(series, at + 300);
    EXPECT_EQ(series.ask_gap, 300u) << "the jump is no interval: " << jump.count();
    series.last_asked = static_cast<Seconds32>(at);
    // Back in time: what was asked is in the future, and its interval stays.
    Demand::note_asked(series, at - jump.count());
    EXPECT_EQ(series.ask_gap, 300u) << jump.count();
    EXPECT_EQ(series.last_asked, static_cast<Seconds32>(at - jump.count()));
    series.last_asked = static_cast<Seconds32>(at);
  }
  demand.forget_unasked(at + 3601, ignored);
  EXPECT_EQ(demand.series(), 0u);
}

}  // namespace
}  // namespace bakusoku::agent
