// Whatever anybody asks for, what is configured and exists has its place, and what nobody uses is given back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <map>
#include <set>
#include <stdexcept>

#include "agent/agent.h"
#include "agent/ask_fixture.h"
#include "agent/spawn.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

class BoundsTest : public testing::Test {
 protected:
  void start(const std::string& text = "[aws]\nregion = \"eu-west-1\"\n") {
    ASSERT_TRUE(set_up_log("off", false));
    auto config = parse_config(text + "[metrics]\nlist = 0\n", "");
    ASSERT_TRUE(config) << config.error().message;
    Environment environment;
    environment.variables = {{"AWS_ACCESS_KEY_ID", "AKID"},
                             {"AWS_SECRET_ACCESS_KEY", "secret"},
                             {"AWS_ENDPOINT_URL", "http://127.0.0.1:1"},
                             {"AWS_MAX_ATTEMPTS", "1"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto agent = Agent::create(
        io_, std::move(*config), environment, [this] { return std::chrono::system_clock::now() + later_; },
        [this] { return std::chrono::steady_clock::now() + later_; });
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
  }
  static std::string invented(int number) {
    std::string word = "aaa";
    for (char& ch : word) {
      ch = static_cast<char>('a' + number % 26);
      number /= 26;
    }
    return "eu-" + word + "-7";
  }
  std::string error_of(const std::string& region) {
    const auto found = agent_->targets().find(region, "");
    return found ? "" : found.error().message;
  }

  seconds later_{0};
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(BoundsTest, InventedRegionsLockNobodyOut) {
  start("[aws]\nregion = \"xx-local-1\"\nregions = [\"xx-local-1\", \"eu-moonbase-3\"]\n");
  size_t taken = 0;
  std::string refusal;
  for (int number = 0; number < 17'000; ++number) {
    const std::string error = error_of(invented(number));
    if (error.empty()) ++taken;
    if (!error.empty()) refusal = error;
  }
  EXPECT_EQ(taken, Targets::kMostUnknownRegions);
  EXPECT_THAT(refusal, HasSubstr("is no region that this version knows"));
  EXPECT_THAT(refusal, HasSubstr("name it in regions of [aws] or [[account]]"));
  for (const char* region :
       {"", "xx-local-1", "eu-moonbase-3", "eu-west-1", "us-gov-west-1", "cn-north-1", "eu-aaa-7"})
    EXPECT_EQ(error_of(region), "") << region;
}

TEST_F(BoundsTest, WhatIsNoRegionAtAllIsRefusedAtOnce) {
  start();
  for (const char* region :
       {"moon", "eu-west-1a", "eu-west1", "region-17", "invented-region-7", "eu-west-1-x"})
    EXPECT_THAT(error_of(region), HasSubstr("is not an AWS region")) << region;
  EXPECT_EQ(agent_->targets().size(), 0u) << "nothing is kept of it";
  EXPECT_LT(error_of(std::string(100'000, 'x')).size(), 200u);
}

TEST_F(BoundsTest, WhatNobodyUsesForAnHourIsGivenBack) {
  start();
  std::vector<std::string> keys;
  for (int number = 0; number < 60; ++number) {
    const std::string text = std::to_string(number);
    keys.push_back("aws.metric[N" + text + ",M" + text + ",Id=" + text + ",Average,60," + invented(number) +
                   "]");
    keys.push_back("aws.ec2.name2id[x" + text + "," + invented(number) + "]");
  }
  keys.push_back("aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1]");
  for (const Answer& answer : ask_all(io_, agent_->items(), keys, seconds(20)))
    EXPECT_FALSE(answer.supported);
  EXPECT_EQ(agent_->targets().size(), 61u);
  EXPECT_EQ(agent_->demand().groups().size(), 61u);
  size_t lanes = 0;
  const auto count_lanes = [&] {
    lanes = 0;
    agent_->collect().each_target([&](const Target&) { ++lanes; });
    return lanes;
  };
  EXPECT_EQ(count_lanes(), 61u);
  EXPECT_EQ(agent_->collect().delays().size(), 61u);
  agent_->forget_unasked();
  EXPECT_EQ(agent_->targets().size(), 61u) << "a question may be under way";
  later_ += minutes(50);
  keys = {"aws.metric[N1,M1,Id=1,Average,60," + invented(1) + "]"};
  (void)ask_all(io_, agent_->items(), keys, seconds(20));
  later_ += minutes(15);
  agent_->forget_unasked();
  EXPECT_EQ(agent_->demand().groups().size(), 1u);
  EXPECT_EQ(count_lanes(), 1u);
  EXPECT_EQ(agent_->collect().delays().size(), 1u);
  EXPECT_EQ(agent_->targets().size(), 2u) << "that one, and the default region";
  later_ += hours(4);  // it was asked for every 50 minutes
  agent_->forget_unasked();
  EXPECT_EQ(agent_->targets().size(), 1u);
  EXPECT_EQ(agent_->demand().texts(), 0u);
  EXPECT_EQ(count_lanes(), 0u);
  // The places are free again.
  for (int number = 100; number < 164; ++number) EXPECT_EQ(error_of(invented(number)), "");
  EXPECT_NE(error_of(invented(164)), "");
}

TEST_F(BoundsTest, WhatIsUsedIsKeptWithoutAQuestion) {
  start();
  Target* const used = *agent_->targets().find("eu-abc-1", "");
  later_ += hours(2);
  agent_->targets().forget({used});
  EXPECT_EQ(agent_->targets().size(), 1u);
  EXPECT_EQ(*agent_->targets().find("eu-abc-1", ""), used);
}

// A table of the board grows with what is posted, and shrinks with it.
TEST_F(BoundsTest, TheBoardGivesItsRoomBack) {
  start();
  Board& board = agent_->board();
  if (!board.descriptors()) GTEST_SKIP() << "no memory files here";
  const uint32_t slots = board.slots();
  std::vector<Series*> all;
  for (int number = 0; number < 5000; ++number) {
    const std::string key = "aws.metric[N,M" + std::to_string(number) + "]";
    const auto wanted = agent_->items().metric_behind(key);
    ASSERT_TRUE(wanted && *wanted);
    all.push_back((**wanted).series);
    board.post(key, "1", Lease{**wanted, nullptr, Span{1, 1'000'000'000}});
  }
  EXPECT_EQ(board.posted_count(), 5000u);
  EXPECT_GE(board.slots(), 5000u);
  for (size_t at = 100; at < all.size(); ++at) board.withdraw(*all[at]);
  board.shrink();
  EXPECT_EQ(board.slots(), slots);
  EXPECT_EQ(board.posted_count(), 100u);
  for (size_t at = 0; at < 100; ++at) EXPECT_EQ(board.posted(*all[at]).series, all[at]);
}

// It used to be a line in the log, and an agent that looked well.
TEST(SpawnLoop, ALoopThatEndsByAnExceptionEndsTheRun) {
  asio::io_context io;
  bool ended = false;
  const auto loop = []() -> asio::awaitable<void> {
    throw std::runtime_error("a fault");
    co_return;
  };
  spawn_loop(io, "a loop", loop(), [&] { ended = true; });
  EXPECT_THROW(io.run(), std::runtime_error);
  EXPECT_TRUE(ended);
  // One of many coroutines is another matter.
  io.restart();
  spawn(io, "a connection", loop());
  EXPECT_NO_THROW(io.run());
}

}  // namespace
}  // namespace bakusoku::agent
