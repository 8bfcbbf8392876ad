#include "agent/math_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zabbix/key.h"

namespace bakusoku::agent {
namespace {

using testing::HasSubstr;

Result<MetricKey> parse(const std::vector<std::string>& parameters) { return parse_math_key(parameters); }

// As it is written in Zabbix.
Result<MetricKey> parse_text(std::string_view key) {
  const auto parsed = zabbix::parse_key(key);
  EXPECT_TRUE(parsed) << key;
  return parse_math_key(parsed->params);
}

TEST(MathKey, ReadsAnExpressionAndItsMetrics) {
  const auto key =
      parse_text(R"(aws.math["100*errors/requests",)"
                 R"("requests=AWS/ApplicationELB,RequestCount,LoadBalancer=app/x/1;Zone=a,Sum",)"
                 R"("errors=AWS/ApplicationELB,HTTPCode_Target_5XX_Count,LoadBalancer=app/x/1,sum",)"
                 R"(period=1m,region=eu-west-1,account=prod,missing=zero])");
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->metric, "100*errors/requests");
  EXPECT_EQ(key->namespace_, "AWS/ApplicationELB");
  EXPECT_EQ(key->period_seconds, 60);
  EXPECT_EQ(key->region, "eu-west-1");
  EXPECT_EQ(key->account, "prod");
  EXPECT_TRUE(key->missing_is_zero);
  ASSERT_EQ(key->inputs.size(), 2u);
  EXPECT_EQ(key->inputs[0].name, "errors");
  EXPECT_EQ(key->inputs[0].statistic, "Sum");
  EXPECT_EQ(key->inputs[1].name, "requests");
  EXPECT_EQ(key->inputs[1].dimensions,
            (std::vector<aws::cloudwatch::Dimension>{{"LoadBalancer", "app/x/1"}, {"Zone", "a"}}));
}

TEST(MathKey, TakesDefaultsForWhatIsLeftOut) {
  const auto key = parse({"m*2", "m=N,M"});
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->period_seconds, 300);
  EXPECT_EQ(key->inputs[0].statistic, "Average");
  EXPECT_TRUE(key->inputs[0].dimensions.empty());
  EXPECT_FALSE(key->missing_is_zero);
}

TEST(MathKey, CommasAndSemicolonsInsideAPartAreEscaped) {
  const auto key = parse({"m*2", R"(m=N\,1,M,A=x\,y\;z;B=back\\,Sum)"});
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->inputs[0].namespace_, "N,1");
  EXPECT_EQ(key->inputs[0].statistic, "Sum");
  EXPECT_EQ(key->inputs[0].dimensions,
            (std::vector<aws::cloudwatch::Dimension>{{"A", "x,y;z"}, {"B", "back\\"}}));
}

TEST(MathKey, TheOrderOfParametersDoesNotMatter) {
  const auto a = parse({"a+b", "a=N,A", "b=N,B", "period=1h"});
  const auto b = parse({"a+b", "period=3600", "b=N,B", "a=N,A"});
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->inputs, b->inputs);
  EXPECT_EQ(a->period_seconds, b->period_seconds);
}

TEST(MathKey, NamesTheParameterThatIsWrong) {
  const auto error = [](const std::vector<std::string>& parameters) {
    const auto key = parse(parameters);
    EXPECT_FALSE(key) << parameters[0];
    return key ? std::string() : key.error().message;
  };
  EXPECT_THAT(parse({}).error().message, HasSubstr("expression (parameter 1) is missing"));
  EXPECT_THAT(error({""}), HasSubstr("expression (parameter 1) is missing"));
  EXPECT_THAT(error({"1+1"}), HasSubstr("needs a metric"));
  EXPECT_THAT(error({"m", "m=N,M", "5m"}), HasSubstr("parameter 3 '5m' is neither"));
  EXPECT_THAT(error({"m", "m=N,M", "m=N,M"}), HasSubstr("m is given twice"));
  EXPECT_THAT(error({"m", "m=N,M", "M=N,M"}), HasSubstr("parameter 3: 'M' is no name"));
  EXPECT_THAT(error({"m", "=N,M"}), HasSubstr("parameter 2: '' is no name"));
  EXPECT_THAT(error({"m", "m="}), HasSubstr("metric m: the namespace is missing"));
  EXPECT_THAT(error({"m", "m=N"}), HasSubstr("metric m: its name in CloudWatch is missing"));
  EXPECT_THAT(error({"m", "m=N,M,A"}), HasSubstr("metric m: dimensions: 'A' is not Name=Value"));
  EXPECT_THAT(error({"m", "m=N,M,,Mean"}), HasSubstr("metric m: statistic 'Mean'"));
  EXPECT_THAT(error({"m", "m=N,M,,Sum,300"}),
              HasSubstr("metric m: unit '300' is not one of CloudWatch's units"));
  EXPECT_THAT(error({"m", "m=N,M,,Sum,Count,300"}), HasSubstr("metric m: 6 parts, at most 5"));
  EXPECT_THAT(error({"m", "m=N,M", "period=7"}), HasSubstr("period '7'"));
  EXPECT_THAT(error({"m", "m=N,M", "missing=no"}), HasSubstr("missing 'no'"));
}

