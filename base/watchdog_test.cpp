// Loops that turn, stand still and end, and what systemd is told.
#include "base/watchdog.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <thread>

namespace bakusoku {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Watchdog, SaysWhichLoopStandsStill) {
  Heart turns("reading ahead");
  Heart stands("web server logs");
  std::promise<std::string> said;
  auto heard = said.get_future();
  Watchdog::Settings settings;
  settings.patience = milliseconds(3000);
  settings.look = milliseconds(5);
  settings.end = [&](const std::string& line) { said.set_value(line); };
  const Watchdog watchdog({&turns, &stands}, std::move(settings));
  while (heard.wait_for(milliseconds(1)) != std::future_status::ready) turns.beat();
  const std::string line = heard.get();
  EXPECT_NE(line.find("'web server logs' has not turned for 3 s"), std::string::npos) << line;
  EXPECT_NE(line.find("the service manager starts it again"), std::string::npos) << line;
}

TEST(WatchdogDeathTest, EndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const Heart heart("reading ahead");
        Watchdog::Settings settings;
        settings.patience = milliseconds(20);
        settings.look = milliseconds(10);
        const Watchdog watchdog({&heart}, std::move(settings));
        ::sleep(600);
      },
      testing::ExitedWithCode(1), "error: the agent stands still: 'reading ahead'");
}

TEST(Watchdog, TakesSystemdsWishes) {
  Environment environment;
  EXPECT_EQ(Watchdog::settings_of(environment).notify_socket, "");
  EXPECT_EQ(Watchdog::settings_of(environment).look, seconds(1));
  environment.variables = {{"NOTIFY_SOCKET", "/run/systemd/notify"}, {"WATCHDOG_USEC", "1500000"}};
  EXPECT_EQ(Watchdog::settings_of(environment).notify_socket, "/run/systemd/notify");
  EXPECT_EQ(Watchdog::settings_of(environment).look, milliseconds(500));
  environment.variables["WATCHDOG_PID"] = std::to_string(::getpid());
  EXPECT_EQ(Watchdog::settings_of(environment).look, milliseconds(500));
  environment.variables["WATCHDOG_PID"] = "1";
  EXPECT_EQ(Watchdog::settings_of(environment).look, seconds(1)) << "it is for another process";
  environment.variables["WATCHDOG_PID"] = "";
  environment.variables["WATCHDOG_USEC"] = "30000000";
  EXPECT_EQ(Watchdog::settings_of(environment).look, seconds(1));
}

// A Unix socket as systemd has one.
class Systemd {
 public:
  Systemd() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    name_ = "@bakusoku-watchdog-test-" + std::to_string(::getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  ~Systemd() { ::close(fd_); }
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string next() const {
    std::array<char, 256> buffer{};
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
  }
  [[nodiscard]] bool silent() const {
    char byte = 0;
    return ::recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
  }

 private:
  int fd_;
  std::string name_;
};

TEST(Watchdog, TellsSystemdAsLongAsTheLoopsTurn) {
  const Systemd systemd;
  Heart heart("reading ahead");
  std::promise<void> ended;
  Watchdog::Settings settings;
  settings.patience = milliseconds(2000);
  settings.look = milliseconds(100);
  settings.notify_socket = systemd.name();
  settings.end = [&](const std::string&) { ended.set_value(); };
  std::atomic<bool> turns{true};
  std::thread loop([&] {
    while (turns) {
      heart.beat();
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  size_t told = 0;
  {
    const Watchdog watchdog({&heart}, settings);
    EXPECT_EQ(systemd.next(), "READY=1");
    for (int time = 0; time < 8; ++time) EXPECT_EQ(systemd.next(), "WATCHDOG=1");
    turns = false;
    loop.join();
    ended.get_future().wait();
  }
  for (; !systemd.silent(); ++told) EXPECT_EQ(systemd.next(), "WATCHDOG=1");
  EXPECT_LE(told, 6u) << "twenty looks were made meanwhile";
}

}  // namespace
}  // namespace bakusoku
