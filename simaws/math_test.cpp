#include "simaws/math.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace bakusoku::simaws::math {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TimeSeries series(std::vector<std::pair<int64_t, double>> points, int64_t period = 60) {
  TimeSeries out;
  out.period = period;
  out.first = 0;
  out.count = 300 / period;
  out.points = std::move(points);
  return out;
}

// m1 and m2 have one point each that the other has not.
const std::map<std::string, Value, std::less<>>& values() {
  static const std::map<std::string, Value, std::less<>> kValues{
      {"m1", series({{0, 1}, {60, 2}, {120, 4}, {240, -8}})},
      {"m2", series({{0, 10}, {60, 0}, {120, 5}, {180, 7}})},
      {"slow", series({{0, 100}}, 300)},
      {"none", series({})},
      {"e1", 3.0},
  };
  return kValues;
}

tl::expected<Value, std::string> value(std::string_view text) {
  const auto parsed = parse(text);
  if (!parsed) return tl::unexpected(parsed.error());
  Scope scope;
  scope.find = [](std::string_view id) -> const Value* {
    const auto found = values().find(id);
    return found == values().end() ? nullptr : &found->second;
  };
  scope.metrics = [](std::string_view part) {
    std::vector<TimeSeries> out;
    for (const auto& [id, one] : values()) {
      if (id.starts_with('m') && id.find(part) != std::string::npos) out.push_back(std::get<TimeSeries>(one));
    }
    return out;
  };
  return evaluate(*parsed, scope);
}

double scalar(std::string_view text) {
  const auto got = value(text);
  if (!got) ADD_FAILURE() << text << ": " << got.error();
  return got && std::holds_alternative<double>(*got) ? std::get<double>(*got) : -12345;
}

std::vector<std::pair<int64_t, double>> points(std::string_view text) {
  const auto got = value(text);
  if (!got) ADD_FAILURE() << text << ": " << got.error();
  if (got && std::holds_alternative<TimeSeries>(*got)) return std::get<TimeSeries>(*got).points;
  ADD_FAILURE() << text << " is no time series";
  return {};
}

std::string error(std::string_view text) {
  const auto got = value(text);
  return got ? "" : got.error();
}

TEST(Math, OperatorsBindAsUsual) {
  EXPECT_EQ(scalar("1 + 2 * 3"), 7);
  EXPECT_EQ(scalar("(1 + 2) * 3"), 9);
  EXPECT_EQ(scalar("10 - 4 - 3"), 3);
  EXPECT_EQ(scalar("-2 ^ 2"), -4);
  EXPECT_EQ(scalar("2 ^ -1"), 0.5);
  EXPECT_EQ(scalar("--3"), 3);
  EXPECT_EQ(scalar("1.5e3 / .5"), 3000);
  EXPECT_EQ(scalar("1 + 1 == 2"), 1);
  EXPECT_EQ(scalar("1 > 2 || 2 >= 2 AND 3 != 4"), 1);
  EXPECT_EQ(scalar("e1 * 2"), 6);
}

TEST(Math, SeriesMeetByTimestampAndADivisionByZeroHasNoPoint) {
  EXPECT_THAT(points("m1 + m2"), ElementsAre(Pair(0, 11), Pair(60, 2), Pair(120, 9)));
  EXPECT_THAT(points("m1 / m2"), ElementsAre(Pair(0, 0.1), Pair(120, 0.8)));
  EXPECT_THAT(points("100 - m1"), ElementsAre(Pair(0, 99), Pair(60, 98), Pair(120, 96), Pair(240, 108)));
  EXPECT_THAT(points("m1 >= 2"), ElementsAre(Pair(0, 0), Pair(60, 1), Pair(120, 1), Pair(240, 0)));
  EXPECT_THAT(points("m1 + none"), IsEmpty());
}

TEST(Math, OfDifferentPeriodsTheLongerCounts) {
  EXPECT_THAT(points("m1 + slow"), ElementsAre(Pair(0, 101)));
  EXPECT_EQ(std::get<TimeSeries>(*value("m1 + slow")).period, 300);
  EXPECT_EQ(scalar("PERIOD(slow)"), 300);
  EXPECT_THAT(points("m1 / PERIOD(m1)"),
              ElementsAre(Pair(0, 1.0 / 60), Pair(60, 2.0 / 60), Pair(120, 4.0 / 60), Pair(240, -8.0 / 60)));
}

TEST(Math, AnArrayIsReducedAtEachTimeAndASeriesToAScalar) {
  EXPECT_THAT(points("SUM([m1, m2])"),
              ElementsAre(Pair(0, 11), Pair(60, 2), Pair(120, 9), Pair(180, 7), Pair(240, -8)));
  EXPECT_THAT(points("SUM(METRICS())"), points("SUM([m1, m2])"));
  EXPECT_THAT(points("MAX(METRICS(\"m2\"))"), points("m2 + 0"));
  EXPECT_THAT(points("AVG([m1, m2])"),
              ElementsAre(Pair(0, 5.5), Pair(60, 1), Pair(120, 4.5), Pair(180, 3.5), Pair(240, -4)));
  EXPECT_THAT(points("MIN([m1, m2])"),
              ElementsAre(Pair(0, 1), Pair(60, 0), Pair(120, 4), Pair(180, 7), Pair(240, -8)));
  EXPECT_EQ(scalar("SUM(m1)"), -1);
  EXPECT_EQ(scalar("AVG(m2)"), 5.5);
  EXPECT_EQ(scalar("MAX(m2) - MIN(m2)"), 10);
  EXPECT_EQ(std::get<std::vector<TimeSeries>>(*value("METRICS() * 2")).size(), 2u);
  EXPECT_EQ(std::get<std::vector<TimeSeries>>(*value("METRICS() / SUM(METRICS())")).size(), 2u);
}

