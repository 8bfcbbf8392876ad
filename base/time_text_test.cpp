#include "base/time_text.h"

#include <gtest/gtest.h>

namespace bakusoku {
namespace {

TEST(TimeText, DurationsHaveTwoUnitsAtMost) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(59), "59 s");
  EXPECT_EQ(duration_text(60), "1 min");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(2 * 3600 + 5 * 60 + 7), "2 h 5 min");
  EXPECT_EQ(duration_text(3 * 86400 + 4 * 3600), "3 d 4 h");
  EXPECT_EQ(duration_text(-61), "1 min 1 s");
}

TEST(TimeText, MomentsAreClockAndDistance) {
  constexpr int64_t kNow = 1'700'000'000;  // 2023-11-14 22:13:20
  EXPECT_EQ(moment_text(kNow - 200, kNow), "22:10:00 UTC (3 min 20 s ago)");
  EXPECT_EQ(moment_text(kNow + 5, kNow), "22:13:25 UTC (in 5 s)");
  EXPECT_EQ(moment_text(kNow, kNow), "22:13:20 UTC (now)");
  EXPECT_EQ(moment_text(kNow - 86400, kNow), "2023-11-13 22:13:20 UTC (1 d ago)");
}

}  // namespace
}  // namespace bakusoku
