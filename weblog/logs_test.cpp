#include "weblog/logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "base/log.h"
#include "weblog/folder_fixture.h"

namespace bakusoku::weblog {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
namespace fs = std::filesystem;

class LogsTest : public testing::Test {
 protected:
  LogsTest() : path_(folder_.path("access.log")), state_(folder_.path("state")) {
    EXPECT_TRUE(set_up_log("off", false));
    options_.allow = {folder_.path() + "/*"};
  }
  std::unique_ptr<Logs> make(bool keep = true) {
    auto logs =
        std::make_unique<Logs>(options_, [this] { return std::chrono::system_clock::now() + later_; });
    if (keep && !logs->keep_in(state_, milliseconds(0))) ADD_FAILURE() << "the folder is in use";
    return logs;
  }
  uint64_t counted(Logs& logs) const {
    auto log = logs.watch(path_);
    if (!log) return UINT64_MAX;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    do {
      // A step reads only what is due in its second.
      std::this_thread::sleep_for(milliseconds(110));
      log = logs.watch(path_);
      while (logs.step()) {
      }
    } while ((*log)->behind() != 0 && std::chrono::steady_clock::now() < end);
    return (*log)->tally().requests();
  }
  std::string error_of(Logs& logs, std::string_view path) {
    const auto log = logs.ask(path);
    return log ? "" : log.error().message;
  }
  std::vector<std::string> states() const {
    std::vector<std::string> found;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(state_, missing)) {
      if (entry.path().extension() == ".state") found.push_back(entry.path().string());
    }
    return found;
  }

  Folder folder_;
  std::string path_;
  std::string state_;
  Options options_;
  std::chrono::seconds later_{0};
};

TEST_F(LogsTest, WhatIsNotAllowedIsNotLookedAt) {
  auto logs = make(false);
  EXPECT_THAT(error_of(*logs, "/etc/passwd"),
              HasSubstr("'/etc/passwd' is not among the logs that [weblog] allow"));
  EXPECT_THAT(error_of(*logs, "/nonexistent/log"), HasSubstr("is not among"))
      << "nor is it said whether it is there";
  EXPECT_THAT(error_of(*logs, ""), HasSubstr("is missing"));
  for (const std::string& path : {std::string("access.log"), folder_.path("../x"), folder_.path("./x"),
                                  folder_.path("a/../../x"), folder_.path("a//x"), folder_.path("..")}) {
    EXPECT_THAT(error_of(*logs, path), HasSubstr("is not the whole path")) << path;
  }
  EXPECT_EQ(logs->count(), 0u);
}

TEST_F(LogsTest, ALinkThatLeadsOutIsNotFollowed) {
  Folder other;
  std::ofstream(other.path("secret")) << Webserver::line(1);
  fs::create_symlink(other.path("secret"), path_);
  auto logs = make(false);
  EXPECT_THAT(error_of(*logs, path_),
              HasSubstr("leads to " + other.path("secret") + ", which [weblog] allow does not name"));
}

TEST_F(LogsTest, TheDefaultAllowsVarLog) {
  Logs logs(Options{}, system_clock());
  EXPECT_THAT(error_of(logs, "/var/log/nginx/no-such.log"), HasSubstr("there is no file"));
  EXPECT_THAT(error_of(logs, "/var/lib/x.log"), HasSubstr("/var/log/*"));
}

TEST_F(LogsTest, InventedPathsLockOutNoLog) {
  std::ofstream(path_) << Webserver::line(1);
  auto logs = make();
  EXPECT_EQ(error_of(*logs, path_), "");
  for (int i = 0; i < 600; ++i)
    EXPECT_THAT(error_of(*logs, folder_.path(fmt::format("{}.log", i))), HasSubstr("no file"));
  EXPECT_EQ(logs->count(), 256u);
  EXPECT_LE(states().size(), 256u) << "nor do they fill the disk";
  std::ofstream(folder_.path("other.log")) << Webserver::line(1);
  EXPECT_EQ(error_of(*logs, folder_.path("other.log")), "");
  std::ofstream(path_, std::ios::app) << Webserver::line(2);
  EXPECT_EQ(counted(*logs), 1u) << "it was watched on";
}

