// The item table over a real HTTP connection to the simulator: what is asked of AWS, and what comes back in
// words.
#include "agent/items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <map>

#include "agent/agent.h"
#include "agent/ask_fixture.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"

namespace bakusoku::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ItemsTest : public testing::Test {
 protected:
  void start(std::vector<std::string> options = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    simulator_ = std::make_unique<Simulator>(std::move(options));
    ASSERT_FALSE(simulator_->url().empty()) << "simaws did not start";
    // What is read and what not is the matter here; what is listed is in existence_test.cpp.
    auto config = parse_config("[metrics]\nlist = 0\n", "");
    ASSERT_TRUE(config);
    auto agent = Agent::create(io_, std::move(*config), simulator_->environment(),
                               [this] { return std::chrono::system_clock::now() + later_; });
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
  }

  // Asks for all keys at once and waits for all answers.
  std::vector<Answer> ask(const std::vector<std::string>& keys,
                          std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    return ask_all(io_, agent_->items(), keys, timeout);
  }
  std::string value(const std::string& key) {
    const Answer answer = ask({key})[0];
    EXPECT_TRUE(answer.supported) << key << ": " << answer.text;
    return answer.text;
  }
  std::string error(const std::string& key) {
    const Answer answer = ask({key})[0];
    EXPECT_FALSE(answer.supported) << key << ": " << answer.text;
    return answer.text;
  }
  std::string stat(const std::string& name) { return value("bakusoku.stats[" + name + "]"); }

  std::unique_ptr<Simulator> simulator_;
  std::chrono::seconds later_{0};  // added to the wall clock
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(ItemsTest, AThousandNamesCostOnePagedReading) {
  start({"--instances", "2000"});
  std::vector<std::string> keys;
  for (int i = 1; i <= 1000; ++i) keys.push_back("aws.ec2.name2id[web-" + std::to_string(i) + "]");
  size_t found = 0;
  for (const Answer& answer : ask(keys)) found += answer.supported && answer.text.starts_with("i-") ? 1 : 0;
  EXPECT_GT(found, 900u);  // some indexes of the simulator carry odd names
  EXPECT_LE(std::stoi(stat("inventory.readings")),
            2);                                // the first, and one early for the names that are not there
  EXPECT_LE(std::stoi(stat("aws.calls")), 4);  // two pages each
}

TEST_F(ItemsTest, UnknownNamesBringOneReadingForwardPerInterval) {
  start();
  value("aws.ec2.name2id[web-1]");
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(error("aws.ec2.name2id[nope-" + std::to_string(i) + "]"),
                AllOf(HasSubstr("no EC2 instance with the Name tag 'nope-"), HasSubstr("eu-west-1")));
  }
  EXPECT_EQ(stat("inventory.readings"), "2");
  EXPECT_EQ(stat("inventory.early"), "1");
}

TEST_F(ItemsTest, ANameOfSeveralInstancesNamesThem) {
  start();
  EXPECT_THAT(error("aws.ec2.name2id[dup-name]"),
              HasSubstr("2 EC2 instances with the Name tag 'dup-name' in eu-west-1: i-"));
}

TEST_F(ItemsTest, MetricsAskedForTogetherShareCallsOfFiveHundred) {
  start({"--instances", "1000"});
  const simaws::World world{1, {"eu-west-1", "us-east-1"}, 1000};
  std::vector<std::string> keys;
  for (size_t index = 0; index < 600; ++index) {
    const std::string id = simaws::instance_id(world, "eu-west-1", index);
    keys.push_back("aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + id + ",Average,300]");
  }
  size_t numbers = 0;
  for (const Answer& answer : ask(keys)) numbers += answer.supported ? 1 : 0;
  EXPECT_GT(numbers, 500u);  // stopped instances publish nothing
  EXPECT_EQ(stat("metrics.requested"), "600");
  EXPECT_LE(std::stoi(stat("metrics.calls")), 2);
  ask(keys);
  EXPECT_LE(std::stoi(stat("metrics.calls")), 2) << "a known value is not asked for again within its period";
}

