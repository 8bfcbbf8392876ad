// CloudWatch at its worst: it throttles, fails, hangs, cuts answers short, brings them in parts, leaves
// series out, publishes late and corrects what it published. What was promised is still there: every final
// datapoint once, with its final value, and a count of what AWS bills that is AWS's own. Hours pass in
// seconds: the clocks of agent and simulator are the test's.
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "agent/agent.h"
#include "agent/checks.h"
#include "agent/delivery.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/synthetic.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CollectFaultsTest : public testing::Test {
 protected:
  /// `metrics`: of the section of that name. Without one nothing is listed, so that what is asked for is read
  /// at once.
  void start(std::vector<std::string> options, const std::string& config_text = {},
             const std::string& metrics = "list = 0") {
    ASSERT_TRUE(set_up_log("off", false));
    later_ = seconds((80 - now() % 60) % 60);  // so that no period becomes final by itself
    simulator_ = std::make_unique<Simulator>(std::move(options));
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    start_agent(fmt::format("{}\n[metrics]\n{}\n", config_text, metrics));
    auto spool = Spool::open({}, clock());
    ASSERT_TRUE(spool) << spool.error().message;
    spool_ = std::move(*spool);
    ASSERT_TRUE(spool_->add_destination(kSpoolDestination));
    checks_ = std::make_unique<Checks>(
        Checks::Parts{io_, agent_->items(), agent_->collect(), clock(), {spool_.get()}, seconds(3)});
  }
  void start_agent(const std::string& config_text) {
    auto config = parse_config(config_text, "");
    ASSERT_TRUE(config) << config.error().message;
    auto agent = Agent::create(io_, std::move(*config), simulator_->environment(), clock());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    aws::RetrySettings soon;
    soon.base_delay = milliseconds(20);
    soon.longest_attempt = longest_attempt_;
    agent_->targets().accounts().front()->client->set_retry(soon);
  }
  Clock clock() {
    return [this] { return std::chrono::system_clock::now() + later_; };
  }
  int64_t now() { return unix_seconds(clock()()); }
  Collect& collect() { return agent_->collect(); }

  /// The body that simaws answers a control request with.
  std::string control(const std::string& method, const std::string& path, const std::string& body = {}) {
    const std::string& url = simulator_->url();
    const auto port = static_cast<unsigned short>(std::stoi(url.substr(url.rfind(':') + 1)));
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), port});
    asio::write(socket,
                asio::buffer(fmt::format("{} /simaws/{} HTTP/1.1\r\nHost: simaws\r\nConnection: close\r\n"
                                         "Content-Length: {}\r\n\r\n{}",
                                         method, path, body.size(), body)));
    std::string reply;
    asio::error_code ended;
    asio::read(socket, asio::dynamic_buffer(reply), ended);
    return reply.substr(std::min(reply.find("\r\n\r\n"), reply.size()));
  }
  uint64_t stat(const std::string& name) {
    const std::string json = control("GET", "stats");
    const size_t at = json.find("\"" + name + "\":");
    EXPECT_NE(at, std::string::npos) << name;
    return std::stoull(json.substr(at + name.size() + 3));
  }
  /// How often simaws did something wrong.
  uint64_t fault_count(const std::string& kind) {
    const std::string json = control("GET", "stats");
    const size_t faults = json.find("\"faults\":{");
    const size_t at = json.find("\"" + kind + "\":", faults);
    if (faults == std::string::npos || at == std::string::npos || at > json.find('}', faults)) return 0;
    return std::stoull(json.substr(at + kind.size() + 3));
  }
  void set_clocks() { control("POST", "clock", std::to_string(later_.count())); }

  void turn() {
    io_.restart();
    io_.run_for(milliseconds(1));
    collect().tick();
    checks_->tick();
  }
  /// Whether series wait for the list of metrics: they are being read, and no call of theirs is made yet.
  bool waits_for_list() {
    if (collect().calls_queued() > 0) return false;
    for (const auto& group : agent_->demand().groups()) {
      for (const Series* const series : group->members) {
        if (series->reading) return true;
      }
    }
    return false;
  }
  /// Until nothing is under way: time stands still while AWS answers and calls are tried again. Calls that
  /// wait for their place in the spread go when time passes.
  void settle() {
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    for (int idle = 0; idle < 5; ++idle) {
      turn();
      if (collect().calls_in_flight() > 0 || collect().series_gathered() > 0 || waits_for_list()) idle = 0;
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "calls do not come to an end";
    }
  }
  void pass(seconds time, seconds step) {
    for (seconds passed{0}; passed < time; passed += step) {
      later_ += step;
      set_clocks();
      collect().forgive();  // a target that failed is left alone in real time, of which none passes
      settle();
    }
  }

  static std::vector<std::string> metrics() {
    return {"CPUUtilization", "NetworkIn", "NetworkOut", "DiskReadOps"};
  }
  static std::string id(size_t index) { return simaws::instance_id(simaws::World{}, "eu-west-1", index); }
  static std::string key(const std::string& metric, size_t index, const std::string& statistic = "Average",
                         const std::string& region = {}) {
    return fmt::format("aws.metric[AWS/EC2,{},InstanceId={},{},60{}]", metric, id(index), statistic,
                       region.empty() ? "" : "," + region);
  }
  static zabbix::ActiveItem item(const std::string& key, const std::string& delay) {
    static uint64_t next = 0;
    zabbix::ActiveItem item;
    item.key = item.key_orig = key;
    item.itemid = ++next;
    item.delay = delay;
    return item;
  }
  /// Items of some instances, every minute and every ten.
  static std::vector<zabbix::ActiveItem> items_wanted() {
    std::vector<zabbix::ActiveItem> items;
    for (size_t index = 0; index < 4; ++index) {
      for (const std::string& metric : metrics()) {
        items.push_back(item(key(metric, index), index == 3 ? "10m" : "1m"));
        items.push_back(item(key(metric, index, "Maximum"), index == 3 ? "10m" : "1m"));
      }
    }
    return items;
  }
  void want_items() { checks_->replace(0, "host", items_wanted()); }

  struct Delivered {
    std::map<std::string, std::map<int64_t, std::vector<std::string>>> values;  // by key and clock
    size_t errors = 0;
  };
  Delivered delivered() {
    Delivered all;
    const auto packet = spool_->next(kSpoolDestination, 1'000'000, 1 << 30);
    EXPECT_TRUE(packet);
    for (const Value& value : packet->values) {
      if (!value.supported) {
        ++all.errors;
      } else {
        all.values[std::string(value.key)][value.clock].emplace_back(value.text);
      }
    }
    return all;
  }

  milliseconds longest_attempt_{20'000};  // half a second where calls hang
  std::unique_ptr<Simulator> simulator_;
  seconds later_{0};
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Checks> checks_;
};

