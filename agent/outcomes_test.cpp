#include "agent/outcomes.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku::agent {
namespace {

constexpr int64_t kNow = 1'700'000'000;

TEST(Outcomes, TellWhenAValueWasAcknowledged) {
  Outcomes outcomes;
  EXPECT_FALSE(outcomes.acknowledged_at(1));
  outcomes.note_acknowledged(10, kNow);
  outcomes.note_acknowledged(20, kNow + 5);
  EXPECT_EQ(outcomes.acknowledged_at(7), kNow);
  EXPECT_EQ(outcomes.acknowledged_at(10), kNow);
  EXPECT_EQ(outcomes.acknowledged_at(11), kNow + 5);
  EXPECT_FALSE(outcomes.acknowledged_at(21));
}

TEST(Outcomes, OfADayTakeLittleRoomAndStayTrueForTheLastMinutes) {
  Outcomes outcomes;
  constexpr int64_t kSeconds = 86'400;
  for (int64_t second = 1; second <= kSeconds; ++second) {
    outcomes.note_acknowledged(static_cast<uint64_t>(second) * 100, kNow + second);
  }
  for (int64_t second = kSeconds - 500; second <= kSeconds; ++second) {
    EXPECT_EQ(outcomes.acknowledged_at(static_cast<uint64_t>(second) * 100), kNow + second);
  }
  for (int64_t second = 1; second <= kSeconds; second += 1000) {
    const auto at = outcomes.acknowledged_at(static_cast<uint64_t>(second) * 100);
    ASSERT_TRUE(at);
    EXPECT_GE(*at, kNow + second) << "acknowledged before it was";
  }
}

TEST(Outcomes, CountRefusalsOfAnItemUntilOneIsTaken) {
  Outcomes outcomes;
  outcomes.note_refused({"web-1", "k"}, "processed: 0; failed: 1", kNow, kNow + 30);
  outcomes.note_refused({"web-1", "k"}, "processed: 0; failed: 2", kNow + 30, kNow + 60);
  const Refusal* refusal = outcomes.refusal({"web-1", "k"});
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->times, 2u);
  EXPECT_EQ(refusal->since, kNow);
  EXPECT_EQ(refusal->last, kNow + 30);
  EXPECT_EQ(refusal->again, kNow + 60);
  EXPECT_EQ(refusal->info, "processed: 0; failed: 2");
  EXPECT_EQ(refusal->taken, 0);
  EXPECT_EQ(outcomes.refusal({"web-1", "other"}), nullptr);
  EXPECT_EQ(outcomes.refusal({"web-2", "k"}), nullptr);

  outcomes.note_taken({"web-1", "k"}, kNow + 60);
  outcomes.note_taken({"web-1", "k"}, kNow + 90);
  EXPECT_EQ(outcomes.refusal({"web-1", "k"})->taken, kNow + 60);
  outcomes.note_refused({"web-1", "k"}, "again", kNow + 100, kNow + 130);
  EXPECT_EQ(outcomes.refusal({"web-1", "k"})->times, 1u) << "a new trouble is counted anew";
  EXPECT_EQ(outcomes.refusal({"web-1", "k"})->since, kNow + 100);
}

TEST(Outcomes, AreOfTheIdWhateverItsKeyIsNow) {
  Outcomes outcomes;
  outcomes.note_refused({"web-1", "k[old]", 7}, "", kNow, kNow + 30);
  outcomes.note_refused({"web-1", "k[old]", 8}, "", kNow, kNow + 30);
  outcomes.note_refused({"web-1", "k[new]", 7}, "", kNow + 30, kNow + 60);
  EXPECT_EQ(outcomes.refusals(), 2u);
  EXPECT_EQ(outcomes.refusal({"web-1", "k[other]", 7})->times, 2u);
  EXPECT_EQ(outcomes.refusal({"web-1", "k[new]"})->times, 2u) << "found by its key too";
  EXPECT_EQ(outcomes.refusal({"web-1", "k[old]"})->times, 1u) << "that of item 8";
  EXPECT_EQ(outcomes.refusal({"web-2", "k[new]", 7}), nullptr);
  outcomes.note_taken({"web-1", "k[newest]", 7}, kNow + 60);
  EXPECT_EQ(outcomes.refusal({"web-1", "k[new]", 7})->taken, kNow + 60);
}

