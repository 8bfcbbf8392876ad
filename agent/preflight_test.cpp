#include "agent/preflight.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/folder.h"
#include "agent/spool.h"
#include "agent/spool_look.h"

namespace bakusoku::agent {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class PreflightTest : public testing::Test {
 protected:
  PreflightTest() {
    std::string pattern = testing::TempDir() + "/bakusoku-preflight-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    config_.file = folder_ + "/bakusoku.toml";
    config_.agent.socket = folder_ + "/agent.sock";
    config_.zabbix.state_dir = folder_ + "/state";
    environment_.variables = {{"HOME", folder_},
                              {"AWS_CONFIG_FILE", folder_ + "/none"},
                              {"AWS_SHARED_CREDENTIALS_FILE", folder_ + "/none"}};
  }
  ~PreflightTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::vector<Finding> look(Purpose purpose = Purpose::look) const {
    return preflight(config_, environment_, running_, purpose);
  }
  // What keeps the agent from starting.
  [[nodiscard]] std::vector<Finding> refused(Purpose purpose = Purpose::look) const {
    std::vector<Finding> found = look(purpose);
    std::erase_if(found, [](const Finding& one) { return one.verdict != Finding::Verdict::refused; });
    return found;
  }
  [[nodiscard]] std::string text_about(const std::string& about) const {
    for (const Finding& finding : look()) {
      if (finding.about == about) return finding.text;
    }
    return {};
  }

