#include "agent/reporting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include "agent/agent.h"
#include "agent/scripted_zabbix.h"
#include "agent/simulator_fixture.h"
#include "base/log.h"
#include "simaws/fleet.h"
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
    if (request.find("\"sender data\"") == std::string::npos ||
        request.find("\"value\"") == std::string::npos) {
      wire.write(zabbix::encode_frame(R"({"response":"failed","info":"host [h] not found"})"));
      return;
    }
    const std::lock_guard lock(mutex_);
    sent_ = request;
    all_sent_ += request + '\n';
    wire.write(zabbix::encode_frame(
        R"({"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000055"})"));
  }
  std::string sent() {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  // What the second server got.
  void answer_too(zabbix::Wire& wire) {
    const std::string request = wire.read_frame();
    const std::lock_guard lock(mutex_);
    if (request.find("\"sender data\"") != std::string::npos &&
        request.find("\"value\"") != std::string::npos)
      sent_too_ += request + '\n';
    wire.write(zabbix::encode_frame(
        R"({"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000055"})"));
  }
  std::string config_text(const std::string& servers, const std::string& more) const {
    return "[agent]\nsocket = \"" + folder_ + "/agent.sock\"\n[zabbix]\nserver = \"" + servers +
           "\"\nhostname = \"h\"\nstate_dir = \"" + folder_ + "\"\n" + more;
  }
  static std::string address(const zabbix::ScriptedPeer& peer) {
    return "127.0.0.1:" + std::to_string(peer.endpoint().port);
  }
  static void reload(Agent& agent, const std::string& text) {
    auto config = parse_config(text, "test.toml");
    ASSERT_TRUE(config) << config.error().message;
    const auto done = agent.reload(std::move(*config));
    ASSERT_TRUE(done) << done.error().message;
  }
  template <typename Done>
  void run_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < end) io_.run_one_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(done()) << "not in time";
  }
  std::string trapper_file() const {
    return folder_ + "/trapper-127.0.0.1_" + std::to_string(peer_.endpoint().port) + ".db";
  }
  std::unique_ptr<Agent> agent(const std::string& more = "") {
    const std::string text =
        "[agent]\nsocket = \"" + folder_ +
        "/agent.sock\"\n[zabbix]\nserver = \"127.0.0.1:" + std::to_string(peer_.endpoint().port) +
        "\"\nhostname = \"h\"\nstate_dir = \"" + folder_ + "\"\n" + more;
    return agent_of(text);
  }
  std::unique_ptr<Agent> agent_of(const std::string& text) {
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
  std::string all_sent_;  // every request with values
  std::string sent_too_;
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
  EXPECT_THAT(sent(), HasSubstr("session"));
}

TEST_F(ReportingTest, WithoutIntakeAndSendsThereIsNoTrapperFile) {
  const auto running = agent();
  EXPECT_FALSE(std::filesystem::exists(trapper_file()));
}

