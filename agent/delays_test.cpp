#include "agent/delays.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

namespace bakusoku::agent {
namespace {

using Point = aws::cloudwatch::Datapoint;
constexpr int64_t kNoon = 1'700'006'400;

// A namespace that publishes as a function says, read as the agent reads it.
class DelaysTest : public testing::Test {
 protected:
  /// The value of a period's datapoint at an age (seconds from the period's end); nothing: not there.
  using Published = std::function<std::optional<double>(int64_t clock, int64_t age)>;

  /// Reads `series` series every period for `periods` periods.
  void read(int64_t period, int periods, const Published& published, size_t series = 40) {
    samples_.resize(std::max(series, samples_.size()));
    Delay& delay = delays_.of("Sim/App", period);
    for (int number = 0; number < periods; ++number) {
      end_ += period;
      now_ = end_ + delay.seconds();
      const Window window{end_ - 5 * period, end_};
      for (size_t which = 0; which < series; ++which) {
        std::vector<Point> points;
        for (int64_t clock = window.start; clock < window.end; clock += period) {
          const auto value = published(clock + static_cast<int64_t>(which) * 7, now_ - clock - period);
          if (value) points.push_back(Point{clock, *value});
        }
        for (const Evidence& evidence : samples_[which].look(points, window, period, now_))
          delay.observe(evidence, period, now_);
      }
    }
  }
  int64_t seconds(int64_t period) { return delays_.of("Sim/App", period).seconds(); }