TEST(Math, FunctionsOfOneSeries) {
  EXPECT_THAT(points("ABS(m1)"), ElementsAre(Pair(0, 1), Pair(60, 2), Pair(120, 4), Pair(240, 8)));
  EXPECT_THAT(points("CEIL(m1 / 4)"), ElementsAre(Pair(0, 1), Pair(60, 1), Pair(120, 1), Pair(240, -2)));
  EXPECT_THAT(points("FLOOR(m1 / 4)"), ElementsAre(Pair(0, 0), Pair(60, 0), Pair(120, 1), Pair(240, -2)));
  EXPECT_THAT(points("DIFF(m1)"), ElementsAre(Pair(60, 1), Pair(120, 2), Pair(240, -12)));
  EXPECT_THAT(points("RATE(m1)"), ElementsAre(Pair(60, 1.0 / 60), Pair(120, 2.0 / 60), Pair(240, -0.1)));
}

TEST(Math, FillGivesEveryPeriodOfTheWindowAPoint) {
  EXPECT_THAT(points("FILL(m1, 0)"),
              ElementsAre(Pair(0, 1), Pair(60, 2), Pair(120, 4), Pair(180, 0), Pair(240, -8)));
  EXPECT_THAT(points("FILL(m2, REPEAT)"),
              ElementsAre(Pair(0, 10), Pair(60, 0), Pair(120, 5), Pair(180, 7), Pair(240, 7)));
  EXPECT_THAT(points("FILL(none, -1)").size(), 5u);
  EXPECT_THAT(points("FILL(none, REPEAT)"), IsEmpty());
  EXPECT_THAT(points("SUM(FILL(METRICS(), 0))").size(), 5u);
}

TEST(Math, IfChoosesAtEachTime) {
  EXPECT_THAT(points("IF(m1 > 1, m1, 0)"), ElementsAre(Pair(0, 0), Pair(60, 2), Pair(120, 4), Pair(240, 0)));
  EXPECT_THAT(points("IF(m1 > 1, m2, m1)"),
              ElementsAre(Pair(0, 1), Pair(60, 0), Pair(120, 5), Pair(240, -8)));
  EXPECT_THAT(points("IF(m1 > 1, m1)"), ElementsAre(Pair(60, 2), Pair(120, 4)));
  EXPECT_EQ(scalar("IF(1 < 2, 5, 6)"), 5);
  EXPECT_THAT(points("IF(MAX(m1) > 100, m1, 9)"),
              ElementsAre(Pair(0, 9), Pair(60, 9), Pair(120, 9), Pair(240, 9)));
}

TEST(Math, WhatCloudWatchWouldRefuseIsRefused) {
  EXPECT_THAT(error("m9 + 1"), HasSubstr("'m9' is not one of the request"));
  EXPECT_THAT(error("M1 + 1"), HasSubstr("begins with a lower case letter"));
  EXPECT_THAT(error("1m + 1"), HasSubstr("lower case letter"));
  EXPECT_THAT(error("m1 +"), HasSubstr("ends too early"));
  EXPECT_THAT(error("(m1"), HasSubstr("')' is missing"));
  EXPECT_THAT(error("m1 m2"), HasSubstr("Unexpected 'm'"));
  EXPECT_THAT(error("SEARCH('{AWS/EC2}', 'Average')"), HasSubstr("does not know SEARCH"));
  EXPECT_THAT(error("SELECT AVG(x) FROM y"), HasSubstr("does not know SELECT"));
  EXPECT_THAT(error("STDDEV(m1)"), HasSubstr("does not know STDDEV"));
  EXPECT_THAT(error("METRICS() + METRICS()"), HasSubstr("Unsupported operand type(s) for +"));
  EXPECT_THAT(error("SUM(1)"), HasSubstr("does not take a Scalar"));
  EXPECT_THAT(error("[1, 2]"), HasSubstr("not a Scalar"));
  EXPECT_THAT(error("FILL(m1)"), HasSubstr("FILL does not take 1 argument(s)"));
  EXPECT_THAT(error("REPEAT"), HasSubstr("second argument of FILL"));
  EXPECT_THAT(error("\"m1\""), HasSubstr("METRICS"));
  for (const char* bad : {"", "()", "[]", "m1 = 2", "\"m1", "IF(m1)", "m1 +* 2", "#", "1..2", "METRICS(m1)"})
    EXPECT_NE(error(bad), "") << bad;
}

// `middle` between runs of two characters.
std::string enclosed(size_t times, char ch, std::string_view middle = {}, size_t then = 0, char last = ' ') {
  std::string text(times, ch);
  text.append(middle);
  text.append(then, last);
  return text;
}

TEST(Math, DepthAndLengthAreBounded) {
  EXPECT_THAT(error(enclosed(200, '(', "1", 200, ')')), HasSubstr("too deeply"));
  EXPECT_THAT(error(enclosed(300, '-', "1")), HasSubstr("too deeply"));
  EXPECT_THAT(error(std::string(3000, '1')), HasSubstr("longer than 2048"));
  EXPECT_EQ(scalar(enclosed(30, '(', "1", 30, ')')), 1);
  std::string sum = "1";
  for (int i = 0; i < 200; ++i) sum += "+1";
  EXPECT_EQ(scalar(sum), 201);
}

}  // namespace
}  // namespace bakusoku::simaws::math