TEST_F(LogsTest, AmongLogsThatAreThereTheOneUnaskedForLongestGivesWay) {
  auto logs = make();
  const auto log = [this](int number) {
    const std::string path = folder_.path(fmt::format("{}.log", number));
    if (!fs::exists(path)) std::ofstream(path) << Webserver::line(1);
    return path;
  };
  for (int i = 0; i < 256; ++i) EXPECT_EQ(error_of(*logs, log(i)), "") << i;
  EXPECT_THAT(error_of(*logs, log(256)), HasSubstr("256 logs are watched already"));
  options_.files = {{log(257), Format(), false}, {folder_.path("2*.log"), Format(), false}};
  logs->change(options_);
  EXPECT_EQ(error_of(*logs, log(257)), "") << "one that the configuration names has its place";
  EXPECT_THAT(error_of(*logs, log(258)), HasSubstr("256 logs are watched already"))
      << "not whatever fits a pattern";
  later_ = std::chrono::seconds(601);
  std::ofstream(log(7), std::ios::app) << Webserver::line(2);
  for (int i = 0; i < 256; ++i) {
    if (i == 7) continue;
    EXPECT_EQ(error_of(*logs, log(i)), "") << i;
  }
  EXPECT_EQ(error_of(*logs, log(257)), "");
  later_ = std::chrono::seconds(1300);
  const auto again = logs->ask(log(7));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->tally().requests(), 1u) << "it goes on from where it was left";
}

TEST_F(LogsTest, FormatsByPath) {
  options_.files = {{folder_.path("api*.log"), *Format::make({.format = "^(?<status>\\d+)$"}), true}};
  std::ofstream(folder_.path("api-1.log")) << "200\n503\n";
  std::ofstream(path_) << Webserver::line(1);
  auto logs = make(false);
  EXPECT_EQ((*logs->ask(folder_.path("api-1.log")))->tally().with_status("503"), 1u);
  EXPECT_EQ((*logs->ask(path_))->tally().requests(), 0u) << "the others begin at their ends";
}

TEST_F(LogsTest, ALogInNoKnownFormatSaysSo) {
  options_.from_start = true;
  std::ofstream(path_) << "one\ntwo\n3\n4\n5\n6\n7\n8\n9\n";
  auto logs = make(false);
  EXPECT_TRUE(logs->ask(path_));
  std::ofstream(path_, std::ios::app) << "10\n";
  std::this_thread::sleep_for(milliseconds(110));
  EXPECT_THAT(error_of(*logs, path_), HasSubstr("none of the first 10 lines is in a format that is known"));
  EXPECT_TRUE(logs->watch(path_));
}

TEST_F(LogsTest, ALogWhoseFormatChangesIsToldFromItsLatestLines) {
  options_.from_start = true;
  { std::ofstream(path_) << Webserver::line(1); }
  auto logs = make(false);
  EXPECT_TRUE(logs->ask(path_));
  const auto write = [&](int count, const std::string& line) {
    std::ofstream out(path_, std::ios::app);
    for (int i = 0; i < count; ++i) out << line;
    out.close();
    std::this_thread::sleep_for(milliseconds(110));
  };
  write(99, "what?\n");
  EXPECT_TRUE(logs->ask(path_)) << "a few strange lines are no other format";
  write(1, "what?\n");
  EXPECT_THAT(error_of(*logs, path_), HasSubstr("none of the latest 100 lines"));
  write(1, "{\"status\":200}\n");
  const auto log = logs->ask(path_);
  ASSERT_TRUE(log);
  EXPECT_EQ((*log)->tally().requests(), 2u);
  EXPECT_EQ(describe(*(*log)->tally().newest(), (*log)->format()), "json; no time");
}

TEST_F(LogsTest, GoesOnWhereItStopped) {
  Webserver server(path_);
  {
    auto logs = make();
    EXPECT_EQ(counted(*logs), 0u);
    server.log(10);
    EXPECT_EQ(counted(*logs), 10u);
  }
  ASSERT_EQ(states().size(), 1u);
  server.log(5);
  server.rotate();
  server.log(5);
  auto logs = make();
  EXPECT_EQ(logs->count(), 1u) << "without being asked: a predecessor may soon be gone";
  EXPECT_EQ(counted(*logs), 20u);
}

