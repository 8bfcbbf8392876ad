#include "zbxmod/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace zbxmod {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> seen;
const void* first_row = nullptr;

void floats(std::span<const HistoryFloat> rows) {
  first_row = rows.data();
  for (const auto& each : rows) {
    seen.push_back(std::to_string(each.itemid) + "@" + std::to_string(each.clock) + "." +
                   std::to_string(each.ns) + "=" + std::to_string(each.value));
  }
}
void logs(std::span<const HistoryLog> rows) {
  for (const auto& each : rows) {
    seen.push_back(std::string(each.value) + " " + each.source + " " + std::to_string(each.timestamp) + " " +
                   std::to_string(each.logeventid) + " " + std::to_string(each.severity));
  }
}
void throws(std::span<const HistoryText>) { throw std::runtime_error("oops"); }

constexpr HistoryHandlers handlers{.on_float = floats, .on_text = throws, .on_log = logs};

TEST(History, RowsAreSeenWhereTheyLie) {
  const auto callbacks = detail::history_callbacks<handlers>();
  const HistoryFloat rows[] = {{1, 1700000000, 5, 0.5}, {2, 1700000001, 6, -1}};
  seen.clear();
  callbacks.on_float(rows, 2);
  EXPECT_THAT(seen, ElementsAre("1@1700000000.5=0.500000", "2@1700000001.6=-1.000000"));
  EXPECT_EQ(first_row, rows);
  const HistoryLog log[] = {{3, 1700000002, 7, "line", "source", 12, 34, 4}};
  seen.clear();
  callbacks.on_log(log, 1);
  EXPECT_THAT(seen, ElementsAre("line source 12 34 4"));
}

TEST(History, WhatNobodyHandlesIsNotAskedFor) {
  const auto callbacks = detail::history_callbacks<handlers>();
  EXPECT_EQ(callbacks.on_integer, nullptr);
  EXPECT_EQ(callbacks.on_string, nullptr);
}

TEST(History, NoRowsAreNoCallAndNoExceptionLeaves) {
  const auto callbacks = detail::history_callbacks<handlers>();
  seen.clear();
  callbacks.on_float(nullptr, 3);
  const HistoryFloat row{};
  callbacks.on_float(&row, 0);
  callbacks.on_float(&row, -1);
  EXPECT_TRUE(seen.empty());
  const HistoryText text{};
  callbacks.on_text(&text, 1);
}

}  // namespace
}  // namespace zbxmod
