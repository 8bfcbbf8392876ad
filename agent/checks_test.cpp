// From items to values in a spool, against the simulator: what was missed is read back whole and in order,
// and a spool that cannot be written loses nothing.
#include "agent/checks.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "agent/agent.h"
#include "agent/delivery.h"
#include "agent/simulator_control.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ChecksTest : public testing::Test {
 protected:
  void start(SpoolOptions options = {}, std::vector<std::string> of_simulator = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    simulator_ = std::make_unique<Simulator>(std::move(of_simulator));
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
    Checks::Parts parts{io_, agent_->items(), agent_->collect(), clock(), {spool_.get()}, seconds(3)};
    if (longest_text_ != 0) parts.longest_text = longest_text_;
    checks_ = std::make_unique<Checks>(std::move(parts));
  }
  Clock clock() {
    return [this] { return stands_at_.value_or(std::chrono::system_clock::now()) + later_; };
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

  /// What is under way goes on, and nothing is begun.
  void run_for(milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }
  /// The agent's loop, faster, until `done`.
  template <typename Done>
  void run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "not in time";
      run_for(milliseconds(5));
      agent_->collect().tick();
      checks_->tick();
    }
  }
  /// The same for so many seconds of our clock.
  void run_through(int64_t time) {
    for (const int64_t end = now() + time; now() < end; later_ += seconds(1)) {
      run_for(milliseconds(2));
      agent_->collect().tick();
      checks_->tick();
    }
  }
  std::vector<int64_t> clocks_of(const std::string& key) {
    return clocks_that([&](const Value& value) { return value.key == key; });
  }
  std::vector<int64_t> clocks_of(uint64_t itemid) {
    return clocks_that([&](const Value& value) { return value.itemid == itemid; });
  }
  template <typename Wanted>
  std::vector<int64_t> clocks_that(Wanted wanted) {
    std::vector<int64_t> clocks;
    for (const Row& row : rows_that(wanted)) {
      if (row.supported) clocks.push_back(row.clock);
    }
    return clocks;
  }
  /// A value of the spool, in the order of putting.
  struct Row {
    int64_t clock = 0;
    std::string text;
    bool supported = true;
    friend bool operator==(const Row&, const Row&) = default;
  };
  template <typename Wanted>
  std::vector<Row> rows_that(Wanted wanted) {
    std::vector<Row> rows;
    const auto packet = spool_->next(kSpoolDestination, 100'000, 1 << 30);
    EXPECT_TRUE(packet);
    for (const Value& value : packet->values) {
      if (wanted(value)) rows.push_back(Row{value.clock, std::string(value.text), value.supported});
    }
    return rows;
  }
  std::vector<Row> rows_of(uint64_t itemid) {
    return rows_that([&](const Value& value) { return value.itemid == itemid; });
  }
  std::vector<std::string> errors_of(uint64_t itemid) {
    std::vector<std::string> errors;
    for (const Row& row : rows_of(itemid)) {
      if (!row.supported) errors.push_back(row.text);
    }
    return errors;
  }
  /// Each period once from the first on, and up to what is final now.
  void expect_whole(const std::vector<int64_t>& clocks) {
    ASSERT_FALSE(clocks.empty());
    for (size_t at = 1; at < clocks.size(); ++at) ASSERT_EQ(clocks[at], clocks[at - 1] + 60) << at;
  }
  /// From now on the spool takes no more than that; 0: whatever comes.
  static void set_room(int64_t bytes) {
    sqlite3_hard_heap_limit64(bytes == 0 ? 0 : sqlite3_memory_used() + bytes);
  }
  /// The value of a datapoint that CloudWatch brought in time for it, as the spool has it.
  void put_datapoint(const std::string& key, uint64_t itemid, int64_t clock) {
    const Value value{"host", key, itemid, clock, 0, true, "1", 0, true};
    ASSERT_TRUE(spool_->put(std::span(&value, 1), Durability::normal));
  }

  std::unique_ptr<Simulator> simulator_;
  std::chrono::seconds later_{0};
  std::optional<std::chrono::system_clock::time_point> stands_at_{};  // the clock, until later_ moves it
  size_t longest_text_ = 0;                                           // 0: as usual
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
    const auto last = spool_->last_clock("host", key, 1);
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

// k[x] and k[{$M}]: they read alike, and each is an item of its own.
TEST_F(ChecksTest, TwoItemsWithOneKeyEachGetItsDatapointsAndMayGo) {
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key, 1), item(key, 2)});
  EXPECT_EQ(checks_->count(), 2u);
  run_until([&] { return checks_->values() == 2; });
  EXPECT_EQ(clocks_of(1), clocks_of(2));
  later_ += seconds(60);
  run_until([&] { return checks_->values() == 4; });
  // The same again, in another order, and one goes.
  checks_->replace(0, "host", {item(key, 2), item(key, 1)});
  EXPECT_EQ(checks_->count(), 2u);
  checks_->replace(0, "host", {item(key, 2)});
  EXPECT_EQ(checks_->count(), 1u);
  later_ += seconds(60);
  run_until([&] { return checks_->values() == 5; });
  EXPECT_EQ(clocks_of(1).size(), 2u);
  EXPECT_EQ(clocks_of(2).size(), 3u);
  expect_whole(clocks_of(2));
  checks_->look_again();
  checks_->replace(0, "host", {});
  EXPECT_EQ(checks_->count(), 0u);
}

