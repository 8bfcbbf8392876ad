#include "agent/feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int64_t> clocks(const std::vector<Point>& points) {
  std::vector<int64_t> all;
  for (const Point& point : points) all.push_back(point.clock);
  return all;
}

std::vector<Point> points_at(std::initializer_list<int64_t> clocks) {
  std::vector<Point> points;
  for (const int64_t clock : clocks) points.push_back(Point{clock, static_cast<double>(clock)});
  return points;
}

TEST(Feed, ANewItemBeginsWithTheNewestDatapoint) {
  Feed feed(60, 0);
  EXPECT_THAT(feed.take({}, {0, 300}), IsEmpty());
  EXPECT_THAT(clocks(feed.take(points_at({60, 180, 120}), {0, 300})), ElementsAre(180));
  EXPECT_THAT(clocks(feed.take(points_at({60, 120, 180, 240, 300}), {60, 360})), ElementsAre(240, 300))
      << "240 was late";
}

TEST(Feed, ResumesBehindTheLastDelivered) {
  Feed feed(60, 120);
  EXPECT_EQ(feed.next(), 180);
  EXPECT_THAT(clocks(feed.take(points_at({0, 60, 120, 180, 240}), {0, 300})), ElementsAre(180, 240));
  EXPECT_THAT(feed.take(points_at({0, 60, 120, 180, 240}), {0, 300}), IsEmpty()) << "the same window again";
}

TEST(Feed, LatePointsAreFoundOnce) {
  Feed feed(60, 60);
  EXPECT_THAT(clocks(feed.take(points_at({180}), {0, 240})), ElementsAre(180));
  EXPECT_THAT(clocks(feed.take(points_at({120, 180}), {0, 240})), ElementsAre(120));
  EXPECT_THAT(feed.take(points_at({120, 180}), {0, 240}), IsEmpty());
}

TEST(Feed, TakesNothingOutsideTheWindowOrBetweenPeriods) {
  Feed feed(60, 60);
  EXPECT_THAT(clocks(feed.take(points_at({130, 180, 240, 300}), {120, 300})), ElementsAre(180, 240));
}

// Whatever is published when, and whatever windows are read: each datapoint once, and none is missed that a
// reading saw while it was remembered.
TEST(Feed, EachDatapointOnceWhateverHappens) {
  std::mt19937 random(20170401);
  for (int round = 0; round < 300; ++round) {
    constexpr int64_t kPeriod = 60;
    const int64_t first = 100 * kPeriod;
    Feed feed(kPeriod, first - kPeriod);
    std::map<int64_t, int64_t> published;  // clock -> when
    for (int64_t clock = first; clock < first + 200 * kPeriod; clock += kPeriod) {
      const int64_t late = random() % 4 == 0 ? static_cast<int64_t>(random() % 30) * kPeriod : 0;
      if (random() % 10 != 0) published[clock] = clock + kPeriod + late;
    }
    std::set<int64_t> seen;
    std::map<int64_t, int> taken;
    for (int64_t now = first; now < first + 260 * kPeriod;
         now += kPeriod * static_cast<int64_t>(1 + random() % 5)) {
      const Window window{now - kPeriod * static_cast<int64_t>(5 + random() % 20), now};
      std::vector<Point> points;
      for (const auto& [clock, when] : published) {
        if (clock < window.start || clock >= window.end || when > now) continue;
        points.push_back(Point{clock, 1});
        seen.insert(clock);
      }
      std::shuffle(points.begin(), points.end(), random);
      for (const Point& point : feed.take(points, window)) ++taken[point.clock];
    }
    std::set<int64_t> had;
    for (const auto& [clock, times] : taken) {
      EXPECT_EQ(times, 1) << clock;
      had.insert(clock);
    }
    EXPECT_EQ(had, seen) << round;
  }
}

TEST(Feed, OfAnotherPeriodBeginsWithTheFirstThatOverlapsNothing) {
  EXPECT_EQ(Feed(3600, 7 * 3600 + 300).next(), 8 * 3600);
  EXPECT_EQ(Feed(60, 7 * 3600).next(), 7 * 3600 + 60);
  EXPECT_EQ(Feed(300, 0).next(), 0);
}

}  // namespace
}  // namespace bakusoku::agent
