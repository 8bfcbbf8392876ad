#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "zbxmod/deadline.h"
#include "zbxmod/per_worker.h"

namespace zbxmod {
namespace {

using std::chrono::milliseconds;

constinit PerWorker<pid_t> made_by;

TEST(PerWorker, AForkedChildMakesItsOwnObject) {
  pid_t& ours = made_by.get([] { return ::getpid(); });
  EXPECT_EQ(ours, ::getpid());
  EXPECT_EQ(&made_by.get([] { return pid_t{0}; }), &ours);
  const pid_t child = ::fork();
  if (child == 0) {
    pid_t& theirs = made_by.get([] { return ::getpid(); });
    ::_exit(&theirs != &ours && theirs == ::getpid() && ours == ::getppid() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(PerWorker, KnowsItsProcessThroughEveryKindOfFork) {
  EXPECT_EQ(detail::this_process(), ::getpid());
  const auto own = [] {
    return detail::this_process() == ::getpid() && detail::this_process() == ::getpid();
  };
  const auto succeeds = [](pid_t child) {
    int status = 0;
    return ::waitpid(child, &status, 0) == child && status == 0;
  };
  pid_t child = ::fork();
  if (child == 0) {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(own() ? 0 : 1);
    ::_exit(succeeds(grandchild) && own() ? 0 : 1);
  }
  EXPECT_TRUE(succeeds(child));
  // Without the C library's fork handlers.
  child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) ::_exit(own() ? 0 : 1);
  EXPECT_TRUE(succeeds(child));
  EXPECT_TRUE(own());
}

TEST(PerWorker, AMakerThatThrowsIsAskedAgain) {
  static constinit PerWorker<int> number;
  EXPECT_THROW(number.get([]() -> int { throw std::runtime_error("oops"); }), std::runtime_error);
  EXPECT_EQ(number.get([] { return 7; }), 7);
  EXPECT_EQ(number.get([]() -> int { throw std::runtime_error("oops"); }), 7);
}

TEST(Wait, EndsAtTheDeadline) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(wait_for(ends[0], POLLIN, Deadline::in(milliseconds(20))), Wait::timed_out);
  EXPECT_EQ(wait_for(ends[0], POLLIN, Deadline::in(milliseconds(-5))), Wait::timed_out);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_EQ(wait_for(ends[0], POLLIN, Deadline::in(milliseconds(-5))), Wait::ready);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Wait, IsNotEndedBySignals) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  ::sigaction(SIGALRM, &action, &before);  // no SA_RESTART, as in Zabbix
  const itimerval every{{0, 2000}, {0, 2000}};
  ::setitimer(ITIMER_REAL, &every, nullptr);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Deadline deadline = Deadline::in(milliseconds(60));
  EXPECT_EQ(wait_for(ends[0], POLLIN, deadline), Wait::timed_out);
  EXPECT_TRUE(deadline.passed());
  EXPECT_EQ(deadline.left(), milliseconds(0));
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace zbxmod