TEST_F(ChecksTest, TwoItemsWithoutIdsAreToldApartByTheirKeysAsConfigured) {
  start();
  zabbix::ActiveItem one = item("bakusoku.echo[a]", 0);
  zabbix::ActiveItem other = one;
  other.key_orig = "bakusoku.echo[{$A}]";
  checks_->replace(0, "host", {one, other});
  run_until([&] { return checks_->values() == 2; });
  EXPECT_EQ(clocks_of("bakusoku.echo[a]").size(), 1u);
  EXPECT_EQ(clocks_of("bakusoku.echo[{$A}]").size(), 1u);
}

TEST_F(ChecksTest, OfRowsWithOneIdentityTheFirstCounts) {
  start();
  checks_->replace(0, "host",
                   {item("bakusoku.echo[a]", 7), item("bakusoku.echo[b]", 7), item("bakusoku.echo[c]", 0),
                    item("bakusoku.echo[c]", 0)});
  const auto seen = checks_->seen(0, "host");
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].key, "bakusoku.echo[a]");
  EXPECT_EQ(seen[1].key, "bakusoku.echo[c]");
  EXPECT_EQ(checks_->count(), 2u);
}

TEST_F(ChecksTest, AnItemThatGoesAndComesBackGoesOnWhereItWas) {
  later_ = seconds(-7200);
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key, 1)});
  run_until([&] { return checks_->values() == 1; });
  checks_->replace(0, "host", {});
  later_ += seconds(1800);
  checks_->replace(0, "host", {item(key, 1)});
  run_until([&] { return checks_->values() > 25; });
  expect_whole(clocks_of(1));
}

TEST_F(ChecksTest, AnItemThatIsMadeAgainUnderAnotherIdIsANewOne) {
  later_ = seconds(-7200);
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key, 1)});
  run_until([&] { return checks_->values() == 1; });
  checks_->replace(0, "host", {});
  later_ += seconds(1800);
  checks_->replace(0, "host", {item(key, 2)});
  run_until([&] { return checks_->values() == 2; });
  EXPECT_GT(clocks_of(2).at(0), clocks_of(1).at(0) + 1500) << "it begins with the newest";
  // The one that was there comes back, and has missed what the other never wanted.
  checks_->replace(0, "host", {item(key, 1), item(key, 2)});
  run_until([&] { return clocks_of(1).size() > 25; });
  expect_whole(clocks_of(1));
  EXPECT_LE(clocks_of(2).size(), 3u);
}

