// Random changes of the configuration, one after the other, under load: servers that come, go and come back,
// accounts, items, ports; while Zabbix asks, values are sent in and lists are waited for. Run with
// AddressSanitizer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>

#include "agent/agent.h"
#include "agent/scripted_zabbix.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "zabbix/frame.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;

size_t count(const std::string& text, std::string_view part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

class ReloadStressTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(set_up_log("off", false));
    ASSERT_FALSE(simulator_.url().empty()) << "simaws did not start";
    std::string name = "/tmp/bakusoku-stress-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    const char* const given = std::getenv("BAKUSOKU_SEED");
    seed_ =
        given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
    random_.seed(seed_);
    for (int at = 0; at < 2; ++at) ports_.push_back(free_port());
  }
  ~ReloadStressTest() override {
    agent_.reset();
    std::filesystem::remove_all(folder_);
  }

  static std::string answer(const std::string& request) {
    if (request.find("\"active checks\"") != std::string::npos) {
      return R"({"response":"success","config_revision":7,"data":[)"
             R"({"key":"aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,60,,,zero]","itemid":1,"delay":"1s","lastlogsize":0,"mtime":0},)"
             R"({"key":"bakusoku.ping","itemid":2,"delay":"1s","lastlogsize":0,"mtime":0},)"
             R"({"key":"aws.discovery[ec2]","itemid":3,"delay":"1s","lastlogsize":0,"mtime":0}]})";
    }
    const size_t rows = count(request, "\"value\":");
    return fmt::format(
        R"({{"response":"success","info":"processed: {0}; failed: 0; total: {0}; seconds spent: 0.01"}})",
        rows);
  }
  static uint16_t free_port() {
    asio::io_context io;
    const asio::ip::tcp::acceptor probe(io, {asio::ip::address_v4::loopback(), 0});
    return probe.local_endpoint().port();
  }
  bool chance(int percent) { return std::uniform_int_distribution<int>(1, 100)(random_) <= percent; }
  int upto(int most) { return std::uniform_int_distribution<int>(0, most)(random_); }

  std::string random_text() {
    std::string servers;
    for (const ScriptedZabbix* const one : {&first_, &second_, &third_}) {
      if (chance(55)) servers += (servers.empty() ? "" : chance(70) ? "," : ";") + one->address();
    }
    std::string text = fmt::format("[agent]\nsocket = \"{}/agent.sock\"\nsocket_group = \"\"\n", folder_);
    if (chance(50)) text += fmt::format("listen = \"127.0.0.1:{}\"\nallow = \"127.0.0.1\"\n", ports_[0]);
    if (chance(50)) text += fmt::format("timeout = \"{}s\"\n", 1 + upto(5));
    text += fmt::format("[zabbix]\nserver = \"{}\"\nstate_dir = \"{}\"\nrefresh = \"{}s\"\n", servers,
                        folder_, 1 + upto(3));
    if (!servers.empty()) text += "hostname = \"h\"\n";
    if (!servers.empty() && chance(50)) text += "discover = [\"ec2\"]\n";
    if (!servers.empty() && chance(50)) text += "hosts = [\"h2\", \"h3\"]\n";
    if (chance(30)) text += "heartbeat = 1\n";
    if (chance(30)) text += fmt::format("resend_window = {}\n", upto(120));
    if (chance(30)) text += "source_ip = \"127.0.0.1\"\n";
    text += "[aws]\nquota_share = " + std::string(chance(50) ? "0.5" : "1") + "\n";
    if (chance(40)) text += chance(50) ? "region = \"us-east-1\"\n" : "regions = \"all\"\n";
    if (chance(30)) text += "calls_in_flight = 3\n";
    if (chance(40)) text += fmt::format("[inventory]\ninterval = \"{}s\"\n", 10 + upto(60));
    text += fmt::format("[metrics]\nlist = {}\n", chance(50) ? 0 : 600);
    if (chance(30)) text += "delay = \"5s\"\n";
    if (chance(40)) text += fmt::format("[budget]\nusd_per_month = {}\n", 1 + upto(100));
    if (!servers.empty() && chance(50))
      text += fmt::format("[intake]\nlisten = \"127.0.0.1:{}\"\nallow = \"127.0.0.1\"\n", ports_[1]);
    if (chance(30)) text += "[weblog]\nallow = [\"/nonexistent/*\"]\n";
    if (chance(30)) text += "[organization]\nregions = [\"eu-west-1\"]\n";
    if (!servers.empty()) {
      for (int at = upto(2); at > 0; --at) {
        text += fmt::format(
            "[[send]]\nhost = \"shop\"\nkey = \"k{}\"\nitem = \"bakusoku.echo[{},{}]\"\ninterval = \"{}s\"\n",
            at, at, upto(2), 1 + upto(1));
      }
    }
    for (const char* const name : {"a", "b"}) {
      if (chance(40)) continue;
      text += fmt::format("[[account]]\nname = \"{}\"\nrole_arn = \"arn:aws:iam::{}:role/bakusoku\"\n", name,
                          chance(50) ? "111111111111" : "222222222222");
      if (chance(30)) text += "external_id = \"x\"\n";
      if (chance(30)) text += "regions = [\"eu-west-1\", \"us-east-1\"]\n";
    }
    if (chance(30)) text += "[[priority]]\nmetric = \"CPU*\"\nvalue = \"high\"\n";
    return text;
  }
  static Config parse(const std::string& text) {
    auto config = parse_config(text, "test.toml");
    EXPECT_TRUE(config) << (config ? "" : config.error().message) << "\n" << text;
    return config ? *config : Config();
  }

  asio::awaitable<void> ask_on(std::string key) {
    while (!over_) {
      const Answer answer =
          co_await agent_->items().answer(key, std::chrono::steady_clock::now() + milliseconds(500));
      EXPECT_FALSE(answer.text.empty()) << key;
      ++answers_;
      asio::steady_timer pause(io_, milliseconds(1));
      asio::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    --asking_;
  }
  // A sender that comes again and again, whether or not somebody listens.
  asio::awaitable<void> send_on() {
    const std::string frame = zabbix::encode_frame(
        R"({"request":"sender data","data":[{"host":"web","key":"k","value":"1","clock":1700000000,"ns":1}]})");
    while (!over_) {
      asio::ip::tcp::socket socket(io_);
      asio::error_code error;
      co_await socket.async_connect({asio::ip::address_v4::loopback(), ports_[1]},
                                    asio::redirect_error(asio::use_awaitable, error));
      if (!error) {
        co_await asio::async_write(socket, asio::buffer(frame),
                                   asio::redirect_error(asio::use_awaitable, error));
        std::string reply;
        co_await asio::async_read(socket, asio::dynamic_buffer(reply),
                                  asio::redirect_error(asio::use_awaitable, error));
        if (reply.find("processed: 1") != std::string::npos) ++processed_;
      }
      asio::steady_timer pause(io_, milliseconds(2));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    --asking_;
  }

  Simulator simulator_{{"--organization", "4", "--instances", "5"}};
  ScriptedZabbix first_{[](const std::string& request) { return answer(request); }};
  ScriptedZabbix second_{[](const std::string& request) { return answer(request); }};
  ScriptedZabbix third_{[](const std::string& request) { return answer(request); }};
  std::string folder_;
  unsigned seed_ = 0;
  std::mt19937 random_;
  std::vector<uint16_t> ports_;
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
  bool over_ = false;
  int asking_ = 0;
  uint64_t answers_ = 0;
  uint64_t processed_ = 0;
};

TEST_F(ReloadStressTest, WhateverChangesUnderLoadHarmsNothing) {
  SCOPED_TRACE(testing::Message() << "BAKUSOKU_SEED=" << seed_);
  std::printf("BAKUSOKU_SEED=%u\n", seed_);
  auto agent = Agent::create(io_, parse(random_text()), simulator_.environment());
  ASSERT_TRUE(agent) << agent.error().message;
  agent_ = std::move(*agent);
  ASSERT_TRUE(agent_->open_reporting());
  agent_->open_ledger();
  agent_->start();
  const char* const keys[] = {"aws.discovery[ec2]",
                              "aws.discovery[ec2,,a]",
                              "aws.discovery[ec2,*,*]",
                              "aws.ec2.name2id[web-1,us-east-1,b]",
                              "aws.ec2.name2id[nobody,,a]",
                              "aws.discovery[ec2,,200000000001]",
                              "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-2,Average,60,,a]",
                              "bakusoku.status",
                              "bakusoku.explain[h]",
                              "bakusoku.plan"};
  for (const char* const key : keys) {
    ++asking_;
    asio::co_spawn(io_, ask_on(key), asio::detached);
  }
  ++asking_;
  asio::co_spawn(io_, send_on(), asio::detached);
  for (int reload = 0; reload < 80; ++reload) {
    const std::string text = random_text();
    const auto done = agent_->reload(parse(text));
    EXPECT_TRUE(done) << done.error().message << "\n" << text;
    run_for(io_, milliseconds(upto(60)));
  }
  // In the end everybody is served by what the last one says.
  const auto done = agent_->reload(parse(fmt::format(
      "[agent]\nsocket = \"{0}/agent.sock\"\nsocket_group = \"\"\n[zabbix]\nserver = \"{1}\"\nhostname = "
      "\"h\"\n"
      "state_dir = \"{0}\"\nrefresh = \"1s\"\n[intake]\nlisten = \"127.0.0.1:{2}\"\nallow = \"127.0.0.1\"\n"
      "[[send]]\nhost = \"end\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = \"1s\"\n",
      folder_, first_.address(), ports_[1])));
  ASSERT_TRUE(done) << done.error().message;
  const uint64_t processed = processed_;
  const uint64_t answers = answers_;
  const size_t others = second_.count() + third_.count();
  const auto got = [&](std::string_view part) {
    size_t requests = 0;
    for (const std::string& request : first_.requests())
      requests += request.find(part) != std::string::npos ? 1 : 0;
    return requests;
  };
  EXPECT_TRUE(run_until(io_, [&] { return got("\"end\"") >= 2; }));
  EXPECT_TRUE(run_until(io_, [&] { return processed_ > processed + 3; }));
  EXPECT_TRUE(run_until(io_, [&] { return answers_ > answers + 20; }));
  EXPECT_LE(second_.count() + third_.count(), others + 20) << "those that left are left alone";
  over_ = true;
  EXPECT_TRUE(run_until(io_, [&] { return asking_ == 0; }));
}

}  // namespace
}  // namespace bakusoku::agent
