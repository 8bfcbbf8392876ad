#include "weblog/follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "weblog/folder_fixture.h"

namespace bakusoku::weblog {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class FollowerTest : public testing::Test {
 protected:
  FollowerTest() : path_(folder_.path("access.log")) {}

  std::unique_ptr<Follower> make(bool from_start = false) {
    return std::make_unique<Follower>(Follower::Parts{
        path_, Format{}, from_start, [this] { return std::chrono::system_clock::now() + later_; },
        [](const std::string&) { return true; }});
  }
  // What a killed process's successor knows.
  static std::string state_of(const Follower& follower) {
    std::string bytes;
    follower.write(bytes);
    return bytes;
  }
  std::unique_ptr<Follower> continued(const std::string& state) {
    auto follower = make();
    std::string_view rest = state;
    EXPECT_TRUE(follower->read(rest));
    EXPECT_TRUE(rest.empty());
    return follower;
  }
  static void read_all(Follower& follower) {
    for (int i = 0; i < 1000 && follower.turn(1 << 20); ++i) {
    }
  }
  static uint64_t counted(Follower& follower) {
    read_all(follower);
    return follower.tally().requests();
  }

  // Until the folder's last change is so long ago that no other may bear its time.
  static void settle(Follower& follower) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    read_all(follower);
  }

  Folder folder_;
  std::string path_;
  std::chrono::seconds later_{0};
};

TEST_F(FollowerTest, BeginsAtTheEndAndCountsWhatComes) {
  Webserver server(path_);
  server.log(100);
  auto follower = make();
  EXPECT_EQ(counted(*follower), 0u);
  server.log(3);
  server.log(2, 404);
  EXPECT_EQ(counted(*follower), 5u);
  EXPECT_EQ(follower->tally().with_status("404"), 2u);
  EXPECT_EQ(follower->tally().bytes(), 50u);
  EXPECT_EQ(follower->behind(), 0u);
  EXPECT_FALSE(follower->trouble());
}

TEST_F(FollowerTest, OrAtTheStart) {
  Webserver server(path_);
  server.log(100);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 100u);
}

TEST_F(FollowerTest, AHalfWrittenLineWaitsForItsEnd) {
  Webserver server(path_);
  const std::string line = Webserver::line(1);
  server.put(line.substr(0, 40));
  auto follower = make();
  EXPECT_EQ(counted(*follower), 0u);
  server.put(line.substr(40, 20));
  EXPECT_EQ(counted(*follower), 0u);
  EXPECT_EQ(follower->behind(), 60u);
  server.put(line.substr(60));
  EXPECT_EQ(counted(*follower), 1u) << "also one that was half written when we began";
  EXPECT_EQ(follower->tally().unreadable(), 0u);
}

TEST_F(FollowerTest, LinesWithoutBoundsTakeBoundedMemoryAndHideNoOther) {
  Webserver server(path_);
  auto follower = make();
  read_all(*follower);
  const std::string huge(kLongestLine * 2 + 77, 'x');
  server.put(huge);
  EXPECT_EQ(counted(*follower), 0u);
  EXPECT_EQ(follower->tally().unreadable(), 1u);
  auto successor = continued(state_of(*follower));
  for (Follower* one : {follower.get(), successor.get()}) read_all(*one);
  server.put(huge + "\n");
  server.log(3);
  EXPECT_EQ(counted(*follower), 3u);
  EXPECT_EQ(follower->tally().unreadable(), 1u);
  EXPECT_EQ(counted(*successor), 3u);
  EXPECT_EQ(successor->tally().unreadable(), 1u);
}

