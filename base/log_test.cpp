#include "base/log.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace bakusoku {
namespace {

TEST(RecentProblems, AreWarningsAndErrorsWhateverTheLevelOfTheLog) {
  ASSERT_TRUE(set_up_log("off", false));
  spdlog::info("all is well");
  spdlog::warn("the server is away");
  spdlog::error("the disk is full");
  const auto problems = recent_problems();
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].text, "the server is away");
  EXPECT_FALSE(problems[0].is_error);
  EXPECT_EQ(problems[1].text, "the disk is full");
  EXPECT_TRUE(problems[1].is_error);
}

TEST(RecentProblems, AreCountedWhenTheyComeAgain) {
  ASSERT_TRUE(set_up_log("off", false));
  for (int time = 0; time < 3; ++time) {
    spdlog::warn("the server is away");
    spdlog::error("the disk is full");
  }
  spdlog::warn("the server is away");
  const auto problems = recent_problems();
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[1].text, "the server is away");
  EXPECT_EQ(problems[1].times, 4u);
  EXPECT_LE(problems[1].first, problems[1].last);
}

TEST(RecentProblems, AreNotKeptWithoutEnd) {
  ASSERT_TRUE(set_up_log("off", false));
  for (int number = 0; number < 1000; ++number) spdlog::warn("problem {}", number);
  spdlog::warn("{}", std::string(100'000, 'x'));
  const auto problems = recent_problems();
  EXPECT_EQ(problems.size(), 30u);
  EXPECT_EQ(problems[problems.size() - 2].text, "problem 999");
  EXPECT_LE(problems.back().text.size(), 500u);
}

TEST(Log, TextFromOutsideMakesNoLinesAndMovesNoTerminal) {
  ASSERT_TRUE(set_up_log("info", true));
  testing::internal::CaptureStderr();
  spdlog::warn("host {} is not known", "a\nerror: all is lost\x1b[2J\u202e\xe9");
  spdlog::debug("not\nshown");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: host a\\nerror: all is lost\\x1b[2J\\u202e\\xe9 is not known\n");
  EXPECT_EQ(recent_problems().back().text, "host a\\nerror: all is lost\\x1b[2J\\u202e\\xe9 is not known");
}

}  // namespace
}  // namespace bakusoku
