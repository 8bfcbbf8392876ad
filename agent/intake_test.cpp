#include "agent/intake.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>

#include "agent/power_disk.h"
#include "base/log.h"
#include "zabbix/frame.h"

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

constexpr int64_t kNow = 1'700'000'000;
constexpr std::string_view kDestination = "zabbix";

std::string row(std::string_view key, std::string_view value, std::string_view more = "") {
  return fmt::format(R"({{"host":"h","key":"{}","value":"{}"{}}})", key, value, more);
}
std::string request(std::string_view rows) {
  return fmt::format(R"({{"request":"sender data","data":[{}]}})", rows);
}

class IntakeTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(set_up_log("off", false));
    std::string name = "/tmp/bakusoku-intake-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~IntakeTest() override {
    for (const int fd : clients_) ::close(fd);
    std::filesystem::remove_all(folder_);
  }

  SpoolOptions options(int number) const {
    SpoolOptions options = options_;
    options.path = folder_ + "/trapper-" + std::to_string(number) + ".db";
    return options;
  }
  void open(int spools = 1) {
    std::vector<Spool*> all;
    for (int number = 0; number < spools; ++number) {
      auto opened = Spool::open(options(number), [this] { return now_; });
      ASSERT_TRUE(opened) << opened.error().message;
      ASSERT_TRUE((*opened)->add_destination(kDestination));
      all.push_back(opened->get());
      spools_.push_back(std::move(*opened));
    }
    io_ = std::make_unique<asio::io_context>(1);
    intake_ = std::make_unique<Intake>(
        Intake::Parts{*io_, stats_, [this] { return now_; }, all, [this] { ++commits_; }, limits_});
    listen();
  }
  void close() {
    intake_.reset();
    spools_.clear();
    io_.reset();
  }
  void listen() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = 0;
    socklen_t size = sizeof(address_);
    ASSERT_EQ(::bind(probe, reinterpret_cast<const sockaddr*>(&address_), size), 0);
    ASSERT_EQ(::getsockname(probe, reinterpret_cast<sockaddr*>(&address_), &size), 0);
    ::close(probe);
    IntakeConfig config;
    config.listen = "127.0.0.1:" + std::to_string(ntohs(address_.sin_port));
    config.allow = allow_;
    const auto opened = intake_->open(config);
    ASSERT_TRUE(opened) << opened.error().message;
  }

  int connect(const char* from = "127.0.0.1") {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, from, &source.sin_addr), 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof(source)), 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)), 0);
    clients_.push_back(fd);
    return fd;
  }
  static void send(int fd, std::string_view bytes) {
    EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// All that comes until the connection is closed; nothing when it stays open.
  std::optional<std::string> receive(int fd, std::chrono::seconds limit = std::chrono::seconds(20)) {
    std::string received;
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      std::array<char, 4096> part{};
      const ssize_t got = ::recv(fd, part.data(), part.size(), MSG_DONTWAIT);
      if (got > 0) {
        received.append(part.data(), static_cast<size_t>(got));
      } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        return received;
      } else {
        io_->run_one_for(std::chrono::milliseconds(10));
      }
    }
    return std::nullopt;
  }
  std::string answer_of(int fd, uint8_t flags = zabbix::kFrameZabbix) {
    const auto bytes = receive(fd);
    if (!bytes) return "no answer";
    const auto frame = zabbix::decode_frame(*bytes, 65536);
    if (!frame || !*frame) return "no frame: " + *bytes;
    EXPECT_EQ((*frame)->flags, flags);
    return (*frame)->payload;
  }
  std::string ask(std::string_view payload, uint8_t flags = zabbix::kFrameZabbix) {
    const int fd = connect();
    send(fd, zabbix::encode_frame(payload, flags));
    return answer_of(fd, flags);
  }
  SpoolPacket stored(size_t spool = 0) {
    auto packet = spools_[spool]->next(kDestination, 1'000'000, size_t{1} << 30);
    EXPECT_TRUE(packet);
    return packet ? std::move(*packet) : SpoolPacket{};
  }
  std::vector<std::string> texts(size_t spool = 0) {
    std::vector<std::string> all;
    for (const Value& value : stored(spool).values) all.emplace_back(value.text);
    return all;
  }

  std::string folder_;
  SpoolOptions options_;
  IntakeLimits limits_;
  std::string allow_ = "127.0.0.1";
  WallTime now_{std::chrono::seconds(kNow)};
  Stats stats_;
  uint64_t commits_ = 0;
  std::vector<std::unique_ptr<Spool>> spools_;
  std::unique_ptr<asio::io_context> io_;
  std::unique_ptr<Intake> intake_;
  sockaddr_in address_{};
  std::vector<int> clients_;
};