TEST_F(ItemsTest, StatisticsOfAMetricAreBilledOnce) {
  start();
  const std::string metric =
      "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]");
  ask({metric + ",Average]", metric + ",Sum]", metric + ",Minimum]", metric + ",Maximum]",
       metric + ",SampleCount]"});
  EXPECT_EQ(stat("metrics.requested"), "5");
  EXPECT_EQ(stat("metrics.billed"), "1");
}

TEST_F(ItemsTest, SpellingsOfOneMetricAreOneSeries) {
  start();
  const std::string id = value("aws.ec2.name2id[web-1]");
  const auto answers =
      ask({"aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + id + "]",
           "aws.metric[AWS/EC2,CPUUtilization,\"InstanceId=" + id + "\",average,5m,eu-west-1]"});
  EXPECT_EQ(answers[0].text, answers[1].text);
  EXPECT_EQ(stat("keys"), "2");
  EXPECT_EQ(stat("series"), "1");
}

TEST_F(ItemsTest, AMetricThatDoesNotExistIsNotSupportedOrZero) {
  start();
  const std::string metric =
      "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-00000000000000000,Sum,300,eu-west-1,";
  EXPECT_THAT(error(metric + "]"), AllOf(HasSubstr("CloudWatch has no datapoint of AWS/EC2 CPUUtilization"),
                                         HasSubstr("InstanceId=i-00000000000000000")));
  EXPECT_EQ(value(metric + ",zero]"), "0");
}

TEST_F(ItemsTest, ADeniedCallNamesThePermissionAndIsNotRepeatedForEveryQuestion) {
  start({"--fault", "GetMetricData:denied,DescribeInstances:denied"});
  EXPECT_THAT(error("aws.discovery[ec2]"), HasSubstr("ec2:DescribeInstances"));
  EXPECT_THAT(error("aws.metric[AWS/EC2,CPUUtilization]"), HasSubstr("cloudwatch:GetMetricData"));
  const std::string calls = stat("aws.calls");
  for (int i = 0; i < 10; ++i) {
    error("aws.metric[AWS/EC2,CPUUtilization]");
    error("aws.metric[AWS/EC2,Other" + std::to_string(i) + "]");
    error("aws.ec2.name2id[web-1]");
  }
  EXPECT_EQ(stat("aws.calls"), calls);
}

TEST_F(ItemsTest, AFailedReadingNeverBecomesAnEmptyDiscovery) {
  start({"--fault", "DescribeInstances:garbage"});
  EXPECT_THAT(error("aws.discovery[ec2]"), HasSubstr("EC2 instance list of eu-west-1"));
}

TEST_F(ItemsTest, AnEndpointThatHangsIsATimeoutInWords) {
  start({"--fault", "*:hang"});
  const auto begun = std::chrono::steady_clock::now();
  const auto answers =
      ask({"aws.ec2.name2id[web-1]", "aws.metric[AWS/EC2,CPUUtilization]"}, std::chrono::milliseconds(500));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
  EXPECT_THAT(answers[0].text, HasSubstr("still being read"));
  EXPECT_THAT(answers[1].text, HasSubstr("has not answered in time"));
}

TEST_F(ItemsTest, ANewPeriodIsReadOnceForAllWhoAskRegularly) {
  start();
  const std::string metric =
      "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]");
  const std::vector<std::string> keys = {metric + ",Average]", metric + ",Maximum]"};
  ask(keys);
  later_ += std::chrono::seconds(60);
  ask(keys);  // now the interval is known
  const int before = std::stoi(stat("metrics.calls"));
  later_ += std::chrono::seconds(240);
  ask({keys[0]});  // a new period: the first question reads for both
  ask({keys[1]});
  EXPECT_LE(std::stoi(stat("metrics.calls")), before + 1);
}

