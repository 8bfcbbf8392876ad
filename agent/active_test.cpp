// The conversation of active checks, as servers and proxies of several versions lead it.
#include "agent/active.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

#include "agent/agent.h"
#include "agent/scripted_zabbix.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using zabbix::Dialect;

// As a server 6.0.14 answered, and as a 7.0.22 did.
const std::string k60 =
    R"({"response":"success","data":[{"key":"bakusoku.ping","itemid":20005,"delay":"1m;wd1-5h9-18m0s0","lastlogsize":0,"mtime":0}]})";
const std::string k70 =
    R"({"response":"success","config_revision":1,"data":[{"key":"bakusoku.ping","itemid":20005,"delay":"1m;wd1-5h9-18m0s0","lastlogsize":0,"mtime":0,"timeout":"25s"}]})";
const std::string k70Unchanged = R"({"response":"success"})";
const std::string k70Empty = R"({"response":"success","config_revision":1,"data":[]})";

std::string redirect(int revision, const std::string& address) {
  return R"({"redirect":{"revision":)" + std::to_string(revision) + R"(,"address":")" + address +
         R"("},"response":"failed"})";
}
bool is_heartbeat(const std::string& request) { return request.find("heartbeat\"") != std::string::npos; }
std::string unknown(const std::string&) { return R"({"response":"failed","info":"host [probe] not found"})"; }