TEST(Outcomes, ListTheItemsThatWereRefusedLast) {
  Outcomes outcomes;
  for (int number = 0; number < 50; ++number)
    outcomes.note_refused({"web-1", std::to_string(number)}, "", kNow + number, kNow + number + 30);
  outcomes.note_taken({"web-1", "49"}, kNow + 60);
  EXPECT_EQ(outcomes.refused_now(), 49u);
  const auto latest = outcomes.latest_refused(3);
  ASSERT_EQ(latest.size(), 3u);
  EXPECT_EQ(latest[0].item.key, "48");
  EXPECT_EQ(latest[2].item.key, "46");
  EXPECT_EQ(latest[0].refusal->last, kNow + 48);
  EXPECT_EQ(outcomes.latest_refused(100).size(), 49u);
}

TEST(Outcomes, ForgetTheOldestRefusalsWhenThereAreTooMany) {
  Outcomes outcomes(100);
  for (int number = 0; number < 1000; ++number) {
    outcomes.note_refused({"web-1", std::to_string(number)}, "", kNow + number, kNow + number + 30);
    EXPECT_LE(outcomes.refusals(), 100u);
  }
  EXPECT_NE(outcomes.refusal({"web-1", "999"}), nullptr);
  EXPECT_NE(outcomes.refusal({"web-1", "930"}), nullptr);
  EXPECT_EQ(outcomes.refusal({"web-1", "0"}), nullptr);
}

TEST(Outcomes, ForgetWhatZabbixTakesAgainFirst) {
  Outcomes outcomes(100);
  outcomes.note_refused({"web-1", "stubborn"}, "", kNow, kNow + 30);
  for (int number = 0; number < 99; ++number) {
    outcomes.note_refused({"web-1", std::to_string(number)}, "", kNow + 10, kNow + 40);
    outcomes.note_taken({"web-1", std::to_string(number)}, kNow + 40);
  }
  outcomes.note_refused({"web-1", "new"}, "", kNow + 50, kNow + 80);
  EXPECT_NE(outcomes.refusal({"web-1", "stubborn"}), nullptr);
}

TEST(Outcomes, OfManyItemsRefusedAtOnceAreBoundedToo) {
  Outcomes outcomes(100);
  for (int number = 0; number < 1000; ++number) {
    outcomes.note_refused({"web-1", std::to_string(number)}, "", kNow, kNow + 30);
    EXPECT_LE(outcomes.refusals(), 100u);
  }
  EXPECT_GE(outcomes.refusals(), 50u);
}

TEST(Outcomes, OfTwoItemsWithOneKeyAreApart) {
  Outcomes outcomes;
  outcomes.note_refused({"web-1", "k", 7}, "processed: 0; failed: 1", kNow, kNow + 30);
  outcomes.note_taken({"web-1", "k", 8}, kNow + 1);
  ASSERT_NE(outcomes.refusal({"web-1", "k", 7}), nullptr);
  EXPECT_EQ(outcomes.refusal({"web-1", "k", 7})->taken, 0) << "it was the other that was taken";
  EXPECT_EQ(outcomes.refusal({"web-1", "k", 8}), nullptr);
  EXPECT_EQ(outcomes.refusal({"web-1", "k"}), outcomes.refusal({"web-1", "k", 7})) << "whichever it is";
  EXPECT_EQ(outcomes.refusal({"web-1", "j"}), nullptr);
}

}  // namespace
}  // namespace bakusoku::agent
