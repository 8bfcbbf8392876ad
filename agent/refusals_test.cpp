#include "agent/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(Refusals, ALineAtOnceThenOneAMinute) {
  Refusals refusals;
  const Refusals::Time start{};
  EXPECT_FALSE(refusals.line("a:10051", "", start)) << "nothing was refused";
  refusals.note("web-1", "status");
  refusals.note("web-1", "status");
  const auto first = refusals.line("a:10051", "processed: 0; failed: 2", start);
  ASSERT_TRUE(first);
  EXPECT_THAT(
      *first,
      HasSubstr("Zabbix at a:10051 did not take 2 values of 1 items of 1 hosts, the first of host web-1, "
                "item status: processed: 0; failed: 2"));
  int lines = 0;
  // Three items that are refused every half minute, for a day.
  for (int at = 30; at <= 86400; at += 30) {
    for (const char* const key : {"a", "b", "c"}) refusals.note("web-2", key);
    const auto line = refusals.line("a:10051", "x", start + seconds(at));
    if (line) {
      EXPECT_THAT(
          *line,
          HasSubstr("6 values of 3 items of 1 hosts in the last 60 s, the first of host web-2, item a"));
    }
    lines += line ? 1 : 0;
  }
  EXPECT_EQ(lines, 1440);
}

TEST(Refusals, WhatIsToldApartIsBounded) {
  Refusals refusals;
  for (int at = 0; at < 30'000; ++at) refusals.note("h" + std::to_string(at), "k");
  const auto line = refusals.line("a", "x", Refusals::Time{});
  ASSERT_TRUE(line);
  EXPECT_THAT(*line, HasSubstr("30000 values of more than 10000 items of 10000 hosts"));
}

}  // namespace
}  // namespace bakusoku::agent