TEST_F(ItemsTest, AMetricThatCloudWatchFindsInvalidFailsNobodyElses) {
  start({"--instances", "400"});
  const std::string good =
      "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]") + ",";
  std::vector<std::string> keys = {good + "p101]", good + "Average]", "aws.metric[:x,CPUUtilization]"};
  const simaws::World world{1, {"eu-west-1", "us-east-1"}, 400};
  for (size_t index = 0; index < 300; ++index) {
    const std::string id = simaws::instance_id(world, "eu-west-1", index);
    keys.push_back("aws.metric[AWS/EC2,NetworkIn,InstanceId=" + id + ",Sum,300,,,zero]");
  }
  const auto answers = ask(keys);
  EXPECT_THAT(answers[0].text, AllOf(HasSubstr("ValidationError"), HasSubstr("p101")));
  EXPECT_TRUE(answers[1].supported) << answers[1].text;
  EXPECT_THAT(answers[2].text, AllOf(HasSubstr("ValidationError"), HasSubstr("Namespace")));
  for (size_t at = 3; at < answers.size(); ++at) EXPECT_TRUE(answers[at].supported) << answers[at].text;
  // Known by now, they are kept apart: the next period is one call for all others and few for them.
  const int before = std::stoi(stat("metrics.calls"));
  later_ += std::chrono::seconds(400);
  const auto again = ask(keys);
  EXPECT_FALSE(again[0].supported);
  EXPECT_TRUE(again[1].supported) << again[1].text;
  EXPECT_LE(std::stoi(stat("metrics.calls")), before + 5);
}

TEST_F(ItemsTest, ARegionThatHangsHoldsUpNoOther) {
  start({"--fault", "GetMetricData:hang:1"});
  const std::string metric = "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,300,";
  const auto hung = ask({metric + "us-east-1]"}, std::chrono::milliseconds(300));
  EXPECT_THAT(hung[0].text, HasSubstr("has not answered in time"));
  const auto answers =
      ask({metric + "eu-west-1,,zero]", "aws.metric[AWS/EC2,CPUUtilization,,Average,60,us-east-1,,zero]"},
          std::chrono::seconds(5));
  EXPECT_TRUE(answers[0].supported) << answers[0].text;
  EXPECT_TRUE(answers[1].supported) << "another period of that region: " << answers[1].text;
}

TEST_F(ItemsTest, AClockSetBackFreezesNoValue) {
  start();
  const std::string metric =
      "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]") + "]";
  later_ = std::chrono::hours(24);
  ask({metric});
  later_ = std::chrono::seconds(0);
  const std::string calls = stat("metrics.calls");
  value(metric);
  EXPECT_NE(stat("metrics.calls"), calls) << "answered with what was read under the wrong clock";
}

TEST_F(ItemsTest, AWaiterKeepsItsMetricFromBeingForgottenWhenTheClockJumps) {
  start();
  const std::string metric = "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,300,,,zero]";
  // Forgetting comes at every moment between the reading's end and the waiter's turn.
  bool done = false;
  asio::co_spawn(io_,
                 agent_->items().answer(metric, std::chrono::steady_clock::now() + std::chrono::seconds(5)),
                 [&](std::exception_ptr, const Answer& answer) {
                   EXPECT_EQ(answer.text, "0");
                   done = true;
                 });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!done && std::chrono::steady_clock::now() < end) {
    io_.run_one_for(std::chrono::milliseconds(100));
    later_ = std::chrono::hours(3);
    if (!done) agent_->forget_unasked();
    later_ = std::chrono::hours(0);
  }
  EXPECT_TRUE(done);
}

TEST_F(ItemsTest, WhatNobodyAsksForIsForgotten) {
  start();
  value("aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]") + "]");
  EXPECT_EQ(stat("keys"), "1");
  later_ += std::chrono::hours(2);
  agent_->start();
  io_.restart();
  io_.run_for(std::chrono::milliseconds(1));
  agent_->forget_unasked();
  EXPECT_EQ(stat("keys"), "0");
  EXPECT_EQ(stat("series"), "0");
}

TEST_F(ItemsTest, WhoAsksRarelyGetsTheNewReadingAndNotTheOneBefore) {
  later_ = std::chrono::hours(-2);  // the simulator has nothing of what is still to come
  start();
  const std::string metric =
      "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]") + ",Average,60]";
  const std::string before = value(metric);
  later_ = std::chrono::hours(0);
  EXPECT_NE(value(metric), before) << "the value of two hours ago";
}

// ---- fed series: every datapoint

class FedSeriesTest : public ItemsTest {
 protected:
  std::string metric() {
    return "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]") + ",Average,60]";
  }
  std::vector<Collect::Reading> read(const std::string& key) {
    value(key);
    return agent_->collect().take_readings();
  }
};