TEST_F(CollectFaultsTest, EveryFinalDatapointComesOnceWithItsFinalValue) {
  longest_attempt_ = milliseconds(500);
  start({"--publish", "90", "--late", "0.04:200", "--revise", "0.2:110"}, "[aws]\nquota_share = 1\n", "");
  set_clocks();
  std::vector<zabbix::ActiveItem> items = items_wanted();
  const std::string missing = key("NoSuchMetric", 0);
  items.push_back(item(missing, "1m"));
  checks_->replace(0, "host", items);
  pass(seconds(120), seconds(5));
  control("POST", "faults",
          "GetMetricData:throttle:0.05,GetMetricData:500:0.08,GetMetricData:cut:0.08,GetMetricData:hang:0.1,"
          "GetMetricData:partial:0.2,GetMetricData:internal:0.08,ListMetrics:500:0.1,ListMetrics:cut:0.1");
  pass(seconds(40 * 60), seconds(10));
  control("POST", "faults", "");
  pass(seconds(47 * 60), seconds(20));

  const Delivered all = delivered();
  const simaws::World world{};
  const int64_t until = now() - 12 * 60 - 900;  // surely read, whatever delay was learnt
  for (size_t index = 0; index < 4; ++index) {
    for (const std::string& metric : metrics()) {
      for (const std::string statistic : {"Average", "Maximum"}) {
        const auto found = all.values.find(key(metric, index, statistic));
        ASSERT_TRUE(found != all.values.end()) << metric;
        const auto& values = found->second;
        for (int64_t clock = values.begin()->first; clock < until; clock += 60) {
          const auto at = values.find(clock);
          ASSERT_TRUE(at != values.end()) << metric << " of " << index << " lacks " << clock;
          ASSERT_EQ(at->second.size(), 1u) << metric << " of " << index << " has twice " << clock;
          const auto wanted = simaws::value(world, "eu-west-1", "AWS/EC2", metric,
                                            {{"InstanceId", id(index)}}, statistic, 60, clock);
          ASSERT_TRUE(wanted);
          EXPECT_NEAR(std::stod(at->second[0]), *wanted, std::abs(*wanted) * 1e-9) << metric << " " << clock;
        }
        EXPECT_GT(values.size(), 25u);
      }
    }
  }
  EXPECT_FALSE(all.values.contains(missing));
  for (const char* const fault : {"throttle", "500", "cut", "hang", "partial", "internal"})
    EXPECT_GT(fault_count(fault), 0u) << fault << ": the test tests nothing";
  // More than AWS bills is counted where an error was to be answered and the answer hung, and nowhere else.
  EXPECT_GE(collect().counters().metrics_billed, stat("metrics_billed"));
  EXPECT_LE(collect().counters().metrics_billed, stat("metrics_billed") * 110 / 100);
}

