#include "agent/reporting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <filesystem>
#include <mutex>

#include "agent/agent.h"
#include "base/log.h"
#include "zabbix/scripted_peer.h"

namespace bakusoku::agent {
namespace {

using testing::HasSubstr;

class ReportingTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(set_up_log("off", false));
    std::string name = "/tmp/bakusoku-reporting-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~ReportingTest() override { std::filesystem::remove_all(folder_); }

  void answer(zabbix::Wire& wire) {
    const std::string request = wire.read_frame();
    if (request.find("\"sender data\"") == std::string::npos) {
      wire.write(zabbix::encode_frame(R"({"response":"failed","info":"host [h] not found"})"));
      return;
    }
    const std::lock_guard lock(mutex_);
    sent_ = request;
    wire.write(zabbix::encode_frame(
        R"({"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000055"})"));
  }
  std::string sent() {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  std::string trapper_file() const {
    return folder_ + "/trapper-127.0.0.1_" + std::to_string(peer_.endpoint().port) + ".db";
  }
  std::unique_ptr<Agent> agent(const std::string& more = "") {
    const std::string text =
        "[agent]\nsocket = \"" + folder_ +
        "/agent.sock\"\n[zabbix]\nserver = \"127.0.0.1:" + std::to_string(peer_.endpoint().port) +
        "\"\nhostname = \"h\"\nstate_dir = \"" + folder_ + "\"\n" + more;
    auto config = parse_config(text, "test.toml");
    EXPECT_TRUE(config) << config.error().message;
    Environment environment;
    environment.variables = {{"AWS_REGION", "eu-west-1"},
                             {"AWS_EC2_METADATA_DISABLED", "true"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto made = Agent::create(io_, std::move(*config), environment);
    EXPECT_TRUE(made);
    const auto opened = (*made)->open_reporting();
    EXPECT_TRUE(opened) << opened.error().message;
    (*made)->start();
    return std::move(*made);
  }
  void run_until_sent() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (sent().empty() && std::chrono::steady_clock::now() < end)
      io_.run_one_for(std::chrono::milliseconds(20));
  }

  std::string folder_;
  std::mutex mutex_;
  std::string sent_;
  zabbix::ScriptedPeer peer_{[this](zabbix::Wire& wire) { answer(wire); }};
  asio::io_context io_;
};

TEST_F(ReportingTest, WhatTheIntakeTookIsDeliveredAlsoWhenTheIntakeIsGone) {
  {
    SpoolOptions options;
    options.path = trapper_file();
    auto spool = Spool::open(options, system_clock());
    ASSERT_TRUE(spool);
    ASSERT_TRUE((*spool)->add_destination(kSpoolDestination));
    const Value value{.host = "web-1", .key = "status", .clock = 1'700'000'000, .ns = 7, .text = "200"};
    ASSERT_TRUE((*spool)->put(std::vector{value}, Durability::full));
  }
  const auto running = agent();
  run_until_sent();
  EXPECT_THAT(sent(), HasSubstr(R"("host":"web-1","key":"status","value":"200")"));
  EXPECT_THAT(sent(), HasSubstr(R"("clock":1700000000,"ns":7)"));
  EXPECT_THAT(sent(), testing::Not(HasSubstr("session")));
}

TEST_F(ReportingTest, WithoutIntakeAndSendsThereIsNoTrapperFile) {
  const auto running = agent();
  EXPECT_FALSE(std::filesystem::exists(trapper_file()));
}

TEST_F(ReportingTest, AStaticItemGoesToItsTrapperItem) {
  const auto running = agent(
      "[[send]]\nhost = \"shop\"\nkey = \"ours.echo\"\nitem = \"bakusoku.echo[a,b]\"\ninterval = \"1h\"\n");
  run_until_sent();
  EXPECT_THAT(sent(), HasSubstr(R"("host":"shop","key":"ours.echo","value":"a b")"));
}

}  // namespace
}  // namespace bakusoku::agent