  std::string folder_;
  Config config_;
  Environment environment_;
  std::optional<RunningAgent> running_;
};

TEST_F(PreflightTest, OfDefaultsNothingIsRefusedAndNothingIsMade) {
  EXPECT_TRUE(refused().empty());
  EXPECT_TRUE(refused(Purpose::start).empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(PreflightTest, AllFaultsAreToldNotOnlyTheFirst) {
  config_.agent.log_level = "loud";
  config_.agent.socket = std::string(200, 'x');
  config_.agent.listen = "nowhere";
  config_.zabbix.server = "127.0.0.1:1";
  config_.zabbix.discover = {"ec3"};
  config_.zabbix.tls_connect = "psk";
  config_.intake.listen = "nowhere";
  config_.inventory.intervals["ec3"] = std::chrono::seconds(60);
  config_.budget.prices = folder_ + "/none";
  config_.aws.env_file = folder_ + "/none";
  std::vector<std::string> about;
  for (const Finding& finding : refused()) about.push_back(finding.about);
  EXPECT_THAT(about, testing::ElementsAre("[agent] log_level", "[inventory]", "[budget] prices",
                                          "AWS configuration", "[agent] socket", "[agent] listen",
                                          "[zabbix] discover", "[zabbix] TLS", "[intake] listen"));
}

TEST_F(PreflightTest, APortThatIsTakenIsRefusedUnlessTheRunningAgentHasIt) {
  asio::io_context io;
  const asio::ip::tcp::acceptor taken(io, {asio::ip::make_address("127.0.0.1"), 0});
  const std::string address = fmt::format("127.0.0.1:{}", taken.local_endpoint().port());
  config_.agent.listen = address;
  ASSERT_EQ(refused().size(), 1U);
  EXPECT_THAT(refused()[0].text, HasSubstr("cannot listen on " + address));
  EXPECT_FALSE(blames_configuration(refused()[0]));
  running_ = RunningAgent{};
  EXPECT_EQ(refused().size(), 1U) << "it listens nowhere";
  for (const std::string& listen : {address, fmt::format("0.0.0.0:{}", taken.local_endpoint().port()),
                                    fmt::format("[::]:{}", taken.local_endpoint().port())}) {
    running_->listen = listen;
    running_->intake.clear();
    EXPECT_TRUE(refused().empty()) << listen;
    std::swap(running_->listen, running_->intake);
    EXPECT_TRUE(refused().empty()) << "they may change places at the next start: " << listen;
  }
  running_->intake = fmt::format("[::1]:{}", taken.local_endpoint().port());
  EXPECT_EQ(refused().size(), 1U) << "another address";
}

TEST_F(PreflightTest, AFolderTakesFilesIfTheNearestOneThatIsThereDoes) {
  EXPECT_TRUE(takes_files(folder_ + "/a/b/c"));
  EXPECT_TRUE(takes_files(folder_ + "/a/b/"));
  std::ofstream(folder_ + "/plain") << "x";
  const auto plain = takes_files(folder_ + "/plain/b");
  ASSERT_FALSE(plain);
  EXPECT_THAT(plain.error().message, HasSubstr("Not a directory"));
  std::filesystem::create_symlink(folder_ + "/nowhere", folder_ + "/link");
  EXPECT_FALSE(takes_files(folder_ + "/link"));
  if (::geteuid() != 0) {
    std::filesystem::create_directory(folder_ + "/closed");
    ::chmod((folder_ + "/closed").c_str(), 0500);
    const auto closed = takes_files(folder_ + "/closed/a");
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().kind, ErrorKind::denied);
    EXPECT_THAT(closed.error().message, AllOf(HasSubstr("closed"), HasSubstr("Permission denied")));
  }
}

TEST_F(PreflightTest, AStateFolderThatTakesNothingHarmsOnlyWhoHasValues) {
  std::ofstream(folder_ + "/plain") << "x";
  config_.zabbix.state_dir = folder_ + "/plain/state";
  const auto verdict = [&] {
    for (const Finding& finding : look()) {
      if (finding.about == "[zabbix] state_dir") return finding.verdict;
    }
    return Finding::Verdict::good;
  };
  EXPECT_EQ(verdict(), Finding::Verdict::doubtful);
  config_.zabbix.server = "127.0.0.1:1";
  EXPECT_EQ(verdict(), Finding::Verdict::harmful);
  EXPECT_TRUE(refused().empty()) << "the agent starts";
}

// In a process of its own, since locks are the process's.
class Holder {
 public:
  explicit Holder(const std::string& path) {
    int ready[2];
    if (::pipe(ready) != 0 || ::pipe(end_) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(end_[1]);
      const int fd = ::open(path.c_str(), O_RDWR);
      struct flock lock {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = 0x40000002;
      lock.l_len = 510;
      const char state = fd >= 0 && ::fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
      [[maybe_unused]] const ssize_t told = ::write(ready[1], &state, 1);
      char byte = 0;
      [[maybe_unused]] const ssize_t over = ::read(end_[0], &byte, 1);
      ::_exit(0);
    }
    char state = 'n';
    held = ::read(ready[0], &state, 1) == 1 && state == 'y';
    ::close(ready[0]);
    ::close(ready[1]);
    ::close(end_[0]);
  }
  ~Holder() {
    ::close(end_[1]);
    ::waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  bool held = false;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  int end_[2]{};
  pid_t pid_ = 0;
};

TEST_F(PreflightTest, ASpoolIsRefusedWhileAnotherProcessHasIt) {
  config_.zabbix.server = "127.0.0.1:1";
  std::filesystem::create_directory(folder_ + "/state");
  const std::string path = folder_ + "/state/spool-127.0.0.1_1.db";
  ASSERT_TRUE(Spool::open({.path = path}, system_clock()));
  EXPECT_TRUE(look_at_spool(path));
  const Holder holder(path);
  ASSERT_TRUE(holder.held);
  EXPECT_EQ(holder_of_database(path), holder.pid());
  const auto found = refused();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0].text,
              AllOf(HasSubstr(path), HasSubstr(fmt::format("another process ({})", holder.pid()))));
  running_ = RunningAgent{};
  running_->pid = holder.pid();
  EXPECT_TRUE(refused().empty());
  running_->pid = 0;  // in another container
  running_->state_dir = whole_path(folder_ + "/./state/");
  EXPECT_TRUE(refused().empty());
  EXPECT_THAT(text_about("[zabbix] state_dir"), HasSubstr("is that of the running agent"));
}

TEST_F(PreflightTest, ASpoolsVersionIsThatOfTheLogBesideItWhenAKilledProcessHasLeftOne) {
  const std::string path = folder_ + "/spool.db";
  ASSERT_TRUE(Spool::open({.path = path}, system_clock()));
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  const auto run = [&](const char* sql) {
    ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), 0);
  };
  run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA user_version=99");
  const std::string copy = folder_ + "/copy.db";
  std::filesystem::copy_file(path, copy);
  EXPECT_TRUE(look_at_spool(copy)) << "without its log it is as it was";
  std::filesystem::copy_file(path + "-wal", copy + "-wal");
  const auto looked = look_at_spool(copy);
  ASSERT_FALSE(looked);
  EXPECT_EQ(looked.error().kind, ErrorKind::invalid);
  EXPECT_THAT(looked.error().message, HasSubstr("is of version 99"));
  run("BEGIN; PRAGMA user_version=1; ROLLBACK");
  sqlite3_close(database);
}