TEST_F(CollectFaultsTest, WhatIsBilledIsCountedAsAwsCounts) {
  start({});
  set_clocks();
  want_items();
  settle();
  control(
      "POST", "faults",
      "GetMetricData:throttle:0.04,GetMetricData:500:0.04,GetMetricData:cut:0.1,GetMetricData:partial:0.3,"
      "GetMetricData:internal:0.3");
  pass(seconds(10 * 60), seconds(20));
  EXPECT_GT(collect().counters().metrics_billed, 100u);
  EXPECT_EQ(collect().counters().metrics_billed, stat("metrics_billed"));
  EXPECT_EQ(collect().counters().metrics_requested, stat("metrics_requested"));
}

TEST_F(CollectFaultsTest, AnAnswerThatWasCutIsCounted) {
  start({"--fault", "GetMetricData:cut:1"});
  set_clocks();
  want_items();
  settle();
  EXPECT_EQ(stat("metrics_requested"), 64u);
  EXPECT_EQ(collect().counters().metrics_requested, 64u);
  EXPECT_EQ(delivered().values.size(), 32u);
}

TEST_F(CollectFaultsTest, WhatIsCorrectedTooLateIsWaitedForFromThenOnAlsoAfterARestart) {
  std::string folder = "/tmp/bakusoku-faults-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string state = fmt::format("[zabbix]\nstate_dir = \"{}\"\n", folder);
  start({"--revise", "0.3:240"}, state);
  agent_->open_ledger();
  set_clocks();
  want_items();
  pass(seconds(20 * 60), seconds(15));
  const auto learnt = agent_->collect().delays().of("AWS/EC2", 60).seconds();
  EXPECT_GE(learnt, 240);
  EXPECT_LE(learnt, 330);
  const int64_t since = now();
  pass(seconds(15 * 60), seconds(15));
  const Delivered all = delivered();
  const auto& values = all.values.at(key("CPUUtilization", 0));
  size_t compared = 0;
  for (const auto& [clock, texts] : values) {
    if (clock < since) continue;
    const auto wanted = simaws::value(simaws::World{}, "eu-west-1", "AWS/EC2", "CPUUtilization",
                                      {{"InstanceId", id(0)}}, "Average", 60, clock);
    ASSERT_TRUE(wanted);
    EXPECT_NEAR(std::stod(texts[0]), *wanted, std::abs(*wanted) * 1e-9) << clock;
    ++compared;
  }
  EXPECT_GE(compared, 8u);

  agent_->write_ledger();
  const int64_t kept = agent_->collect().delays().of("AWS/EC2", 60).seconds();
  checks_.reset();
  agent_.reset();
  start_agent(state + "[metrics]\nlist = 0\n");
  agent_->open_ledger();
  const auto wanted = agent_->items().metric_behind(key("NetworkIn", 2));
  ASSERT_TRUE(wanted && *wanted);
  Series& series = *(**wanted).series;
  collect().want(series, true);
  while (series.reading) {
    io_.restart();
    io_.run_for(milliseconds(5));
  }
  EXPECT_EQ(series.failure(), nullptr);
  EXPECT_EQ(int64_t{series.read_until}, newest_final(series.last_read, 60, kept))
      << "its first reading waits as long as was learnt before";
  agent_.reset();
  std::filesystem::remove_all(folder);
}