TEST_F(LogsTest, TheFirstAnswerIsAPromise) {
  Webserver server(path_);
  server.log(3);
  const pid_t child = ::fork();
  if (child == 0) {
    Logs logs(options_, system_clock());
    ::_exit(logs.keep_in(state_) && logs.ask(path_) ? 0 : 1);  // without its end: as if it were killed
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  server.log(4);
  auto logs = make();
  EXPECT_EQ(counted(*logs), 4u);
}

TEST_F(LogsTest, ARotationIsNotedAtOnce) {
  Webserver server(path_);
  const pid_t child = ::fork();
  if (child == 0) {
    Logs logs(options_, system_clock());
    if (!logs.keep_in(state_) || !logs.ask(path_)) ::_exit(1);  // saved every 15 seconds
    server.log(3);
    server.rotate();
    ::_exit(counted(logs) == 3 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  fs::rename(path_ + ".1", path_ + ".1.gz");
  server.reopen();
  server.log(4);
  auto logs = make();
  EXPECT_EQ(counted(*logs), 7u);
  EXPECT_EQ((*logs->watch(path_))->lost(), 0u);
}

TEST_F(LogsTest, TwoAgentsDoNotShareAFolder) {
  Webserver server(path_);
  auto logs = make();
  EXPECT_EQ(counted(*logs), 0u);
  Logs other(options_, system_clock());
  const auto kept = other.keep_in(state_);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().kind, ErrorKind::unavailable);
}

TEST_F(LogsTest, ADamagedStateIsKeptAsideAndTheLogBeginsAnew) {
  Webserver server(path_);
  {
    auto logs = make();
    EXPECT_EQ(counted(*logs), 0u);
    server.log(10);
    EXPECT_EQ(counted(*logs), 10u);
  }
  const std::string file = states().at(0);
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    ASSERT_FALSE(decode_state(flipped)) << at;
    ASSERT_FALSE(decode_state(std::string_view(bytes).substr(0, at))) << at;
  }
  EXPECT_TRUE(decode_state(bytes));
  bytes[30] = static_cast<char>(bytes[30] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
  auto logs = make();
  EXPECT_EQ(logs->count(), 0u);
  EXPECT_TRUE(fs::exists(file + ".damaged"));
  EXPECT_EQ(counted(*logs), 0u);
  server.log(1);
  EXPECT_EQ(counted(*logs), 1u);
}

TEST_F(LogsTest, AFolderThatCannotBeMadeCostsOnlyTheState) {
  std::ofstream(folder_.path("file")) << "x";
  state_ = folder_.path("file/state");
  Webserver server(path_);
  auto logs = make();
  EXPECT_EQ(counted(*logs), 0u);
  server.log(3);
  EXPECT_EQ(counted(*logs), 3u);
}

TEST_F(LogsTest, UnaskedForTwoDaysItIsLeftAloneAndForAMonthForgotten) {
  Webserver server(path_);
  auto logs = make();
  EXPECT_EQ(counted(*logs), 0u);
  server.log(3);
  EXPECT_EQ(counted(*logs), 3u);
  later_ = std::chrono::hours(49);
  std::this_thread::sleep_for(milliseconds(1010));
  while (logs->step()) {
  }
  EXPECT_EQ(logs->count(), 0u);
  server.log(4);
  EXPECT_EQ(counted(*logs), 7u) << "asked again it goes on where it was";
  logs.reset();
  later_ = std::chrono::hours(49 * 2);
  EXPECT_EQ(make()->count(), 0u);
  EXPECT_EQ(states().size(), 1u);
  later_ = std::chrono::hours(24 * 40);
  EXPECT_EQ(make()->count(), 0u);
  EXPECT_EQ(states().size(), 0u);
}

TEST_F(LogsTest, ALogThatIsNoLongerAllowedIsNotReadOn) {
  Webserver server(path_);
  {
    auto logs = make();
    EXPECT_EQ(counted(*logs), 0u);
  }
  options_.allow = {"/var/log/*"};
  EXPECT_EQ(make()->count(), 0u);
  EXPECT_EQ(states().size(), 1u);
}

// A process that follows is killed at random moments, again and again, while a writer writes and rotates.
class Killed : public LogsTest, public testing::WithParamInterface<bool> {};

TEST_P(Killed, CountsEachLineOnce) {
  constexpr int kLines = 30'000;
  const bool by_copy = GetParam();
  { Webserver create(path_); }
  {
    auto logs = make();
    ASSERT_EQ(counted(*logs), 0u);
  }
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::mt19937 random(4);
    Webserver server(path_);
    for (int i = 0; i < kLines; ++i) {
      server.log(1);
      if (i % 50 == 0) std::this_thread::sleep_for(milliseconds(1));
      if (random() % 900 != 0) continue;
      if (by_copy) {
        server.copy_and_truncate(100);
      } else {
        server.rename_away(100);
        server.log(1);
        ++i;
        server.reopen();
      }
    }
    done = true;
  });
  std::mt19937 random(5);
  int kills = 0;
  while (!done) {
    const pid_t child = ::fork();
    if (child == 0) {
      Logs logs(options_, system_clock());
      if (!logs.keep_in(state_, milliseconds(0))) ::_exit(1);
      for (;;) {
        if (!logs.watch(path_)) ::_exit(2);
        while (logs.step()) {
        }
        std::this_thread::sleep_for(milliseconds(101));
      }
    }
    std::this_thread::sleep_for(milliseconds(random() % 250));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    ++kills;
  }
  writer.join();
  auto logs = make();
  const uint64_t all = counted(*logs);
  EXPECT_THAT(all, testing::AnyOf(kLines, kLines + 1)) << "after " << kills << " kills";
  EXPECT_EQ((*logs->watch(path_))->lost(), 0u);
  EXPECT_EQ((*logs->watch(path_))->tally().unreadable(), 0u);
  EXPECT_GT(kills, 3);
}

INSTANTIATE_TEST_SUITE_P(Rotating, Killed, testing::Bool(),
                         [](const auto& param) { return param.param ? "ByCopying" : "ByRenaming"; });

}  // namespace
}  // namespace bakusoku::weblog
