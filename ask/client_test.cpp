#include "ask/client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ask/board_fixture.h"

namespace bakusoku::ask {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Outcome = Answer::Outcome;

steady_clock::time_point in(milliseconds time) { return steady_clock::now() + time; }

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char path[] = "/tmp/bakusoku-ask-XXXXXX";
    if (::mkdtemp(path) == nullptr) std::abort();
    path_ = path;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

int listen_at(const std::string& path, int backlog = 16, int type = SOCK_SEQPACKET) {
  ::unlink(path.c_str());
  const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, backlog) != 0) {
    std::abort();
  }
  return fd;
}

// What a server does with one packet of connection number `connection` (from 0); false: close the connection.
using Handler = std::function<bool(int fd, int connection, std::string_view packet)>;

bool send_answer(int fd, Status status, std::string_view bytes) {
  std::string packet;
  size_t offset = 0;
  do {
    offset = encode_answer_part(packet, status, bytes, offset);
    if (::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return false;
  } while (offset < bytes.size());
  return true;
}

bool echo(int fd, int, std::string_view packet) {
  const auto question = decode_question(packet);
  return question && send_answer(fd, Status::value, question->key);
}

// One connection at a time, in a thread of its own; stops when destroyed.
class Server {
 public:
  Server(const std::string& path, Handler handler)
      : listener_(listen_at(path)), handler_(std::move(handler)), thread_([this] { run(); }) {}
  ~Server() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] int connections() const { return connections_; }

 private:
  bool readable(int fd) const {
    while (!stop_) {
      pollfd entry{fd, POLLIN, 0};
      if (::poll(&entry, 1, 5) > 0) return true;
    }
    return false;
  }
  void run() {
    std::string packet(100'000, '\0');
    while (readable(listener_)) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int connection = connections_++;
      while (readable(fd)) {
        const ssize_t size = ::recv(fd, packet.data(), packet.size(), 0);
        if (size <= 0 ||
            !handler_(fd, connection, std::string_view(packet).substr(0, static_cast<size_t>(size))))
          break;
      }
      ::close(fd);
    }
  }

  int listener_;
  Handler handler_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

// A server in a process of its own, for kill -9 and kill -STOP.
class ServerProcess {
 public:
  ServerProcess(const std::string& path, Handler handler, int backlog = 16) {
    const int listener = listen_at(path, backlog);
    pid_ = ::fork();
    if (pid_ == 0) {
      std::string packet(100'000, '\0');
      for (int connection = 0;; ++connection) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        for (;;) {
          const ssize_t size = ::recv(fd, packet.data(), packet.size(), 0);
          if (size <= 0 ||
              !handler(fd, connection, std::string_view(packet).substr(0, static_cast<size_t>(size))))
            break;
        }
        ::close(fd);
      }
    }
    ::close(listener);
  }
  ~ServerProcess() { end(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  void stop() const {
    ::kill(pid_, SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

class ClientTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("agent.sock");
};

TEST_F(ClientTest, GetsValuesAndRefusalsOverOneConnection) {
  Server server(path_, [](int fd, int, std::string_view packet) {
    const auto question = decode_question(packet);
    if (question->key == "bad") return send_answer(fd, Status::not_supported, "no such item");
    return send_answer(fd, Status::value, std::string(question->key) + " in time");
  });
  Client client(path_);
  for (int i = 0; i < 3; ++i) {
    Answer answer = client.ask("good", in(5s));
    EXPECT_EQ(answer.outcome, Outcome::value);
    EXPECT_EQ(answer.text, "good in time");
    answer = client.ask("bad", in(5s));
    EXPECT_EQ(answer.outcome, Outcome::not_supported);
    EXPECT_EQ(answer.text, "no such item");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, TellsTheAgentHowMuchTimeIsLeft) {
  Server server(path_, [](int fd, int, std::string_view packet) {
    return send_answer(fd, Status::value, std::to_string(decode_question(packet)->timeout_ms));
  });
  Client client(path_);
  for (const int wanted : {2900, 500, 60'000}) {
    const int told = std::stoi(client.ask("k", in(milliseconds(wanted))).text);
    EXPECT_LE(told, wanted);
    EXPECT_GT(told, wanted - 400);
  }
}

TEST_F(ClientTest, PutsLongAnswersTogether) {
  Server server(path_, [](int fd, int, std::string_view packet) {
    return send_answer(fd, Status::value,
                       std::string(std::stoul(std::string(decode_question(packet)->key)), 'x'));
  });
  Client client(path_);
  for (const size_t size : {0u, 1u, 60'000u, 60'001u, 3'000'000u}) {
    const Answer answer = client.ask(std::to_string(size), in(20s));
    EXPECT_EQ(answer.outcome, Outcome::value);
    EXPECT_EQ(answer.text.size(), size);
  }
}

TEST_F(ClientTest, SurvivesARestartBetweenQuestions) {
  Client client(path_);
  for (int i = 0; i < 3; ++i) {
    Server server(path_, echo);
    EXPECT_EQ(client.ask("k", in(5s)).text, "k");
    EXPECT_EQ(client.ask("k", in(5s)).text, "k");
    EXPECT_EQ(server.connections(), 1);
  }
}

TEST_F(ClientTest, AsksAgainWhenTheAgentDiesWithTheQuestion) {
  Server server(path_, [](int fd, int connection, std::string_view packet) {
    return connection > 0 && echo(fd, connection, packet);
  });
  Client client(path_);
  const Answer answer = client.ask("k", in(5s));
  EXPECT_EQ(answer.outcome, Outcome::value);
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, AsksAgainWhenTheAgentDiesWithinAnAnswer) {
  const std::string value(100'000, 'x');
  Server server(path_, [&](int fd, int connection, std::string_view) {
    if (connection > 0) return send_answer(fd, Status::value, value);
    std::string packet;
    encode_answer_part(packet, Status::value, value, 0);
    ::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
    return false;
  });
  Client client(path_);
  EXPECT_EQ(client.ask("k", in(5s)).text, value);
}

TEST_F(ClientTest, AsksAgainOnlyOnce) {
  Server server(path_, [](int, int, std::string_view) { return false; });
  Client client(path_);
  const Answer answer = client.ask("aws.metric[x]", in(5s));
  EXPECT_EQ(answer.outcome, Outcome::no_agent);
  EXPECT_EQ(answer.text,
            "bakusoku agent closed the connection twice without an answer to aws.metric[x]: it is being "
            "restarted or it "
            "fails on this item; see its log (journalctl -u bakusoku)");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, SaysInWordsWhenAKilledAgentDoesNotComeBack) {
  ServerProcess server(path_, echo);
  Client client(path_);
  EXPECT_EQ(client.ask("k", in(5s)).outcome, Outcome::value);
  server.end();
  const auto start = steady_clock::now();
  const Answer answer = client.ask("k", in(5s));
  EXPECT_EQ(answer.outcome, Outcome::no_agent);
  EXPECT_EQ(answer.text, "bakusoku agent is not running: cannot connect to " + path_ +
                             ": Connection refused. Start it (bakusoku run), or set BAKUSOKU_SOCKET for "
                             "the Zabbix daemon");
  EXPECT_LT(since(start), 1s);
}

TEST_F(ClientTest, SaysInWordsThatNoAgentIsThere) {
  Client client(path_);
  const Answer answer = client.ask("k", in(5s));
  EXPECT_EQ(answer.outcome, Outcome::no_agent);
  EXPECT_EQ(answer.text, "bakusoku agent is not running: cannot connect to " + path_ +
                             ": No such file or directory. Start it (bakusoku run), or set "
                             "BAKUSOKU_SOCKET for the Zabbix daemon");
}

TEST_F(ClientTest, ComesBackWhenTheAgentDoes) {
  Client client(path_);
  EXPECT_EQ(client.ask("k", in(1s)).outcome, Outcome::no_agent);
  Server server(path_, echo);
  EXPECT_EQ(client.ask("k", in(5s)).outcome, Outcome::value);
}

TEST_F(ClientTest, ReturnsAtItsDeadlineWhenNobodyAnswers) {
  Server server(path_, [](int, int, std::string_view) { return true; });
  Client client(path_);
  for (const milliseconds time : {50ms, 300ms, 1000ms}) {
    const auto start = steady_clock::now();
    const Answer answer = client.ask("aws.metric[x]", in(time));
    EXPECT_EQ(answer.outcome, Outcome::timeout);
    EXPECT_GE(since(start), time - 1ms);
    EXPECT_LE(since(start), time + 100ms);
    if (time == 300ms) {
      EXPECT_EQ(answer.text,
                "bakusoku agent did not answer aws.metric[x] within 0.3 s; raise the item's timeout or "
                "Timeout of the "
                "Zabbix daemon, or see the agent's log (journalctl -u bakusoku)");
    }
  }
}

TEST_F(ClientTest, ReturnsAtItsDeadlineThoughSignalsKeepComing) {
  Server server(path_, [](int, int, std::string_view) { return true; });
  struct sigaction action {};
  struct sigaction old_action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, &old_action);
  const itimerval every{{0, 5000}, {0, 5000}};
  ::setitimer(ITIMER_REAL, &every, nullptr);
  Client client(path_);
  const auto start = steady_clock::now();
  EXPECT_EQ(client.ask("k", in(400ms)).outcome, Outcome::timeout);
  const milliseconds took = since(start);
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &old_action, nullptr);
  EXPECT_GE(took, 399ms);
  EXPECT_LE(took, 500ms);
}

TEST_F(ClientTest, ReturnsAtItsDeadlineWhenAnAnswerTrickles) {
  Server server(path_, [](int fd, int, std::string_view) {
    std::string packet;
    for (int i = 0; i < 40; ++i) {
      packet = "\x01\x00\x01\x00\x00\x01\x00\x00x"s;
      if (::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return false;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  });
  Client client(path_);
  const auto start = steady_clock::now();
  EXPECT_EQ(client.ask("k", in(300ms)).outcome, Outcome::timeout);
  EXPECT_LE(since(start), 400ms);
}

TEST_F(ClientTest, NeverTakesALateAnswerForAnotherQuestions) {
  Server server(path_, [](int fd, int connection, std::string_view packet) {
    if (connection == 0) std::this_thread::sleep_for(200ms);
    return echo(fd, connection, packet);
  });
  Client client(path_);
  EXPECT_EQ(client.ask("slow", in(50ms)).outcome, Outcome::timeout);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(client.ask("quick", in(5s)).text, "quick");
}

TEST_F(ClientTest, DoesNotAskWhenItsTimeIsUpAlready) {
  std::atomic<int> questions = 0;
  Server server(path_, [&](int fd, int connection, std::string_view packet) {
    ++questions;
    return echo(fd, connection, packet);
  });
  Client client(path_);
  EXPECT_EQ(client.ask("k", steady_clock::now() - 1s).outcome, Outcome::timeout);
  EXPECT_EQ(client.ask("k", in(5s)).outcome, Outcome::value);
  EXPECT_EQ(questions, 1);
}

TEST_F(ClientTest, RefusesGarbageInWordsAndConnectsAnew) {
  const std::string garbage[] = {
      "x",                                              // cut
      "\x02\x00\x00\x00\x01\x00\x00\x00x"s,             // another version
      "\x01\x07\x00\x00\x01\x00\x00\x00x"s,             // no such status
      "\x01\x00\x00\x80\x01\x00\x00\x00x"s,             // no such flag
      "\x01\x00\x00\x00\x02\x00\x00\x00x"s,             // total larger than the bytes
      "\x01\x00\x00\x00\x01\x00\x00\x00xx"s,            // and smaller
      "\x01\x00\x01\x00\xFF\xFF\xFF\xFFx"s,             // a total no answer has
      std::string(kHeaderSize + kMaxPacketPayload, 1),  // a full buffer of it
      std::string(90'000, 1),                           // a packet longer than any
  };
  Server server(path_, [&](int fd, int connection, std::string_view packet) {
    const auto question = decode_question(packet);
    if (question->key == "echo") return echo(fd, connection, packet);
    const std::string& bytes = garbage[std::stoul(std::string(question->key))];
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
  });
  Client client(path_);
  for (size_t i = 0; i < std::size(garbage); ++i) {
    const Answer answer = client.ask(std::to_string(i), in(5s));
    EXPECT_EQ(answer.outcome, Outcome::protocol) << i;
    EXPECT_NE(answer.text.find(path_), std::string::npos);
    EXPECT_EQ(client.ask("echo", in(5s)).text, "echo");
  }
}

TEST_F(ClientTest, ReturnsAtItsDeadlineWhenTheAgentIsStopped) {
  ServerProcess server(path_, echo);
  Client client(path_);
  EXPECT_EQ(client.ask("k", in(5s)).outcome, Outcome::value);
  server.stop();
  for (int i = 0; i < 2; ++i) {  // over the open connection, then over a new one that waits in the backlog
    const auto start = steady_clock::now();
    EXPECT_EQ(client.ask("k", in(300ms)).outcome, Outcome::timeout);
    EXPECT_LE(since(start), 400ms);
  }
}

TEST_F(ClientTest, ReturnsAtItsDeadlineWhenAStoppedAgentsBacklogIsFull) {
  ServerProcess server(path_, echo, 1);
  server.stop();
  std::vector<int> waiting;  // fills the backlog
  for (int i = 0; i < 20; ++i) {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    waiting.push_back(fd);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ASSERT_EQ(errno, EAGAIN);
      break;
    }
  }
  Client client(path_);
  const auto start = steady_clock::now();
  const Answer answer = client.ask("k", in(300ms));
  EXPECT_EQ(answer.outcome, Outcome::timeout);
  EXPECT_EQ(answer.text,
            "bakusoku agent took no connection at " + path_ +
                " within 0.3 s: it is stopped or overloaded; see its log (journalctl -u bakusoku) and "
                "`bakusoku check`");
  EXPECT_GE(since(start), 299ms);
  EXPECT_LE(since(start), 400ms);
  for (const int fd : waiting) ::close(fd);
}

TEST_F(ClientTest, NamesTheGroupWhenItMayNotConnect) {
  Server server(path_, echo);
  ::chmod(path_.c_str(), 0600);
  std::filesystem::permissions(std::filesystem::path(path_).parent_path(), std::filesystem::perms(0755));
  const auto ask_as_stranger = [this] {
    Client client(path_);
    return client.ask("k", in(5s)).text;
  };
  const std::string owner = std::to_string(::geteuid());
  const uid_t stranger = ::geteuid() == 0 ? 65534 : ::geteuid();
  // Who is not root cannot become another, but is one to a socket that nobody may use.
  if (stranger == ::geteuid()) ::chmod(path_.c_str(), 0000);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (stranger != ::geteuid() && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(1);
    const std::string text = ask_as_stranger();
    const bool written = ::write(ends[1], text.data(), text.size()) >= 0;
    ::_exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  char text[2000];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(text, static_cast<size_t>(size)),
            "bakusoku agent cannot be asked: cannot connect to " + path_ +
                ": Permission denied. This process runs as user id " + std::to_string(stranger) +
                "; the socket belongs to user id " + owner + " and group id " + std::to_string(::getegid()) +
                ". Add that user to the socket's group (usermod -aG GROUP USER, then restart the Zabbix "
                "daemon), "
                "or set socket_group in the agent's configuration to the Zabbix daemon's group");
}

TEST_F(ClientTest, RefusesPathsThatNoSocketCanHave) {
  const std::string long_path = "/tmp/" + std::string(103, 'x');  // 108 bytes: no room for the NUL
  Client too_long(long_path);
  Answer answer = too_long.ask("k", in(1s));
  EXPECT_EQ(answer.outcome, Outcome::no_agent);
  EXPECT_NE(answer.text.find("has 108 bytes, a Unix socket allows 107"), std::string::npos) << answer.text;
  Client empty("");
  EXPECT_EQ(empty.ask("k", in(1s)).text, "the path of bakusoku's socket is empty: set BAKUSOKU_SOCKET");
}

TEST_F(ClientTest, SaysWhenAnotherProgramListensThere) {
  const int listener = listen_at(path_, 16, SOCK_STREAM);
  Client client(path_);
  const Answer answer = client.ask("k", in(1s));
  EXPECT_EQ(answer.outcome, Outcome::no_agent);
  EXPECT_NE(answer.text.find("Another program listens there"), std::string::npos) << answer.text;
  ::close(listener);
}

TEST_F(ClientTest, RefusesKeysTheProtocolCannotCarry) {
  Server server(path_, echo);
  Client client(path_);
  EXPECT_EQ(client.ask(std::string(kMaxKeyBytes + 1, 'k'), in(1s)).outcome, Outcome::not_supported);
  EXPECT_EQ(client.ask("a\0b"s, in(1s)).outcome, Outcome::not_supported);
  EXPECT_EQ(client.ask(std::string(kMaxKeyBytes, 'k'), in(5s)).text.size(), kMaxKeyBytes);
}

TEST_F(ClientTest, ShowsLongKeysShortened) {
  Client client(path_);
  ServerProcess server(path_, [](int, int, std::string_view) { return true; });
  std::string key(199, 'k');
  for (int i = 0; i < 100; ++i) key += "爆";
  const Answer answer = client.ask(key, in(50ms));
  EXPECT_NE(answer.text.find(std::string(199, 'k') + "... within"), std::string::npos) << answer.text;
}

TEST_F(ClientTest, LeavesAParentsConnectionAloneWhenAForkedCopyEnds) {
  Server server(path_, echo);
  auto* client = new Client(path_);
  EXPECT_EQ(client->ask("before", in(5s)).text, "before");
  const pid_t child = ::fork();
  if (child == 0) {
    delete client;
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(client->ask("after", in(5s)).text, "after");
  EXPECT_EQ(server.connections(), 1);
  delete client;
}

TEST_F(ClientTest, LeaksNoDescriptors) {
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  ServerProcess server(path_, [](int fd, int, std::string_view packet) {
    const auto question = decode_question(packet);
    if (question->key == "close") return false;
    if (question->key == "garbage") return ::send(fd, "x", 1, MSG_NOSIGNAL) == 1;
    return question->key == "never" || send_answer(fd, Status::value, "v");
  });
  const auto before = open_files();
  {
    Client client(path_);
    Client nobody(directory_.file("nobody.sock"));
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(client.ask("close", in(5s)).outcome, Outcome::no_agent);
      EXPECT_EQ(client.ask("garbage", in(5s)).outcome, Outcome::protocol);
      EXPECT_EQ(client.ask("never", in(5ms)).outcome, Outcome::timeout);
      EXPECT_EQ(client.ask("value", in(5s)).outcome, Outcome::value);
      EXPECT_EQ(nobody.ask("k", in(5s)).outcome, Outcome::no_agent);
    }
  }
  EXPECT_EQ(open_files(), before);
}

TEST_F(ClientTest, AsksAHundredThousandTimesOverOneConnection) {
  ServerProcess server(path_, [](int fd, int connection, std::string_view packet) {
    if (is_board_question(packet)) return send_answer(fd, Status::not_supported, "no board");
    return connection == 0 && echo(fd, connection, packet);  // a second connection would get no answer
  });
  Client client(path_);
  std::string key;
  for (int i = 0; i < 100'000; ++i) {
    key = "k" + std::to_string(i);
    const Answer answer = client.ask(key, in(10s));
    ASSERT_EQ(answer.outcome, Outcome::value) << answer.text;
    ASSERT_EQ(answer.text, key);
  }
}

// ---- the board

bool send_board(int fd, std::vector<int> descriptors, Status status = Status::value) {
  std::string packet;
  encode_answer_part(packet, status, "", 0);
  iovec data{packet.data(), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
  }
  return ::sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
}

int open_descriptors() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

class BoardClientTest : public ClientTest {
 protected:
  // The agent answers "key" with "asked", and a question for the board as `give` does.
  void serve(std::function<bool(int fd)> give) {
    server_.emplace(path_, [this, give = std::move(give)](int fd, int, std::string_view packet) {
      if (is_board_question(packet)) {
        ++board_questions_;
        return give(fd);
      }
      return send_answer(fd, Status::value, "asked");
    });
    client_.emplace(path_);
  }
  void ask_often() {
    for (int i = 0; i < 20; ++i) last_ = client_->ask("key", in(5s));
  }

  SmallBoard board_;
  std::atomic<int> board_questions_ = 0;
  std::optional<Server> server_;
  std::optional<Client> client_;
  Answer last_;
};

TEST_F(BoardClientTest, IsAnsweredFromTheBoardOnceItAsksOften) {
  board_.write(Head{});
  serve([this](int fd) { return send_board(fd, {board_.board.fd, board_.marks.fd}); });
  EXPECT_EQ(client_->ask("key", in(5s)).text, "asked");
  EXPECT_EQ(board_questions_, 0);
  ask_often();
  EXPECT_EQ(last_.text, "ok");
  EXPECT_EQ(last_.outcome, Outcome::value);
  EXPECT_EQ(client_->ask("another", in(5s)).text, "asked");
  EXPECT_EQ(board_questions_, 1);
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(BoardClientTest, AsksTheAgentAgainWhenItsBeatIsOld) {
  Head head;
  board_.write(head);
  serve([this](int fd) { return send_board(fd, {board_.board.fd, board_.marks.fd}); });
  ask_often();
  EXPECT_EQ(last_.text, "ok");
  head.beat_ms -= 2 * kMaxBeatAgeMs;
  board_.write(head);
  EXPECT_EQ(client_->ask("key", in(5s)).text, "asked");
}

TEST_F(BoardClientTest, AsksForTheNextBoardWhenThisOneIsClosed) {
  Head head;
  board_.write(head);
  serve([this](int fd) { return send_board(fd, {board_.board.fd, board_.marks.fd}); });
  ask_often();
  head.closed = 1;
  board_.write(head);
  EXPECT_EQ(client_->ask("key", in(5s)).text, "asked");
  EXPECT_EQ(board_questions_, 2);
}

TEST_F(BoardClientTest, ADeadAgentsBoardIsVoid) {
  board_.write(Head{});
  serve([this](int fd) { return send_board(fd, {board_.board.fd, board_.marks.fd}); });
  ask_often();
  EXPECT_EQ(last_.text, "ok");
  server_.reset();
  const Answer answer = client_->ask("key", in(1s));
  EXPECT_EQ(answer.outcome, Outcome::no_agent) << answer.text;
}

TEST_F(BoardClientTest, WhateverComesInsteadOfABoardTheAgentIsAsked) {
  board_.write(Head{});
  const File unsealed(board_bytes(4), false);
  const int files = open_descriptors();
  const std::vector<std::function<bool(int)>> agents = {
      [](int fd) { return send_answer(fd, Status::not_supported, "no board"); },
      [](int fd) { return send_board(fd, {}); },
      [this](int fd) { return send_board(fd, {board_.board.fd}); },
      [this](int fd) {
        return send_board(fd, {board_.marks.fd, board_.board.fd});
      },
      [this](int fd) {
        return send_board(fd, {board_.board.fd, board_.marks.fd, 0, 1, 2});
      },
      [this](int fd) {
        return send_board(fd, {board_.board.fd, board_.marks.fd}, Status::not_supported);
      },
      [&](int fd) {
        return send_board(fd, {unsealed.fd, board_.marks.fd});
      },
      [](int fd) {
        return send_board(fd, {0, 1});
      },
      [](int) { return false; },  // an agent that knows no board
      [](int fd) { return ::send(fd, "HTTP/1.1 400 Bad Request", 24, MSG_NOSIGNAL) > 0; },
  };
  for (size_t i = 0; i < agents.size(); ++i) {
    serve(agents[i]);
    for (int asked = 0; asked < 20; ++asked) {
      last_ = client_->ask("key", in(5s));
      // Garbage fails the question it came before, once.
      if (i + 1 < agents.size()) {
        ASSERT_EQ(last_.outcome, Outcome::value) << i << ": " << last_.text;
      }
    }
    EXPECT_EQ(last_.outcome, Outcome::value) << i << ": " << last_.text;
    EXPECT_EQ(board_questions_, static_cast<int>(i) + 1);
    client_.reset();
    server_.reset();
  }
  EXPECT_EQ(open_descriptors(), files);
}

TEST_F(BoardClientTest, AnAgentThatNeverGivesTheBoardCostsNoMoreThanTheTimeout) {
  serve([](int) { return true; });
  const auto start = steady_clock::now();
  for (int i = 0; i < 8; ++i) ASSERT_EQ(client_->ask("key", in(5s)).outcome, Outcome::value);
  EXPECT_EQ(client_->ask("key", in(300ms)).outcome, Outcome::timeout);
  EXPECT_LT(since(start).count(), 3000);
  EXPECT_EQ(client_->ask("key", in(5s)).outcome, Outcome::value);
}

}  // namespace
}  // namespace bakusoku::ask