TEST_F(CollectFaultsTest, AnIntervalOfManyPeriodsIsPaidOncePerInterval) {
  start({});
  set_clocks();
  checks_->replace(0, "host", {item(key("CPUUtilization", 0), "15m"), item(key("NetworkIn", 1), "15m")});
  settle();
  const uint64_t first = stat("metrics_billed");
  pass(seconds(3600), seconds(10));
  EXPECT_GE(stat("metrics_billed") - first, 8u);
  EXPECT_LE(stat("metrics_billed") - first, 10u) << "two metrics, four intervals";
  const Delivered all = delivered();
  for (const auto& [key, values] : all.values) {
    EXPECT_GE(values.size(), 44u) << key;
    for (auto value = std::next(values.begin()); value != values.end(); ++value)
      ASSERT_EQ(value->first, std::prev(value)->first + 60) << key;
  }
}

TEST_F(CollectFaultsTest, WhatCloudWatchCannotReadIsAskedForAgainAlone) {
  start({"--fault", "GetMetricData:internal:1"});
  set_clocks();
  want_items();
  settle();
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  while (collect().calls_queued() > 0 && std::chrono::steady_clock::now() < deadline) settle();
  const Delivered all = delivered();
  EXPECT_EQ(all.errors, 0u);
  EXPECT_EQ(all.values.size(), 32u);
  EXPECT_EQ(collect().counters().calls, 2u);
  EXPECT_EQ(collect().counters().metrics_requested, 32u + 16u) << "every second series was not answered";
}

TEST_F(CollectFaultsTest, WhatIsWrongWithOneSeriesCostsThatSeriesAndEachTimeLess) {
  start({"--fault", "GetMetricData:unequal"});  // of DiskReadOps
  set_clocks();
  want_items();
  pass(seconds(30 * 60), seconds(5));
  const Delivered all = delivered();
  EXPECT_GT(all.errors, 0u);
  EXPECT_EQ(all.values.size(), 24u) << "three of four metrics";
  for (const auto& group : agent_->demand().groups()) {
    for (const Series* const series : group->members) {
      if (series->ask_gap != 60) continue;
      if (*series->name->metric != "DiskReadOps") {
        EXPECT_GE(series->readings, 28u) << series->description();
        EXPECT_EQ(series->failure(), nullptr) << series->description();
        continue;
      }
      EXPECT_LE(series->readings, 12u) << "after 30 s, 1, 2, 4 and then 5 minutes";
      EXPECT_GE(series->readings, 6u);
      ASSERT_NE(series->failure(), nullptr);
      EXPECT_NE(series->failure()->message.find("no list of datapoints"), std::string::npos)
          << series->failure()->message;
    }
  }
  control("POST", "faults", "");
  pass(seconds(6 * 60), seconds(5));
  const auto healed = delivered().values;
  for (size_t index = 0; index < 3; ++index)
    EXPECT_TRUE(healed.contains(key("DiskReadOps", index))) << "it heals within five minutes";
  pass(seconds(6 * 60), seconds(5));
  EXPECT_EQ(delivered().values.size(), 32u) << "or within its interval, ten";
}