std::string processed(int good, int bad) {
  return fmt::format(
      "\\{{\"response\":\"success\",\"info\":\"processed: {}; failed: {}; total: {}; seconds "
      "spent: [0-9.]+\"\\}}",
      good, bad, good + bad);
}

TEST_F(IntakeTest, WhatIsProcessedIsInEverySpool) {
  open(2);
  EXPECT_THAT(ask(request(row("a", "1", R"(,"clock":1600000000,"ns":5)") + "," +
                          row("b", "broken", R"(,"clock":1600000001,"ns":6,"state":1)"))),
              MatchesRegex(processed(2, 0)));
  for (const size_t spool : {size_t{0}, size_t{1}}) {
    const SpoolPacket packet = stored(spool);
    EXPECT_THAT(packet.values,
                ElementsAre(Value{"h", "a", 0, 1'600'000'000, 5, true, "1", kIntakePriority},
                            Value{"h", "b", 0, 1'600'000'001, 6, false, "broken", kIntakePriority}));
  }
  EXPECT_EQ(stats_.intake_processed, 2u);
  EXPECT_EQ(commits_, 1u);
}

TEST_F(IntakeTest, ACompressedRequestIsAnsweredCompressed) {
  open();
  const uint8_t flags = zabbix::kFrameZabbix | zabbix::kFrameCompressed;
  EXPECT_THAT(ask(request(row("a", std::string(1000, 'x'))), flags), MatchesRegex(processed(1, 0)));
  EXPECT_THAT(texts(), ElementsAre(std::string(1000, 'x')));
}

TEST_F(IntakeTest, ARequestMayComeByteByByte) {
  open();
  const int fd = connect();
  for (const char byte : zabbix::encode_frame(request(row("a", "1")))) {
    send(fd, std::string_view(&byte, 1));
    io_->poll();
  }
  EXPECT_THAT(answer_of(fd), MatchesRegex(processed(1, 0)));
}

TEST_F(IntakeTest, RowsThatCannotBeTakenAreFailedAndTheOthersKept) {
  open();
  EXPECT_THAT(ask(request(row("a", "1") + R"(,{"host":"h","value":"2"},{"itemid":7,"value":"3"},)" +
                          row("b", "4", R"(,"ns":1000000000)") + "," + row("c", "5"))),
              MatchesRegex(processed(2, 3)));
  EXPECT_THAT(texts(), ElementsAre("1", "5"));
  EXPECT_EQ(stats_.intake_failed, 3u);
}

TEST_F(IntakeTest, ARowWithoutValueIsProcessedAndNothingIsStored) {
  open();
  EXPECT_THAT(ask(request(R"({"host":"h","key":"k"})")), MatchesRegex(processed(1, 0)));
  EXPECT_THAT(ask(request("")), MatchesRegex(processed(0, 0)));
  EXPECT_THAT(texts(), IsEmpty());
}

TEST_F(IntakeTest, WhatIsNoRequestForItIsRefusedInWords) {
  open();
  EXPECT_THAT(ask("rubbish"), HasSubstr(R"("response":"failed")"));
  EXPECT_THAT(ask(R"({"request":"active checks","host":"h"})"), HasSubstr("unknown request"));
  EXPECT_THAT(ask(R"({"request":"agent data","session":"0123456789abcdef0123456789abcdef","data":[)" +
                  row("a", "1", R"(,"id":1)") + "]}"),
              HasSubstr("ServerActive"));
  EXPECT_THAT(texts(), IsEmpty());
  EXPECT_EQ(stats_.intake_refused, 3u);
}

// Times

TEST_F(IntakeTest, AValueWithoutTimeGetsThatOfReceiptAndNoTwoTheSame) {
  open();
  now_ += std::chrono::nanoseconds(250);
  ask(request(row("a", "1") + "," + row("a", "2")));
  ask(request(row("a", "3")));
  const SpoolPacket packet = stored();
  ASSERT_EQ(packet.values.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(packet.values[i].clock, kNow);
    EXPECT_EQ(packet.values[i].ns, 250 + i);
  }
}

TEST_F(IntakeTest, WholeSecondsGetNsThatStayAndTellValuesApart) {
  open();
  const auto send = [&](std::initializer_list<const char*> values) {
    std::string rows;
    for (const char* value : values) rows += (rows.empty() ? "" : ",") + row("a", value, R"(,"clock":5)");
    ask(request(rows));
  };
  send({"1", "2", "1"});
  send({"1", "2", "1"});
  send({"3"});
  const SpoolPacket packet = stored();
  ASSERT_EQ(packet.values.size(), 7u);
  std::vector<uint32_t> ns;
  for (const Value& value : packet.values) {
    EXPECT_EQ(value.clock, 5);
    ns.push_back(value.ns);
  }
  EXPECT_LT(ns[0], ns[1]);
  EXPECT_LT(ns[1], ns[2]);
  EXPECT_THAT(std::vector(ns.begin() + 3, ns.begin() + 6), ElementsAre(ns[0], ns[1], ns[2]))
      << "the same request again";
  EXPECT_THAT(std::vector(ns.begin(), ns.begin() + 3), testing::Not(testing::Contains(ns[6])));
}

TEST(StableNs, IsWithinASecond) {
  for (const uint32_t before : {0u, 999u, 1000u, 4'000'000'000u}) {
    EXPECT_LT(stable_ns(before, "text", true), 1'000'000'000u);
    EXPECT_NE(stable_ns(before, "text", true), stable_ns(before, "text", false));
  }
}

// Many at once

TEST_F(IntakeTest, ThoseWhoComeTogetherShareACommit) {
  open();
  std::vector<int> fds;
  for (int i = 0; i < 200; ++i) fds.push_back(connect());
  for (int i = 0; i < 200; ++i) send(fds[i], zabbix::encode_frame(request(row("k", std::to_string(i)))));
  for (const int fd : fds) EXPECT_THAT(answer_of(fd), MatchesRegex(processed(1, 0)));
  EXPECT_LE(commits_, 5u);
  EXPECT_EQ(texts().size(), 200u);
}

TEST_F(IntakeTest, ASilentClientHoldsUpNobodyAndIsClosedInTime) {
  limits_.receive = std::chrono::milliseconds(300);
  open();
  const int silent = connect();
  const int slow = connect();
  send(slow, zabbix::encode_frame(request(row("a", "1"))).substr(0, 20));
  io_->run_for(std::chrono::milliseconds(50));
  EXPECT_THAT(ask(request(row("a", "2"))), MatchesRegex(processed(1, 0)));
  EXPECT_EQ(receive(silent), "");
  EXPECT_EQ(receive(slow), "");
  io_->poll();
  EXPECT_EQ(stats_.intake_refused, 2u);
  EXPECT_THAT(texts(), ElementsAre("2"));
}

TEST_F(IntakeTest, WhoIsNotAllowedGetsNoAnswer) {
  allow_ = "192.0.2.1";
  open();
  EXPECT_EQ(ask(request(row("a", "1"))), "no frame: ");
  EXPECT_THAT(texts(), IsEmpty());
  EXPECT_EQ(stats_.intake_refused, 1u);
}

TEST_F(IntakeTest, GarbageAndWhatIsTooLargeIsClosed) {
  limits_.request_bytes = 100'000;
  open();
  std::string large = zabbix::encode_frame(request(row("a", "1")));
  large[7] = 2;  // 128 KiB
  std::string bomb = zabbix::encode_frame(std::string(200'000, ' '), 3);
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("ZBXD\x05"), large,
                                   bomb, std::string("ZBXD\x03\x02\0\0\0\x05\0\0\0xy", 15)}) {
    const int fd = connect();
    send(fd, bytes);
    EXPECT_EQ(receive(fd), "") << testing::PrintToString(bytes.substr(0, 20));
  }
  EXPECT_THAT(ask(request(row("a", "2"))), MatchesRegex(processed(1, 0)));
}

TEST_F(IntakeTest, LargeRequestsTogetherAreBounded) {
  limits_.held_bytes = 10'000;
  open();
  const std::string large = zabbix::encode_frame(request(row("a", std::string(7'000, 'x'))));
  const int first = connect();
  send(first, std::string_view(large).substr(0, 6'000));
  io_->run_for(std::chrono::milliseconds(50));
  const int second = connect();
  send(second, large);
  EXPECT_THAT(answer_of(second), MatchesRegex(processed(1, 0)));
  EXPECT_EQ(receive(first), "") << "the one that is waited for makes room";
}

// A test's clients all come from 127.0.0.1 unless they say otherwise.
TEST_F(IntakeTest, ASenderOfManyHalfRequestsLocksNobodyElseOut) {
  limits_.held_bytes = 30'000;
  limits_.connections = 8;
  allow_ = "127.0.0.0/8";
  open();
  const std::string large = zabbix::encode_frame(request(row("a", std::string(7'000, 'x'))));
  std::vector<int> flood;
  for (int at = 0; at < 8; ++at) {
    flood.push_back(connect());
    send(flood.back(), std::string_view(large).substr(0, at % 2 == 0 ? 6'000 : 3));
  }
  io_->run_for(std::chrono::milliseconds(50));
  const int other = connect("127.0.0.2");
  send(other, std::string_view(large).substr(0, 6'000));
  io_->run_for(std::chrono::milliseconds(50));
  for (int at = 0; at < 20; ++at) {
    flood.push_back(connect());
    send(flood.back(), std::string_view(large).substr(0, 6'000));
    io_->run_for(std::chrono::milliseconds(2));
  }
  send(other, std::string_view(large).substr(6'000));
  EXPECT_THAT(answer_of(other), MatchesRegex(processed(1, 0)));
  EXPECT_EQ(receive(flood.front()), "");
}

// "processed" is said of what a name leads to.
TEST_F(IntakeTest, AFolderThatIsRemovedIsMadeAgainWithAllThatWasKept) {
  open();
  EXPECT_THAT(ask(request(row("a", "1"))), MatchesRegex(processed(1, 0)));
  std::filesystem::remove_all(folder_);
  EXPECT_THAT(ask(request(row("a", "2"))), MatchesRegex(processed(1, 0)));
  for (const char* const part : {"", "-wal"}) {
    std::filesystem::remove(folder_ + "/trapper-0.db" + part);
    EXPECT_THAT(ask(request(row("a", *part == 0 ? "3" : "4"))), MatchesRegex(processed(1, 0)));
  }
  EXPECT_THAT(spools_[0]->take_warnings(), testing::SizeIs(3));
  // The agent is killed: nothing but the files is left.
  std::filesystem::copy(folder_, folder_ + "-left", std::filesystem::copy_options::recursive);
  SpoolOptions left = options(0);
  left.path = folder_ + "-left/trapper-0.db";
  {
    auto opened = Spool::open(left, [this] { return now_; });
    ASSERT_TRUE(opened) << opened.error().message;
    const auto packet = (*opened)->next(kDestination, 100, size_t{1} << 20);
    ASSERT_TRUE(packet);
    std::vector<std::string> kept;
    for (const Value& value : packet->values) kept.emplace_back(value.text);
    EXPECT_THAT(kept, ElementsAre("1", "2", "3", "4"));
  }
  std::filesystem::remove_all(folder_ + "-left");
}

TEST_F(IntakeTest, NothingIsProcessedWhoseFileCannotBeMadeAgain) {
  open();
  EXPECT_THAT(ask(request(row("a", "1"))), MatchesRegex(processed(1, 0)));
  std::filesystem::remove_all(folder_);
  std::ofstream(folder_) << "no folder";
  EXPECT_THAT(ask(request(row("a", "2"))), HasSubstr("nothing of it is kept"));
  std::filesystem::remove(folder_);
  EXPECT_THAT(ask(request(row("a", "2"))), MatchesRegex(processed(1, 0)));
  // Another file in its place is nobody's of ours.
  std::filesystem::rename(folder_ + "/trapper-0.db", folder_ + "/moved");
  std::ofstream(folder_ + "/trapper-0.db") << "another";
  EXPECT_THAT(ask(request(row("a", "3"))), HasSubstr("replaced by another file"));
}

TEST_F(IntakeTest, WhoSaysNothingIsClosedSoon) {
  limits_.first = std::chrono::milliseconds(100);
  open();
  const int silent = connect();
  EXPECT_EQ(receive(silent), "");
}

TEST_F(IntakeTest, BytesThatAreNoTextCostNoOtherRow) {
  open();
  std::string rows;
  for (int at = 0; at < 100; ++at) rows += row("k" + std::to_string(at), at == 50 ? "caf\xe9" : "v") + ",";
  rows += row("bad\xe9", "v") + "," + row("half", "\\ud800");
  EXPECT_THAT(ask(request(rows)), MatchesRegex(processed(100, 2)));
  const auto all = texts();
  ASSERT_EQ(all.size(), 100u);
  EXPECT_EQ(all[50], "caf?");
  EXPECT_EQ(all[51], "v");
}

TEST_F(IntakeTest, WhoLeavesBeforeTheAnswerHarmsNobody) {
  open();
  for (int i = 0; i < 20; ++i) {
    const int fd = connect();
    send(fd, zabbix::encode_frame(request(row("a", std::to_string(i)))));
    const linger now{1, 0};
    if (i % 2 == 0) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    clients_.pop_back();
    ::close(fd);
  }
  EXPECT_THAT(ask(request(row("a", "last"))), MatchesRegex(processed(1, 0)));
  EXPECT_THAT(texts(), testing::Contains("last"));
}

TEST_F(IntakeTest, LeftUnfinishedItIsClosedWithoutHarm) {
  open();
  send(connect(), "ZBXD");
  send(connect(), zabbix::encode_frame(request(row("a", "1"))));
  for (int i = 0; i < 3; ++i) io_->poll_one();
  intake_.reset();  // the agent goes before its loop
  spools_.clear();
  io_.reset();
}

// Truth

TEST_F(IntakeTest, AFullSpoolRefusesInsteadOfDroppingWhatWasAcknowledged) {
  options_.max_bytes = 20'000;
  open();
  const std::string text(4'000, 'x');
  int taken = 0;
  std::string answer;
  for (; taken < 10; ++taken) {
    answer = ask(request(row("a", text)));
    if (!testing::Matches(MatchesRegex(processed(1, 0)))(answer)) break;
  }
  EXPECT_EQ(taken, 4);
  EXPECT_THAT(answer, HasSubstr("failed"));
  EXPECT_THAT(answer, HasSubstr("spool_size"));
  EXPECT_EQ(stored().values.size(), 4u);
  EXPECT_EQ(stats_.intake_failed, 1u);
  ASSERT_TRUE(spools_[0]->acknowledge(kDestination, stored().up_to));
  EXPECT_THAT(ask(request(row("a", text))), MatchesRegex(processed(1, 0)));
}

TEST_F(IntakeTest, AFullDiskIsFailed) {
  open();
  ask(request(row("a", "1")));
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = 200'000;
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const std::string answer = ask(request(row("a", std::string(300'000, 'x'))));
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(answer, HasSubstr(R"("response":"failed")"));
  EXPECT_THAT(answer, HasSubstr("space"));
  EXPECT_THAT(texts(), ElementsAre("1"));
  EXPECT_THAT(ask(request(row("a", "2"))), MatchesRegex(processed(1, 0)));
}

TEST_F(IntakeTest, APowerCutAfterAnyAcknowledgementTakesNothingAcknowledged) {
  std::mt19937 random(17);
  uint64_t unanswered = 0;
  for (int round = 0; round < 10; ++round) {
    PowerDisk disk;
    options_.vfs = "power-disk";
    std::vector<std::string> acknowledged;
    int number = 0;
    for (int cut = 0; cut < 10; ++cut) {
      open(2);
      for (const size_t spool : {size_t{0}, size_t{1}}) {
        const std::vector<std::string> there = texts(spool);
        for (const std::string& text : acknowledged) EXPECT_THAT(there, testing::Contains(text));
      }
      std::vector<std::pair<int, std::string>> waiting;
      const auto clients = 1 + random() % 5;
      for (size_t i = 0; i < clients; ++i) {
        const std::string text = std::to_string(round) + "/" + std::to_string(number++);
        const int fd = connect();
        send(fd, zabbix::encode_frame(request(row("k", text, R"(,"clock":7)"))));
        waiting.emplace_back(fd, text);
      }
      // The power goes right after the first of them has its answer; who else was told by then counts too.
      if (random() % 4 != 0) {
        EXPECT_THAT(answer_of(waiting.front().first), MatchesRegex(processed(1, 0)));
        acknowledged.push_back(waiting.front().second);
      } else {
        for (auto steps = random() % 20; steps > 0; --steps) io_->poll_one();
      }
      disk.cut(random, [&] { spools_.clear(); });
      for (const auto& [fd, text] : waiting) {
        std::array<char, 256> answer{};
        if (::recv(fd, answer.data(), answer.size(), MSG_DONTWAIT) > 0) {
          EXPECT_THAT(answer.data() + zabbix::kFrameHeaderSize, HasSubstr("processed: 1; failed: 0"));
          acknowledged.push_back(text);
        } else {
          ++unanswered;
        }
        ::close(fd);
      }
      clients_.clear();
      close();
    }
  }
  EXPECT_GT(unanswered, 10u) << "some cuts come before an answer";
}

TEST_F(IntakeTest, ASpoolThatCouldNotBeMadeOnDiskTakesNothing) {
  std::filesystem::create_directory(options(0).path);
  options_.memory_if_unwritable = true;
  open();
  ASSERT_TRUE(spools_[0]->in_memory());
  EXPECT_THAT(ask(request(row("k", "v"))), AllOf(HasSubstr("failed"), HasSubstr("[zabbix] state_dir")));
  EXPECT_TRUE(stored().ids.empty());
}

TEST_F(IntakeTest, AnAddressOrListThatIsNoneIsNamed) {
  open();
  Intake other(Intake::Parts{*io_, stats_, [this] { return now_; }, {spools_[0].get()}, [] {}});
  EXPECT_THAT(other.open({"here", "127.0.0.1"}).error().message, HasSubstr("listen = \"here\" in [intake]"));
  EXPECT_THAT(other.open({"127.0.0.1:1", "10.0.0.0/99"}).error().message, HasSubstr("allow in [intake]"));
}

}  // namespace
}  // namespace bakusoku::agent