TEST_F(FollowerTest, ReadsNoMoreAtATimeThanItIsTold) {
  Webserver server(path_);
  auto follower = make(true);
  for (int i = 0; i < 20; ++i) {
    std::string many;
    for (int line = 0; line < 1000; ++line) many += Webserver::line(1);
    server.put(many);
  }
  EXPECT_TRUE(follower->turn(1));
  EXPECT_GT(follower->tally().requests(), 0u);
  EXPECT_LE(follower->tally().requests(), kLongestLine / Webserver::line(1).size());
  EXPECT_GT(follower->behind(), 0u);
  EXPECT_EQ(counted(*follower), 20'000u);
}

TEST_F(FollowerTest, ARenamedLogIsReadToItsEnd) {
  Webserver server(path_);
  auto follower = make();
  server.log(5);
  EXPECT_EQ(counted(*follower), 0u);
  server.log(5);
  server.rename_away();
  server.log(5);  // not yet told of the rotation
  EXPECT_EQ(counted(*follower), 10u);
  EXPECT_FALSE(follower->trouble()) << "the new one will come";
  server.log(1);
  Webserver other(path_);
  other.log(7);
  server.log(1);
  EXPECT_EQ(counted(*follower), 19u);
  server.log(1);  // an old worker finishes its request
  EXPECT_EQ(counted(*follower), 20u);
  EXPECT_EQ(follower->rotations(), 1u);
  EXPECT_EQ(follower->lost(), 0u);
}

// Processes that were not told of the rotation write on, each in its own time.
TEST_F(FollowerTest, AnOldFileIsReadOnUntilItIsQuietForAnHour) {
  Webserver server(path_);
  server.log(3);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 3u);
  server.rename_away();
  Webserver other(path_);
  EXPECT_EQ(counted(*follower), 3u);
  settle(*follower);
  server.log(1);
  EXPECT_EQ(counted(*follower), 4u);
  for (uint64_t hour = 0; hour < 2; ++hour) {
    later_ += std::chrono::minutes(59);
    read_all(*follower);
    server.log(1);
    EXPECT_EQ(counted(*follower), 5u + hour) << "it was not quiet for an hour";
  }
  // One without a name for a minute.
  fs::remove(path_ + ".1");
  settle(*follower);
  later_ += std::chrono::seconds(20);
  read_all(*follower);
  server.log(1);
  EXPECT_EQ(counted(*follower), 7u);
  later_ += std::chrono::seconds(60);
  read_all(*follower);
  server.log(1);
  EXPECT_EQ(counted(*follower), 7u) << "nobody looks at it any more";
}

TEST_F(FollowerTest, AFileThatIsClosedIsAChangeOnce) {
  Webserver server(path_);
  server.log(3);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 3u);
  server.rename_away();
  Webserver other(path_);
  other.log(1);
  EXPECT_EQ(counted(*follower), 4u);
  settle(*follower);
  uint64_t changes = follower->changes();
  read_all(*follower);
  ASSERT_EQ(follower->changes(), changes);
  later_ = std::chrono::hours(1);
  read_all(*follower);
  EXPECT_GT(follower->changes(), changes) << "so the state is written";
  changes = follower->changes();
  for (int turn = 0; turn < 3; ++turn) {
    later_ += std::chrono::minutes(2);
    read_all(*follower);
  }
  EXPECT_EQ(follower->changes(), changes) << "and not again each second";
}

TEST_F(FollowerTest, SeveralRotationsBetweenTwoLooks) {
  Webserver server(path_);
  server.log(1);
  auto follower = make();
  read_all(*follower);
  for (int i = 0; i < 5; ++i) {
    server.log(10 + i);
    server.rotate();
  }
  server.log(3);
  EXPECT_EQ(counted(*follower), server.written() - 1);
  EXPECT_EQ(follower->rotations(), 5u);
}

TEST_F(FollowerTest, RotatedWhileNobodyLooked) {
  Webserver server(path_);
  server.log(20);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 20u);
  const std::string state = state_of(*follower);
  follower.reset();
  for (int i = 0; i < 4; ++i) {
    server.log(10);
    server.rotate();
  }
  server.log(2);
  auto successor = continued(state);
  EXPECT_EQ(counted(*successor), server.written());
  EXPECT_EQ(successor->lost(), 0u);
}

TEST_F(FollowerTest, RotatedAndNotYetBegunAnewWhileNobodyLooked) {
  Webserver server(path_);
  auto follower = make();
  server.log(3);
  EXPECT_EQ(counted(*follower), 0u);
  const std::string state = state_of(*follower);
  server.log(4);
  server.rename_away();
  auto successor = continued(state);
  EXPECT_EQ(counted(*successor), 4u);
  server.reopen();
  server.log(5);
  EXPECT_EQ(counted(*successor), 9u);
}

TEST_F(FollowerTest, OldPredecessorsAreNotCounted) {
  Webserver server(path_);
  server.log(10);
  server.rotate();
  server.log(10);
  std::ofstream(folder_.path("access.log.3.gz")) << "compressed";
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  auto follower = make();
  read_all(*follower);
  server.rotate();
  server.log(1);
  EXPECT_EQ(counted(*follower), 1u);
}