TEST_F(PreflightTest, WhatIsNoSpoolIsRefusedAndWhatIsDamagedIsNot) {
  const std::string path = folder_ + "/spool.db";
  EXPECT_TRUE(look_at_spool(path)) << "it is not there";
  std::ofstream(path) << "";
  EXPECT_TRUE(look_at_spool(path)) << "it was made, and the process killed";
  std::ofstream(path) << std::string(5000, 'x');
  ASSERT_FALSE(look_at_spool(path));
  EXPECT_EQ(look_at_spool(path).error().kind, ErrorKind::corrupt);
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  ASSERT_FALSE(look_at_spool(path));
  EXPECT_EQ(look_at_spool(path).error().kind, ErrorKind::io);
}

TEST_F(PreflightTest, TheRunningAgentIsReadFromItsStatus) {
  const auto running = read_running_agent(
      R"({"version":"1.2","holds":{"pid":42,"configuration":"/etc/b.toml","listen":"127.0.0.1:1","intake":"",)"
      R"("state_dir":"/var/lib/b"}})");
  ASSERT_TRUE(running);
  EXPECT_EQ(running->version, "1.2");
  EXPECT_EQ(running->pid, 42);
  EXPECT_EQ(running->file, "/etc/b.toml");
  EXPECT_EQ(running->listen, "127.0.0.1:1");
  EXPECT_EQ(running->state_dir, "/var/lib/b");
  EXPECT_FALSE(read_running_agent(R"({"version":"0.1"})")) << "a version that does not say";
  EXPECT_FALSE(read_running_agent(""));
}

TEST_F(PreflightTest, PathsAreComparedWhole) {
  std::filesystem::create_directory(folder_ + "/real");
  std::filesystem::create_symlink(folder_ + "/real", folder_ + "/link");
  EXPECT_EQ(whole_path(folder_ + "/link/new/../x"), whole_path(folder_ + "/real/x"));
  EXPECT_EQ(whole_path(folder_ + "/real/"), whole_path(folder_ + "/real"));
  EXPECT_EQ(whole_path(""), "");
  EXPECT_EQ(configuration_path(Config{}), whole_path(kDefaultConfigFile));
}