TEST_F(CollectFaultsTest, AResultThatNobodyAskedForIsOneThatIsMissing) {
  start({"--fault", "GetMetricData:unasked"});
  set_clocks();
  want_items();
  pass(seconds(3 * 60), seconds(5));
  const Delivered all = delivered();
  EXPECT_GT(all.errors, 0u);
  EXPECT_EQ(all.values.size(), 24u);
}

TEST_F(CollectFaultsTest, ValuesThatAreNoNumbersAreLeftOutAndTheOthersKept) {
  start({"--fault", "GetMetricData:nan"});
  set_clocks();
  want_items();
  pass(seconds(5 * 60), seconds(5));
  const Delivered all = delivered();
  EXPECT_EQ(all.errors, 0u);
  EXPECT_EQ(all.values.size(), 32u);
  EXPECT_GE(all.values.at(key("DiskReadOps", 0)).size(), 3u) << "each when it is not the newest any more";
  for (const auto& group : agent_->demand().groups()) {
    for (const Series* const series : group->members) {
      const bool odd = *series->name->metric == "DiskReadOps";
      EXPECT_EQ(series->remark(), odd ? "1 values that are no numbers were left out" : "");
    }
  }
}

TEST_F(CollectFaultsTest, WhatIsNotCompletedIsKept) {
  start({"--fault", "GetMetricData:cutoff"});
  set_clocks();
  want_items();
  pass(seconds(5 * 60), seconds(5));
  const Delivered all = delivered();
  EXPECT_EQ(all.errors, 0u);
  EXPECT_EQ(all.values.size(), 32u);
  EXPECT_GE(all.values.at(key("DiskReadOps", 0)).size(), 4u);
  EXPECT_EQ(stat("metrics_billed"), collect().counters().metrics_billed);
}

TEST_F(CollectFaultsTest, SeveralUnitsAreToldAndOneCanBeNamed) {
  start({"--fault", "GetMetricData:units"});
  set_clocks();
  const std::string any = key("DiskReadOps", 0);
  const std::string named =
      fmt::format("aws.metric[AWS/EC2,DiskReadOps,InstanceId={},Average,60,,,,count]", id(0));
  const std::string other =
      fmt::format("aws.metric[AWS/EC2,DiskReadOps,InstanceId={},Average,60,,,,Percent]", id(0));
  checks_->replace(0, "host",
                   {item(any, "1m"), item(named, "1m"), item(other, "1m"), item(key("NetworkIn", 0), "1m")});
  pass(seconds(5 * 60), seconds(5));
  const Delivered all = delivered();
  EXPECT_FALSE(all.values.contains(any));
  EXPECT_GE(all.values.at(named).size(), 4u);
  EXPECT_GE(all.values.at(key("NetworkIn", 0)).size(), 4u);
  EXPECT_FALSE(all.values.contains(other)) << "there are no values of that unit";
  const auto wanted = agent_->items().metric_behind(any);
  ASSERT_TRUE(wanted && *wanted);
  const Series& series = *(**wanted).series;
  ASSERT_NE(series.failure(), nullptr);
  EXPECT_NE(series.failure()->message.find("parameter 9"), std::string::npos) << series.failure()->message;
  EXPECT_NE(series.failure()->message.find("Bytes, Count"), std::string::npos) << "AWS's words";
}