class ActiveTest : public testing::Test {
 protected:
  void start(const std::vector<zabbix::Endpoint>& to, const std::set<std::string>& hosts = {"probe"}) {
    ASSERT_TRUE(set_up_log("off", false));
    config_.hostname = "probe";
    Environment environment;
    environment.variables = {{"AWS_ACCESS_KEY_ID", "AKIASIMAWS0000000000"},
                             {"AWS_SECRET_ACCESS_KEY", "simaws/not/a/real/secret/0000000000000000"},
                             {"AWS_ENDPOINT_URL", aws_},
                             {"AWS_REGION", "eu-west-1"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto nothing = parse_config("", "");
    ASSERT_TRUE(nothing);
    auto agent = Agent::create(io_, std::move(*nothing), environment, clock());
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    auto spool = Spool::open({}, clock());
    ASSERT_TRUE(spool);
    spool_ = std::move(*spool);
    ASSERT_TRUE(spool_->add_destination("zabbix"));
    checks_.emplace(Checks::Parts{io_, agent_->items(), agent_->collect(), clock(), {spool_.get()}, 60s});
    alternatives_.emplace(to);
    const zabbix::Link link;
    active_.emplace(Active::Parts{io_, *checks_, config_, *alternatives_, link, clock(), 0,
                                  "0123456789abcdef0123456789abcdef", peer_, &agent_config_});
    active_->set_hosts(hosts);
    active_->start();
  }
  Clock clock() {
    return [this] { return WallTime{now_}; };
  }
  // Until so many questions are answered and the answers taken: only then is it known when the next one is
  // due.
  [[nodiscard]] bool has_answered(const ScriptedZabbix& server, size_t questions,
                                  const std::string& host = "probe") {
    return run_until(io_,
                     [&] { return server.count() >= questions && active_->seen(host)->asks > now_ / 1s; }) &&
           server.count() == questions;
  }
  // While the clock goes on, a second at each look.
  template <typename Condition>
  [[nodiscard]] bool comes_to(Condition condition) {
    return run_until(io_, [&] {
      if (condition()) return true;
      now_ += 1s;
      return false;
    });
  }

  std::chrono::milliseconds now_{1'700'000'000'000};
  std::string aws_ = "http://127.0.0.1:1";
  ZabbixConfig config_;
  AgentConfig agent_config_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Spool> spool_;
  std::optional<Checks> checks_;
  std::optional<zabbix::Alternatives> alternatives_;
  Peer peer_{"probe"};
  std::optional<Active> active_;
};

std::string question(int revision) {
  return R"({"request":"active checks","host":"probe","host_metadata":"aws-collector","config_revision":)" +
         std::to_string(revision) +
         R"(,"session":"0123456789abcdef0123456789abcdef","version":"7.0.0","variant":1})";
}

TEST_F(ActiveTest, Asks70WithTheRevisionItHasAndKeepsItsItemsWhileThatIsCurrent) {
  config_.host_metadata = "aws-collector";
  config_.heartbeat = 0s;
  ScriptedZabbix server([](const std::string& request) {
    return request.find(R"("config_revision":0)") != std::string::npos ? k70 : k70Unchanged;
  });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  EXPECT_EQ(peer_.dialect, Dialect::v7);
  EXPECT_EQ(active_->known_hosts(), 1u);
  ASSERT_TRUE(comes_to([&] { return server.count() == 2; }));
  ASSERT_TRUE(comes_to([&] { return server.count() == 3; }));
  EXPECT_THAT(server.requests(), testing::ElementsAre(question(0), question(1), question(1)));
  EXPECT_EQ(checks_->count(), 1u);
  EXPECT_EQ(peer_.dialect, Dialect::v7);
}

// What Zabbix makes the interface of a host of when it registers it.
TEST_F(ActiveTest, AsksWithTheAddressAndPortWherePassiveChecksAreAnswered) {
  ScriptedZabbix server([](const std::string&) { return k60; });
  const auto asked_with = [&](const std::string& listen) {
    agent_config_.listen = listen;
    const size_t before = server.count();
    EXPECT_TRUE(comes_to([&] { return server.count() > before; }));
    return server.requests().back();
  };
  start({server.endpoint()});
  ASSERT_TRUE(comes_to([&] { return server.count() == 1; }));
  EXPECT_THAT(server.requests()[0], AllOf(Not(HasSubstr("\"ip\"")), Not(HasSubstr("\"port\""))));
  EXPECT_THAT(asked_with("192.0.2.7:10055"), HasSubstr(R"("ip":"192.0.2.7","port":10055,)"));
  EXPECT_THAT(asked_with("[2001:db8::7]:10050"), HasSubstr(R"("ip":"2001:db8::7","port":10050,)"));
  for (const std::string any : {"0.0.0.0:10055", "[::]:10055"}) {
    EXPECT_THAT(asked_with(any), AllOf(Not(HasSubstr("\"ip\"")), HasSubstr(R"("port":10055,)")))
        << "Zabbix takes the address that it is asked from";
  }
  EXPECT_THAT(asked_with(""), AllOf(Not(HasSubstr("\"ip\"")), Not(HasSubstr("\"port\""))));
}

TEST_F(ActiveTest, TakesItemsAwayWhen70SaysThatThereAreNone) {
  ScriptedZabbix server([](const std::string&) { return k70; });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  server.now_answers([](const std::string&) { return k70Empty; });
  ASSERT_TRUE(comes_to([&] { return checks_->count() == 0; }));
  EXPECT_EQ(active_->known_hosts(), 1u);
}

TEST_F(ActiveTest, Knows60ByItsAnswerAndAnUpgradeToo) {
  ScriptedZabbix server([](const std::string&) { return k60; });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  EXPECT_EQ(peer_.dialect, Dialect::v6);
  now_ += 2 * config_.heartbeat;
  run_for(io_, 700ms);
  EXPECT_THAT(server.requests(), Each(HasSubstr(R"("config_revision":0)"))) << "no heartbeat to 6.0 either";
  server.now_answers([](const std::string&) { return k70; });
  ASSERT_TRUE(comes_to([&] { return peer_.dialect == Dialect::v7; }));
  server.now_answers([](const std::string&) { return k60; });
  ASSERT_TRUE(comes_to([&] { return peer_.dialect == Dialect::v6; }));
}

TEST_F(ActiveTest, SendsHeartbeatsOfKnownHostsThatNobodyAnswers) {
  config_.heartbeat = 60s;
  config_.refresh = 3600s;
  ScriptedZabbix server([](const std::string& request) {
    if (is_heartbeat(request)) return std::string();
    return request.find("\"probe\"") != std::string::npos
               ? k70
               : std::string(R"({"response":"failed","info":"host [i-nope] not found"})");
  });
  start({server.endpoint()}, {"probe", "i-nope"});
  const auto heartbeats = [&] {
    std::vector<std::string> found;
    for (const std::string& request : server.requests()) {
      if (is_heartbeat(request)) found.push_back(request);
    }
    return found;
  };
  ASSERT_TRUE(run_until(io_, [&] { return heartbeats().size() == 1; }));
  ASSERT_TRUE(comes_to([&] { return heartbeats().size() == 2; }));
  EXPECT_THAT(
      heartbeats(),
      Each(
          R"({"request":"active check heartbeat","host":"probe","heartbeat_freq":60,"version":"7.0.0","variant":1})"));
}

TEST_F(ActiveTest, AHostThatZabbixDoesNotKnowIsAskedForMoreRarelyButWithinFiveMinutes) {
  config_.refresh = 100s;
  ScriptedZabbix server(unknown);
  start({server.endpoint()});
  ASSERT_TRUE(has_answered(server, 1));
  size_t asked = 1;
  // As wait_of_refused() says, and what Trickle makes of it: half of it to one and a half.
  for (const auto wait : {5000ms, 7500ms, 11250ms}) {
    now_ += wait * 9 / 20;
    run_for(io_, 700ms);
    EXPECT_EQ(server.count(), asked) << "asked again before " << wait.count() << " ms";
    now_ += wait * 22 / 20;
    ASSERT_TRUE(has_answered(server, asked + 1)) << wait.count();
    ++asked;
  }
  for (; asked < 12; ++asked) ASSERT_TRUE(comes_to([&] { return server.count() > asked; }));
  EXPECT_EQ(active_->known_hosts(), 0u);
  EXPECT_EQ(active_->unknown_hosts(), 1u);
  server.now_answers([](const std::string&) { return k60; });
  ASSERT_TRUE(comes_to([&] { return checks_->count() == 1; }));
  server.now_answers(unknown);
  ASSERT_TRUE(comes_to([&] { return active_->known_hosts() == 0; }));
  EXPECT_EQ(checks_->count(), 0u) << "a host that is gone";
}

TEST_F(ActiveTest, AfterADiscoveryWasTakenAndWhenToldToAHostIsAskedForAtOnce) {
  config_.refresh = 100s;
  ScriptedZabbix server(unknown);
  start({server.endpoint()});
  for (size_t asked = 0; asked < 10; ++asked) ASSERT_TRUE(comes_to([&] { return server.count() > asked; }));
  size_t asked = server.count();
  ASSERT_TRUE(has_answered(server, asked));
  run_for(io_, 700ms);
  ASSERT_EQ(server.count(), asked) << "not so soon by itself";
  ++peer_.discoveries;
  ASSERT_TRUE(has_answered(server, asked + 1));
  for (size_t again = 2; again < 5; ++again) {
    now_ += 18s;  // so that they are several in a minute, in which Zabbix reads its configuration again
    ASSERT_TRUE(has_answered(server, asked + again)) << again;
  }
  for (asked = server.count(); asked < 20; ++asked)
    ASSERT_TRUE(comes_to([&] { return server.count() > asked; }));
  asked = server.count();
  ASSERT_TRUE(has_answered(server, asked));
  active_->ask_again();
  ASSERT_TRUE(has_answered(server, asked + 1));
}

TEST_F(ActiveTest, AHostOnWhichADiscoveryMayMakeItemsIsAskedForSeveralTimes) {
  config_.refresh = 1h;
  ScriptedZabbix server([](const std::string& request) { return is_heartbeat(request) ? "" : k60; });
  start({server.endpoint()}, {"i-1"});
  ASSERT_TRUE(run_until(io_, [&] { return peer_.knows("i-1"); }));
  const size_t asked = server.count();
  ASSERT_TRUE(has_answered(server, asked, "i-1"));
  peer_.note_discovery("i-1", 20005, 1);
  peer_.note_discovery("of nobody", 20006, 1);
  ASSERT_TRUE(has_answered(server, asked + 1, "i-1"));
  for (size_t again = 2; again <= 5; ++again) {
    now_ += 60s;
    ASSERT_TRUE(has_answered(server, asked + again, "i-1")) << again;
  }
  now_ += 45s;
  peer_.note_discovery("i-1", 20005, 1);
  run_for(io_, 700ms);
  EXPECT_EQ(server.count(), asked + 5) << "the same list makes nothing new";
  peer_.note_discovery("i-1", 20005, 2);
  EXPECT_TRUE(run_until(io_, [&] { return server.count() == asked + 6; }));
}

// A server 6.0 tells no items of a host that a prototype has just made, until it has read its configuration
// again.
TEST_F(ActiveTest, AHostThatHasBecomeKnownWithoutItemsIsAskedForAgainSoon) {
  config_.refresh = 1h;
  ScriptedZabbix server(unknown);
  start({server.endpoint()}, {"i-1"});
  ASSERT_TRUE(has_answered(server, 1, "i-1"));
  server.now_answers([](const std::string&) { return R"({"response":"success","data":[]})"; });
  now_ += 8s;
  ASSERT_TRUE(has_answered(server, 2, "i-1"));
  EXPECT_TRUE(peer_.knows("i-1"));
  now_ += 15s;
  ASSERT_TRUE(has_answered(server, 3, "i-1"));
  server.now_answers([](const std::string&) { return k60; });
  now_ += 30s;
  ASSERT_TRUE(has_answered(server, 4, "i-1"));
  EXPECT_EQ(checks_->count(), 1u);
}

TEST_F(ActiveTest, TheRootHostIsAskedForWithinHalfAMinuteWhateverRefreshIs) {
  config_.refresh = 1h;
  for (const auto& answer :
       {ScriptedZabbix::Answer([](const std::string&) { return k60; }), ScriptedZabbix::Answer(unknown)}) {
    ScriptedZabbix server(answer);
    active_.reset();
    checks_.reset();
    start({server.endpoint()});
    for (size_t asked = 1; asked < 10; ++asked) {
      ASSERT_TRUE(has_answered(server, asked)) << asked;
      now_ += 30s;
    }
    active_->stop();
    ASSERT_TRUE(run_until(io_, [&] { return active_->ended(); }));
  }
}

TEST_F(ActiveTest, AClockThatWasAheadLeavesNoHostWaitingAndNoTimeThatHasNotCome) {
  for (const auto ahead :
       {std::chrono::seconds(2h), std::chrono::seconds(24h), std::chrono::seconds(87'600h)}) {
    now_ += ahead;
    ScriptedZabbix server([](const std::string& request) { return is_heartbeat(request) ? "" : k60; });
    active_.reset();
    checks_.reset();
    start({server.endpoint()});
    ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
    now_ -= ahead;
    ASSERT_TRUE(run_until(io_, [&] { return active_->seen("probe")->asked <= now_ / 1s; }));
    const size_t asked = server.count();
    now_ += 200s;
    EXPECT_TRUE(run_until(io_, [&] { return server.count() > asked; })) << ahead.count();
    active_->stop();
    ASSERT_TRUE(run_until(io_, [&] { return active_->ended(); }));
  }
}

TEST_F(ActiveTest, ANewHostIsAskedForAtOnceAndOneThatIsGoneNoMore) {
  ScriptedZabbix server([](const std::string& request) { return is_heartbeat(request) ? "" : k70; });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  active_->set_hosts({"i-1"});
  ASSERT_TRUE(run_until(io_, [&] { return peer_.knows("i-1"); }));
  EXPECT_FALSE(peer_.knows("probe"));
  EXPECT_EQ(checks_->count(), 1u);
  EXPECT_EQ(active_->hosts(), 1u);
}

TEST_F(ActiveTest, ValuesWaitForTheRootHostInWhoseNameTheyTravel) {
  std::atomic<bool> slow = true;
  ScriptedZabbix server([&](const std::string& request) {
    if (request.find(R"("host":"probe")") == std::string::npos) return k60;
    return slow ? std::string() : k60;
  });
  start({server.endpoint()}, {"another", "probe"});
  ASSERT_TRUE(run_until(io_, [&] { return peer_.knows("another"); }));
  EXPECT_EQ(peer_.dialect, std::nullopt) << "after a restart what is sent again would not be recognised";
  slow = false;
  ASSERT_TRUE(comes_to([&] { return peer_.knows("probe"); }));
  ASSERT_TRUE(comes_to([&] { return peer_.dialect.has_value(); }));
  EXPECT_EQ(peer_.root(), "probe");
}

TEST_F(ActiveTest, FollowsARedirectAtOnceAndAsksThereFromThenOn) {
  ScriptedZabbix own([](const std::string& request) { return is_heartbeat(request) ? "" : k70; });
  ScriptedZabbix first([&](const std::string&) { return redirect(5, own.address()); });
  start({first.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  EXPECT_EQ(first.count(), 1u);
  ASSERT_TRUE(comes_to([&] { return own.count() >= 3; })) << "two questions and a heartbeat";
  EXPECT_EQ(first.count(), 1u);
  // The proxy is taken out of service: on to the one of the configuration, which is right now.
  own.now_answers([](const std::string& request) {
    return is_heartbeat(request) ? "" : R"({"redirect":{"reset":true},"response":"failed"})";
  });
  first.now_answers([](const std::string& request) {
    if (is_heartbeat(request)) return std::string();
    return request.find(R"("config_revision":0)") != std::string::npos ? k70Empty : k70Unchanged;
  });
  ASSERT_TRUE(comes_to([&] { return checks_->count() == 0; }))
      << "a revision of one proxy says nothing to another";
  EXPECT_TRUE(peer_.knows("probe"));
}

TEST_F(ActiveTest, AnOlderRedirectAndSequentialOnesLeaveTheItemsAsTheyAre) {
  config_.heartbeat = 0s;
  ScriptedZabbix own([](const std::string& request) { return is_heartbeat(request) ? "" : k70; });
  ScriptedZabbix first([&](const std::string&) { return redirect(5, own.address()); });
  start({first.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  own.now_answers([&](const std::string&) { return redirect(4, first.address()); });
  size_t asked = own.count();
  ASSERT_TRUE(comes_to([&] { return own.count() > asked; }));
  run_for(io_, 100ms);
  EXPECT_GE(first.count(), 2u) << "an older one is not followed: the configured address is asked";
  own.now_answers([&](const std::string&) { return redirect(6, first.address()); });
  asked = first.count();
  ASSERT_TRUE(comes_to([&] { return first.count() > asked; }));
  run_for(io_, 100ms);
  EXPECT_EQ(first.count(), asked + 1) << "followed once";
  EXPECT_EQ(checks_->count(), 1u);
  EXPECT_TRUE(peer_.knows("probe"));
}

TEST_F(ActiveTest, ChecksGoOnWhileUploadIsDisabled) {
  ScriptedZabbix server(
      [](const std::string&) { return k70.substr(0, k70.size() - 1) + R"(,"upload":"disabled"})"; });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  EXPECT_TRUE(peer_.upload_disabled);
  checks_->tick();
  ASSERT_TRUE(run_until(io_, [&] {
    checks_->tick();
    return spool_->stats().destinations.front().values == 1;
  })) << "what is collected waits in the spool";
  server.now_answers(
      [](const std::string&) { return R"({"response":"failed","upload":"disabled","info":"paused"})"; });
  const size_t asked = server.count();
  ASSERT_TRUE(comes_to([&] { return server.count() > asked; }));
  run_for(io_, 100ms);
  EXPECT_EQ(checks_->count(), 1u);
  server.now_answers([](const std::string&) { return k70Unchanged; });
  ASSERT_TRUE(comes_to([&] { return !peer_.upload_disabled; }));
}

TEST_F(ActiveTest, NeverExecutesACommand) {
  const std::string file = testing::TempDir() + "bakusoku-was-told-to";
  ScriptedZabbix server([&](const std::string&) {
    return k70.substr(0, k70.size() - 1) + R"(,"commands":[{"command":"touch )" + file +
           R"(","id":1,"wait":0,"timeout":"3s"},{"command":"system.run[touch )" + file +
           R"(]","id":2,"wait":1,"timeout":"3s"}]})";
  });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  for (int i = 0; i < 10; ++i) {
    checks_->tick();
    run_for(io_, 20ms);
  }
  EXPECT_FALSE(std::filesystem::exists(file));
  for (const std::string& request : server.requests()) EXPECT_THAT(request, HasSubstr("\"active check"));
}

TEST_F(ActiveTest, AnItemsOwnTimeoutHolds) {
  std::atomic<bool> over = false;
  zabbix::ScriptedPeer silent([&](zabbix::Wire&) {
    while (!over) std::this_thread::sleep_for(5ms);
  });
  aws_ = "http://" + zabbix::to_string(silent.endpoint());
  ScriptedZabbix server([](const std::string& request) {
    return is_heartbeat(request)
               ? ""
               : R"({"response":"success","config_revision":1,"data":[{"key":"aws.ec2.name2id[web-1]","itemid":20005,"delay":"1m","lastlogsize":0,"mtime":0,"timeout":"1s"}]})";
  });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  EXPECT_TRUE(run_until(io_, [&] {
    checks_->tick();
    return spool_->stats().destinations.front().values == 1;
  })) << "without it the item would have a minute";
  over = true;
  const auto packet = spool_->next("zabbix", 10, 10000);
  ASSERT_TRUE(packet);
  EXPECT_FALSE(packet->values.at(0).supported);
  EXPECT_THAT(std::string(packet->values.at(0).text), HasSubstr("still being read"));
}

TEST_F(ActiveTest, GoesOnToTheNodeThatIsNoStandby) {
  ScriptedZabbix standby([](const std::string&) { return ""; });
  ScriptedZabbix server([](const std::string& request) { return is_heartbeat(request) ? "" : k70; });
  start({standby.endpoint(), server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  EXPECT_EQ(standby.count(), 1u);
}

TEST_F(ActiveTest, WhatWasWantedGoesOnWhileZabbixIsAway) {
  ScriptedZabbix server([](const std::string&) { return k60; });
  start({server.endpoint()});
  ASSERT_TRUE(run_until(io_, [&] { return checks_->count() == 1; }));
  server.now_answers([](const std::string&) { return ""; });
  ASSERT_TRUE(comes_to([&] { return server.count() >= 2; }));
  run_for(io_, 100ms);
  EXPECT_EQ(checks_->count(), 1u);
  EXPECT_EQ(active_->known_hosts(), 1u);
}

}  // namespace
}  // namespace bakusoku::agent