TEST_F(FollowerTest, OtherLogsOfTheFolderAreNotTakenForPredecessors) {
  Webserver server(path_);
  auto follower = make();
  read_all(*follower);
  server.log(1);
  server.rotate();
  for (const char* name :
       {"access_ssl.log", "access.log.gz", "access-api.log", "access.log2", "access.log.bak-x"}) {
    std::ofstream(folder_.path(name)) << Webserver::line(999'000);
  }
  server.log(1);
  EXPECT_EQ(counted(*follower), 2u);
  std::ofstream(folder_.path("access.log-20261124")) << Webserver::line(999'001);
  std::ofstream(folder_.path("access-20261125.log")) << Webserver::line(999'002);
  EXPECT_EQ(counted(*follower), 4u) << "names that logrotate gives";
}

TEST_F(FollowerTest, APredecessorThatMayNotBeReadOrIsALinkIsNotOpened) {
  Folder outside;
  std::ofstream(outside.path("secret")) << Webserver::line(999'000);
  Webserver server(path_);
  std::vector<std::string> asked;
  Follower follower(Follower::Parts{path_, Format{}, false, system_clock(), [&](const std::string& path) {
                                      asked.push_back(path);
                                      return path != folder_.path("access.log-20261125");
                                    }});
  read_all(follower);
  server.log(1);
  server.rotate();
  std::ofstream(folder_.path("access.log-20261125")) << Webserver::line(999'001);
  fs::create_symlink(outside.path("secret"), folder_.path("access.log-20261126"));
  server.log(1);
  EXPECT_EQ(counted(follower), 2u);
  EXPECT_THAT(asked, testing::Contains(folder_.path("access.log-20261125")));
  std::ofstream(folder_.path("access.log-20261127")) << Webserver::line(999'002);
  EXPECT_EQ(counted(follower), 3u) << "an honest one beside them is";
}

// Until there is one again nothing can be said to be its predecessor.
TEST_F(FollowerTest, WhileThereIsNoLogNothingBesideItIsOpened) {
  Webserver server(path_);
  server.log(1);
  int asked = 0;
  Follower follower(Follower::Parts{path_, Format{}, true, system_clock(), [&](const std::string&) {
                                      ++asked;
                                      return true;
                                    }});
  EXPECT_EQ(counted(follower), 1u);
  server.rename_away();
  std::ofstream(folder_.path("access.log-20261125")) << Webserver::line(999'000);
  asked = 0;
  for (int turn = 0; turn < 3; ++turn) {
    server.log(1);
    EXPECT_EQ(counted(follower), 2u + static_cast<uint64_t>(turn));
  }
  EXPECT_EQ(asked, 0);
  server.reopen();
  server.log(1);
  EXPECT_EQ(counted(follower), 6u) << "and now the other one is, too";
  EXPECT_GT(asked, 0);
}

TEST_F(FollowerTest, CopiedAndTruncatedWhileAnOldFileIsOpen) {
  Webserver server(path_);
  server.log(3);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 3u);
  server.rotate();
  server.log(2);
  EXPECT_EQ(counted(*follower), 5u);
  server.log(4);
  server.copy_and_truncate();
  server.log(1);
  EXPECT_EQ(counted(*follower), 10u);
  EXPECT_EQ(follower->lost(), 0u);
}

// Logs may begin alike, as with a line that says what the columns are.
TEST_F(FollowerTest, AnOldFileThatBeginsAlikeIsNotTakenForACopy) {
  Webserver server(path_);
  server.put(Webserver::line(1));
  server.put(Webserver::line(2));
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 2u);
  server.rotate();
  server.put(Webserver::line(1));
  EXPECT_EQ(counted(*follower), 3u);
  fs::resize_file(path_, 0);
  server.put(Webserver::line(3));
  EXPECT_EQ(counted(*follower), 4u) << "line 2 was counted already";
  EXPECT_EQ(follower->lost(), 1u);
}

// The log is looked at before the others, so a copy may hold more than was seen of it.
TEST_F(FollowerTest, ACopyThatIsAheadOfWhatWasSeenIsNoPredecessor) {
  Webserver server(path_);
  server.log(1);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 1u);
  server.rotate();
  const std::string seen = Webserver::line(2) + Webserver::line(3);
  std::ofstream(path_ + ".2") << seen << Webserver::line(4);
  server.put(seen);
  EXPECT_EQ(counted(*follower), 3u);
  server.put(Webserver::line(4));
  EXPECT_EQ(counted(*follower), 4u);
  EXPECT_EQ(follower->lost(), 0u);
}

TEST_F(FollowerTest, CopiedAndTruncated) {
  Webserver server(path_);
  server.log(10);
  auto follower = make();
  read_all(*follower);
  server.log(10);
  EXPECT_EQ(counted(*follower), 10u);
  server.copy_and_truncate();
  server.log(2);
  EXPECT_EQ(counted(*follower), 12u);
  server.log(3);
  server.copy_and_truncate();
  server.log(4);
  EXPECT_EQ(counted(*follower), 19u) << "what was written before the truncation is in the copy";
  EXPECT_EQ(follower->lost(), 0u);
}

TEST_F(FollowerTest, TruncatedAndGrownBeyondWhereWeWere) {
  Webserver server(path_);
  server.log(5);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 5u);
  server.log(1);
  server.copy_and_truncate();
  server.log(500);
  EXPECT_EQ(counted(*follower), 506u);
}

TEST_F(FollowerTest, TruncatedSeveralTimesWhileNobodyLooked) {
  Webserver server(path_);
  server.log(5);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 5u);
  const std::string state = state_of(*follower);
  for (int i = 0; i < 3; ++i) {
    server.log(10);
    server.copy_and_truncate();
  }
  server.log(1);
  auto successor = continued(state);
  EXPECT_EQ(counted(*successor), server.written());
  EXPECT_EQ(successor->lost(), 0u);
}

TEST_F(FollowerTest, ACopyThatIsBeingMadeIsNotCountedTwice) {
  Webserver server(path_);
  auto follower = make(true);
  read_all(*follower);
  server.log(50);
  const std::string whole = [&] {
    std::ifstream in(path_);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  std::ofstream copy(path_ + ".1");
  for (size_t at = 0; at < whole.size(); at += whole.size() / 4) {
    copy << whole.substr(at, whole.size() / 4) << std::flush;
    EXPECT_EQ(counted(*follower), 50u);
  }
  fs::resize_file(path_, 0);
  server.log(1);
  EXPECT_EQ(counted(*follower), 51u);
}

TEST_F(FollowerTest, TruncatedWithoutACopyIsSaid) {
  Webserver server(path_);
  server.log(5);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 5u);
  fs::resize_file(path_, 0);
  server.log(1);
  EXPECT_EQ(counted(*follower), 6u);
  EXPECT_EQ(follower->lost(), 1u);
  EXPECT_THAT(follower->take_news(), testing::ElementsAre(HasSubstr("cannot be found any more")));
  EXPECT_TRUE(follower->take_news().empty());
}

TEST_F(FollowerTest, AWriterThatDoesNotAppendLeavesAHole) {
  Webserver server(path_);
  server.log(50);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 50u);
  const auto size = fs::file_size(path_);
  fs::copy_file(path_, path_ + ".1");
  fs::resize_file(path_, 0);
  fs::resize_file(path_, size);  // NULs
  server.log(2);
  EXPECT_EQ(counted(*follower), 52u);
  EXPECT_EQ(follower->tally().unreadable(), 0u);
}

TEST_F(FollowerTest, NulsAreSkippedWhereverLinesBegin) {
  Webserver server(path_);
  auto follower = make();
  read_all(*follower);
  server.put(std::string(300'000, '\0'));  // more than is read at a time
  server.log(1);
  server.put(std::string(5, '\0'));
  server.log(1);
  EXPECT_EQ(counted(*follower), 2u);
  EXPECT_EQ(follower->tally().unreadable(), 0u);
  server.put(std::string(7, '\0'));
  read_all(*follower);
  EXPECT_EQ(follower->behind(), 0u) << "a hole that nothing follows yet is done with";
  server.put("a\0b\n");
  server.put(std::string("a\0b\n", 4));
  EXPECT_EQ(counted(*follower), 2u);
  EXPECT_EQ(follower->tally().unreadable(), 1u) << "one inside a line is a part of it";
}

TEST_F(FollowerTest, APredecessorThatWasCompressedIsSaidToBeLost) {
  Webserver server(path_);
  server.log(5);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 5u);
  const std::string state = state_of(*follower);
  follower.reset();
  server.log(5);
  server.rotate();
  fs::rename(path_ + ".1", path_ + ".1.gz");
  server.log(2);
  auto successor = continued(state);
  EXPECT_EQ(counted(*successor), 7u);
  EXPECT_EQ(successor->lost(), 1u);
}

TEST_F(FollowerTest, APredecessorThatWasReadToItsEndMayGo) {
  for (const bool whole : {true, false}) {
    Webserver server(path_);
    auto follower = make(true);
    read_all(*follower);
    server.log(5000);  // more than is read at a time
    server.rotate();
    server.log(2);
    follower->turn(1);
    EXPECT_GT(follower->behind(), 0u);
    if (whole) read_all(*follower);
    const uint64_t before = follower->tally().requests();
    const std::string state = state_of(*follower);
    follower.reset();
    fs::remove(path_ + ".1");
    auto successor = continued(state);
    EXPECT_EQ(counted(*successor), whole ? 5002u : before + 2);
    EXPECT_EQ(successor->lost(), whole ? 0u : 1u);
    EXPECT_EQ(successor->take_news().empty(), whole);
    fs::remove(path_);
  }
}

TEST_F(FollowerTest, ALogThatIsNotThereYet) {
  auto follower = make();
  read_all(*follower);
  ASSERT_TRUE(follower->trouble());
  EXPECT_EQ(follower->trouble()->kind, ErrorKind::not_found);
  EXPECT_THAT(follower->trouble()->message, HasSubstr("there is no file " + path_));
  Webserver server(path_);
  server.log(3);
  EXPECT_EQ(counted(*follower), 3u) << "all of it was written since we were asked";
  EXPECT_FALSE(follower->trouble());
}

TEST_F(FollowerTest, ALogThatIsMissingForAWhile) {
  Webserver server(path_);
  server.log(3);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 3u);
  fs::remove(path_);
  EXPECT_EQ(counted(*follower), 3u);
  EXPECT_FALSE(follower->trouble());
  later_ = std::chrono::minutes(6);
  read_all(*follower);
  ASSERT_TRUE(follower->trouble());
  EXPECT_THAT(follower->trouble()->message, HasSubstr("for 6 minutes"));
  server.log(1);  // into the file without a name
  EXPECT_EQ(counted(*follower), 4u);
  server.reopen();
  server.log(1);
  EXPECT_EQ(counted(*follower), 5u);
  EXPECT_FALSE(follower->trouble());
}

TEST_F(FollowerTest, AFileThatIsPutBack) {
  Webserver server(path_);
  server.log(3);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 3u);
  server.rotate();
  EXPECT_EQ(counted(*follower), 3u);
  fs::rename(path_ + ".1", path_);
  server.reopen();
  server.log(1);
  EXPECT_EQ(counted(*follower), 4u);
}

