#include "simaws/publication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::simaws {
namespace {

using testing::HasSubstr;

constexpr int64_t kStart = 1'763'800'200;
constexpr int64_t kEnd = kStart + 300;

Publication of(std::string_view text) {
  auto parsed = parse_publication(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Publication{});
}

TEST(Publication, NamespacesHaveDelaysOfTheirOwn) {
  const Publication publication = of("AWS/EC2=90,AWS/S3=7200,15");
  EXPECT_EQ(publication.delay("AWS/EC2"), 90);
  EXPECT_EQ(publication.delay("AWS/S3"), 7200);
  EXPECT_EQ(publication.delay("Sim/App"), 15);
  EXPECT_EQ(of("").delay("AWS/EC2"), 0);
  EXPECT_EQ(of("").delay("AWS/S3"), kStoragePublication) << "hours late unless it is named";
  EXPECT_EQ(publication.visible_from(1, kStart, kEnd, 90), kEnd + 90);
}

TEST(Publication, ThatShareOfThePointsIsLateWhicheverSeriesTheyAreOf) {
  const Publication publication = of("late=0.25:400,60");
  int late = 0;
  for (uint64_t series = 0; series < 100; ++series) {
    for (int64_t at = 0; at < 100; ++at) {
      const int64_t start = kStart + at * 300;
      const int64_t from = publication.visible_from(series, start, start + 300, 60);
      EXPECT_TRUE(from == start + 360 || from == start + 700);
      late += from == start + 700;
    }
  }
  EXPECT_GT(late, 2300);
  EXPECT_LT(late, 2700);
}

TEST(Publication, ARevisedPointIsSmallerAtFirst) {
  const Publication all = of("revise=1:90");
  for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{-5'000'000}, int64_t{12'340'000}}) {
    EXPECT_LT(all.shown(7, kStart, kEnd, value, kEnd + 89), value);
    EXPECT_EQ(all.shown(7, kStart, kEnd, value, kEnd + 90), value);
    EXPECT_EQ(of("").shown(7, kStart, kEnd, value, kEnd), value);
  }
  EXPECT_EQ(of("revise=0.5").revised.seconds, kRevisedUntil);
  EXPECT_EQ(of("revise=0.5").revised.of_million, 500'000u);
}

TEST(Publication, MistakesAreNamed) {
  for (const char* bad : {"x", "-1", "AWS/EC2=", "AWS/EC2=x", "=5", "late=0.5", "late=2:5", "revise=x",
                          "revise=0.5:x", "60,,", "99999999999"}) {
    EXPECT_FALSE(parse_publication(bad)) << bad;
  }
  EXPECT_THAT(parse_publication("AWS/EC2=soon").error().message, HasSubstr("AWS/EC2=soon"));
  EXPECT_THAT(parse_publication("late=0.5").error().message, HasSubstr("late=FRACTION:SECONDS"));
}

}  // namespace
}  // namespace bakusoku::simaws
