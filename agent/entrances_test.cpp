// The agent's entrances as strangers find them: socket files that belong to others, names on the allow list.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <filesystem>

#include "agent/agent.h"
#include "agent/log_limit.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using testing::HasSubstr;

class EntrancesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(set_up_log("off", false));
    std::string name = "/tmp/bakusoku-entrances-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    socket_ = folder_ + "/agent.sock";
  }
  ~EntrancesTest() override { std::filesystem::remove_all(folder_); }

  Config config(const std::string& more = "") const {
    auto config =
        parse_config("[agent]\nsocket = \"" + socket_ + "\"\nsocket_group = \"\"\n" + more, "test.toml");
    EXPECT_TRUE(config);
    return std::move(*config);
  }
  std::unique_ptr<Agent> agent(const std::string& more = "") {
    Environment environment;
    environment.variables = {{"AWS_REGION", "eu-west-1"},
                             {"AWS_EC2_METADATA_DISABLED", "true"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto made = Agent::create(io_, config(more), environment);
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  int bind_socket(int type) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd, 5), 0);
    return fd;
  }
  static uint16_t free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(probe, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ::close(probe);
    return ntohs(address.sin_port);
  }
  ino_t inode() {
    struct stat found {};
    return ::lstat(socket_.c_str(), &found) == 0 ? found.st_ino : 0;
  }

  asio::io_context io_;
  std::string folder_;
  std::string socket_;
};

TEST_F(EntrancesTest, ASocketNobodyListensOnIsReplaced) {
  ::close(bind_socket(SOCK_SEQPACKET));
  const auto running = agent();
  const auto opened = running->open_entrances();
  EXPECT_TRUE(opened) << opened.error().message;
}

TEST_F(EntrancesTest, AnotherAgentsSocketIsLeftAlone) {
  const auto first = agent();
  ASSERT_TRUE(first->open_entrances());
  const ino_t before = inode();
  const auto second = agent();
  const auto opened = second->open_entrances();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("another agent listens on"));
  EXPECT_EQ(inode(), before);
}

TEST_F(EntrancesTest, AnotherProgramsSocketIsLeftAlone) {
  const int other = bind_socket(SOCK_STREAM);
  const ino_t before = inode();
  {
    const auto running = agent();
    const auto opened = running->open_entrances();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr("the socket of another program"));
  }
  EXPECT_EQ(inode(), before);
  ::close(other);
}

TEST_F(EntrancesTest, ASocketThatIsRemovedIsMadeAgain) {
  const auto running = agent();
  ASSERT_TRUE(running->open_entrances());
  running->start();
  const auto answers = [&] {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    return connected;
  };
  EXPECT_TRUE(answers());
  for (const std::string& gone : {socket_, folder_}) {
    std::filesystem::remove_all(gone);
    EXPECT_FALSE(answers());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!answers() && std::chrono::steady_clock::now() < end)
      io_.run_one_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(answers()) << gone;
  }
}

TEST_F(EntrancesTest, AnotherAddressOnThePortThatItHasIsTakenAtAReload) {
  const std::string port = ":" + std::to_string(free_port());
  const auto listens_on = [&](const std::string& address) {
    return "listen = \"" + address + port + "\"\nallow = \"127.0.0.0/8\"\n";
  };
  const auto connects_to = [&](const char* host) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, host, &address.sin_addr), 1);
    address.sin_port = htons(static_cast<uint16_t>(std::stoi(port.substr(1))));
    const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    return connected;
  };
  const auto running = agent(listens_on("0.0.0.0"));
  ASSERT_TRUE(running->open_entrances());
  EXPECT_TRUE(connects_to("127.0.0.2"));
  const auto narrowed = running->reload(config(listens_on("127.0.0.1")));
  ASSERT_TRUE(narrowed) << narrowed.error().message;
  EXPECT_FALSE(connects_to("127.0.0.2"));
  EXPECT_TRUE(connects_to("127.0.0.1"));
  // An address that this machine does not have (RFC 5737): refused, and the old one stays.
  const auto refused = running->reload(config(listens_on("192.0.2.1")));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("192.0.2.1"));
  EXPECT_TRUE(connects_to("127.0.0.1"));
  const auto widened = running->reload(config(listens_on("0.0.0.0")));
  ASSERT_TRUE(widened) << widened.error().message;
  EXPECT_TRUE(connects_to("127.0.0.2"));
}