TEST_F(FollowerTest, AnOldFileIsClosedWhenItIsQuietAndKnownWhenItWakes) {
  Webserver server(path_);
  server.log(3);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 3u);
  server.rename_away();
  Webserver other(path_);
  other.log(1);
  EXPECT_EQ(counted(*follower), 4u);
  later_ = std::chrono::hours(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the rotation is long ago
  EXPECT_EQ(counted(*follower), 4u);
  server.log(1);
  EXPECT_EQ(counted(*follower), 4u) << "nobody looks at it any more";
  other.rotate();
  other.log(1);
  EXPECT_EQ(counted(*follower), 6u) << "the next rotation finds it, and what was counted of it is known";
}

TEST_F(FollowerTest, ALinkIsFollowedToWhateverItPointsTo) {
  fs::create_directory(folder_.path("real"));
  const std::string one = folder_.path("real/access-1.log");
  const std::string two = folder_.path("real/access-2.log");
  Webserver first(one);
  first.log(2);
  fs::create_symlink(one, path_);
  auto follower = make(true);
  EXPECT_EQ(counted(*follower), 2u);
  Webserver second(two);
  first.log(1);
  second.log(4);
  fs::remove(path_);
  fs::create_symlink(two, path_);
  EXPECT_EQ(counted(*follower), 7u);
}