TEST_F(ChecksTest, AnItemWhoseKeyIsChangedGoesOnWithTheOtherMetric) {
  later_ = seconds(-7200);
  start();
  checks_->replace(0, "host", {item(metric("CPUUtilization"), 1)});
  run_until([&] { return checks_->values() == 1; });
  later_ += seconds(600);
  checks_->replace(0, "host", {item(metric("NetworkIn"), 1)});
  EXPECT_EQ(checks_->count(), 1u);
  run_until([&] { return checks_->values() > 8; });
  expect_whole(clocks_of(1));
  EXPECT_EQ(clocks_of(metric("CPUUtilization")).size(), 1u);
}

TEST_F(ChecksTest, AnotherIntervalKeepsThePlaceOfAnItem) {
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key, 1)});
  run_until([&] { return checks_->values() == 1; });
  const Series* const series = checks_->seen(0, "host").at(0).metric.series;
  zabbix::ActiveItem rarer = item(key, 1);
  rarer.delay = "5m";
  checks_->replace(0, "host", {rarer});
  EXPECT_EQ(checks_->seen(0, "host").at(0).metric.series, series);
  EXPECT_EQ(series->ask_gap, 300u);
  rarer.delay = "never";
  checks_->replace(0, "host", {rarer});
  EXPECT_EQ(checks_->count(), 0u);
  EXPECT_EQ(series->feeders, nullptr);
  EXPECT_EQ(series->fed, 0u);
  checks_->replace(0, "host", {item(key, 1)});
  later_ += seconds(60);
  run_until([&] { return clocks_of(1).size() == 2; });
  expect_whole(clocks_of(1));
}

// One is at the newest, one has missed three hours, one has a hole of which nothing is left to be read.
TEST_F(ChecksTest, TwoItemsOfASeriesWithDifferentLastClocksEachGoOnWhereTheyAre) {
  start();
  const std::string key = metric("CPUUtilization");
  const int64_t final_end = newest_final(now(), 60, 120);
  put_datapoint(key, 1, final_end - 3 * 3600);
  put_datapoint(key, 2, final_end - 600);
  checks_->replace(0, "host", {item(key, 1), item(key, 2), item(key, 3)});
  run_until([&] { return clocks_of(1).size() > 175 && clocks_of(2).size() > 8 && !clocks_of(3).empty(); });
  run_until([&] {
    return clocks_of(1).back() == clocks_of(2).back() && clocks_of(3).back() == clocks_of(2).back();
  });
  expect_whole(clocks_of(1));
  expect_whole(clocks_of(2));
  expect_whole(clocks_of(3));
  EXPECT_EQ(clocks_of(1).front(), final_end - 3 * 3600);
  EXPECT_EQ(clocks_of(2).front(), final_end - 600);
}

TEST_F(ChecksTest, AnItemThatComesWhileItsSeriesIsReadMissesNothing) {
  start();
  const std::string key = metric("CPUUtilization");
  const int64_t final_end = newest_final(now(), 60, 120);
  put_datapoint(key, 1, final_end - 3600);
  checks_->replace(0, "host", {item(key, 2)});
  checks_->tick();
  const Series* const series = checks_->seen(0, "host").at(0).metric.series;
  ASSERT_NE(series, nullptr);
  // Until its call is on its way, without the item that is an hour behind.
  run_until([&] { return agent_->collect().calls_in_flight() > 0 || series->readings > 0; });
  checks_->replace(0, "host", {item(key, 2), item(key, 1)});
  run_until([&] { return clocks_of(1).size() > 55; });
  expect_whole(clocks_of(1));
  EXPECT_EQ(clocks_of(1).front(), final_end - 3600);
  expect_whole(clocks_of(2));
}

TEST_F(ChecksTest, OnlyDatapointsMoveAnItemsPlace) {
  later_ = seconds(-3600);
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key, 1), item("bakusoku.ping", 2), item("aws.metric[AWS/EC2]", 3)});
  run_until([&] { return clocks_of(1).size() == 1 && checks_->values() >= 3; });
  EXPECT_EQ(spool_->last_clock("host", key, 1), clocks_of(1).at(0));
  EXPECT_EQ(spool_->last_clock("host", "bakusoku.ping", 2), std::nullopt);
  EXPECT_EQ(spool_->last_clock("host", "aws.metric[AWS/EC2]", 3), std::nullopt);
}

