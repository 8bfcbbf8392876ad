// From items to values in a spool, against the simulator: what was missed is read back whole and in order,
// and a spool that cannot be written loses nothing.
#include "agent/checks.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <asio/io_context.hpp>
#include <filesystem>

#include "agent/agent.h"
#include "agent/delivery.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ChecksTest : public testing::Test {
 protected:
  void start(SpoolOptions options = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    simulator_ = std::make_unique<Simulator>(std::vector<std::string>{});
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    auto config = parse_config("", "");
    ASSERT_TRUE(config);
    auto agent = Agent::create(io_, std::move(*config), simulator_->environment(), clock());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    auto spool = Spool::open(std::move(options), clock());
    ASSERT_TRUE(spool) << spool.error().message;
    spool_ = std::move(*spool);
    ASSERT_TRUE(spool_->add_destination(kSpoolDestination));
    new_checks();
  }
  void new_checks() {
    checks_ = std::make_unique<Checks>(
        Checks::Parts{io_, agent_->items(), agent_->collect(), clock(), {spool_.get()}, seconds(3)});
  }
  Clock clock() {
    return [this] { return std::chrono::system_clock::now() + later_; };
  }
  int64_t now() { return unix_seconds(clock()()); }

  static zabbix::ActiveItem item(const std::string& key, uint64_t itemid = 1) {
    zabbix::ActiveItem item;
    item.key = item.key_orig = key;
    item.itemid = itemid;
    item.delay = "1m";
    return item;
  }
  static std::string metric(const std::string& name) {
    return fmt::format("aws.metric[AWS/EC2,{},\"InstanceId={}\",Average,60]", name,
                       simaws::instance_id(simaws::World{}, "eu-west-1", 0));
  }

  /// The agent's loop, faster, until `done`.
  template <typename Done>
  void run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "not in time";
      io_.restart();
      io_.run_for(milliseconds(5));
      agent_->collect().tick();
      checks_->tick();
    }
  }
  std::vector<int64_t> clocks_of(const std::string& key) {
    const auto packet = spool_->next(kSpoolDestination, 100'000, 1 << 30);
    EXPECT_TRUE(packet);
    std::vector<int64_t> clocks;
    for (const Value& value : packet->values) {
      if (value.key == key && value.supported) clocks.push_back(value.clock);
    }
    return clocks;
  }

  std::unique_ptr<Simulator> simulator_;
  std::chrono::seconds later_{0};
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Checks> checks_;
};

TEST_F(ChecksTest, WhatWasMissedForHoursComesWholeAndInOrder) {
  later_ = seconds(-86'400);
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key)});
  run_until([&] { return checks_->values() == 1; });
  const int64_t first = clocks_of(key).at(0);
  // The agent is away for seven hours: more than one call brings.
  later_ += seconds(7 * 3600);
  new_checks();
  checks_->replace(0, "host", {item(key)});
  const int64_t final_end = newest_final(now(), 60, 120);
  run_until([&] {
    const auto last = spool_->last_clock("host", key);
    return last && *last + 60 >= final_end;
  });
  const std::vector<int64_t> clocks = clocks_of(key);
  EXPECT_EQ(clocks.front(), first);
  for (size_t at = 1; at < clocks.size(); ++at) ASSERT_EQ(clocks[at], clocks[at - 1] + 60) << at;
}

TEST_F(ChecksTest, TwoItemsOfASeriesEachGetItsDatapoints) {
  start();
  const std::string key = metric("CPUUtilization");
  // The same series under a second spelling.
  std::string other = key;
  other.insert(other.size() - 1, ",eu-west-1");
  checks_->replace(0, "host", {item(key, 1), item(other, 2)});
  run_until([&] { return checks_->values() == 2; });
  EXPECT_EQ(clocks_of(key), clocks_of(other));
  checks_->replace(0, "host", {item(other, 2)});
  later_ += seconds(60);
  run_until([&] { return checks_->values() == 3; });
  EXPECT_EQ(clocks_of(key).size(), 1u);
  EXPECT_EQ(clocks_of(other).size(), 2u);
}

TEST_F(ChecksTest, ItIsSaidWhenAnItemIsNew) {
  start();
  int added = 0;
  checks_->on_added = [&] { ++added; };
  checks_->replace(0, "host", {item("bakusoku.ping", 1)});
  EXPECT_EQ(added, 1);
  checks_->replace(0, "host", {item("bakusoku.ping", 1)});
  EXPECT_EQ(added, 1) << "it was there before";
  checks_->replace(0, "host", {item("bakusoku.ping", 1), item("bakusoku.version", 2)});
  EXPECT_EQ(added, 2);
}

TEST_F(ChecksTest, KeysWithMacrosAreSentAsZabbixKnowsThem) {
  start();
  zabbix::ActiveItem echo = item("bakusoku.echo[web]");
  echo.key_orig = "bakusoku.echo[{HOST.HOST}]";
  checks_->replace(0, "host", {echo});
  run_until([&] { return checks_->values() == 1; });
  EXPECT_EQ(clocks_of("bakusoku.echo[{HOST.HOST}]").size(), 1u);
}

TEST_F(ChecksTest, AnIntervalThatCannotBeReadIsSaidOnce) {
  start();
  zabbix::ActiveItem wrong = item("bakusoku.ping");
  wrong.delay = "often";
  checks_->replace(0, "host", {wrong});
  run_until([&] { return checks_->values() == 1; });
  checks_->replace(0, "host", {wrong});
  checks_->tick();
  EXPECT_EQ(checks_->values(), 1u);
  const auto packet = spool_->next(kSpoolDestination, 10, 1 << 20);
  ASSERT_TRUE(packet);
  ASSERT_EQ(packet->values.size(), 1u);
  EXPECT_FALSE(packet->values[0].supported);
  EXPECT_NE(packet->values[0].text.find("often"), std::string_view::npos);
}

TEST_F(ChecksTest, NothingIsLostWhileTheSpoolCannotBeWritten) {
  // In memory, and full by SQLite's own limit: what a full disk is to a file.
  start();
  zabbix::ActiveItem ping = item("bakusoku.ping");
  ping.delay = "1s";
  checks_->replace(0, "host", {ping});
  run_until([&] { return checks_->values() == 1; });
  sqlite3_hard_heap_limit64(sqlite3_memory_used() + 1);
  later_ += seconds(1);
  for (int second = 0; second < 5; ++second) {
    for (int turn = 0; turn < 3; ++turn) {
      io_.restart();
      io_.run_for(milliseconds(5));
      checks_->tick();
    }
    later_ += seconds(1);
  }
  sqlite3_hard_heap_limit64(0);
  run_until([&] { return checks_->values() >= 5; });
  const std::vector<int64_t> clocks = clocks_of("bakusoku.ping");
  for (size_t at = 1; at < clocks.size(); ++at) EXPECT_GE(clocks[at], clocks[at - 1]);
  EXPECT_GE(clocks.size(), 5u);
}

}  // namespace
}  // namespace bakusoku::agent
