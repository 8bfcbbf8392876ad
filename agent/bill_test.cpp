// What the ledger counts is what the simulator says it was asked for, also when calls fail; and what the
// budget changes in the collection.
#include "agent/bill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <filesystem>
#include <optional>

#include "agent/agent.h"
#include "agent/simulator_fixture.h"
#include "aws/cloudwatch.h"
#include "aws/http.h"
#include "base/log.h"
#include "simaws/alarms.h"
#include "simaws/fleet.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BillTest : public testing::Test {
 protected:
  BillTest() : folder_(std::filesystem::temp_directory_path() / ("bill-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~BillTest() override {
    agent_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start(const std::string& config = {}, std::vector<std::string> options = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    if (!simulator_) simulator_ = std::make_unique<Simulator>(std::move(options));
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    auto parsed = parse_config(config + "\n[zabbix]\nstate_dir = \"" + folder_.string() +
                                   "\"\nserver = \"127.0.0.1:1\"\n"
                                   "hosts = [\"web\"]\n",
                               "");
    ASSERT_TRUE(parsed) << parsed.error().message;
    auto agent = Agent::create(io_, std::move(*parsed), simulator_->environment(), clock());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    agent_->targets().accounts().front()->client->set_retry(
        {.max_attempts = 6, .base_delay = milliseconds(20)});
    agent_->open_ledger();
  }
  Clock clock() {
    return [this] { return std::chrono::system_clock::now() + later_; };
  }

  Series& series(const std::string& metric, const std::string& statistic = "Average", size_t host = 0) {
    const std::string id = simaws::instance_id(simaws::World{}, "eu-west-1", host);
    const auto wanted = agent_->items().metric_behind(
        fmt::format("aws.metric[AWS/EC2,{},\"InstanceId={}\",{},300]", metric, id, statistic));
    EXPECT_TRUE(wanted && *wanted);
    return *(**wanted).series;
  }
  /// Reads them all, together.
  void read(const std::vector<Series*>& all) {
    for (Series* one : all) {
      Demand::note_asked(*one, unix_seconds(clock()()));
      agent_->collect().want(*one, true);
    }
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    const auto reading = [](const Series* one) { return one->reading != nullptr; };
    while (std::any_of(all.begin(), all.end(), reading)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "not read in time";
      io_.restart();
      io_.run_for(milliseconds(5));
    }
    (void)agent_->collect().take_readings();
    (void)agent_->collect().take_read();
  }
  std::string answer(const std::string& key) {
    std::optional<Answer> answer;
    asio::co_spawn(io_, agent_->items().answer(key, std::chrono::steady_clock::now() + seconds(30)),
                   [&](const std::exception_ptr& failure, Answer given) {
                     EXPECT_FALSE(failure);
                     answer = std::move(given);
                   });
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!answer && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_for(milliseconds(5));
    }
    EXPECT_TRUE(answer && answer->supported) << key;
    return answer ? answer->text : std::string();
  }
  /// A number of /simaws/stats.
  uint64_t simulated(const std::string& name) {
    aws::Http http(io_, {});
    uint64_t number = 0;
    bool done = false;
    asio::co_spawn(
        io_,
        [&]() -> asio::awaitable<void> {
          aws::HttpRequest request;
          request.method = "GET";
          request.url = simulator_->url() + "/simaws/stats";
          const auto reply = co_await http.send(std::move(request));
          EXPECT_TRUE(reply);
          if (reply) {
            simdjson::dom::parser parser;
            simdjson::dom::element root;
            EXPECT_EQ(parser.parse(reply->body).get(root), simdjson::SUCCESS);
            EXPECT_EQ(root.at_pointer("/" + name).get(number), simdjson::SUCCESS) << name;
          }
          done = true;
        },
        asio::detached);
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (!done && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_for(milliseconds(5));
    }
    return number;
  }
  uint64_t counted(const std::string& action = "GetMetricData") {
    uint64_t sum = 0;
    // Of all days: a test of an hour may begin in one month and end in the next.
    const auto lines = agent_->bill().ledger().lines(0, 100'000);
    EXPECT_TRUE(lines);
    for (const Ledger::Line& line : *lines) sum += line.charge.action == action ? line.units : 0;
    return sum;
  }

  std::filesystem::path folder_;
  std::chrono::seconds later_{0};
  std::unique_ptr<Simulator> simulator_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(BillTest, StatisticsOfOneMetricShareIt) {
  start();
  std::vector<Series*> all;
  for (const char* statistic : {"Average", "Minimum", "Maximum", "Sum", "SampleCount", "p90", "p99"})
    all.push_back(&series("CPUUtilization", statistic));
  all.push_back(&series("NetworkIn"));
  read(all);
  EXPECT_EQ(counted(), 3u);
  EXPECT_EQ(simulated("metrics_billed"), 3u);
  const auto items = agent_->bill().ledger().items(0, 100'000, 100);
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 8u);
  uint64_t sum = 0;
  for (const auto& item : *items) {
    sum += item.sixtieths;
    EXPECT_EQ(item.host, "") << "nobody named a host";
  }
  EXPECT_EQ(sum, 180u);
  EXPECT_EQ(items->front().sixtieths, 60u);
  EXPECT_THAT(items->front().key, testing::StartsWith("aws.metric[AWS/EC2,NetworkIn,InstanceId=i-"));
  EXPECT_EQ(items->back().sixtieths, 12u);
}

// Errors beside answers that are lost before they begin: the two of one request cannot be told apart, see
// below.
class BillFaultTest : public BillTest, public testing::WithParamInterface<std::string> {};

TEST_P(BillFaultTest, CountsWhatTheSimulatorCounted) {
  start("", {"--fault", GetParam()});
  std::vector<Series*> all;
  for (size_t host = 0; host < 20; ++host) {
    for (const char* metric : {"CPUUtilization", "NetworkIn", "NetworkOut"}) {
      all.push_back(&series(metric, "Average", host));
      all.push_back(&series(metric, "Maximum", host));
    }
  }
  for (int round = 0; round < 12; ++round) {
    agent_->collect().forgive();
    read(all);
    later_ += seconds(300);
  }
  int listed = 0;
  asio::co_spawn(
      io_,
      [&]() -> asio::awaitable<void> {
        for (int times = 0; times < 5; ++times) {
          const aws::cloudwatch::ListMetricsRequest request;
          const auto page = co_await aws::cloudwatch::list_metrics(
              *agent_->targets().accounts().front()->client, "eu-west-1", request);
          listed += page ? 1 : 0;
        }
      },
      asio::detached);
  io_.restart();
  io_.run_for(seconds(20));
  EXPECT_GT(listed, 0);
  agent_->bill().write();
  EXPECT_GT(simulated("metrics_billed"), 12u * 60u / 2);
  EXPECT_EQ(counted(), simulated("metrics_billed"));
  EXPECT_EQ(agent_->collect().counters().metrics_billed, simulated("metrics_billed"));
  uint64_t shares = 0;
  const auto items = agent_->bill().ledger().items(0, 100'000, 1000);
  ASSERT_TRUE(items);
  for (const auto& item : *items) shares += item.sixtieths;
  EXPECT_EQ(shares, kSharesOfUnit * simulated("metrics_billed"));
  EXPECT_GT(counted("ListMetrics"), 0u);
  EXPECT_EQ(counted("ListMetrics"), simulated("calls/monitoring.ListMetrics/calls") -
                                        simulated("calls/monitoring.ListMetrics/errors"));
}

// Each page of a sweep is a request that AWS bills, in its account and region.
TEST_F(BillTest, SweepsOfAlarmsAreCountedPageByPage) {
  start(
      "[metrics]\nlist = 0\n[inventory]\nintervals = {alarm = \"10s\"}\n[aws]\nquota_share = 1.0\n"
      "[[account]]\nname = \"a\"\nrole_arn = \"arn:aws:iam::111111111111:role/r\"\n",
      {"--instances", "300", "--fault", "DescribeAlarms:503:1,DescribeAlarms:throttle:2"});
  const std::vector<std::string> keys = {"aws.discovery[alarm]", "aws.discovery[alarm,us-east-1]",
                                         "aws.discovery[alarm,eu-west-1,a]",
                                         "aws.resource[alarm,nobody,state]"};
  size_t open = keys.size();
  for (const std::string& key : keys) {
    asio::co_spawn(io_, agent_->items().answer(key, std::chrono::steady_clock::now() + seconds(30)),
                   [&](const std::exception_ptr& failure, const Answer&) {
                     EXPECT_FALSE(failure);
                     --open;
                   });
  }
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  io_.restart();
  while (open > 0 && std::chrono::steady_clock::now() < deadline) io_.run_one_for(milliseconds(50));
  EXPECT_EQ(open, 0u);
  agent_->bill().write();
  const uint64_t right = simulated("calls/monitoring.DescribeAlarms/calls") -
                         simulated("calls/monitoring.DescribeAlarms/errors");
  EXPECT_GT(simulated("calls/monitoring.DescribeAlarms/errors"), 0u);
  EXPECT_EQ(counted("DescribeAlarms"), right);
  const simaws::World world{1, {"eu-west-1", "us-east-1"}, 300};
  uint64_t alarms = 0;
  for (size_t slot = 0; slot < simaws::alarm_slots(world); ++slot)
    alarms += simaws::alarm_at(world, "eu-west-1", slot) ? 1 : 0;
  const uint64_t pages = (alarms + 99) / 100;
  EXPECT_GT(pages, 1u);
  std::map<std::pair<std::string, std::string>, uint64_t> places;
  for (const auto& [charge, units] : agent_->bill().ledger().month()) {
    if (charge.action == "DescribeAlarms") places[{charge.account, charge.region}] += units;
  }
  const std::map<std::pair<std::string, std::string>, uint64_t> wanted = {
      {{"", "eu-west-1"}, 2 * pages},  // once more for a name that was not in the list
      {{"", "us-east-1"}, pages},
      {{"a", "eu-west-1"}, pages}};
  EXPECT_EQ(places, wanted);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, BillFaultTest,
    testing::Values(
        "GetMetricData:throttle:0.2,GetMetricData:500:0.2,GetMetricData:partial:0.3,GetMetricData:internal:0."
        "2,"
        "ListMetrics:503:0.3",
        "GetMetricData:cut:0.15,GetMetricData:reset:0.15,GetMetricData:garbage:0.05,GetMetricData:junk:0.1,"
        "GetMetricData:partial:0.3,ListMetrics:cut:0.3",
        "GetMetricData:throttle:0.2,GetMetricData:500:0.2,GetMetricData:cut:0.4,ListMetrics:503:0.3,"
        "ListMetrics:cut:0.3"),
    [](const auto& about) {
      return about.index == 0 ? "Errors" : about.index == 1 ? "LostAnswers" : "ErrorsThatAreCut";
    });

// AWS bills nothing for it, but whether it was an error nobody can know.
TEST_F(BillTest, AnAnswerThatNeverBeganIsCountedAlsoIfItWasAnError) {
  start("", {"--fault", "GetMetricData:500:1,GetMetricData:reset:1"});
  read({&series("CPUUtilization")});
  EXPECT_EQ(simulated("metrics_billed"), 1u) << "the second attempt";
  EXPECT_EQ(counted(), 2u);
}

TEST_F(BillTest, AnErrorWhoseAnswerWasCutIsNotCounted) {
  start("", {"--fault", "GetMetricData:500:1,GetMetricData:cut:1"});
  read({&series("CPUUtilization")});
  EXPECT_EQ(simulated("metrics_billed"), 1u);
  EXPECT_EQ(counted(), 1u);
}

TEST_F(BillTest, NothingIsCountedThatWasNotSent) {
  start();
  simulator_.reset();
  Series& one = series("CPUUtilization");
  read({&one});
  EXPECT_NE(one.failure(), nullptr);
  EXPECT_EQ(counted(), 0u);
}

TEST_F(BillTest, GoesOnAfterARestart) {
  start();
  read({&series("CPUUtilization"), &series("NetworkIn")});
  agent_.reset();
  start();
  EXPECT_EQ(counted(), 2u);
  read({&series("CPUUtilization")});
  EXPECT_EQ(counted(), 3u);
  EXPECT_EQ(simulated("metrics_billed"), 3u);
  EXPECT_NEAR(agent_->bill().seen().month_usd, 0.00003, 1e-12);
  EXPECT_TRUE(agent_->bill().seen().on_disk);
}

TEST_F(BillTest, ALedgerThatIsRemovedIsMadeAgain) {
  start();
  std::vector<Series*> all{&series("CPUUtilization"), &series("NetworkIn")};
  read(all);
  agent_->bill().tick();
  const double spent = agent_->bill().seen().month_usd;
  EXPECT_GT(spent, 0);
  std::filesystem::remove_all(folder_);
  agent_->bill().tick();
  EXPECT_EQ(agent_->bill().seen().month_usd, spent);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "ledger.sqlite"));
  later_ += seconds(600);
  read(all);
  agent_->bill().tick();
  const double more = agent_->bill().seen().month_usd;
  EXPECT_GT(more, spent);
  agent_.reset();
  start();
  EXPECT_EQ(agent_->bill().seen().month_usd, more);
}

TEST_F(BillTest, WhatWasLearntOfDelaysSurvivesARestart) {
  later_ = seconds((700 - unix_seconds(clock()()) % 300) % 300);  // 100 s after a period's end
  start("[metrics]\nlist = 0\n");
  const auto learn = [this](Delays& delays) {
    Delay& delay = delays.of("AWS/EC2", 300);
    for (int times = 0; times < 3; ++times)
      (void)delay.observe({Evidence::Kind::revised, 120, 170}, 300, unix_seconds(clock()()));
    return delay.seconds();
  };
  EXPECT_EQ(learn(agent_->collect().delays()), 170);
  agent_->write_ledger();
  agent_.reset();
  start("[metrics]\nlist = 0\n");
  Series& one = series("CPUUtilization");
  EXPECT_EQ(agent_->collect().delay(one), 170);
  later_ += seconds(50);  // 150 s after it: final by the usual 120 s, not by what was learnt
  const int64_t end = unix_seconds(clock()()) / 300 * 300;
  read({&one});
  EXPECT_EQ(one.failure(), nullptr);
  EXPECT_EQ(int64_t{one.read_until}, end - 300);
}

TEST_F(BillTest, DelaysThatCannotBeReadAreLearntAnew) {
  start();
  ASSERT_TRUE(agent_->bill().keep("delays", "AWS/EC2\t1\t24"));
  agent_.reset();
  start();
  EXPECT_EQ(agent_->collect().delay(series("CPUUtilization")), 120);
  agent_->keep_delays();
  EXPECT_EQ(agent_->bill().ledger().note("delays"), "") << "what is damaged goes";
}

TEST_F(BillTest, ASecondAgentCountsInMemory) {
  start();
  auto config = parse_config(
      "[zabbix]\nstate_dir = \"" + folder_.string() + "\"\nserver = \"a\"\nhosts = [\"w\"]\n", "");
  ASSERT_TRUE(config);
  auto second = Agent::create(io_, std::move(*config), simulator_->environment(), clock());
  ASSERT_TRUE(second);
  (*second)->open_ledger();
  EXPECT_FALSE((*second)->bill().seen().on_disk);
  EXPECT_TRUE(agent_->bill().seen().on_disk);
}

TEST_F(BillTest, TheBudgetStretchesAndSaysSo) {
  // In the middle of a month, whenever this runs: simaws corrects the clock.
  if (unix_seconds(clock()()) / 86400 > month_of(unix_seconds(clock()()) / 86400).last - 5)
    later_ = seconds(-7 * 86'400);
  start();
  read({&series("CPUUtilization"), &series("NetworkIn")});
  agent_.reset();
  start("[budget]\nusd_per_month = 0.00001\n");
  const std::vector<Series*> all{&series("CPUUtilization"), &series("NetworkIn")};
  for (Series* one : all) {
    one->ask_gap = 300;
    one->last_asked = static_cast<Seconds32>(unix_seconds(clock()()));
  }
  read(all);
  EXPECT_EQ(agent_->collect().stretch(*all[0]), 1);
  for (int minute = 0; minute < 15; ++minute) {
    later_ += seconds(60);
    agent_->bill().tick();
  }
  const Bill::Seen seen = agent_->bill().seen();
  EXPECT_GT(seen.unstretched_usd, 0.00002);
  EXPECT_TRUE(seen.exceeded);
  EXPECT_EQ(seen.factors[1], 12);
  EXPECT_EQ(agent_->collect().stretch(*all[0]), 12);
  EXPECT_TRUE(agent_->collect().is_current(*all[0])) << "an hour has not passed";
  later_ += seconds(3600);
  EXPECT_FALSE(agent_->collect().is_current(*all[0]));
  // So does a reload, whatever else of the budget it changes.
  BudgetConfig budget = agent_->config().budget;
  for (const double usd : {budget.usd_per_month, budget.usd_per_month * 2}) {
    budget.usd_per_month = usd;
    auto prices = Prices::load(budget.prices);
    ASSERT_TRUE(prices);
    agent_->bill().configure(budget, std::move(*prices));
    EXPECT_EQ(agent_->bill().seen().factors[1], 12) << usd;
    EXPECT_EQ(agent_->collect().stretch(*all[0]), 12) << usd;
    agent_->bill().tick();
    EXPECT_EQ(agent_->collect().stretch(*all[0]), 12) << usd;
  }
  // A restart in the same month goes on so.
  agent_.reset();
  start("[budget]\nusd_per_month = 0.00001\n");
  EXPECT_EQ(agent_->collect().stretch(series("CPUUtilization")), 12);
}

// 32,000 invented keys spent six months' budget in a minute.
TEST_F(BillTest, NewMetricsThatPassTheBudgetWaitAndSaySo) {
  if (unix_seconds(clock()()) / 86400 > month_of(unix_seconds(clock()()) / 86400).last - 5)
    later_ = seconds(-7 * 86'400);
  start("[metrics]\nlist = 0\n");
  Series& known = series("CPUUtilization");
  read({&known});
  agent_.reset();
  // Room for some at an hour's interval each.
  const double hours = static_cast<double>(month_of(unix_seconds(clock()()) / 86400).last + 1) * 24 -
                       static_cast<double>(unix_seconds(clock()())) / 3600;
  const double budget = 5.5 * 0.00001 * (hours + 1);
  start(fmt::format("[metrics]\nlist = 0\n[budget]\nusd_per_month = {:.8f}\n", budget));
  std::vector<Series*> fresh;
  for (const char* metric : {"NetworkIn", "NetworkOut", "NetworkPacketsIn", "NetworkPacketsOut",
                             "CPUCreditUsage", "CPUCreditBalance", "StatusCheckFailed", "EBSReadOps"})
    fresh.push_back(&series(metric));
  fresh.push_back(&series("NetworkIn", "Maximum"));
  Series& again = series("CPUUtilization");
  const uint64_t before = simulated("metrics_billed");
  read(fresh);
  read({&again});
  EXPECT_EQ(again.failure(), nullptr) << "what was read before goes on";
  std::vector<Series*> waiting;
  std::copy_if(fresh.begin(), fresh.end(), std::back_inserter(waiting),
               [this](const Series* one) { return agent_->bill().waits(*one); });
  ASSERT_FALSE(waiting.empty());
  EXPECT_LE(simulated("metrics_billed") - before, 6u);
  EXPECT_GE(simulated("metrics_billed") - before, 4u);
  EXPECT_EQ(agent_->bill().seen().waiting, waiting.size());
  ASSERT_NE(waiting.front()->failure(), nullptr);
  EXPECT_THAT(waiting.front()->failure()->message,
              testing::AllOf(testing::HasSubstr("a new metric, which waits"),
                             testing::HasSubstr("[budget] usd_per_month")));
  EXPECT_TRUE(agent_->collect().is_current(*waiting.front())) << "it is not looked at for each question";
  EXPECT_LE(agent_->bill().seen().month_usd, budget);
  // The running agent's plan and status tell of them, and each its own explanation.
  const std::string count = fmt::format("\"waiting\":{}", waiting.size());
  EXPECT_THAT(answer("bakusoku.plan"), testing::HasSubstr(count + ","));
  EXPECT_THAT(answer("bakusoku.status"), testing::HasSubstr(count + ","));
  const auto explained = [this](const Series& of) {
    return answer(fmt::format("bakusoku.explain[web,\"aws.metric[AWS/EC2,{},InstanceId={},{},300]\"]",
                              *of.name->metric, of.dimensions->front().value, *of.name->statistic));
  };
  EXPECT_THAT(explained(*waiting.front()),
              testing::AllOf(testing::HasSubstr("It is a new metric, which waits: with it the month would"),
                             testing::HasSubstr("The next look is "),
                             testing::Not(testing::HasSubstr("The last reading failed"))));
  EXPECT_THAT(explained(again), testing::Not(testing::HasSubstr("which waits")));
  // A larger budget lets them in at the next look.
  auto prices = Prices::load("");
  ASSERT_TRUE(prices);
  BudgetConfig larger;
  larger.usd_per_month = 1000;
  agent_->bill().configure(larger, std::move(*prices));
  later_ += seconds(301);
  read(waiting);
  for (const Series* one : waiting) EXPECT_EQ(one->failure(), nullptr) << one->failure()->message;
  EXPECT_EQ(agent_->bill().seen().waiting, 0u);
}

TEST_F(BillTest, RequestsAreCountedOnceWheneverTheyAreLookedAt) {
  start();
  const auto list = [this](const std::string& region, int times) {
    int done = 0;
    asio::co_spawn(
        io_,
        [&]() -> asio::awaitable<void> {
          for (; done < times; ++done) {
            aws::cloudwatch::ListMetricsRequest request;
            request.namespace_ = "AWS/EC2";
            request.metric = "CPUUtilization";
            (void)co_await aws::cloudwatch::list_metrics(*agent_->targets().accounts().front()->client,
                                                         region, request);
          }
        },
        asio::detached);
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (done < times && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_for(milliseconds(5));
    }
  };
  list("eu-west-1", 3);
  agent_->bill().tick();
  EXPECT_EQ(counted("ListMetrics"), 3u);
  list("eu-west-1", 2);
  list("us-east-1", 1);
  agent_->bill().tick();
  EXPECT_EQ(counted("ListMetrics"), 6u);
  agent_->bill().tick();
  EXPECT_EQ(counted("ListMetrics"), 6u) << "nothing was asked since";
}

TEST_F(BillTest, PricesThatCannotBeReadAreAnErrorAtTheStart) {
  auto config = parse_config("[budget]\nprices = \"/nonexistent/prices.toml\"\n", "");
  ASSERT_TRUE(config);
  Environment environment;
  const auto agent = Agent::create(io_, std::move(*config), environment, clock());
  ASSERT_FALSE(agent);
  EXPECT_THAT(agent.error().message, testing::HasSubstr("/nonexistent/prices.toml"));
}

}  // namespace
}  // namespace bakusoku::agent