TEST_F(FedSeriesTest, AReadingBringsEveryDatapointOfItsWindow) {
  later_ = std::chrono::minutes(-1);
  start();
  const std::string key = metric();
  EXPECT_THAT(read(key), testing::IsEmpty()) << "nobody wants more than the newest yet";
  agent_->demand().find(key).series->fed = 1;
  later_ += std::chrono::minutes(1);
  const auto readings = read(key);
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].window.end - readings[0].window.start, kLookBackPeriods * 60);
  EXPECT_EQ(readings[0].points.size(), size_t{kLookBackPeriods});
}

TEST_F(FedSeriesTest, AFedSeriesIsNotForgotten) {
  start();
  const std::string key = metric();
  value(key);
  agent_->demand().find(key).series->fed = 1;
  later_ += std::chrono::hours(24 * 60);
  agent_->forget_unasked();
  EXPECT_EQ(stat("keys"), "1") << "an item of an interval of months still refers to it";
}

TEST_F(FedSeriesTest, WhatWasMissedIsReadFromThereOn) {
  later_ = std::chrono::minutes(-121);  // the simulator has nothing of what is still to come
  start();
  const std::string key = metric();
  value(key);
  Series& series = *agent_->demand().find(key).series;
  series.fed = 1;
  const int64_t from = series.read_until;
  later_ += std::chrono::hours(2);
  Collect::read_from(series, from);
  auto readings = read(key);
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].window.start, from);
  EXPECT_EQ(readings[0].points.size(), 120u);
  later_ += std::chrono::minutes(1);
  readings = read(key);
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].points.size(), size_t{kLookBackPeriods}) << "caught up";
}

// ---- the board: what a worker that reads there gets

class ItemsOnTheBoardTest : public ItemsTest {
 protected:
  void post(const std::string& key) {
    const Answer answer = ask({key})[0];
    ASSERT_TRUE(answer.supported) << answer.text;
    ASSERT_TRUE(answer.lease) << key;
    agent_->board().post(key, answer.text, *answer.lease);
  }
  [[nodiscard]] int64_t now() const { return unix_seconds(std::chrono::system_clock::now() + later_); }
  std::optional<std::string> read(const std::string& key) {
    const auto files = agent_->board().descriptors();
    const auto view = files ? ask::BoardView::map(files->board, files->marks) : nullptr;
    std::string text;
    if (!view || !view->find(key, now(), text)) return std::nullopt;
    return text;
  }
  std::string metric() {
    return "aws.metric[AWS/EC2,CPUUtilization,InstanceId=" + value("aws.ec2.name2id[web-1]") + "]";
  }
  void run_for(std::chrono::milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }
};

TEST_F(ItemsOnTheBoardTest, AMetricIsGoodThereExactlyAsLongAsTheAgentTakesItForCurrent) {
  start();
  const std::string key = metric();
  post(key);
  int good = 0;
  for (later_ = std::chrono::seconds(-900); later_ < std::chrono::seconds(900);
       later_ += std::chrono::seconds(5)) {
    const auto there = read(key);
    const auto known = agent_->items().answer_now(key);
    ASSERT_EQ(there.has_value(), known.has_value()) << later_.count() << " s from now";
    if (!there) continue;
    EXPECT_EQ(*there, known->text);
    ++good;
  }
  EXPECT_NEAR(good, (300 + 120) / 5, 1)
      << "until the next period is final and, if the clock is set back, not before the end of what was read";
}

TEST_F(ItemsOnTheBoardTest, WhatIsReadThereIsReadAheadAndNotForgotten) {
  start();
  const std::string key = metric();
  value(key);
  later_ += std::chrono::seconds(1);
  post(key);  // asked twice: somebody asks regularly
  const std::string calls = stat("metrics.calls");
  agent_->start();
  int answers = 0;
  for (int minute = 0; minute < 6; ++minute) {
    later_ += std::chrono::minutes(1);
    answers += read(key) ? 1 : 0;
    run_for(std::chrono::milliseconds(1100));
  }
  EXPECT_GE(answers, 2) << "all but those around a period's end";
  run_for(std::chrono::milliseconds(1100));
  const auto there = read(key);
  ASSERT_TRUE(there) << "the next period's value has come without a question";
  EXPECT_NE(stat("metrics.calls"), calls);
  EXPECT_EQ(*there, value(key));
  EXPECT_EQ(stat("board.answers"), std::to_string(answers + 1));
  // Three hours later, with nobody reading: forgotten, and gone from the board.
  later_ += std::chrono::hours(3);
  agent_->forget_unasked();
  EXPECT_EQ(stat("keys"), "0");
  EXPECT_EQ(stat("board.posted"), "0");
}