  Delays delays_;
  std::vector<Sample> samples_;
  int64_t end_ = kNoon;
  int64_t now_ = kNoon;
};

TEST_F(DelaysTest, StartsByTheClassOfThePeriod) {
  EXPECT_EQ(seconds(10), 10);
  EXPECT_EQ(seconds(60), 120);
  EXPECT_EQ(seconds(300), 120);
  EXPECT_EQ(seconds(3600), 300);
  EXPECT_EQ(seconds(86400), 7200);
}

TEST_F(DelaysTest, WhatIsCorrectedLaterIsWaitedForFromThenOn) {
  const auto corrected = [](int64_t, int64_t age) { return age < 200 ? 1.0 : 2.0; };
  read(60, 10, corrected);
  EXPECT_GE(seconds(60), 200);
  EXPECT_LE(seconds(60), 270) << "no longer than to the look at which it was right";
  const int64_t learnt = seconds(60);
  read(60, 600, corrected);
  EXPECT_GE(seconds(60), learnt) << "not below it within a day";
}

TEST_F(DelaysTest, WhatComesLateIsWaitedFor) {
  read(300, 30, [](int64_t, int64_t age) { return age < 400 ? std::nullopt : std::optional(1.0); });
  EXPECT_GE(seconds(300), 390);
  EXPECT_LE(seconds(300), 720);
}

TEST_F(DelaysTest, SingleOutliersAreNot) {
  read(60, 300, [](int64_t clock, int64_t age) {
    return age < 180 && clock % 30'011 == 0 ? std::nullopt : std::optional(1.0);
  });
  EXPECT_LE(seconds(60), 120);
}

TEST_F(DelaysTest, SparseSeriesAreNeverLate) {
  read(60, 200,
       [](int64_t clock, int64_t) { return clock / 60 % 4 == 0 ? std::optional(1.0) : std::nullopt; });
  EXPECT_LE(seconds(60), 120);
}

TEST_F(DelaysTest, NoDelayHelpsAgainstWhatComesHoursLater) {
  read(300, 40, [](int64_t, int64_t age) { return age < 1100 ? std::nullopt : std::optional(1.0); });
  EXPECT_LE(seconds(300), 900);
}

TEST_F(DelaysTest, ComesDownInStepsWhileNothingIsLate) {
  read(60, 65, [](int64_t, int64_t) { return std::optional(1.0); });
  EXPECT_EQ(seconds(60), 105) << "three steps of twenty minutes";
  read(60, 1000, [](int64_t, int64_t) { return std::optional(1.0); });
  EXPECT_EQ(seconds(60), 30) << "and no further";
}

TEST_F(DelaysTest, SettlesAStepAboveWhatIsNeededAtMost) {
  for (const int64_t needed : {31, 60, 100, 121, 299}) {
    delays_ = Delays();
    samples_.clear();
    const auto published = [&](int64_t, int64_t age) {
      return age < needed ? std::nullopt : std::optional(1.0);
    };
    read(60, 20 * 60, published, 20);
    EXPECT_GE(seconds(60), needed);
    EXPECT_LE(seconds(60), needed + 5);
    // And it stays there, but for a try now and then.
    int off = 0;
    for (int hour = 0; hour < 4 * 24; ++hour) {
      read(60, 60, published, 20);
      off += seconds(60) < needed || seconds(60) > needed + 5 ? 1 : 0;
    }
    EXPECT_LE(off, 4) << "hours of four days, " << needed;
  }
}

TEST_F(DelaysTest, OneSeriesIsEnough) {
  read(
      300, 24 * 12, [](int64_t, int64_t) { return std::optional(1.0); }, 1);
  EXPECT_LT(seconds(300), 120);
}

TEST_F(DelaysTest, WhereItWasTooShortIsTriedAgainMoreAndMoreRarely) {
  const auto published = [](int64_t, int64_t age) { return age < 100 ? 1.0 : 2.0; };
  int raises = 0;
  int64_t before = seconds(60);
  for (int minute = 0; minute < 60 * 24 * 14; ++minute) {
    read(60, 1, published, 20);
    raises += seconds(60) > before ? 1 : 0;
    before = seconds(60);
  }
  EXPECT_GE(raises, 1);
  EXPECT_LE(raises, 5) << "in two weeks";
}

TEST_F(DelaysTest, WhatIsConfiguredWins) {
  delays_.configure(240, {{"AWS/S3", 3600}});
  EXPECT_EQ(seconds(60), 240);
  EXPECT_EQ(delays_.of("AWS/S3", 86400).seconds(), 3600);
  read(60, 20, [](int64_t, int64_t age) { return age < 500 ? 1.0 : 2.0; });
  EXPECT_EQ(seconds(60), 240);
  delays_.configure(std::nullopt, {});
  EXPECT_EQ(seconds(60), 120) << "nothing was learnt meanwhile";
}

TEST_F(DelaysTest, SurvivesAsText) {
  read(60, 10, [](int64_t, int64_t age) { return age < 200 ? 1.0 : 2.0; });
  const std::string text = delays_.text(now_);
  Delays again;
  EXPECT_EQ(again.learn(text, now_), 0u);
  EXPECT_TRUE(again.all().empty()) << "nothing is read yet";
  EXPECT_EQ(again.of("Sim/App", 60).seconds(), seconds(60));
  EXPECT_EQ(again.text(now_), text);
  ASSERT_EQ(again.all().size(), 1u);
  EXPECT_EQ(again.all().front().seconds, seconds(60));
  EXPECT_EQ(again.all().front().at_first, 120);
}

TEST_F(DelaysTest, WhatTeachesNothingIsNotKept) {
  EXPECT_EQ(seconds(60), 120);
  EXPECT_EQ(seconds(3600), 300);
  EXPECT_EQ(delays_.text(now_), "");
  // A name that would be no line of its own.
  EXPECT_TRUE(delays_.learn("a\x01\t1\t240\t0\t0\t0\t19675\n", kNoon) == 0u);
  EXPECT_EQ(delays_.text(kNoon), "");
}

TEST_F(DelaysTest, WhatWasLookedAtLongAgoIsForgotten) {
  read(60, 10, [](int64_t, int64_t age) { return age < 200 ? 1.0 : 2.0; });
  EXPECT_NE(delays_.text(now_ + 35 * 86400), "");
  EXPECT_EQ(delays_.text(now_ + 36 * 86400), "");
  const std::string text = delays_.text(now_);
  Delays late;
  EXPECT_EQ(late.learn(text, now_ + 36 * 86400), 0u);
  EXPECT_EQ(late.of("Sim/App", 60).seconds(), 120) << "as if it were new";
  Delays early;
  EXPECT_EQ(early.learn(text, now_ - 86400), 0u) << "a clock that was set back";
  EXPECT_EQ(early.of("Sim/App", 60).seconds(), seconds(60));
}

TEST_F(DelaysTest, NoMoreThanSoManyAreKept) {
  std::string text;
  for (size_t number = 0; number < Delays::kMostKept; ++number)
    text +=
        "Old/" + std::to_string(number) + "\t1\t240\t0\t0\t0\t" + std::to_string(kNoon / 86400 - 1) + "\n";
  EXPECT_EQ(delays_.learn(text, kNoon), 0u);
  read(60, 10, [](int64_t, int64_t age) { return age < 200 ? 1.0 : 2.0; });
  const std::string kept = delays_.text(now_);
  EXPECT_EQ(static_cast<size_t>(std::count(kept.begin(), kept.end(), '\n')), Delays::kMostKept);
  EXPECT_NE(kept.find("Sim/App\t"), std::string::npos) << "what is in use stays";
  Delays again;
  EXPECT_EQ(again.learn(kept + text, kNoon), Delays::kMostKept) << "the rest is not taken";
}

TEST_F(DelaysTest, ADamagedTextTeachesNothingImpossible) {
  const std::string good = "Sim/App\t1\t240\t240\t1700006400\t86400\t19676\n";
  Delays whole;
  EXPECT_EQ(whole.learn(good, kNoon), 0u);
  EXPECT_EQ(whole.of("Sim/App", 60).seconds(), 240);
  const auto within_bounds = [](Delays& delays) {
    const int64_t seconds = delays.of("Sim/App", 60).seconds();
    EXPECT_GE(seconds, 30);
    EXPECT_LE(seconds, 900);
  };
  for (size_t cut = 1; cut < good.size(); ++cut) {
    Delays delays;
    EXPECT_EQ(delays.learn(good.substr(0, cut), kNoon), 1u) << cut;
    EXPECT_EQ(delays.of("Sim/App", 60).seconds(), 120) << cut;
  }
  for (size_t at = 0; at < good.size(); ++at) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    Delays delays;
    (void)delays.learn(flipped, kNoon);
    within_bounds(delays);
  }
  Delays garbage;
  EXPECT_EQ(garbage.learn("\n\n\t\t\t\t\t\t\nx\t9\t1\t1\t1\t1\t1\nx\t1\t-1\t1\t1\t1\t1\n", kNoon), 5u);
}

// One delay of periods of a minute, told one piece of evidence after the other.
class DelayTest : public testing::Test {
 protected:
  static constexpr int64_t kDay = 86400;

