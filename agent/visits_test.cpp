#include "agent/visits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class VisitsTest : public testing::Test {
 protected:
  // A connection that can be closed, and is waited for.
  Visits::Visit come(Visits& visits, const std::string& peer, const std::string& name) {
    auto visit = visits.admit(peer);
    EXPECT_TRUE(visit) << name;
    visit->closes_by([this, name] { closed_.push_back(name); });
    return std::move(*visit);
  }
  std::vector<std::string> closed_;
};

TEST_F(VisitsTest, WhoFillsTheRoomLocksNobodyElseOut) {
  Visits visits({4, 1000});
  std::vector<Visits::Visit> flood;
  for (int at = 0; at < 4; ++at) flood.push_back(come(visits, "10.0.0.1", std::to_string(at)));
  EXPECT_EQ(visits.open(), 4u);
  const auto other = come(visits, "10.0.0.2", "other");
  EXPECT_THAT(closed_, ElementsAre("0"));
  EXPECT_EQ(visits.open(), 4u);
  const auto again = come(visits, "10.0.0.1", "again");
  EXPECT_THAT(closed_, ElementsAre("0", "1")) << "its own oldest, not the other's";
}

TEST_F(VisitsTest, WhoHasKeptUsWaitingLongestGoesFirst) {
  Visits visits({2, 1000});
  auto first = come(visits, "a", "first");
  auto second = come(visits, "a", "second");
  first.work();
  first.wait_for_peer();  // it has asked something meanwhile
  const auto third = come(visits, "a", "third");
  EXPECT_THAT(closed_, ElementsAre("second"));
}

TEST_F(VisitsTest, NobodyWhoWaitsForUsIsSentAway) {
  Visits visits({2, 1000});
  auto first = come(visits, "a", "first");
  auto second = come(visits, "a", "second");
  first.work();
  second.work();
  EXPECT_FALSE(visits.admit("b"));
  EXPECT_THAT(closed_, IsEmpty());
  second.wait_for_peer();
  EXPECT_TRUE(visits.admit("b"));
  EXPECT_THAT(closed_, ElementsAre("second"));
}

TEST_F(VisitsTest, WhoDoesNotReadItsAnswersMakesRoomForOthers) {
  Visits visits({100, 1000});
  auto reader = come(visits, "reader", "reader");
  ASSERT_TRUE(reader.hold(300));
  std::vector<Visits::Visit> greedy;
  for (int at = 0; at < 5; ++at) {
    greedy.push_back(come(visits, "greedy", std::to_string(at)));
    EXPECT_TRUE(greedy.back().hold(300)) << at;
    EXPECT_LE(visits.held_bytes(), 1000u);
  }
  EXPECT_THAT(closed_, ElementsAre("0", "1", "2")) << "the reader, who came first, stays";
  EXPECT_FALSE(greedy[0].hold(1)) << "it was told to go";
  EXPECT_EQ(visits.open(), 3u) << "who was told to go counts no more";
}

// Their coroutines end later, after all who have asked at the same moment.
TEST_F(VisitsTest, WhatIsKeptForWhoMakesRoomIsFreedAtOnce) {
  Visits visits({100, 1000});
  std::vector<Visits::Visit> greedy;
  size_t kept = 0;
  for (int at = 0; at < 20; ++at) {
    greedy.push_back(come(visits, "greedy", std::to_string(at)));
    ASSERT_TRUE(greedy.back().hold(300)) << at;
    greedy.back().kept() = std::string(300, 'x');
    kept = 0;
    for (Visits::Visit& visit : greedy) kept += visit.kept().size();
    EXPECT_LE(kept, 1000u) << at;
  }
  EXPECT_EQ(kept, 900u) << "who was not told to go keeps its own";
  EXPECT_LT(greedy.front().kept().capacity(), 300u) << "freed, not emptied";
}

TEST_F(VisitsTest, AnAnswerBeyondTheBoundIsAloneThere) {
  Visits visits({100, 1000});
  auto small = come(visits, "a", "small");
  ASSERT_TRUE(small.hold(10));
  auto large = come(visits, "b", "large");
  EXPECT_TRUE(large.hold(5000));
  EXPECT_THAT(closed_, ElementsAre("small"));
  EXPECT_EQ(visits.held_bytes(), 5000u);
  auto next = come(visits, "c", "next");
  EXPECT_TRUE(next.hold(10));
  EXPECT_THAT(closed_, ElementsAre("small", "large"));
}

TEST_F(VisitsTest, BytesOfWorkUnderWayAreNotTakenAway) {
  Visits visits({100, 1000});
  auto busy = come(visits, "a", "busy");
  ASSERT_TRUE(busy.hold(900));
  busy.work();
  auto next = come(visits, "b", "next");
  EXPECT_FALSE(next.hold(200));
  EXPECT_TRUE(next.hold(100));
  EXPECT_THAT(closed_, IsEmpty());
}

TEST_F(VisitsTest, AreCountedUntilTheyEndAlsoAfterTheEntrance) {
  auto visits = std::make_unique<Visits>(Visits::Limits{2, 1000});
  {
    auto visit = come(*visits, "a", "x");
    ASSERT_TRUE(visit.hold(10));
    EXPECT_EQ(visits->open(), 1u);
  }
  EXPECT_EQ(visits->open(), 0u);
  EXPECT_EQ(visits->held_bytes(), 0u);
  const auto left = come(*visits, "a", "left");
  visits.reset();
}

}  // namespace
}  // namespace bakusoku::agent