// Zabbix keeps a row of history by item, clock and ns.
TEST_F(ChecksTest, TwoAnswersOfOneMomentAreTwoRows) {
  start();
  const WallTime moment = clock()();
  checks_ = std::make_unique<Checks>(Checks::Parts{
      io_, agent_->items(), agent_->collect(), [moment] { return moment; }, {spool_.get()}, seconds(3)});
  zabbix::ActiveItem ping = item("bakusoku.ping", 1);
  for (const char* const delay : {"1m", "2m", "3m"}) {
    ping.delay = delay;
    const uint64_t before = checks_->values();
    checks_->replace(0, "host", {ping});
    run_until([&] { return checks_->values() == before + 1; });
  }
  const auto packet = spool_->next(kSpoolDestination, 100'000, 1 << 30);
  ASSERT_TRUE(packet);
  std::set<std::pair<int64_t, uint32_t>> places;
  for (const Value& value : packet->values) {
    EXPECT_EQ(value.clock, unix_seconds(moment));
    places.emplace(value.clock, value.ns);
  }
  EXPECT_EQ(places.size(), 3u);
}

TEST_F(ChecksTest, AnErrorIsPutOncePerChange) {
  start();
  zabbix::ActiveItem wrong = item("aws.ec2.name2id[nobody]", 1);
  wrong.delay = "1s";
  checks_->replace(0, "host", {wrong});
  run_until([&] { return checks_->values() == 1; });
  run_through(5);
  EXPECT_EQ(checks_->values(), 1u);
  wrong.key = wrong.key_orig = "aws.ec2.name2id[no one]";
  checks_->replace(0, "host", {wrong});
  run_until([&] { return checks_->values() == 2; });
}

// Everything that was counted as done up to a time goes back with the clock.
TEST_F(ChecksTest, AClockThatWasAheadHoldsNoItemUp) {
  later_ = seconds(-7200);
  start();
  const std::string key = metric("CPUUtilization");
  zabbix::ActiveItem ping = item("bakusoku.ping", 2);
  ping.delay = "10s";
  checks_->replace(0, "host", {item(key, 1), ping});
  run_until([&] { return clocks_of(1).size() == 1 && clocks_of(2).size() == 1; });
  for (const seconds ahead : {seconds(3 * 3600), seconds(86'400), seconds(10 * 365 * 86'400)}) {
    const int64_t before = now();
    const Series* const series = checks_->seen(0, "host").at(0).metric.series;
    const uint32_t readings = series->readings;
    const size_t pings = clocks_of(2).size();
    later_ += ahead;
    run_until([&] { return clocks_of(2).size() > pings && series->readings > readings; });
    later_ -= ahead;
    later_ += seconds(600);
    checks_->tick();
    EXPECT_LE(checks_->seen(0, "host").at(0).due, now() + 60);
    EXPECT_LE(checks_->seen(0, "host").at(1).due, now() + 10);
    const auto until_now = [&] {
      return clocks_that([&](const Value& value) { return value.itemid == 1 && value.clock < before + 600; });
    };
    const int64_t final_end = newest_final(now(), 60, 120);
    run_until([&] {
      const auto clocks = until_now();
      return !clocks.empty() && clocks.back() + 60 >= final_end;
    });
    expect_whole(until_now());
  }
}

// A flush of two batches, of which the second cannot be stored.
TEST_F(ChecksTest, WhatOneBatchOfAFlushCouldNotStoreIsStoredLaterAndOnce) {
  stands_at_ = std::chrono::system_clock::now();  // else one of so many may be due a second time
  start();
  constexpr size_t kItems = 20'000;
  std::vector<zabbix::ActiveItem> items;
  for (size_t at = 1; at <= kItems; ++at) {
    items.push_back(item("bakusoku.echo[" + std::to_string(at) + "]", at));
    items.back().delay = "1d";
  }
  set_room(1);
  checks_->replace(0, "host", items);
  for (size_t turn = 0; turn < 10'000 && checks_->pace().waiting < kItems; ++turn) {
    checks_->tick();
    run_for(milliseconds(5));
  }
  ASSERT_EQ(checks_->pace().waiting, kItems);
  // A little more room each time, until there is room for one of them.
  for (int more = 0; more < 1000 && checks_->values() == 0; ++more) {
    set_room((more + 1) * 32'000);
    checks_->tick();
  }
  set_room(0);
  ASSERT_EQ(checks_->values(), kItems / 2);
  EXPECT_EQ(checks_->pace().waiting, kItems / 2);
  run_until([&] { return checks_->values() == kItems; });
  std::map<uint64_t, int> times;
  for (uint64_t after = 0;;) {
    const auto packet = spool_->next(kSpoolDestination, 100'000, 1 << 30, after);
    ASSERT_TRUE(packet);
    if (packet->values.empty()) break;
    for (const Value& value : packet->values) ++times[value.itemid];
    after = packet->ids.back();
  }
  EXPECT_EQ(times.size(), kItems);
  for (const auto& [itemid, count] : times) ASSERT_EQ(count, 1) << itemid;
}

// Random lists, duplicates among them, against what they should come to.
TEST_F(ChecksTest, ReplaceDoesWhatASimpleModelDoes) {
  start();
  constexpr uint64_t kSeed = 20'261'130;
  std::mt19937_64 random(kSeed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  std::string again = metric("CPUUtilization");
  again.insert(again.size() - 1, ",eu-west-1");
  const std::vector<std::string> keys{
      metric("CPUUtilization"), again,           metric("NetworkIn"), "bakusoku.ping",
      "bakusoku.echo[a]",       "aws.metric[x]", "no.such[item]"};
  const std::vector<std::string> originals{"k[{$A}]", "k[{$B}]", "k[{$C}]", ""};
  const std::vector<std::string> delays{"1m", "10s", "1h", "0;1s/1-7,00:00-24:00", "often"};
  const std::vector<std::string> hosts{"h1", "h2"};
  auto second = Spool::open({}, clock());
  ASSERT_TRUE(second);
  ASSERT_TRUE((*second)->add_destination(kSpoolDestination));
  const std::array<Spool*, 2> spools{spool_.get(), second->get()};
  checks_->set_spool(1, spools[1]);

  using Identity = std::pair<uint64_t, std::string>;
  std::map<std::pair<size_t, std::string>, std::vector<zabbix::ActiveItem>> model;
  for (int step = 0; step < 4000; ++step) {
    const size_t destination = below(2);
    const std::string& host = hosts[below(hosts.size())];
    switch (below(12)) {
      case 0:
        checks_->look_again();
        break;
      case 1:
        checks_->set_spool(destination, nullptr);
        for (const std::string& of : hosts) model.erase({destination, of});
        checks_->set_spool(destination, spools[destination]);
        break;
      case 2:
        later_ += seconds(static_cast<int64_t>(below(100)) - 30);
        break;
      case 3:
        later_ -= seconds(static_cast<int64_t>(below(100'000)));
        break;
      case 4:
      case 5:
        run_for(milliseconds(1));
        agent_->collect().tick();
        checks_->tick();
        break;
      default: {
        std::vector<zabbix::ActiveItem> items;
        for (size_t count = below(8); count > 0; --count) {
          zabbix::ActiveItem one = item(keys[below(keys.size())], below(5));
          const std::string& original = originals[below(originals.size())];
          if (!original.empty()) one.key_orig = original;
          one.delay = delays[below(delays.size())];
          items.push_back(one);
        }
        checks_->replace(destination, host, items);
        std::set<Identity> there;
        auto& wanted = model[{destination, host}];
        wanted.clear();
        for (const zabbix::ActiveItem& one : items) {
          if (there.emplace(one.itemid, one.itemid != 0 ? "" : one.key_orig).second) wanted.push_back(one);
        }
      }
    }
    size_t count = 0;
    std::map<const Series*, std::multiset<std::pair<std::string, std::string>>> fed;
    for (size_t of = 0; of < 2; ++of) {
      for (const std::string& name : hosts) {
        const auto& wanted = model[{of, name}];
        const auto seen = checks_->seen(of, name);
        ASSERT_EQ(seen.size(), wanted.size()) << "step " << step;
        for (size_t at = 0; at < seen.size(); ++at) {
          ASSERT_EQ(seen[at].itemid, wanted[at].itemid);
          ASSERT_EQ(seen[at].key, wanted[at].key);
          ASSERT_EQ(seen[at].sent_key, wanted[at].key_orig);
          ASSERT_EQ(seen[at].delay, wanted[at].delay);
          ASSERT_EQ(seen[at].has_interval, wanted[at].delay != "often");
          ASSERT_EQ(seen[at].due != 0, seen[at].has_interval);
          count += seen[at].has_interval ? 1 : 0;
          if (seen[at].metric.series != nullptr)
            fed[seen[at].metric.series].emplace(name, std::string(seen[at].sent_key));
        }
      }
    }
    ASSERT_EQ(checks_->count(), count) << "step " << step;
    for (const auto& group : agent_->demand().groups()) {
      for (const Series* const series : group->members) {
        std::multiset<std::pair<std::string, std::string>> found;
        checks_->each_item_of(*series, [&](const std::string& of, std::string_view key) {
          found.emplace(of, std::string(key));
        });
        ASSERT_EQ(found, fed[series]) << "step " << step;
        ASSERT_EQ(series->fed != 0, !found.empty());
      }
    }
  }
  // It goes while questions are under way.
  checks_->tick();
  checks_.reset();
  for (const auto& group : agent_->demand().groups()) {
    for (const Series* const series : group->members) EXPECT_EQ(series->feeders, nullptr);
  }
  run_for(milliseconds(50));
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

TEST_F(ChecksTest, NothingIsLostOrTwiceWhileTheSpoolCannotBeWritten) {
  // In memory, and full by SQLite's own limit: what a full disk is to a file.
  start();
  zabbix::ActiveItem ping = item("bakusoku.ping");
  ping.delay = "1s";
  checks_->replace(0, "host", {ping});
  run_until([&] { return checks_->values() == 1; });
  EXPECT_EQ(checks_->trouble(), "");
  for (int time = 1; time <= 2; ++time) {
    const uint64_t before = checks_->values();
    set_room(1);
    while (checks_->pace().waiting < 5) run_through(1);
    EXPECT_EQ(checks_->values(), before);
    EXPECT_NE(checks_->trouble(), "");
    const size_t waiting = checks_->pace().waiting;
    set_room(0);
    checks_->tick();  // what it asks has no answer yet
    EXPECT_EQ(checks_->trouble(), "");
    EXPECT_EQ(checks_->pace().waiting, 0u);
    EXPECT_EQ(checks_->values(), before + waiting);
    EXPECT_EQ(rows_of(1).size(), before + waiting);
  }
  const std::vector<int64_t> clocks = clocks_of(1);
  EXPECT_TRUE(std::is_sorted(clocks.begin(), clocks.end()));
}

// Neither an error nor what was read of one that is no metric is a datapoint, wherever it waits.
TEST_F(ChecksTest, OnlyDatapointsThatWaitInMemoryMoveAnItemsPlace) {
  later_ = seconds(-7200);
  start();
  const std::string key = metric("CPUUtilization");
  checks_->replace(0, "host", {item(key, 1)});
  run_until([&] { return checks_->values() == 1; });
  const int64_t first = clocks_of(1).at(0);
  set_room(1);
  later_ += seconds(60);
  run_until([&] { return checks_->pace().waiting == 1; });
  // An hour later it is another item, which is wrong, and then again what it was.
  later_ += seconds(3600);
  checks_->replace(0, "host", {item("aws.metric[AWS/EC2]", 1)});
  checks_->tick();
  EXPECT_EQ(checks_->pace().waiting, 2u);
  checks_->replace(0, "host", {item(key, 1)});
  checks_->tick();
  const Series* const series = checks_->seen(0, "host").at(0).metric.series;
  ASSERT_NE(series, nullptr);
  EXPECT_EQ(Collect::behind(*series), first + 120) << "behind the one that waits";
  set_room(0);
  run_until([&] { return clocks_of(1).size() > 55; });
  expect_whole(clocks_of(1));
}

// What CloudWatch has for five minutes out of twenty; of two items at different places, and one that takes 0
// for none.
TEST_F(ChecksTest, ASeriesWithHolesIsWholeForWhoeverWantsZeros) {
  start();
  const std::string key = "aws.metric[Sim/App,Retries,Service=checkout,Sum,60]";
  std::string zeros = key;
  zeros.insert(zeros.size() - 1, ",,,zero");
  const int64_t final_end = newest_final(now(), 60, 120);
  const int64_t long_ago = final_end - 6 * 3600;
  put_datapoint(key, 1, long_ago);
  put_datapoint(key, 2, final_end - 3600);
  put_datapoint(zeros, 3, long_ago);
  checks_->replace(0, "host", {item(key, 1), item(key, 2), item(zeros, 3)});
  run_until([&] { return clocks_of(3).back() + 60 >= final_end; });
  later_ += seconds(600);
  run_until([&] { return clocks_of(3).back() + 60 >= final_end + 600; });
  expect_whole(clocks_of(3));
  const auto by_clock = [&](uint64_t itemid, int64_t after) {
    std::map<int64_t, std::string> texts;
    for (const Row& row : rows_of(itemid)) {
      EXPECT_TRUE(row.supported) << row.text;
      EXPECT_TRUE(row.clock <= after || texts.emplace(row.clock, row.text).second) << "twice: " << row.clock;
    }
    return texts;
  };
  const auto plain = by_clock(1, long_ago);
  EXPECT_FALSE(plain.empty());
  EXPECT_LT(plain.size(), by_clock(3, long_ago).size());
  EXPECT_EQ(by_clock(2, final_end - 3600), by_clock(1, final_end - 3600));
  for (const auto& [clock, text] : by_clock(3, long_ago))
    EXPECT_EQ(text, plain.contains(clock) ? plain.at(clock) : "0") << clock;
}

// Of the host behind it, it would not be true.
TEST_F(ChecksTest, WhatIsOfThisMachineIsAnErrorOfAnotherHostsItem) {
  start();
  zabbix::ActiveItem ping = item("agent.ping", 1);
  ping.delay = "1s";
  const auto told = [&](size_t rows) {
    run_until([&] { return checks_->values() == rows; });
    return rows_of(1).back();
  };
  checks_->replace(0, "host", {ping});
  const Row first = told(1);
  EXPECT_FALSE(first.supported);
  EXPECT_NE(first.text.find("it would be of the machine the agent runs on, not of host"), std::string::npos)
      << first.text;
  run_through(3);
  EXPECT_EQ(checks_->values(), 1u) << "told once";
  // After a value the same error is a change again.
  checks_->set_own_hosts({"host"});
  later_ += seconds(1);
  EXPECT_EQ(told(2).text, "1");
  checks_->set_own_hosts({});
  later_ += seconds(1);
  const Row again = told(3);
  EXPECT_EQ(again.text, first.text);
  EXPECT_FALSE(again.supported);
  run_through(3);
  EXPECT_EQ(checks_->values(), 3u);
}

TEST_F(ChecksTest, WhyAMetricCannotBeReadIsToldOnceAndAgainAfterADatapoint) {
  later_ = seconds(-7200);
  start({}, {"--fault", "GetMetricData:denied"});
  checks_->replace(0, "host", {item(metric("CPUUtilization"), 1)});
  run_until([&] { return checks_->values() == 1; });
  run_through(300);
  EXPECT_EQ(rows_of(1).size(), 1u);
  EXPECT_EQ(errors_of(1).size(), 1u);
  set_faults(*simulator_, "");
  later_ += seconds(300);
  run_until([&] { return !clocks_of(1).empty(); });
  EXPECT_EQ(checks_->seen(0, "host").at(0).error, "");
  set_faults(*simulator_, "GetMetricData:denied");
  later_ += seconds(300);
  run_until([&] { return errors_of(1).size() == 2; });
  EXPECT_EQ(errors_of(1)[0], errors_of(1)[1]);
  expect_whole(clocks_of(1));
}

TEST_F(ChecksTest, AnAnswerThatIsTooLongIsAnErrorAndNotSent) {
  longest_text_ = 10;
  start();
  zabbix::ActiveItem item_of_ten = item("bakusoku.echo[0123456789]", 1);
  zabbix::ActiveItem item_of_more = item("bakusoku.echo[0123456789a]", 2);
  item_of_more.delay = "1s";
  checks_->replace(0, "host", {item_of_ten, item_of_more});
  run_until([&] { return checks_->values() == 2; });
  run_through(3);
  EXPECT_EQ(checks_->values(), 2u);
  EXPECT_EQ(rows_of(1).at(0).text, "0123456789");
  EXPECT_EQ(errors_of(2), std::vector<std::string>{"an answer of 11 bytes, at most 10 can be sent"});
}

// How often a series that nobody wants at a simple interval is to be paid for: as often as it was asked for.
TEST_F(ChecksTest, WhatHasMomentsOnlyIsReadAsOftenAsTheyCome) {
  start();
  zabbix::ActiveItem moments = item(metric("CPUUtilization"), 1);
  moments.delay = "0;600s/1-7,00:00-24:00";
  checks_->replace(0, "host", {moments});
  checks_->tick();
  const auto seen = checks_->seen(0, "host").at(0);
  ASSERT_NE(seen.metric.series, nullptr);
  EXPECT_EQ(seen.metric.series->paced, 0u);
  later_ += seconds(seen.due - now());
  checks_->tick();
  EXPECT_EQ(seen.metric.series->ask_gap, 600u);
  // A simple interval beside it goes before.
  checks_->replace(0, "host", {moments, item(metric("CPUUtilization"), 2)});
  checks_->tick();
  EXPECT_EQ(seen.metric.series->paced, 1u);
  EXPECT_EQ(seen.metric.series->ask_gap, 60u);
  checks_->replace(0, "host", {moments});
  EXPECT_EQ(seen.metric.series->paced, 0u);
}

// Both wait for one list of AWS's.
TEST_F(ChecksTest, AnItemThatGoesWhileItIsAskedPutsNothing) {
  start();
  checks_->replace(0, "gone", {item("aws.ec2.name2id[web-1]", 1)});
  checks_->replace(0, "stays", {item("aws.ec2.name2id[web-1]", 2)});
  checks_->tick();
  io_.restart();
  // Both questions are begun, and no more is done: on a busy machine poll() would run on until they are
  // answered.
  while (checks_->pace().asking < 2) ASSERT_EQ(io_.poll_one(), 1u);
  checks_->replace(0, "gone", {});
  run_until([&] { return checks_->values() > 0; });
  run_for(milliseconds(20));
  checks_->tick();
  EXPECT_EQ(checks_->values(), 1u);
  EXPECT_EQ(rows_of(2).size(), 1u);
}

TEST_F(ChecksTest, CountsWhatIsDueAskedReadAndWaiting) {
  start();
  checks_->replace(
      0, "host",
      {item(metric("CPUUtilization"), 1), item(metric("NetworkIn"), 2), item("aws.ec2.name2id[web-1]", 3)});
  EXPECT_EQ(checks_->pace().due, 3u);
  checks_->tick();
  io_.restart();
  io_.poll_one();  // its question is begun
  Checks::Pace pace = checks_->pace();
  EXPECT_EQ(pace.due, 0u);
  EXPECT_EQ(pace.metrics, 2u);
  EXPECT_EQ(pace.asking, 1u);
  run_until([&] { return agent_->collect().calls_in_flight() > 0 || checks_->values() > 0; });
  if (checks_->values() == 0) {
    EXPECT_EQ(checks_->pace().reading, 2u);
  }
  run_until([&] { return checks_->values() == 3; });
  pace = checks_->pace();
  EXPECT_EQ(pace.metrics, 2u);
  EXPECT_EQ(pace.asking, 0u);
  EXPECT_EQ(pace.reading, 0u);
  EXPECT_EQ(pace.waiting, 0u);
}

}  // namespace
}  // namespace bakusoku::agent
