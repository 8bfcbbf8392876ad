#include "agent/trickle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace bakusoku::agent {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kStart = 1'700'000'000'000;
constexpr int kHosts = 10'000;
constexpr auto kRound = std::chrono::milliseconds(120s);

std::string name(int host) { return "i-" + std::to_string(host); }

// Takes what may be taken, looking as often as the trickle says, and counts it by seconds.
struct Watch {
  explicit Watch(std::chrono::milliseconds round = kRound) : trickle(round, 7) {}

  std::vector<int> run(std::chrono::seconds time, std::chrono::milliseconds wait = kRound) {
    std::vector<int> taken(static_cast<size_t>(time.count()), 0);
    const int64_t begin = now;
    while (now < begin + time / 1ms) {
      while (const auto host = trickle.take(now)) {
        ++taken[static_cast<size_t>((now - begin) / 1000)];
        trickle.put_back(*host, now, wait);
      }
      now += trickle.idle(now, 500ms).count();
    }
    return taken;
  }
  void add(int count) {
    for (int host = 0; host < count; ++host) trickle.add(name(host), now);
  }

  Trickle trickle;
  int64_t now = kStart;
};

int sum(const std::vector<int>& taken) {
  int all = 0;
  for (const int each : taken) all += each;
  return all;
}

TEST(Trickle, TenThousandHostsStartOverHalfARound) {
  Watch watch;
  watch.add(kHosts);
  const auto taken = watch.run(60s);
  EXPECT_NEAR(sum(taken), kHosts, 200) << "all of them within half a round";
  constexpr int kAverage = kHosts / 60;
  EXPECT_LE(*std::max_element(taken.begin(), taken.end()), kAverage * 5 / 4 + 1);
  EXPECT_GE(*std::min_element(taken.begin(), taken.end()), kAverage * 3 / 4);
}

TEST(Trickle, TenThousandHostsAreSteadyFromTheSecondRoundOn) {
  Watch watch;
  watch.add(kHosts);
  watch.run(180s);
  const auto taken = watch.run(1200s);
  constexpr double kAverage = kHosts / 120.0;
  EXPECT_NEAR(sum(taken), kAverage * 1200, kAverage * 1200 * 0.02);
  EXPECT_LE(*std::max_element(taken.begin(), taken.end()), kAverage * 2);
  EXPECT_GE(*std::min_element(taken.begin(), taken.end()), kAverage / 2);
}

TEST(Trickle, WhatPiledUpWhileNobodyTookComesAtThePaceOfAStart) {
  Watch watch;
  watch.add(kHosts);
  watch.run(300s);
  watch.now += 3600'000;
  const auto taken = watch.run(60s);
  EXPECT_LE(*std::max_element(taken.begin(), taken.end()), kHosts / 60 * 5 / 4 + 1);
  EXPECT_GT(sum(taken), kHosts * 9 / 10);
}

TEST(Trickle, ANewHostComesAtOnceAmongThousands) {
  Watch watch;
  watch.add(kHosts);
  watch.run(600s);
  watch.trickle.add("new", watch.now);
  for (int64_t until = watch.now + 1000; watch.now < until; ++watch.now) {
    const auto host = watch.trickle.take(watch.now);
    if (host == "new") return;
    if (host) watch.trickle.put_back(*host, watch.now, kRound);
  }
  FAIL() << "not within a second";
}

TEST(Trickle, AHandfulComesAtOnce) {
  Watch watch;
  watch.add(20);
  for (int host = 0; host < 20; ++host) EXPECT_TRUE(watch.trickle.take(watch.now));
  EXPECT_FALSE(watch.trickle.take(watch.now));
}

TEST(Trickle, AHostThatIsOutIsNotTakenAgainAndOneThatIsRemovedNeverComes) {
  Watch watch;
  watch.add(2);
  const auto first = watch.trickle.take(watch.now);
  const auto second = watch.trickle.take(watch.now);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(watch.trickle.take(watch.now + 3600'000));
  watch.trickle.remove(*first);
  watch.trickle.put_back(*first, watch.now, 1s);
  watch.trickle.put_back(*second, watch.now, 1s);
  EXPECT_FALSE(watch.trickle.take(watch.now + 499));
  EXPECT_EQ(watch.trickle.take(watch.now + 1500), second);
  EXPECT_FALSE(watch.trickle.take(watch.now + 1500));
  watch.trickle.add(*first, watch.now);
  EXPECT_EQ(watch.trickle.take(watch.now + 1500), first);
  EXPECT_EQ(watch.trickle.size(), 2u);
}

TEST(Trickle, AClockThatIsSetBackLeavesNobodyWaiting) {
  Watch watch;
  watch.add(100);
  watch.run(600s);
  watch.now -= 86400'000;
  EXPECT_NEAR(sum(watch.run(60s)), 100, 40);
}

}  // namespace
}  // namespace bakusoku::agent
