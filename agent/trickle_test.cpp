#include "agent/trickle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
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

TEST(Trickle, TenThousandHostsStartWithinFiftySeconds) {
  Watch watch;
  watch.add(kHosts);
  const auto taken = watch.run(50s);
  EXPECT_NEAR(sum(taken), kHosts, 200);
  constexpr int kAverage = kHosts / 50;
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
  EXPECT_LE(*std::max_element(taken.begin(), taken.end()), kHosts / 50 * 5 / 4 + 1);
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
  watch.now += 3600'000;
  EXPECT_FALSE(watch.trickle.take(watch.now));
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
  for (const std::chrono::seconds back :
       {std::chrono::seconds(2h), std::chrono::seconds(24h), std::chrono::seconds(87'600h)}) {
    Watch watch;
    watch.add(100);
    watch.run(600s);
    watch.now -= back / 1ms;
    EXPECT_NEAR(sum(watch.run(120s)), 100, 40) << back.count();
    watch.now += back / 1ms;
    EXPECT_NEAR(sum(watch.run(120s)), 150, 90) << back.count() << " ahead: all at once, and then as before";
    EXPECT_NEAR(sum(watch.run(1200s)), 1000, 150);
  }
}

TEST(Trickle, WhoIsHastenedComesAtOnceAndOneThatIsOutIsNot) {
  Watch watch;
  watch.add(2);
  const auto first = watch.trickle.take(watch.now);
  const auto second = watch.trickle.take(watch.now);
  ASSERT_TRUE(first && second);
  watch.trickle.put_back(*first, watch.now, 100s);
  watch.trickle.hasten(*first, watch.now);
  watch.trickle.hasten(*second, watch.now);
  watch.trickle.hasten("nobody", watch.now);
  EXPECT_EQ(watch.trickle.take(watch.now), first);
  EXPECT_FALSE(watch.trickle.take(watch.now));
}

// Hosts that Zabbix refuses, as Active asks for them: when each was asked for.
struct Refused {
  explicit Refused(int count) : in_row(static_cast<size_t>(count)), asked(in_row.size()), trickle(kRound, 7) {
    for (int host = 0; host < count; ++host) trickle.add(name(host), now);
  }
  void run(std::chrono::seconds time) {
    per_second.assign(static_cast<size_t>(time.count()), 0);
    for (const int64_t begin = now; now < begin + time / 1ms;) {
      while (const auto taken = trickle.take(now)) {
        ++per_second[static_cast<size_t>((now - begin) / 1000)];
        const auto host = static_cast<size_t>(std::stoi(taken->substr(2)));
        if (!asked[host].empty()) longest_gap = std::max(longest_gap, now - asked[host].back());
        asked[host].push_back(now);
        trickle.put_back(*taken, now, wait_of_refused(kRound, in_row[host]++, in_row.size()));
      }
      now += trickle.idle(now, 500ms).count();
    }
  }
  void ask_again() {
    for (size_t host = 0; host < in_row.size(); ++host) {
      in_row[host] = 0;
      trickle.hasten(name(static_cast<int>(host)), now);
    }
  }
  /// When the last of them was asked for since `since`, in milliseconds from there.
  [[nodiscard]] int64_t all_asked(int64_t since) const {
    int64_t latest = 0;
    for (const auto& times : asked) {
      const auto first = std::lower_bound(times.begin(), times.end(), since);
      latest = std::max(latest, first == times.end() ? 1'000'000'000 : *first - since);
    }
    return latest;
  }
  [[nodiscard]] int most_a_second() const { return *std::max_element(per_second.begin(), per_second.end()); }

  std::vector<int> in_row;
  std::vector<std::vector<int64_t>> asked;
  std::vector<int> per_second;
  Trickle trickle;
  int64_t now = kStart;
  int64_t longest_gap = 0;
};

TEST(Trickle, TenThousandRefusedHostsAreAskedForWithinFiveMinutesAndAMinuteAfterADiscovery) {
  Refused hosts(kHosts);
  hosts.run(1h);
  EXPECT_LT(hosts.longest_gap, 300'000);
  hosts.run(10min);
  const double rate = sum(hosts.per_second) / 600.0;
  std::printf("10,000 hosts that Zabbix does not know: %.0f questions a second, %d at most\n", rate,
              hosts.most_a_second());
  EXPECT_LT(rate, 70);
  for (int discovery = 0; discovery < 5; ++discovery) {
    const int64_t since = hosts.now;
    hosts.ask_again();
    hosts.run(60s);
    EXPECT_LT(hosts.all_asked(since), 60'000);
    EXPECT_LE(hosts.most_a_second(), 251) << "200, and what was saved up";
    std::printf("after a discovery: all within %.0f s, %d a second at most\n",
                static_cast<double>(hosts.all_asked(since)) / 1000, hosts.most_a_second());
  }
  EXPECT_LT(hosts.longest_gap, 300'000);
}

TEST(Trickle, AFewRefusedHostsAreAskedForSeveralTimesInTheMinuteAfterADiscovery) {
  Refused hosts(50);
  hosts.run(1h);
  EXPECT_LT(hosts.longest_gap, 300'000);
  EXPECT_LT(sum(hosts.per_second), 50 * 40) << "an hour of it";
  const int64_t since = hosts.now;
  hosts.ask_again();
  hosts.run(75s);
  for (const auto& times : hosts.asked) {
    const auto first = std::lower_bound(times.begin(), times.end(), since);
    EXPECT_GE(times.end() - first, 4);
    EXPECT_GT(times.back() - since, 40'000) << "after Zabbix has read its configuration again";
  }
}

}  // namespace
}  // namespace bakusoku::agent