size_t count(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

std::set<std::string> clocks(const std::string& text) {
  std::set<std::string> found;
  for (size_t at = text.find("\"clock\":"); at != std::string::npos; at = text.find("\"clock\":", at + 1))
    found.insert(text.substr(at + 8, 10));
  return found;
}

TEST_F(ReportingTest, AServerThatComesGetsItemsAndOneThatStaysMissesNone) {
  zabbix::ScriptedPeer second([this](zabbix::Wire& wire) { answer_too(wire); });
  const std::string send =
      "resend_window = 0\n[[send]]\nhost = \"shop\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = "
      "\"1s\"\n";
  const auto running = agent(send);
  const auto locked = [this](const std::string& text) {
    const std::lock_guard lock(mutex_);
    return text;
  };
  run_until([&] { return clocks(locked(all_sent_)).size() >= 2; });
  const Reporting::Destination* const first = running->reporting()->destinations().at(0).get();
  reload(*running, config_text(address(peer_) + "," + address(second), send));
  ASSERT_EQ(running->reporting()->destinations().size(), 2u);
  EXPECT_EQ(running->reporting()->destinations().at(0).get(), first);
  run_until([&] { return clocks(locked(sent_too_)).size() >= 2 && clocks(locked(all_sent_)).size() >= 5; });
  // Every second once: none is lost or doubled around the change.
  const std::set<std::string> got = clocks(locked(all_sent_));
  EXPECT_EQ(count(locked(all_sent_), "\"host\":"), got.size());
  EXPECT_EQ(std::stoll(*got.rbegin()) - std::stoll(*got.begin()) + 1, static_cast<int64_t>(got.size()));
  EXPECT_EQ(count(locked(sent_too_), "\"host\":"), clocks(locked(sent_too_)).size());
}

// What a server that comes back is owed is sent to it once, not by two deliveries at a time.
TEST_F(ReportingTest, AServerThatComesIsDeliveredToOnce) {
  zabbix::ScriptedPeer second([this](zabbix::Wire& wire) { answer_too(wire); });
  {
    SpoolOptions options;
    options.path = folder_ + "/trapper-127.0.0.1_" + std::to_string(second.endpoint().port) + ".db";
    auto spool = Spool::open(options, system_clock());
    ASSERT_TRUE(spool);
    ASSERT_TRUE((*spool)->add_destination(kSpoolDestination));
    const Value value{.host = "web-1", .key = "status", .clock = 1'700'000'000, .ns = 7, .text = "200"};
    ASSERT_TRUE((*spool)->put(std::vector{value}, Durability::full));
  }
  const std::string send =
      "resend_window = 0\n[[send]]\nhost = \"shop\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = "
      "\"1h\"\n";
  const auto running = agent(send);
  run_until_sent();
  reload(*running, config_text(address(peer_) + "," + address(second), send));
  const auto all = [this] {
    const std::lock_guard lock(mutex_);
    return sent_too_;
  };
  run_until([&] { return all().find("1700000000") != std::string::npos; });
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < end) io_.run_one_for(std::chrono::milliseconds(20));
  EXPECT_EQ(count(all(), "1700000000"), 1u);
}

// A key that was replaced in its file is used from the next SIGHUP on, although the configuration says the
// same.
TEST_F(ReportingTest, AKeyThatWasReplacedInPlaceIsReadAgain) {
  const std::string key_file = folder_ + "/agent.psk";
  const auto write_key = [&](char digit) {
    std::ofstream(key_file) << std::string(64, digit) << "\n";
    std::filesystem::permissions(key_file,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  };
  write_key('a');
  const std::string tls =
      "tls_connect = \"psk\"\ntls_psk_identity = \"id\"\ntls_psk_file = \"" + key_file + "\"\n";
  zabbix::ServerContext server(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
  ASSERT_EQ(SSL_CTX_set_cipher_list(server.get(), "kECDHEPSK+AES128:kPSK+AES128"), 1);
  SSL_CTX_set_psk_server_callback(
      server.get(), [](SSL*, const char*, unsigned char* psk, unsigned) -> unsigned {
        std::fill_n(psk, 32, static_cast<unsigned char>(0xbb));  // the server has the new key
        return 32;
      });
  zabbix::ScriptedPeer second([this](zabbix::Wire& wire) { answer_too(wire); }, server.get());
  const std::string send =
      tls + "[[send]]\nhost = \"shop\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = \"1s\"\n";
  const auto running = agent_of(config_text(address(second), send));
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < end) io_.run_one_for(std::chrono::milliseconds(20));
  const auto all = [this] {
    const std::lock_guard lock(mutex_);
    return sent_too_;
  };
  EXPECT_EQ(all(), "");
  write_key('b');
  reload(*running, config_text(address(second), send));
  run_until([&] { return all().find("\"shop\"") != std::string::npos; });
  // One that cannot be used changes nothing.
  std::ofstream(key_file) << "none\n";
  auto config = parse_config(config_text(address(second), send), "test.toml");
  ASSERT_TRUE(config);
  const auto refused = running->reload(std::move(*config));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("agent.psk holds no PSK"));
  {
    const std::lock_guard lock(mutex_);
    sent_too_.clear();
  }
  run_until([&] { return !all().empty(); });
}

TEST_F(ReportingTest, AServerThatLeavesIsLeftAloneAndItsSpoolStays) {
  zabbix::ScriptedPeer second([this](zabbix::Wire& wire) { answer_too(wire); });
  const std::string send =
      "[[send]]\nhost = \"shop\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = \"1s\"\n";
  const auto running = agent(send);
  run_until_sent();
  reload(*running, config_text(address(second), send));
  run_until([&] {
    const std::lock_guard lock(mutex_);
    return !sent_too_.empty();
  });
  ASSERT_EQ(running->reporting()->destinations().size(), 1u);
  EXPECT_EQ(running->reporting()->destinations().at(0)->name, address(second));
  EXPECT_TRUE(std::filesystem::exists(trapper_file()));
  // Written there again, it goes on from its file.
  reload(*running, config_text(address(peer_), send));
  {
    const std::lock_guard lock(mutex_);
    sent_.clear();
  }
  run_until_sent();
  EXPECT_THAT(sent(), HasSubstr("\"shop\""));
}

TEST_F(ReportingTest, AStaticItemThatChangesGoesByItsNewInterval) {
  const std::string before =
      "[[send]]\nhost = \"shop\"\nkey = \"k\"\nitem = \"bakusoku.echo[a]\"\ninterval = \"1h\"\n";
  const auto running = agent(before);
  run_until_sent();
  {
    const std::lock_guard lock(mutex_);
    sent_.clear();
  }
  reload(*running, config_text(address(peer_),
                               "[[send]]\nhost = \"shop\"\nkey = \"other\"\nitem = \"bakusoku.echo[b]\"\n"
                               "interval = \"1h\"\n"));
  run_until_sent();
  EXPECT_THAT(sent(), HasSubstr(R"("key":"other","value":"b")"));
  EXPECT_EQ(running->reporting()->checks().count(), 1u);
}

TEST_F(ReportingTest, AStaticItemGoesToItsTrapperItem) {
  const auto running = agent(
      "[[send]]\nhost = \"shop\"\nkey = \"ours.echo\"\nitem = \"bakusoku.echo[a,b]\"\ninterval = \"1h\"\n");
  run_until_sent();
  EXPECT_THAT(sent(), HasSubstr(R"("host":"shop","key":"ours.echo","value":"a b")"));
}

// CloudWatch's datapoints flow to Zabbix while the configuration is read again. Minutes pass in seconds: the
// clocks of agent and simulator are the test's.
class ReloadInFlowTest : public testing::Test {
 protected:
  static std::string key(const char* metric) {
    return fmt::format("aws.metric[AWS/EC2,{},InstanceId={},Average,60]", metric,
                       simaws::instance_id(simaws::World{}, "eu-west-1", 0));
  }
  static std::string answer(const std::string& request) {
    if (request.find("\"agent data\"") != std::string::npos)
      return fmt::format(
          R"({{"response":"success","info":"processed: {0}; failed: 0; total: {0}; seconds spent: 0.01"}})",
          count(request, "\"clock\":") - 1);
    std::string items;
    uint64_t id = 0;
    for (const char* const metric : kMetrics)
      items += fmt::format(R"({}{{"key":"{}","itemid":{},"delay":"1m","lastlogsize":0,"mtime":0}})",
                           items.empty() ? "" : ",", key(metric), ++id);
    return fmt::format(R"({{"response":"success","data":[{}]}})", items);
  }
  std::string config_text(const std::string& more) const {
    return fmt::format(
        "[zabbix]\nserver = \"{}\"\nhostname = \"h\"\nstate_dir = \"\"\nrefresh = \"1h\"\n[metrics]\nlist = "
        "0\n{}",
        zabbix_.address(), more);
  }
  Clock clock() {
    return [this] { return std::chrono::system_clock::now() + later_; };
  }
  void control(const std::string& path, const std::string& body) {
    const std::string& url = simulator_.url();
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(),
                    static_cast<unsigned short>(std::stoi(url.substr(url.rfind(':') + 1)))});
    asio::write(socket,
                asio::buffer(fmt::format("POST /simaws/{} HTTP/1.1\r\nHost: simaws\r\nConnection: close\r\n"
                                         "Content-Length: {}\r\n\r\n{}",
                                         path, body.size(), body)));
    std::string reply;
    asio::error_code ended;
    asio::read(socket, asio::dynamic_buffer(reply), ended);
  }
  void pass(std::chrono::seconds time) {
    later_ += time;
    control("clock", std::to_string(later_.count()));
  }
  // Packets with values: what is only asked, without any, has sessions of its own.
  std::vector<std::string> packets() const {
    std::vector<std::string> packets = zabbix_.requests();
    std::erase_if(packets, [](const std::string& request) {
      return request.find("\"agent data\"") == std::string::npos ||
             request.find("\"value\"") == std::string::npos;
    });
    return packets;
  }
  // What Zabbix was sent, by key and clock: how often.
  std::map<std::string, std::map<int64_t, int>> received() const {
    std::map<std::string, std::map<int64_t, int>> found;
    for (const std::string& request : packets()) {
      for (size_t at = request.find("\"itemid\":"); at != std::string::npos;
           at = request.find("\"itemid\":", at + 1)) {
        const std::string name = request.substr(at + 9, request.find(',', at) - at - 9);
        const size_t clock = request.find("\"clock\":", at);
        if (clock != std::string::npos) ++found[name][std::stoll(request.substr(clock + 8, 10))];
      }
    }
    return found;
  }
  std::set<std::string> sessions() const {
    std::set<std::string> found;
    for (const std::string& request : packets()) {
      const size_t at = request.find("\"session\":\"");
      if (at != std::string::npos) found.insert(request.substr(at + 11, 32));
    }
    return found;
  }
  int64_t newest() const {
    int64_t clock = INT64_MAX;
    const auto all = received();
    for (const auto& [key, values] : all) clock = std::min(clock, values.rbegin()->first);
    return all.size() == std::size(kMetrics) ? clock : 0;
  }
  void reload(const std::string& more) {
    auto config = parse_config(config_text(more), "test.toml");
    ASSERT_TRUE(config) << config.error().message;
    const auto done = agent_->reload(std::move(*config));
    ASSERT_TRUE(done) << done.error().message;
  }

  static constexpr const char* kMetrics[] = {"CPUUtilization", "NetworkIn", "NetworkOut"};
  Simulator simulator_{{}};
  ScriptedZabbix zabbix_{[](const std::string& request) { return answer(request); }};
  std::chrono::seconds later_{0};
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(ReloadInFlowTest, NoDatapointIsLostOrSentTwice) {
  ASSERT_TRUE(set_up_log("off", false));
  ASSERT_FALSE(simulator_.url().empty()) << "simaws did not start";
  auto config = parse_config(config_text(""), "test.toml");
  ASSERT_TRUE(config) << config.error().message;
  auto agent = Agent::create(io_, std::move(*config), simulator_.environment(), clock());
  ASSERT_TRUE(agent) << agent.error().message;
  agent_ = std::move(*agent);
  ASSERT_TRUE(agent_->open_reporting());
  pass(std::chrono::seconds(0));
  agent_->start();
  ASSERT_TRUE(run_until(io_, [&] { return newest() != 0; }));
  const Reporting::Destination* const destination = agent_->reporting()->destinations().at(0).get();
  const aws::Client* const client = agent_->targets().accounts().front()->client.get();
  control("faults", "GetMetricData:slow=150");
  const char* const others[] = {"[inventory]\ninterval = \"1m\"\n[aws]\ncalls_in_flight = 3\n",
                                "[[priority]]\nmetric = \"CPU*\"\nvalue = \"high\"\n", ""};
  for (const char* const other : others) {
    const int64_t before = newest();
    pass(std::chrono::seconds(120));
    ASSERT_TRUE(run_until(io_, [&] { return agent_->collect().calls_in_flight() > 0; }));
    run_for(io_, std::chrono::milliseconds(20));
    reload(other);
    ASSERT_TRUE(run_until(io_, [&] { return newest() >= before + 120; })) << other;
  }
  EXPECT_EQ(sessions().size(), 1u);
  EXPECT_EQ(agent_->reporting()->destinations().at(0).get(), destination);
  EXPECT_EQ(agent_->targets().accounts().front()->client.get(), client);
  const auto all = received();
  EXPECT_EQ(all.size(), std::size(kMetrics));
  for (const auto& [key, values] : all) {
    EXPECT_GE(values.size(), 7u) << key;
    for (auto value = values.begin(); value != values.end(); ++value) {
      EXPECT_EQ(value->second, 1) << key << " has twice " << value->first;
      if (value != values.begin()) {
        EXPECT_EQ(value->first, std::prev(value)->first + 60) << key;
      }
    }
  }
}

}  // namespace
}  // namespace bakusoku::agent
