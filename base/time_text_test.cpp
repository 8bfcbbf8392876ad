#include "base/time_text.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <string>

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

class Zone {
 public:
  explicit Zone(const char* name) {
    if (const char* const was = std::getenv("TZ")) was_ = was;
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  ~Zone() {
    ::setenv("TZ", was_.c_str(), 1);
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

 private:
  std::string was_;
};

TEST(TimeText, ClocksAreOfThePlaceWithItsOffset) {
  constexpr int64_t kNow = 1'700'000'000;  // 2023-11-14 22:13:20 UTC, the 15th in Japan
  {
    const Zone japan("JST-9");
    EXPECT_EQ(clock_text(kNow, kNow), "07:13:20 +09:00");
    EXPECT_EQ(clock_text(kNow - 8 * 3600, kNow), "2023-11-14 23:13:20 +09:00");
    EXPECT_EQ(moment_text(kNow - 5, kNow), "07:13:15 +09:00 (5 s ago)");
    EXPECT_EQ(utc_text(kNow, "%H:%M"), "22:13");
  }
  const Zone newfoundland("NST3:30");
  EXPECT_EQ(clock_text(kNow, kNow), "18:43:20 -03:30");
}

TEST(TimeText, MomentsAreClockAndDistance) {
  const Zone utc("UTC0");
  constexpr int64_t kNow = 1'700'000'000;  // 2023-11-14 22:13:20
  EXPECT_EQ(moment_text(kNow - 200, kNow), "22:10:00 UTC (3 min 20 s ago)");
  EXPECT_EQ(moment_text(kNow + 5, kNow), "22:13:25 UTC (in 5 s)");
  EXPECT_EQ(moment_text(kNow, kNow), "22:13:20 UTC (now)");
  EXPECT_EQ(moment_text(kNow - 86400, kNow), "2023-11-13 22:13:20 UTC (1 d ago)");
}

}  // namespace
}  // namespace bakusoku