// Half-open connections of one sender: others are still answered.
TEST_F(EntrancesTest, WhoOpensConnectionsWithoutEndLocksNobodyElseOut) {
  const uint16_t port = free_port();
  const auto running =
      agent("listen = \"127.0.0.1:" + std::to_string(port) + "\"\nallow = \"127.0.0.0/8\"\n");
  ASSERT_TRUE(running->open_entrances());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const auto connect_from = [&](const char* from) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, from, &source.sin_addr), 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof(source)), 0);
    (void)::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    return fd;
  };
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  std::vector<int> flood;
  for (int at = 0; at < 1100; ++at) {
    flood.push_back(connect_from("127.0.0.1"));
    if (at % 50 == 0) io_.run_for(std::chrono::milliseconds(1));
  }
  io_.run_for(std::chrono::milliseconds(50));
  const int other = connect_from("127.0.0.2");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::string received;
  bool sent = false;
  while (received.empty() && std::chrono::steady_clock::now() < end) {
    if (!sent) sent = ::send(other, "bakusoku.ping\n", 14, MSG_NOSIGNAL) == 14;
    io_.run_for(std::chrono::milliseconds(10));
    std::array<char, 64> answer{};
    const ssize_t got = ::recv(other, answer.data(), answer.size(), MSG_DONTWAIT);
    if (got > 0) received.assign(answer.data(), static_cast<size_t>(got));
  }
  EXPECT_THAT(received, HasSubstr("1"));
  for (const int fd : flood) ::close(fd);
  ::close(other);
}

TEST_F(EntrancesTest, AnAgentThatEndsLeavesItsSuccessorsSocket) {
  auto first = agent();
  ASSERT_TRUE(first->open_entrances());
  std::filesystem::rename(socket_, socket_ + ".old");  // keeps its inode from being used again
  const auto second = agent();
  ASSERT_TRUE(second->open_entrances());
  const ino_t before = inode();
  first.reset();
  EXPECT_EQ(inode(), before);
}

TEST_F(EntrancesTest, AllWhoAskWhileTheAllowedNameIsLookedUpAreAnswered) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(free_port());
  const socklen_t size = sizeof(address);
  const auto running = agent("listen = \"127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
                             "\"\nallow = \"localhost\"\n");
  const auto opened = running->open_entrances();
  ASSERT_TRUE(opened) << opened.error().message;
  std::array<int, 5> askers{};
  for (int& asker : askers) {
    asker = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(asker, reinterpret_cast<const sockaddr*>(&address), size), 0);
    ASSERT_EQ(::send(asker, "bakusoku.ping\n", 14, 0), 14);
  }
  io_.run_for(std::chrono::seconds(1));
  for (const int asker : askers) {
    std::array<char, 64> answer{};
    const ssize_t received = ::recv(asker, answer.data(), answer.size(), MSG_DONTWAIT);
    EXPECT_EQ(std::string(answer.data() + 13, received > 13 ? static_cast<size_t>(received) - 13 : 0), "1");
    ::close(asker);
  }
}

TEST(LogLimit, LetsOneLineAMinuteThroughAndCountsTheRest) {
  LogLimit limit;
  const LogLimit::Time start{};
  EXPECT_EQ(limit.may_log(start), 0u);
  EXPECT_FALSE(limit.may_log(start + std::chrono::seconds(1)));
  EXPECT_FALSE(limit.may_log(start + std::chrono::seconds(59)));
  EXPECT_EQ(limit.may_log(start + std::chrono::seconds(60)), 2u);
  EXPECT_FALSE(limit.may_log(start + std::chrono::seconds(61)));
}

}  // namespace
}  // namespace bakusoku::agent