// The table and the stages are two things that say the same: of any configuration, whether the agent starts.
TEST_F(PreflightTest, RefusesOfManyConfigurationsThoseThatCannotBeOpened) {
  asio::io_context io;
  const asio::ip::tcp::acceptor taken(io, {asio::ip::make_address("127.0.0.1"), 0});
  asio::ip::tcp::acceptor found(io, {asio::ip::make_address("127.0.0.1"), 0});
  const std::string used = fmt::format("127.0.0.1:{}", taken.local_endpoint().port());
  const std::string free = fmt::format("127.0.0.1:{}", found.local_endpoint().port());
  const std::string all = fmt::format("0.0.0.0:{}", found.local_endpoint().port());
  found.close();
  std::ofstream(folder_ + "/plain") << "x";
  std::ofstream(folder_ + "/psk") << std::string(64, 'a');
  std::ofstream(folder_ + "/left.sock") << "";
  std::ofstream(folder_ + "/variables") << "AWS_REGION=eu-west-1\n";
  std::filesystem::create_directory(folder_ + "/other");
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ + "/other/spool-127.0.0.1_1.db").c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "create table songs(name)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);

  std::mt19937 random(12);
  // Mostly the first, which is right.
  const auto one_of = [&random](std::vector<std::string> choices) {
    return random() % 4 != 0 ? choices.front() : choices[random() % choices.size()];
  };
  size_t opened = 0;
  size_t refusals = 0;
  for (int time = 0; time < 200; ++time) {
    Config config = config_;
    config.aws.region = "eu-west-1";
    config.aws.env_file = one_of({"", folder_ + "/variables", folder_ + "/plain", folder_ + "/none"});
    config.agent.socket =
        one_of({folder_ + "/agent.sock", folder_ + "/deep/er/agent.sock", folder_ + "/plain",
                folder_ + "/plain/agent.sock", std::string(120, 's'), folder_ + "/left.sock"});
    config.agent.listen = one_of({"", free, used, "nowhere", "192.0.2.1:20999"});
    config.agent.allow = one_of({"127.0.0.1", "10.0.0.0/99", "::/0,zabbix"});
    config.budget.prices = one_of({"", folder_ + "/none", folder_ + "/plain"});
    if (one_of({"", "wrong"}) == "wrong") config.inventory.intervals["ec3"] = std::chrono::seconds(60);
    config.zabbix.server =
        one_of({"127.0.0.1:1", "", "127.0.0.1:1,127.0.0.1:2", "z-1:1,z_1:1", "a;b,c", "a:b:c"});
    config.zabbix.hostname = "web";
    config.zabbix.state_dir = one_of(
        {folder_ + "/state", "", folder_ + "/plain/state", folder_ + "/other", folder_ + "/state/deep"});
    if (config.zabbix.server.empty()) {
      config.zabbix.hostname.clear();
    } else {
      config.zabbix.discover = {one_of({"ec2", "alarm", "ec3"})};
      config.zabbix.tls_connect = one_of({"unencrypted", "psk", "cert", "ssl"});
      config.zabbix.tls.psk_identity = "agent";
      config.zabbix.tls.psk_file = folder_ + one_of({"/psk", "/plain", "/none"});
      config.intake.listen = one_of({"", free, all, used, "[::1]:x"});
      config.intake.allow = one_of({"127.0.0.1", "10.0.0.0/99"});
    }
    std::vector<Finding> wrong = preflight(config, environment_, std::nullopt, Purpose::start);
    std::erase_if(wrong, [](const Finding& one) { return one.verdict != Finding::Verdict::refused; });

    asio::io_context own(1);
    Result<void> started;
    auto agent = Agent::create(own, config, environment_);
    if (!agent) started = fail(agent.error());
    if (started) started = (*agent)->open_entrances();
    if (started) started = (*agent)->open_reporting();
    ASSERT_EQ(started.has_value(), wrong.empty())
        << time << ": "
        << (started ? wrong.front().about + ": " + wrong.front().text : started.error().message);
    ++(started ? opened : refusals);
    if (started) continue;
    EXPECT_TRUE(std::any_of(wrong.begin(), wrong.end(),
                            [&](const Finding& one) { return one.text == started.error().message; }))
        << started.error().message << " is told as: " << wrong.front().text;
  }
  EXPECT_GT(opened, 20U);
  EXPECT_GT(refusals, 60U);
}

}  // namespace
}  // namespace bakusoku::agent
