#include "agent/spool_clocks.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace bakusoku::agent {
namespace {

SeriesHash series(int number) { return hash_series("host", "key " + std::to_string(number)); }

TEST(SeriesHash, TellsHostFromKey) {
  EXPECT_NE(hash_series("ab", "c"), hash_series("a", "bc"));
  EXPECT_EQ(hash_series("a", "b"), hash_series("a", "b"));
  const std::string longer(2000, 'x');
  EXPECT_NE(hash_series(longer, "b"), hash_series(longer, "c"));
}

TEST(LastClocks, OnlyRise) {
  LastClocks clocks;
  EXPECT_EQ(clocks.find(series(1)), std::nullopt);
  clocks.raise(series(1), 100, {0});
  clocks.raise(series(1), 90, {0});
  EXPECT_EQ(clocks.find(series(1)), 100);
  EXPECT_EQ(clocks.find(series(2)), std::nullopt);
}

TEST(LastClocks, OfAnItemWithAnIdAreItsOwn) {
  LastClocks clocks;
  clocks.raise(7, "host", "k", 100, {});
  clocks.raise(8, "host", "k", 200, {});
  EXPECT_EQ(clocks.find(hash_item(7)), 100);
  EXPECT_EQ(clocks.find(hash_item(8)), 200);
  EXPECT_EQ(clocks.find(hash_series("host", "k")), std::nullopt);
  EXPECT_NE(hash_item(7), hash_series("", "8"));
}

TEST(LastClocks, ByHostAndKeyAreTakenOverByTheFirstItemOfThatKey) {
  LastClocks clocks;
  for (int i = 0; i < 500; ++i) clocks.raise(series(i), 1000 + i, {});
  clocks.raise(7, "host", "key 3", 900, {});  // a late datapoint
  clocks.raise(8, "host", "key 3", 2000, {});
  EXPECT_EQ(clocks.find(hash_item(7)), 1003) << "what it had before is not read again";
  EXPECT_EQ(clocks.find(hash_item(8)), 2000);
  EXPECT_EQ(clocks.find(series(3)), std::nullopt);
  EXPECT_EQ(clocks.find(series(4)), 1004);
  EXPECT_EQ(clocks.series(), 501u);
  LastClocks read;
  for (size_t page = 0; page < clocks.pages(); ++page) {
    EXPECT_TRUE(clocks.changed(page));
    ASSERT_TRUE(read.load_page(page, clocks.encode_page(page)));
  }
  EXPECT_EQ(read.series(), 501u);
  EXPECT_EQ(read.find(series(3)), std::nullopt);
  EXPECT_EQ(read.find(hash_item(7)), 1003);
}

TEST(LastClocks, OfATimeThatHasNotComeGiveWay) {
  LastClocks clocks;
  clocks.raise(series(1), 9000, {0, 10'000});
  clocks.raise(series(1), 2000, {0, 3000});
  EXPECT_EQ(clocks.find(series(1)), 2000) << "the clock was ahead when the one before was put";
  clocks.raise(series(1), 1900, {0, 3000});
  EXPECT_EQ(clocks.find(series(1)), 2000);
  clocks.raise(series(2), 9000, {0, 10'000});
  clocks.raise(7, "host", "key 2", 2000, {0, 3000});
  EXPECT_EQ(clocks.find(hash_item(7)), 2000);
}

TEST(LastClocks, ForgetsWhatHasNotMovedInFavourOfWhatDoes) {
  LastClocks clocks;
  constexpr int kFleet = 2000;
  // Each generation of a fleet replaces the one before; only two are ever fresh.
  for (int generation = 0; generation < 50; ++generation) {
    const int64_t clock = 1000 * (generation + 1);
    for (int i = 0; i < kFleet; ++i) clocks.raise(series(generation * kFleet + i), clock, {clock - 1500});
  }
  EXPECT_LE(clocks.pages() * LastClocks::kSeriesPerPage, size_t{kFleet} * 4);
  for (int i = 48 * kFleet; i < 50 * kFleet; ++i) ASSERT_TRUE(clocks.find(series(i))) << i;
  EXPECT_EQ(clocks.find(series(0)), std::nullopt);
}

TEST(LastClocks, AgreesWithAMapWhateverComesAndGoes) {
  std::mt19937 random(7);
  LastClocks clocks;
  std::unordered_map<int, int64_t> expected;
  for (int64_t clock = 1; clock < 100'000; ++clock) {
    const int number = static_cast<int>(random() % 3000) + static_cast<int>(clock / 20);
    clocks.raise(series(number), clock, {clock - 30'000});
    expected[number] = clock;
  }
  for (const auto& [number, clock] : expected) {
    const auto found = clocks.find(series(number));
    if (clock >= 100'000 - 30'000) {
      ASSERT_EQ(found, clock) << number;
    } else if (found) {
      ASSERT_EQ(*found, clock) << number;
    }
  }
}

TEST(LastClocks, ComeBackFromTheirPages) {
  LastClocks clocks;
  for (int i = 0; i < 1000; ++i) clocks.raise(series(i), i + 1, {0});
  LastClocks read;
  for (size_t page = clocks.pages(); page > 0; --page) {
    ASSERT_TRUE(read.load_page(page - 1, clocks.encode_page(page - 1)));
  }
  EXPECT_EQ(read.series(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(read.find(series(i)), i + 1);
  EXPECT_FALSE(read.load_page(1, clocks.encode_page(0))) << "a page under another's number";
  read.raise(series(500), 10'000, {0});
  EXPECT_TRUE(read.changed(500 / LastClocks::kSeriesPerPage));
  EXPECT_FALSE(read.changed(0));
}

TEST(LastClocks, APageThatIsMissingIsFilledAgain) {
  LastClocks clocks;
  for (int i = 0; i < 800; ++i) clocks.raise(series(i), 1000, {0});
  LastClocks read;
  ASSERT_TRUE(read.load_page(4, clocks.encode_page(4)));
  EXPECT_EQ(read.series(), 160u);
  for (int i = 0; i < 640; ++i) read.raise(series(i), 2000, {0});
  EXPECT_EQ(read.series(), 800u);
  EXPECT_LE(read.pages(), 9u);
  for (int i = 0; i < 800; ++i) ASSERT_EQ(read.find(series(i)), i < 640 ? 2000 : 1000);
}

}  // namespace
}  // namespace bakusoku::agent
