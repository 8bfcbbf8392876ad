// Explain and Status over a whole agent and a scripted Zabbix: what the stages know comes together.
#include "agent/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <functional>
#include <memory>

#include "agent/agent.h"
#include "base/log.h"
#include "zabbix/frame.h"
#include "zabbix/scripted_peer.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A Zabbix that knows the host "web-1" and one item of it, and takes its values or not.
class ExplainTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(set_up_log("off", false));
    peer_ = std::make_unique<zabbix::ScriptedPeer>([this](zabbix::Wire& wire) {
      const std::string request = wire.read_frame();
      if (away_) return;
      std::string reply = R"({"response":"failed","info":"host [web-2] not found"})";
      if (request.find("\"agent data\"") != std::string::npos) {
        reply =
            takes_
                ? R"({"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.01"})"
                : R"({"response":"success","info":"processed: 0; failed: 1; total: 1; seconds spent: 0.01"})";
      } else if (request.find("\"web-1\"") != std::string::npos) {
        reply = R"({"response":"success","data":[{"key":"bakusoku.echo[hello]","itemid":1,"delay":"1s"},)"
                R"({"key":"bakusoku.ping","itemid":2,"delay":"soon"}]})";
      }
      wire.write(zabbix::encode_frame(reply, zabbix::kFrameZabbix));
    });
    start("[zabbix]\nserver = \"" + zabbix::to_string(peer_->endpoint()) +
          "\"\nhosts = [\"web-1\", \"web-2\"]\nstate_dir = \"\"\nrefresh = \"1s\"\n");
  }
  void start(const std::string& sections) {
    Environment environment;
    environment.variables = {{"AWS_ACCESS_KEY_ID", "AKIASIMAWS0000000000"},
                             {"AWS_SECRET_ACCESS_KEY", "simaws/not/a/real/secret/0000000000000000"},
                             {"AWS_ENDPOINT_URL", "http://127.0.0.1:9"},
                             {"AWS_REGION", "eu-west-1"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto config = parse_config(sections, "test");
    ASSERT_TRUE(config) << config.error().message;
    auto agent = Agent::create(io_, std::move(*config), environment);
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    const auto opened = agent_->open_reporting();
    ASSERT_TRUE(opened) << opened.error().message;
    agent_->start();
  }

  std::string ask(const std::string& key) {
    std::optional<Answer> answer;
    asio::co_spawn(io_,
                   agent_->items().answer(key, std::chrono::steady_clock::now() + std::chrono::seconds(10)),
                   [&](std::exception_ptr failure, Answer given) {
                     EXPECT_FALSE(failure);
                     answer = std::move(given);
                   });
    while (!answer && io_.run_one_for(std::chrono::seconds(20)) > 0) continue;
    EXPECT_TRUE(answer && answer->supported) << key << (answer ? answer->text : "");
    return answer ? answer->text : std::string();
  }
  // Asks until the answer has the words in it; the last answer.
  std::string ask_until(const std::string& key, const std::string& words) {
    std::string answer;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    do {
      answer = ask(key);
      if (answer.find(words) != std::string::npos) break;
      io_.run_for(milliseconds(50));
    } while (std::chrono::steady_clock::now() < end);
    return answer;
  }

  std::atomic<bool> takes_{true};
  std::atomic<bool> away_{false};
  std::unique_ptr<zabbix::ScriptedPeer> peer_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(ExplainTest, FollowsAValueToZabbix) {
  EXPECT_THAT(
      ask_until("bakusoku.explain[web-1,\"bakusoku.echo[hello]\"]", "\"state\":\"delivered\""),
      AllOf(HasSubstr("wants it every 1s"), HasSubstr("the value hello"), HasSubstr("acknowledged it")));
  EXPECT_THAT(ask("bakusoku.explain[web-1,\"bakusoku.echo[\\\"hello\\\"]\"]"),
              HasSubstr("\"state\":\"delivered\""))
      << "the same key in another spelling";
  EXPECT_THAT(ask("bakusoku.explain[web-1,\"bakusoku.echo[hallo]\"]"),
              AllOf(HasSubstr("\"state\":\"not wanted\""),
                    HasSubstr("Similar keys of this host: bakusoku.echo[hello]")));
  EXPECT_THAT(ask("bakusoku.explain[web-1,bakusoku.ping]"), HasSubstr("\"state\":\"interval wrong\""));
}

TEST_F(ExplainTest, NamesHostsThatAreNotKnown) {
  EXPECT_THAT(ask_until("bakusoku.explain[web-2,bakusoku.ping]", "host unknown"),
              HasSubstr("It says: \\\"host [web-2] not found\\\""));
  EXPECT_THAT(ask("bakusoku.explain[WEB-1,bakusoku.ping]"),
              AllOf(HasSubstr("not a host of this agent"), HasSubstr("Similar hosts: web-1")));
}

TEST_F(ExplainTest, ShowsTheItemsOfAHost) {
  const std::string json = ask_until("bakusoku.explain[web-1]", "\"state\":\"delivered\"");
  EXPECT_THAT(json, AllOf(HasSubstr(R"({"key":"bakusoku.echo[hello]","interval":"1s","state":"delivered")"),
                          HasSubstr(R"({"key":"bakusoku.ping","interval":"soon","state":"interval wrong")"),
                          HasSubstr("wants 2 items of it")));
}

TEST_F(ExplainTest, RemembersWhatZabbixRefuses) {
  takes_ = false;
  EXPECT_THAT(ask_until("bakusoku.explain[web-1,\"bakusoku.echo[hello]\"]", "\"state\":\"refused\""),
              AllOf(HasSubstr("did not take a value of it"), HasSubstr("processed: 0; failed: 1")));
  EXPECT_THAT(ask("bakusoku.explain[web-1]"), HasSubstr("\"state\":\"refused\""));
  takes_ = true;
  EXPECT_THAT(ask_until("bakusoku.explain[web-1,\"bakusoku.echo[hello]\"]", "takes them again since"),
              HasSubstr("takes them again since"));
}

TEST_F(ExplainTest, SaysWhatWaitsWhileZabbixIsAway) {
  ask_until("bakusoku.explain[web-1,\"bakusoku.echo[hello]\"]", "\"state\":\"delivered\"");
  away_ = true;
  EXPECT_THAT(ask_until("bakusoku.explain[web-1,\"bakusoku.echo[hello]\"]", "has taken no values since"),
              AllOf(HasSubstr("\"state\":\"waiting\""), HasSubstr("in the spool for")));
  const std::string status = ask_until("bakusoku.status", "\"trouble\"");
  EXPECT_THAT(status,
              AllOf(HasSubstr("\"trouble_since\":"), HasSubstr("\"hosts\":2"), HasSubstr("\"hosts_known\":1"),
                    HasSubstr("\"hosts_unknown\":1"), HasSubstr("\"problems\":[{")));
}

TEST_F(ExplainTest, MakesNothingWanted) {
  const std::string key = "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,300]";
  EXPECT_THAT(ask("bakusoku.explain[web-1,\"" + key + "\"]"), HasSubstr("costs nothing"));
  EXPECT_EQ(agent_->demand().series(), 0u);
  EXPECT_THAT(ask("bakusoku.explain[web-1,\"aws.metric[x\"]"), HasSubstr("This is no item key"));
  EXPECT_THAT(ask("bakusoku.explain[web-1,\"aws.metric[x]\"]"), HasSubstr("aws.metric"));
  EXPECT_THAT(ask("bakusoku.explain[web-1,vfs.fs.size]"), HasSubstr("vfs.fs.size is no item of this agent"));
}

TEST_F(ExplainTest, StatusListsTheDelaysOfWhatIsRead) {
  EXPECT_THAT(ask("bakusoku.status"), HasSubstr(R"("delays":[])"));
  Delay& delay = agent_->collect().delays().of("AWS/EC2", 300);
  (void)agent_->collect().delays().of("AWS/S3", 86400);
  for (int times = 0; times < 2; ++times)
    (void)delay.observe({Evidence::Kind::revised, 120, 170}, 300, 1'700'000'000);
  EXPECT_THAT(
      ask("bakusoku.status"),
      AllOf(
          HasSubstr(
              R"({"namespace":"AWS/EC2","periods":"minutes","seconds":170,"at_first":120,"configured":false})"),
          HasSubstr(
              R"({"namespace":"AWS/S3","periods":"days","seconds":7200,"at_first":7200,"configured":false})")));
}

TEST_F(ExplainTest, FindsASeriesByWhatItIsWhateverTheSpelling) {
  // Nobody is there to answer, which does not matter: it is asked for.
  std::optional<Answer> answer;
  asio::co_spawn(io_,
                 agent_->items().answer("aws.metric[AWS/EC2,CPUUtilization,\"A=1;B=2\",Average,300]",
                                        std::chrono::steady_clock::now() + milliseconds(10)),
                 [&](std::exception_ptr, Answer given) { answer = std::move(given); });
  while (!answer && io_.run_one_for(std::chrono::seconds(20)) > 0) continue;
  const std::string said =
      ask("bakusoku.explain[web-1,\"aws.metric[AWS/EC2,CPUUtilization,B=2;A=1,,5m,eu-west-1]\"]");
  EXPECT_THAT(said, AllOf(HasSubstr("AWS/EC2 CPUUtilization (A=1, B=2) Average over 300 s, in eu-west-1"),
                          HasSubstr("through the module, the passive port or bakusoku get")));
}

}  // namespace
}  // namespace bakusoku::agent
