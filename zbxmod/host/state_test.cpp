#include "state.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace zbxmod::host {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Difference* find(const std::vector<Difference>& all, const std::string& kind) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Difference& each) { return each.kind == kind; });
  return found == all.end() ? nullptr : &*found;
}

TEST(State, NothingDoneIsNoDifference) {
  const State before = take_state(true);
  const State after = take_state(true);
  EXPECT_THAT(left_before_fork(before, after, "init"), IsEmpty());
  EXPECT_THAT(left_by_item(before, after), IsEmpty());
}

TEST(State, ADecimalCommaIsAFaultAnotherLocaleANote) {
  const State before = take_state(false);
  State after = before;
  after.locale = "de_DE.UTF-8";
  ASSERT_NE(find(left_before_fork(before, after, "init"), "locale"), nullptr);
  EXPECT_TRUE(find(left_before_fork(before, after, "init"), "locale")->note);
  after.decimal_point = ",";
  const auto differences = left_before_fork(before, after, "init");
  ASSERT_NE(find(differences, "locale"), nullptr);
  EXPECT_FALSE(find(differences, "locale")->note);
  EXPECT_THAT(find(differences, "locale")->text, HasSubstr("0,5 instead of 0.5"));
}

TEST(State, AnotherUserIsAFaultAnotherPriorityANote) {
  const State before = take_state(false);
  State after = before;
  after.priority += 5;
  EXPECT_TRUE(find(left_by_item(before, after), "process")->note);
  after = before;
  after.user += 1;
  EXPECT_FALSE(find(left_by_item(before, after), "process")->note);
}

TEST(State, ALimitIsAFaultWhenLoweredAndANoteWhenRaised) {
  State before = take_state(false);
  State after = before;
  before.limits[RLIMIT_NOFILE] = {1000, 2000};
  after.limits[RLIMIT_NOFILE] = {2000, 2000};
  EXPECT_TRUE(find(left_by_item(before, after), "process")->note);
  after.limits[RLIMIT_NOFILE] = {1000, 1000};
  EXPECT_FALSE(find(left_by_item(before, after), "process")->note);
}

TEST(State, WhatAnItemOpensIsItsOwnWhatItClosesIsNot) {
  const int file = ::open("/dev/null", O_RDWR);
  ASSERT_GE(file, 0);
  const State open = take_state(false);
  ::close(file);
  const State closed = take_state(false);
  EXPECT_THAT(left_by_item(closed, open), IsEmpty());
  const auto differences = left_by_item(open, closed);
  ASSERT_NE(find(differences, "descriptor"), nullptr);
  EXPECT_THAT(find(differences, "descriptor")->details, ::testing::ElementsAre(HasSubstr("/dev/null")));
}

TEST(State, ReadsWhatThreadsAndChildrenAre) {
  const State state = take_state(true);
  ASSERT_FALSE(state.threads.empty());
  EXPECT_FALSE(state.threads[0].name.empty());
  EXPECT_FALSE(look_at(::getpid(), ::getpid()).text.empty());
  EXPECT_GT(resident_kb(::getpid()), 0u);
  EXPECT_EQ(read_proc("/proc/self/no/such/file"), "");
}

}  // namespace
}  // namespace zbxmod::host