  bool late(int64_t first_age, int64_t age) { return observe(Evidence::Kind::late, first_age, age); }
  bool revised(int64_t first_age, int64_t age) { return observe(Evidence::Kind::revised, first_age, age); }
  bool same() { return observe(Evidence::Kind::same, delay_.seconds(), delay_.seconds() + 60); }
  /// Twenty minutes in which nothing is late. True when it changed at their very end, and not before.
  bool quiet() {
    bool before = false;
    for (int minute = 0; minute < 20; ++minute) {
      before = same() || before;
      now_ += 60;
    }
    return same() && !before;
  }
  bool observe(Evidence::Kind kind, int64_t first_age, int64_t age) {
    return delay_.observe(Evidence{kind, first_age, age}, 60, now_);
  }

  int64_t now_ = kNoon;
  Delays delays_;
  Delay& delay_ = delays_.of("Sim/App", 60);  // 120 s at first, in steps of 5 s
};

TEST_F(DelayTest, WhatIsLateMovesItHalfTheWayToTheSecond) {
  EXPECT_FALSE(late(120, 300)) << "one is no evidence";
  EXPECT_TRUE(late(120, 300));
  EXPECT_EQ(delay_.seconds(), 210) << "120 and half of 180";
  EXPECT_FALSE(late(210, 331));
  EXPECT_TRUE(late(210, 221));
  EXPECT_EQ(delay_.seconds(), 270) << "the longer of 210 + 60 and 210 + 5, in whole steps";
  EXPECT_FALSE(late(271, 274));
  EXPECT_TRUE(late(271, 274));
  EXPECT_EQ(delay_.seconds(), 275) << "272, rounded up";
}

TEST_F(DelayTest, WhatIsRevisedMovesItAllTheWay) {
  EXPECT_FALSE(revised(120, 300));
  EXPECT_TRUE(revised(120, 241));
  EXPECT_EQ(delay_.seconds(), 300);
  EXPECT_FALSE(revised(300, 301));
  EXPECT_TRUE(revised(300, 301));
  EXPECT_EQ(delay_.seconds(), 305);
  EXPECT_FALSE(revised(305, 5000));
  EXPECT_TRUE(revised(305, 5000));
  EXPECT_EQ(delay_.seconds(), 900) << "the longest there is for periods of minutes";
}

TEST_F(DelayTest, ItIsNoShorterThanBeforeForWhatAShorterDelayDidWrong) {
  EXPECT_FALSE(late(119, 400)) << "that was read before the delay was as long as it is";
  EXPECT_FALSE(late(119, 400));
  EXPECT_FALSE(late(119, 400));
  EXPECT_EQ(delay_.seconds(), 120);
  EXPECT_FALSE(late(120, 120)) << "it would not have been there any later";
  EXPECT_FALSE(late(120, 120));
  EXPECT_EQ(delay_.seconds(), 120);
}

TEST_F(DelayTest, OneInAHundredIsNotTooMany) {
  for (int number = 0; number < 198; ++number) EXPECT_FALSE(same());
  EXPECT_FALSE(late(120, 300));
  EXPECT_FALSE(late(120, 300)) << "two of two hundred";
  EXPECT_TRUE(late(120, 300)) << "three of 201";
}

TEST_F(DelayTest, AStepDownTakesTwentyQuietMinutesAndIsTakenBackWhole) {
  EXPECT_TRUE(quiet());
  EXPECT_EQ(delay_.seconds(), 115);
  EXPECT_TRUE(quiet());
  EXPECT_EQ(delay_.seconds(), 110);
  EXPECT_FALSE(late(110, 140));
  EXPECT_TRUE(late(110, 140));
  EXPECT_EQ(delay_.seconds(), 115) << "what was long enough just before, not half the way";
  // Not tried again for a day, then for two.
  int64_t tried = now_;
  for (const int64_t days : {1, 2, 4}) {
    while (delay_.seconds() == 115 && now_ < tried + 10 * kDay) (void)quiet();
    EXPECT_EQ(delay_.seconds(), 110);
    EXPECT_GE(now_ - tried, days * kDay) << days;
    EXPECT_LE(now_ - tried, days * kDay + 1300) << days;
    EXPECT_FALSE(late(110, 140));
    EXPECT_TRUE(late(110, 140));
    EXPECT_EQ(delay_.seconds(), 115);
    tried = now_;
  }
}

// What is kept of it for the next start tells for how long it is not made shorter again.
TEST_F(DelayTest, WhatWasTooShortIsNotTriedForADayAndTwiceAsLongWhereItIsFoundAgain) {
  const auto kept = [&](int64_t delay, int64_t floor, int64_t days) {
    return fmt::format("Sim/App\t1\t{}\t{}\t{}\t{}\t{}\n", delay, floor, now_ + days * kDay, days * kDay,
                       now_ / kDay);
  };
  const auto twice = [&](int64_t first_age, int64_t age) {
    now_ += 60;
    return !late(first_age, age) && late(first_age, age);
  };
  EXPECT_TRUE(twice(120, 130));
  EXPECT_EQ(delays_.text(now_), kept(125, 125, 1));
  EXPECT_TRUE(twice(125, 165));
  EXPECT_EQ(delays_.text(now_), kept(145, 130, 2)) << "within four steps of what was too short";
  EXPECT_TRUE(twice(145, 195));
  EXPECT_EQ(delays_.text(now_), kept(170, 150, 1)) << "another reason";
  EXPECT_TRUE(twice(170, 180));
  EXPECT_EQ(delays_.text(now_), kept(175, 175, 1)) << "five steps";
  for (const int64_t days : {2, 4, 8, 16, 32, 32}) {
    const int64_t delay = delay_.seconds();
    EXPECT_TRUE(twice(delay, delay + 10));
    EXPECT_EQ(delays_.text(now_), kept(delay + 5, delay + 5, days));
  }
  const int64_t delay = delay_.seconds();
  EXPECT_FALSE(revised(delay, delay + 100));
  EXPECT_TRUE(revised(delay, delay + 100));
  EXPECT_EQ(delays_.text(now_), kept(delay + 100, delay + 100, 1)) << "a revised one has been delivered";
}

TEST_F(DelayTest, HalfTheWayTooFarItComesDownAtOnceButNotToWhatWasTooShort) {
  EXPECT_FALSE(late(120, 200));
  EXPECT_TRUE(late(120, 200));
  EXPECT_EQ(delay_.seconds(), 160);
  for (int64_t seconds = 155; seconds >= 125; seconds -= 5) {
    EXPECT_TRUE(quiet());
    EXPECT_EQ(delay_.seconds(), seconds);
  }
  EXPECT_FALSE(quiet());
  EXPECT_EQ(delay_.seconds(), 125) << "a step above it, for a day";
}

TEST_F(DelayTest, ItTakesTwentyLooksToMakeItShorter) {
  for (int look = 0; look < 18; ++look) EXPECT_FALSE(same());
  now_ += 1200;
  EXPECT_FALSE(same()) << "nineteen";
  EXPECT_TRUE(same());
  EXPECT_EQ(delay_.seconds(), 115);
  // The same again, from none.
  for (int look = 0; look < 18; ++look) EXPECT_FALSE(same());
  now_ += 1200;
  EXPECT_FALSE(same());
  EXPECT_TRUE(same());
  // Twenty in less time.
  for (int look = 0; look < 30; ++look) EXPECT_FALSE(same());
  now_ += 1199;
  EXPECT_FALSE(same());
  now_ += 1;
  EXPECT_TRUE(same());
  EXPECT_EQ(delay_.seconds(), 105);
}

TEST(Delays, OfLongPeriodsTenAreWaitedForWhereThatIsMoreThanADay) {
  Delays delays;
  const auto kept = [&](const std::string& name_space, int64_t period, int64_t delay) {
    Delay& of = delays.of(name_space, period);
    for (int time = 0; time < 2; ++time)
      (void)of.observe({Evidence::Kind::late, of.seconds(), of.seconds() + 2}, period, kNoon);
    EXPECT_EQ(of.seconds(), delay);
    const std::string text = delays.text(kNoon);
    const size_t line = text.find(name_space + "\t");
    return text.substr(line, text.find('\n', line) - line);
  };
  EXPECT_EQ(kept("AWS/S3", 86400, 8100),
            fmt::format("AWS/S3\t3\t8100\t8100\t{}\t864000\t{}", kNoon + 864000, kNoon / 86400));
  EXPECT_EQ(kept("Hourly", 3600, 360),
            fmt::format("Hourly\t2\t360\t360\t{}\t86400\t{}", kNoon + 86400, kNoon / 86400));
  EXPECT_EQ(kept("Fast", 10, 15),
            fmt::format("Fast\t0\t15\t15\t{}\t86400\t{}", kNoon + 86400, kNoon / 86400));
}

TEST(Delays, ALineOfWhichOnePartIsWrongTeachesNothing) {
  const std::vector<std::string> good{"Sim/App", "1", "240", "240", "1700006400", "86400", "19676"};
  const auto learn = [&](size_t part, const std::string& wrong) {
    std::string text;
    for (size_t at = 0; at < good.size(); ++at)
      text += (at == part ? wrong : good[at]) + (at + 1 < good.size() ? "\t" : "\n");
    Delays delays;
    const size_t lines = delays.learn(text, kNoon);
    EXPECT_EQ(delays.of("Sim/App", 60).seconds(), lines == 0 ? 240 : 120) << text;
    EXPECT_EQ(delays.size(), 1u) << text;
    return lines;
  };
  EXPECT_EQ(learn(good.size(), ""), 0u);
  EXPECT_EQ(learn(0, ""), 1u);
  EXPECT_EQ(learn(1, "4"), 1u);
  for (size_t part = 1; part < good.size(); ++part) {
    for (const char* wrong : {"", "x", "-1", "1x", " 1", "99999999999999999999"})
      EXPECT_EQ(learn(part, wrong), 1u) << part << " " << wrong;
  }
}

TEST(Delays, WhatNobodyReadsAndNothingWasSeenOfIsForgotten) {
  Delays delays;
  const Delay& used = delays.of("Used", 60);
  (void)delays.of("Unused", 60);
  (void)delays.of("Seen", 60).observe({Evidence::Kind::same, 120, 180}, 60, kNoon);
  delays.forget_unused({&used});
  EXPECT_EQ(delays.size(), 2u);
  delays.forget_unused({});
  ASSERT_EQ(delays.size(), 1u);
  EXPECT_EQ(delays.all().front().name_space, "Seen");
}

TEST_F(DelayTest, AClockThatWasAheadKeepsItFromNothing) {
  for (const int64_t ahead : {int64_t{3 * 3600}, kDay, 3653 * kDay}) {
    delays_ = Delays();
    Delay& delay = delays_.of("Sim/App", 60);
    const auto observe_at = [&](Evidence::Kind kind, int64_t first_age, int64_t age, int64_t at) {
      return delay.observe(Evidence{kind, first_age, age}, 60, at);
    };
    // What is learnt while it is ahead holds for a day from then, and a day is a day of the clock that is
    // right.
    (void)observe_at(Evidence::Kind::late, 120, 130, kNoon + ahead);
    EXPECT_TRUE(observe_at(Evidence::Kind::late, 120, 130, kNoon + ahead));
    EXPECT_EQ(delay.seconds(), 125);
    int64_t at = kNoon;
    while (delay.seconds() == 125 && at < kNoon + 3 * kDay) {
      (void)observe_at(Evidence::Kind::same, 125, 185, at);
      at += 60;
    }
    EXPECT_EQ(delay.seconds(), 120) << ahead;
    EXPECT_GE(at - kNoon, kDay) << ahead;
    EXPECT_LE(at - kNoon, kDay + 1300) << ahead;
    // And one that is behind for a while.
    (void)observe_at(Evidence::Kind::revised, 120, 160, at - ahead);
    EXPECT_TRUE(observe_at(Evidence::Kind::revised, 120, 160, at - ahead));
    const int64_t learnt = delay.seconds();
    EXPECT_GE(learnt, 125) << ahead;
    for (int minute = 0; minute < 30; ++minute)
      (void)observe_at(Evidence::Kind::same, learnt, 185, at + 60 * minute);
    EXPECT_GE(delay.seconds(), learnt - 5) << "at most a step too early: " << ahead;
  }
}

TEST(Sample, APeriodThatWasSeenByAClockThatWasAheadIsSeenAnew) {
  for (const int64_t ahead : {int64_t{3 * 3600}, int64_t{86400}, int64_t{3653} * 86400}) {
    Sample sample;
    const auto look = [&](int64_t end, double value) {
      const std::vector<Point> points{Point{end - 60, value}};
      return sample.look(points, Window{end - 60, end}, 60, end + 120);
    };
    EXPECT_TRUE(look(kNoon + ahead, 1).empty());
    EXPECT_TRUE(look(kNoon, 1).empty()) << "a first look";
    const auto again = look(kNoon, 2);
    ASSERT_EQ(again.size(), 1u) << ahead;
    EXPECT_EQ(again[0].kind, Evidence::Kind::revised);
  }
}

}  // namespace
}  // namespace bakusoku::agent