TEST(MathKey, TakesAsManyMetricsAsFitACall) {
  std::vector<std::string> parameters{"SUM(METRICS())"};
  for (int at = 0; at < 499; ++at)
    parameters.push_back("m" + std::to_string(at) + "=N,M" + std::to_string(at));
  // METRICS() is written out in the call.
  const auto key = parse(parameters);
  ASSERT_FALSE(key);
  EXPECT_THAT(key.error().message, HasSubstr("2048 bytes"));
  parameters.resize(201);
  EXPECT_TRUE(parse(parameters));
  parameters.resize(1);
  for (int at = 0; at < 500; ++at)
    parameters.push_back("m" + std::to_string(at) + "=N,M" + std::to_string(at));
  EXPECT_THAT(parse(parameters).error().message, HasSubstr("500 metrics, at most 499"));
}

std::string judged(std::string_view expression) {
  const std::vector<aws::cloudwatch::NamedQuery> inputs{{"a", "N", "A", {}, "Sum"},
                                                        {"b_2", "N", "B", {}, "Sum"}};
  const auto checked = check_expression(expression, inputs);
  if (checked) return "fine";
  EXPECT_EQ(checked.error().kind, ErrorKind::invalid);
  return checked.error().message;
}

TEST(Expression, OfOneSeriesIsFine) {
  for (const char* expression : {"a+b_2",
                                 "100*a/b_2",
                                 "-a * -(b_2)",
                                 "a/b_2^2",
                                 "(a+b_2)/PERIOD(a)",
                                 "SUM([a,b_2])",
                                 "SUM(METRICS())",
                                 "AVG(METRICS()) * 2.5",
                                 "MAX([a, b_2, 10])",
                                 "IF(a > 10 && b_2 < 3, a, 0)",
                                 "IF(a == 0 OR b_2, 1, 0)",
                                 "FILL(a, 0) + FILL(b_2, REPEAT)",
                                 "RATE(a) - DIFF(b_2)",
                                 "CEIL(a)+FLOOR(b_2)+.5",
                                 "FIRST(SORT(METRICS(), AVG, DESC, 1))",
                                 "NOT_KNOWN_HERE(a, b_2)",
                                 "TIME_SERIES(0) + a + b_2",
                                 " a\t+\n b_2 ",
                                 "a<=b_2",
                                 "IF(b_2, FILL(a, LINEAR))"}) {
    EXPECT_EQ(judged(expression), "fine") << expression;
  }
}

TEST(Expression, OfNotOneSeriesIsRefusedInWords) {
  const std::pair<const char*, const char*> wrong[] = {
      {"a", "the metric b_2 is not in it"},
      {"a+b_2+c", "at 'c': no metric is called c"},
      {"a+b_2+", "at its end: something is missing"},
      {"(a+b_2", "at its end: ')' is missing"},
      {"a+b_2)", "at ')': what is this"},
      {"a b_2", "at 'b_2': what is this"},
      {"a % b_2", "at '% b_2'"},
      {"[a,b_2]", "several series"},
      {"[a,b_2", "']' is missing"},
      {"METRICS()*2", "several series"},
      {"METRICS(\"a\")", "METRICS takes no parameters"},
      {"SUM(a)+b_2", "SUM of one metric depends"},
      {"RUNNING_SUM(a)+b_2", "RUNNING_SUM"},
      {"METRIC_COUNT([a,b_2])", "it is a number"},
      {"PERIOD(a)*PERIOD(b_2)", "it is a number"},
      {"SEARCH('{N,D} M', 'Sum')", "SEARCH finds any number of series"},
      {"SELECT AVG(A) FROM N", "SELECT finds any number of series"},
      {"sum([a,b_2])", "functions are written in capitals"},
      {"SUM()", "SUM needs a parameter"},
      {"a+1.2.3+b_2", "at '.3+b_2': what is this"},
      {"a+2x+b_2", "this is no number"},
      {"a+.+b_2", "this is no number"},
      {"\"a", "a quote is not closed"},
      {"", "something is missing"},
      {"IF(a", "the ')' of IF is missing"},
  };
  for (const auto& [expression, words] : wrong) {
    EXPECT_THAT(judged(expression), HasSubstr(words)) << expression;
  }
}

// `middle` between runs of two characters.
std::string enclosed(size_t times, char ch, std::string_view middle = {}, size_t then = 0, char last = ' ') {
  std::string text(times, ch);
  text.append(middle);
  text.append(then, last);
  return text;
}

TEST(Expression, OfAnyDepthIsReadOrRefused) {
  EXPECT_THAT(judged(std::string(100'000, '(')), HasSubstr("too many parentheses"));
  EXPECT_THAT(judged(std::string(100'000, '-')), HasSubstr("something is missing"));
  EXPECT_EQ(judged(enclosed(60, '(', "a+b_2", 60, ')')), "fine");
}

}  // namespace
}  // namespace bakusoku::agent