TEST_F(ItemsOnTheBoardTest, FactsAreGoodThereUntilTheListIsReadAgain) {
  start();
  const std::string id = value("aws.ec2.name2id[web-1]");
  const std::vector<std::string> keys = {"aws.ec2.name2id[web-1]", "aws.resource[ec2," + id + ",state]",
                                         "aws.resource[ec2," + id + ",name]"};
  for (const std::string& key : keys) post(key);
  agent_->items().keep_board();  // the list was new until now
  for (const std::string& key : keys) EXPECT_EQ(read(key), std::nullopt);
  for (const std::string& key : keys) post(key);
  agent_->items().keep_board();
  EXPECT_EQ(read(keys[0]), id);
  EXPECT_EQ(read(keys[1]), "running");
  later_ = std::chrono::seconds(300);  // the interval
  EXPECT_EQ(read(keys[2]), "web-1");
  later_ = std::chrono::seconds(340);
  EXPECT_EQ(read(keys[2]), std::nullopt);
  later_ = std::chrono::seconds(-5);
  EXPECT_EQ(read(keys[2]), std::nullopt);
}

TEST_F(ItemsOnTheBoardTest, WhatIsNotSupportedOrOfThisMomentIsNotPosted) {
  start();
  for (const char* key : {"aws.ec2.name2id[nobody]", "bakusoku.ping", "bakusoku.stats[questions]",
                          "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1]"}) {
    EXPECT_FALSE(ask({key})[0].lease) << key;
  }
}

TEST_F(ItemsTest, WrongKeysAreRefusedInWords) {
  start();
  EXPECT_THAT(error("aws.what[x]"), AllOf(HasSubstr("unknown item key 'aws.what'"), HasSubstr("aws.metric")));
  EXPECT_THAT(error("aws.metric[a"), HasSubstr("item key 'aws.metric[a'"));
  EXPECT_THAT(error("aws.ec2.name2id"), HasSubstr("the Name tag (parameter 1) is missing"));
  EXPECT_THAT(error("aws.ec2.name2id[a,b,c,d]"), HasSubstr("at most 3"));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,moon]"), HasSubstr("'moon' is not an AWS region"));
  EXPECT_THAT(error("aws.ec2.name2id[web-1,,prod]"), HasSubstr("no account 'prod'"));
  EXPECT_THAT(error("aws.discovery[rds]"), HasSubstr("service (parameter 1) 'rds'"));
  EXPECT_THAT(error("aws.resource[ec2,i-1,colour]"), HasSubstr("field (parameter 3) 'colour'"));
  EXPECT_THAT(error("bakusoku.stats[moon]"), HasSubstr("no statistic 'moon'"));
  EXPECT_THAT(error("bakusoku.echo[]"), HasSubstr("the value is empty"));
  EXPECT_THAT(error("bakusoku.ping[1]"), HasSubstr("takes no parameters"));
}

// Whoever shows an error shows the item's key: Zabbix's pages and log, zabbix_get, bakusoku get and explain.
TEST_F(ItemsTest, AnErrorDoesNotBeginWithTheKeyAndNamesItOnceAtMost) {
  start();
  std::vector<std::string> keys;
  for (const Items::Row& row : Items::table()) {
    const std::string name(row.name);
    for (const char* parameters :
         {"", "[]", "[nobody]", "[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,300,moon]",
          "[a,b,c,d,e,f,g,h,i,j]", "[ec2,i-1,colour]", "[/none]",
          "[1+x,\"x=AWS/EC2,CPUUtilization,InstanceId=i-1,Average\"]", "[,"}) {
      keys.push_back(name + parameters);
    }
  }
  size_t errors = 0;
  for (const std::string& key : keys) {
    // The second time from what is known.
    for (int time = 0; time < 2; ++time) {
      const Answer answer = ask({key})[0];
      if (answer.supported) continue;
      ++errors;
      const std::string name = key.substr(0, key.find('['));
      EXPECT_FALSE(answer.text.starts_with(name + ":")) << answer.text;
      const bool lists_keys = answer.text.find("knows:") != std::string::npos;
      const size_t first = answer.text.find(name);
      if (first != std::string::npos && !lists_keys) {
        EXPECT_EQ(answer.text.find(name, first + 1), std::string::npos) << key << " -> " << answer.text;
      }
    }
  }
  EXPECT_GT(errors, keys.size());
}

