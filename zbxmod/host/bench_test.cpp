#include "bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace zbxmod::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Histogram, TellsTimesWithinAThirtySecond) {
  const auto histogram = std::make_unique<Histogram>();
  for (uint64_t i = 1; i <= 100'000; ++i) histogram->add(i);
  EXPECT_EQ(histogram->count(), 100'000u);
  EXPECT_EQ(histogram->max(), 100'000u);
  for (const double part : {0.5, 0.9, 0.99, 0.999}) {
    const double exact = part * 100'000;
    EXPECT_GE(static_cast<double>(histogram->at(part)), exact);
    EXPECT_LE(static_cast<double>(histogram->at(part)), exact * (1 + 1.0 / 32));
  }
  EXPECT_EQ(histogram->at(1), 100'000u);
}

TEST(Histogram, IsExactForFewNanoseconds) {
  const auto histogram = std::make_unique<Histogram>();
  for (uint64_t i = 0; i < 64; ++i) histogram->add(i);
  EXPECT_EQ(histogram->at(0.5), 31u);
  EXPECT_EQ(histogram->at(1), 63u);
}

TEST(Histogram, TakesWhatIsVeryLong) {
  const auto histogram = std::make_unique<Histogram>();
  histogram->add(UINT64_MAX);
  EXPECT_EQ(histogram->max(), UINT64_MAX);
  EXPECT_EQ(histogram->count(), 1u);
  EXPECT_GT(histogram->at(0.5), uint64_t{3600} * 1'000'000'000);
}

TEST(Histogram, EmptyIsZero) {
  const auto histogram = std::make_unique<Histogram>();
  EXPECT_EQ(histogram->at(0.5), 0u);
  EXPECT_EQ(histogram->max(), 0u);
}

TEST(Bench, AddsUpKeysAndWorkers) {
  const auto a = std::make_unique<Measured>();
  const auto b = std::make_unique<Measured>();
  for (int i = 0; i < 100; ++i) a->times.add(1000);
  for (int i = 0; i < 300; ++i) b->times.add(2000);
  a->elapsed_nanoseconds = b->elapsed_nanoseconds = 1'000'000'000;
  a->first_nanoseconds = 5000;
  b->not_supported = 300;
  const Bench bench = summarize({"key"}, {{a.get()}, {b.get()}}, 4);
  ASSERT_EQ(bench.keys.size(), 1u);
  EXPECT_EQ(bench.keys[0].answers, 400u);
  EXPECT_EQ(bench.keys[0].not_supported, 300u);
  EXPECT_DOUBLE_EQ(bench.keys[0].per_second, 400);
  EXPECT_DOUBLE_EQ(bench.keys[0].first, 5);
  EXPECT_DOUBLE_EQ(bench.keys[0].max, 2);
  ASSERT_EQ(bench.by_worker.size(), 2u);
  EXPECT_DOUBLE_EQ(bench.by_worker[0].per_second, 100);
  EXPECT_DOUBLE_EQ(bench.by_worker[1].per_second, 300);
  EXPECT_FALSE(bench.cores_are_few());
  EXPECT_THAT(as_text(bench), Not(HasSubstr("workers share")));
  const Bench crowded = summarize({"key"}, {{a.get()}, {b.get()}}, 1);
  EXPECT_THAT(as_text(crowded), HasSubstr("2 workers share 1 core:"));
}

TEST(Bench, NothingMeasuredIsZeroAndNoDivision) {
  const auto none = std::make_unique<Measured>();
  const Bench bench = summarize({"key"}, {{none.get()}}, 1);
  EXPECT_DOUBLE_EQ(bench.keys[0].per_second, 0);
  EXPECT_THAT(as_json(bench), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace zbxmod::host