TEST_F(FollowerTest, WhatMayNotBeReadIsNamedWithTheUser) {
  if (::geteuid() == 0) {
    // Root may read everything; another user is asked in a process of its own.
    Webserver server(path_);
    ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe(out.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
      auto follower = make();
      follower->turn(1);
      const std::string text = follower->trouble() ? follower->trouble()->message : "no trouble";
      ::_exit(::write(out[1], text.data(), text.size()) > 0 ? 0 : 1);
    }
    ::close(out[1]);
    std::string text(4096, '\0');
    const ssize_t got = ::read(out[0], text.data(), text.size());
    ::close(out[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    EXPECT_THAT(text,
                HasSubstr("user 'nobody' may not read " + path_ + " (owner root, group root, mode 0600)"));
    return;
  }
  Webserver server(path_);
  ASSERT_EQ(::chmod(path_.c_str(), 0000), 0);
  auto follower = make();
  follower->turn(1);
  ASSERT_TRUE(follower->trouble());
  EXPECT_THAT(follower->trouble()->message, HasSubstr("may not read " + path_));
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  server.log(1);
  read_all(*follower);
  EXPECT_FALSE(follower->trouble());
}

TEST_F(FollowerTest, OnlyFilesAreRead) {
  fs::create_directory(path_);
  auto follower = make();
  read_all(*follower);
  ASSERT_TRUE(follower->trouble());
  EXPECT_THAT(follower->trouble()->message, HasSubstr("is not a regular file"));
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  read_all(*follower);
  EXPECT_THAT(follower->trouble()->message, HasSubstr("is not a regular file"));
}

TEST_F(FollowerTest, AStateOfAnyBytesIsAnErrorOrAState) {
  Webserver server(path_);
  server.log(30);
  auto follower = make(true);
  read_all(*follower);
  const std::string state = state_of(*follower);
  for (size_t cut = 0; cut < state.size(); ++cut) {
    std::string_view part = std::string_view(state).substr(0, cut);
    EXPECT_FALSE(make()->read(part)) << cut;
  }
  for (size_t at = 0; at < state.size(); ++at) {
    std::string flipped = state;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
    std::string_view rest = flipped;
    auto other = make();
    if (other->read(rest)) read_all(*other);
  }
}

// A writer that rotates at random moments, while the follower reads at its own pace and is replaced by a
// successor from an older state now and then: each line counts once.
void race(const std::string& path, bool by_copy, unsigned seed, Follower& first,
          const std::function<std::unique_ptr<Follower>(const std::string&)>& successor_of) {
  constexpr int kLines = 20'000;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::mt19937 random(seed);
    Webserver server(path);
    for (int i = 0; i < kLines; ++i) {
      const std::string line = Webserver::line(static_cast<uint64_t>(i));
      if (random() % 16 == 0) {
        const size_t half = random() % line.size();
        server.put(line.substr(0, half));
        server.put(line.substr(half));
      } else {
        server.put(line);
      }
      if (random() % 400 != 0) continue;
      if (by_copy) {
        server.copy_and_truncate(1000);
      } else {
        server.rename_away(1000);
        if (random() % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
        if (random() % 2 == 0) server.put(Webserver::line(static_cast<uint64_t>(++i)));
        server.reopen();
      }
    }
    // kLines may have been passed by one.
    for (int i = 0; i < 10; ++i) server.put(Webserver::line(static_cast<uint64_t>(kLines + 1 + i), 418));
    done = true;
  });
  std::mt19937 random(seed + 1);
  std::unique_ptr<Follower> owned;
  Follower* follower = &first;
  std::string state;
  const auto read_on = [&] {
    follower->turn(random() % (1 << 18));
    if (random() % 3 == 0) {
      state.clear();
      follower->write(state);
    }
    if (!state.empty() && random() % 10 == 0) {
      owned = successor_of(state);
      follower = owned.get();
    }
  };
  while (!done) {
    read_on();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
  }
  writer.join();
  for (int i = 0; i < 1000; ++i) {
    if (!follower->turn(1 << 20) && follower->behind() == 0) break;
  }
  follower->turn(1 << 20);
  const uint64_t ended = follower->tally().with_status("418").value();
  const uint64_t all = follower->tally().requests() - ended;
  EXPECT_EQ(ended, 10u);
  EXPECT_THAT(all, testing::AnyOf(kLines, kLines + 1));
  EXPECT_EQ(follower->tally().unreadable(), 0u);
  EXPECT_EQ(follower->lost(), 0u) << testing::PrintToString(follower->take_news());
  EXPECT_GT(follower->rotations(), 10u);
}

TEST_F(FollowerTest, ExactWhileAWriterRotatesByRenaming) {
  { Webserver create(path_); }
  for (unsigned seed = 0; seed < 3; ++seed) {
    auto first = make();
    first->turn(1);
    race(path_, false, seed, *first, [this](const std::string& state) { return continued(state); });
    fs::remove_all(folder_.path());
    fs::create_directory(folder_.path());
    { Webserver create(path_); }
  }
}

TEST_F(FollowerTest, ExactWhileAWriterCopiesAndTruncates) {
  for (unsigned seed = 10; seed < 13; ++seed) {
    { Webserver create(path_); }
    auto first = make();
    first->turn(1);
    race(path_, true, seed, *first, [this](const std::string& state) { return continued(state); });
    fs::remove_all(folder_.path());
    fs::create_directory(folder_.path());
  }
}

}  // namespace
}  // namespace bakusoku::weblog