TEST_F(CollectFaultsTest, EachOddAnswerOfAnEndpointWithoutCborIsGotRoundOnce) {
  for (const char* const answer :
       {"404", "405", "415", "500", "501", "unknown", "json", "xml", "html", "empty", "204"}) {
    checks_.reset();
    agent_.reset();
    start({"--no-cbor", answer}, "", "");
    set_clocks();
    want_items();
    pass(seconds(120), seconds(10));
    const Delivered all = delivered();
    EXPECT_EQ(all.errors, 0u) << answer;
    EXPECT_EQ(all.values.size(), 32u) << answer;
    EXPECT_EQ(agent_->targets().spoken().of(simulator_->url()), aws::Spoken::Wire::json) << answer;
    EXPECT_EQ(collect().counters().metrics_billed, stat("metrics_billed")) << answer;
    const uint64_t tried = fault_count("no_cbor");
    pass(seconds(120), seconds(10));
    EXPECT_EQ(fault_count("no_cbor"), tried) << answer;
  }
}

TEST_F(CollectFaultsTest, WhereEveryCallHangsOtherRegionsAreRead) {
  longest_attempt_ = milliseconds(500);
  start({"--fault", "GetMetricData@eu-west-1:hang"});
  set_clocks();
  checks_->replace(0, "host",
                   {item(key("CPUUtilization", 0), "1m"),
                    item("aws.metric[AWS/Usage,CallCount,,Sum,60,us-east-1,,zero]", "1m")});
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  while (checks_->values() == 0 && std::chrono::steady_clock::now() < deadline) turn();
  EXPECT_EQ(checks_->values(), 1u);
}

TEST_F(CollectFaultsTest, WhatDoesNotFitIsPostponedByPriorityAndNotLost) {
  start({"--instances", "600"},
        "[aws]\ncalls_in_flight = 1\n"
        "[[priority]]\nmetric = \"CPU*\"\nvalue = \"high\"\n"
        "[[priority]]\nmetric = \"Disk*\"\nvalue = \"low\"\n",
        "list = 0\ndelay = \"2m\"");
  set_clocks();
  const simaws::World world{1, {"eu-west-1"}, 600};
  std::vector<zabbix::ActiveItem> items;
  for (size_t index = 33; index < 600; ++index) {
    const std::string instance = simaws::instance_id(world, "eu-west-1", index);
    for (const char* metric : {"CPUUtilization", "NetworkIn", "DiskReadOps"}) {
      items.push_back(item(
          fmt::format("aws.metric[AWS/EC2,{},InstanceId={},Average,60,,,zero]", metric, instance), "1m"));
    }
  }
  checks_->replace(0, "host", items);
  settle();
  pass(seconds(60), seconds(5));
  const size_t first = checks_->values();
  EXPECT_GE(first, items.size());
  EXPECT_EQ(collect().counters().postponed, 0u);
  // Each call takes as long as four minutes do here, however fast this machine is.
  for (int round = 0; round < 5; ++round) {
    const size_t before = checks_->values();
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (round > 0 && checks_->values() == before) {
      turn();
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no call is answered";
    }
    control("POST", "clock", std::to_string(later_.count() + 240));
    simulator_->pause();
    for (int step = 0; step < 48; ++step) {
      later_ += seconds(5);
      for (int times = 0; times < 4; ++times) turn();
    }
    if (round < 4) simulator_->go_on();
  }
  EXPECT_GT(collect().counters().postponed, 0u);
  EXPECT_GT(collect().postponed().since, 0);
  EXPECT_EQ(collect().postponed().by, Limit::calls_in_flight);
  size_t waiting = 0;
  for (const auto& group : agent_->demand().groups()) {
    for (const Series* const series : group->members) {
      const Collect::Postponed one = collect().postponed(*series);
      waiting += one.series;
      if (one.series == 0) continue;
      EXPECT_EQ(one.by, Limit::calls_in_flight);
      EXPECT_LE(one.since, now() - 60) << "due since more than a period";
    }
  }
  EXPECT_EQ(waiting, collect().postponed().series);
  std::map<std::string, size_t> by_metric;
  for (const auto& [key, values] : delivered().values) {
    const size_t from = key.find(',') + 1;
    by_metric[key.substr(from, key.find(',', from) - from)] += values.size();
  }
  EXPECT_GT(by_metric["CPUUtilization"], by_metric["DiskReadOps"]);
  simulator_->go_on();
  pass(seconds(600), seconds(5));
  EXPECT_EQ(collect().postponed().since, 0) << "it has ended";
  size_t shortest = SIZE_MAX;
  for (const auto& [key, values] : delivered().values) {
    shortest = std::min(shortest, values.size());
    for (auto value = values.begin(); value != values.end(); ++value) {
      ASSERT_EQ(value->second.size(), 1u) << key;
      if (value != values.begin()) {
        ASSERT_EQ(value->first, std::prev(value)->first + 60) << key;
      }
    }
  }
  EXPECT_GE(shortest, 28u);
}

