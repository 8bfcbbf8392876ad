#include "agent/metric_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

using testing::HasSubstr;

Result<MetricKey> parse(const std::vector<std::string>& parameters) { return parse_metric_key(parameters); }

TEST(MetricKey, TakesDefaultsForWhatIsLeftOut) {
  const auto key = parse({"AWS/EC2", "CPUUtilization"});
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->statistic, "Average");
  EXPECT_EQ(key->period_seconds, 300);
  EXPECT_TRUE(key->dimensions.empty());
  EXPECT_TRUE(key->region.empty());
  EXPECT_FALSE(key->missing_is_zero);
}

TEST(MetricKey, ReadsEveryParameter) {
  const auto key =
      parse({"AWS/EC2", "NetworkIn", "InstanceId=i-1", "sum", "1m", "eu-west-1", "prod", "zero"});
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->statistic, "Sum");
  EXPECT_EQ(key->period_seconds, 60);
  EXPECT_EQ(key->region, "eu-west-1");
  EXPECT_EQ(key->account, "prod");
  EXPECT_TRUE(key->missing_is_zero);
}

TEST(MetricKey, SortsDimensionsSoThatTheirOrderDoesNotMatter) {
  const auto dimensions = parse_dimensions("Zone=b;App=a=1\\;2");
  ASSERT_TRUE(dimensions) << dimensions.error().message;
  ASSERT_EQ(dimensions->size(), 2u);
  EXPECT_EQ((*dimensions)[0], (aws::cloudwatch::Dimension{"App", "a=1;2"}));
  EXPECT_EQ((*dimensions)[1], (aws::cloudwatch::Dimension{"Zone", "b"}));
}

TEST(MetricKey, AcceptsTheStatisticsCloudWatchKnows) {
  for (const char* statistic :
       {"Average", "SampleCount", "p99", "p99.9", "tm90", "IQM", "PR(10:300)", "TM(2%:98%)", "wm10"}) {
    EXPECT_TRUE(parse({"N", "M", "", statistic})) << statistic;
  }
  for (const char* statistic : {"Mean", "p", "p9x", "99", "PR(10)", "PR(a:b)", "p99 "}) {
    const auto key = parse({"N", "M", "", statistic});
    ASSERT_FALSE(key) << statistic;
    EXPECT_THAT(key.error().message, HasSubstr("parameter 4"));
  }
}

TEST(MetricKey, AcceptsOnlyPeriodsCloudWatchHas) {
  for (const char* period :
       {"1", "5", "10", "20", "30", "60", "300", "5m", "1h", "86400", "1d", "2d", "7d", "86460", "455d"}) {
    EXPECT_TRUE(parse({"N", "M", "", "", period})) << period;
  }
  for (const char* period :
       {"0", "2", "59", "90", "-60", "x", "456d", "86401", "99999999999999999999", "500ms", "1500ms"}) {
    const auto key = parse({"N", "M", "", "", period});
    ASSERT_FALSE(key) << period;
    EXPECT_THAT(key.error().message, HasSubstr("parameter 5"));
  }
}

TEST(MetricKey, TakesCloudWatchsUnits) {
  EXPECT_EQ(parse({"N", "M"})->unit, "");
  EXPECT_EQ(parse({"N", "M", "", "", "", "", "", "", "Count"})->unit, "Count");
  EXPECT_EQ(parse({"N", "M", "", "", "", "", "", "", "bytes/second"})->unit, "Bytes/Second")
      << "as CloudWatch writes it";
}

TEST(MetricKey, NamesTheParameterThatIsWrong) {
  EXPECT_THAT(parse({}).error().message, HasSubstr("namespace (parameter 1)"));
  EXPECT_THAT(parse({"N"}).error().message, HasSubstr("metric (parameter 2)"));
  EXPECT_THAT(parse({"N", "M", "InstanceId"}).error().message, HasSubstr("Name=Value"));
  EXPECT_THAT(parse({"N", "M", "A=1;A=2"}).error().message, HasSubstr("given twice"));
  EXPECT_THAT(parse({"N", "M", "A=1;"}).error().message, HasSubstr("Name=Value"));
  EXPECT_THAT(parse({"N", "M", "", "", "", "", "", "maybe"}).error().message, HasSubstr("parameter 8"));
  EXPECT_THAT(parse({"1", "2", "3=3", "", "", "", "", "", "", "10"}).error().message, HasSubstr("at most 9"));
  EXPECT_THAT(parse({"N", "M", "", "", "", "", "", "", "Counts"}).error().message,
              HasSubstr("unit (parameter 9) 'Counts' is not one of CloudWatch's units: None, Count"));
  EXPECT_FALSE(parse({std::string(256, 'n'), "M"}));
}

TEST(MetricKey, AllowsThirtyDimensionsAndNoMore) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += (i == 0 ? "" : ";") + std::string("D") + std::to_string(i) + "=v";
  EXPECT_TRUE(parse_dimensions(text));
  EXPECT_FALSE(parse_dimensions(text + ";D30=v"));
}

TEST(LinkedAccount, IsTwelveDigitsAndPerhapsTheAccountItIsLinkedTo) {
  const auto alone = parse_linked_account("123456789012");
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->account, "");
  EXPECT_EQ(alone->linked, "123456789012");
  const auto of_prod = parse_linked_account("prod/123456789012");
  ASSERT_TRUE(of_prod);
  EXPECT_EQ(of_prod->account, "prod");
  EXPECT_EQ(of_prod->linked, "123456789012");
  for (const char* text : {"", "prod", "12345678901", "1234567890123", "/123456789012", "prod:123456789012",
                           "prod/12345678901x", "123456789012/prod"}) {
    EXPECT_FALSE(parse_linked_account(text)) << text;
  }
}

}  // namespace
}  // namespace bakusoku::agent