TEST_F(ItemsTest, AnswersAreUtf8WhateverTheKeyHolds) {
  start();
  const std::string key = "aws.metric[AWS/EC2,CPU\xFF,InstanceId=i-1]";
  const std::string first = error(key);
  EXPECT_THAT(first, HasSubstr("CPU\xEF\xBF\xBD"));
  const auto known = agent_->items().answer_now(key);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->text, first);
}

TEST_F(ItemsTest, MetricMathIsOneSeriesOfTheSameCall) {
  start();
  const std::string instance = "InstanceId=" + value("aws.ec2.name2id[web-1]");
  const auto of = [&](const std::string& metric) { return "AWS/EC2," + metric + "," + instance + ",Sum"; };
  const std::string inputs = ",\"in=" + of("NetworkIn") + "\",\"out=" + of("NetworkOut") + "\",missing=zero]";
  const auto answers = ask({"aws.metric[" + of("NetworkIn") + "]", "aws.metric[" + of("NetworkOut") + "]",
                            "aws.math[2*in+out" + inputs, "aws.math[\"SUM([in,out])\"" + inputs});
  for (const Answer& answer : answers) ASSERT_TRUE(answer.supported) << answer.text;
  const double in = std::stod(answers[0].text);
  const double out = std::stod(answers[1].text);
  EXPECT_GT(in, 0);
  EXPECT_NEAR(std::stod(answers[2].text), 2 * in + out, (in + out) * 1e-9);
  EXPECT_NEAR(std::stod(answers[3].text), in + out, (in + out) * 1e-9);
  EXPECT_EQ(stat("metrics.calls"), "1");
  EXPECT_EQ(stat("metrics.billed"), "2") << "the metrics, not the expressions";
  EXPECT_THAT(error("aws.math[in+x" + inputs), HasSubstr("the expression (parameter 1): at 'x'"));
}

TEST_F(ItemsTest, ALinkedAccountsMetricIsAskedForWithItsNumber) {
  start({"--linked-accounts", "111111111111"});
  const std::string metric = "aws.metric[Sim/App,Latency,Service=checkout;Stage=prod,Average,60,,";
  const auto answers =
      ask({metric + "]", metric + "111111111111]", metric + "222222222222]", metric + "prod/111111111111]"});
  EXPECT_TRUE(answers[0].supported) << answers[0].text;
  EXPECT_TRUE(answers[1].supported) << answers[1].text;
  EXPECT_NE(answers[0].text, answers[1].text) << "each account has values of its own";
  EXPECT_THAT(answers[2].text, HasSubstr("access to this metric is forbidden"));
  EXPECT_THAT(answers[3].text, HasSubstr("no account 'prod'"));
  EXPECT_EQ(stat("metrics.calls"), "1");
}

TEST_F(ItemsTest, FactsOfAResource) {
  start();
  const std::string id = value("aws.ec2.name2id[web-1]");
  EXPECT_EQ(value("aws.resource[ec2," + id + ",name]"), "web-1");
  EXPECT_EQ(value("aws.resource[ec2," + id + ",state]"), "running");
  EXPECT_EQ(value("aws.resource[ec2," + id + ",tag.simulated]"), "true");
  EXPECT_THAT(error("aws.resource[ec2," + id + ",tag.none]"),
              HasSubstr("EC2 instance " + id + " has no tag.none"));
  EXPECT_THAT(error("aws.resource[ec2,i-00000000000000000,state]"),
              HasSubstr("no EC2 instance 'i-00000000000000000'"));
}

}  // namespace
}  // namespace bakusoku::agent