TEST_F(CollectFaultsTest, WhatTheQuotaHoldsUpSaysSo) {
  start({}, "[aws]\nquota_share = 0.01\ncalls_in_flight = 1\n");  // a call in two seconds
  set_clocks();
  std::vector<zabbix::ActiveItem> items;
  for (int number = 0; number < 1200; ++number)
    items.push_back(item(fmt::format("aws.metric[Own,M{},,Average,60,,,zero]", number), "1m"));
  checks_->replace(0, "host", items);
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (collect().postponed().series == 0 && std::chrono::steady_clock::now() < deadline) {
    later_ += seconds(2);
    for (int times = 0; times < 4; ++times) turn();
  }
  EXPECT_GT(collect().postponed().series, 0u);
  EXPECT_EQ(collect().postponed().by, Limit::quota);
}

TEST_F(CollectFaultsTest, WhatIsNotListedIsNotAskedFor) {
  start({});
  set_clocks();
  std::set<std::string> learnt;
  collect().listed.is = [&](const Series& series) {
    if (!learnt.contains(*series.name->metric)) return Exists::unknown;
    return *series.name->metric == "NetworkIn" ? Exists::absent : Exists::there;
  };
  collect().listed.learn = [&](const Target&, std::vector<Series*> series,
                               Deadline) -> asio::awaitable<void> {
    for (const Series* one : series) learnt.insert(*one->name->metric);
    co_return;
  };
  std::string zero = key("NetworkIn", 1);
  zero.insert(zero.size() - 1, ",,,zero");
  checks_->replace(0, "host",
                   {item(key("CPUUtilization", 0), "1m"), item(key("NetworkIn", 0), "1m"), item(zero, "1m")});
  settle();
  pass(seconds(300), seconds(10));
  const Delivered all = delivered();
  EXPECT_GE(all.values.at(key("CPUUtilization", 0)).size(), 5u);
  EXPECT_FALSE(all.values.contains(key("NetworkIn", 0)));
  EXPECT_GE(all.values.at(zero).size(), 5u);
  EXPECT_EQ(stat("metrics_billed"), collect().counters().calls) << "one metric a call";
  const auto wanted = agent_->items().metric_behind(zero);
  ASSERT_TRUE(wanted && *wanted);
  const Series& series = *(**wanted).series;
  EXPECT_EQ(series.zero, 1u);
  EXPECT_LE(series.absent_since, now() - 290) << "since it was looked for first";
  EXPECT_GE(series.absent_since, now() - 420);
}

TEST_F(CollectFaultsTest, ADayThatIsLateIsLookedForEachHour) {
  start({});  // simaws publishes AWS/S3 after four hours
  const std::string key =
      "aws.metric[AWS/S3,NumberOfObjects,BucketName=simaws-logs;StorageType=AllStorageTypes,Average,86400]";
  later_ = seconds(86400 - now() % 86400);
  set_clocks();
  checks_->replace(0, "host", {item(key, "1d")});
  settle();
  const uint64_t before = stat("metrics_billed");
  pass(seconds(86400), seconds(300));
  const Delivered all = delivered();
  ASSERT_TRUE(all.values.contains(key));
  EXPECT_EQ(all.values.at(key).size(), 2u) << "the day before, and the day that was late";
  EXPECT_LE(stat("metrics_billed") - before, 5u);
}

}  // namespace
}  // namespace bakusoku::agent
