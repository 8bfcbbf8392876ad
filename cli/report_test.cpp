#include "cli/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::cli {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Cut, LeavesWholeCharactersAndNoControlCharacters) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdef", 4), "abc…");
  EXPECT_EQ(cut("爆速爆速", 3), "爆速…");
  EXPECT_EQ(cut("a\x1b[31mb\n", 0), "a [31mb ");
  EXPECT_EQ(cut("a\xFFz", 0), "a\xEF\xBF\xBDz");
}

TEST(Wrapped, BreaksAtSpaces) {
  EXPECT_THAT(wrapped("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(wrapped("incomprehensibilities are long", 7),
              ElementsAre("incomprehensibilities", "are", "long"));
  EXPECT_THAT(wrapped("one two three", 0), ElementsAre("one two three"));
  EXPECT_THAT(wrapped("", 7), ElementsAre());
}

constexpr std::string_view kItem =
    R"({"host":"web-1","key":"bakusoku.ping","now":1700000000,"state":"delivered","explanation":[)"
    R"({"about":"wanted","text":"Zabbix at z:10051 wants it every 1m."},{"about":"wanted","text":"More."},)"
    R"({"about":"delivery","text":"Acknowledged."}],"destinations":[]})";

TEST(ExplainText, OfAnItemIsItsSentences) {
  EXPECT_EQ(
      explain_text(kItem, 0).value(),
      "web-1  bakusoku.ping\ndelivered\n\nwanted    Zabbix at z:10051 wants it every 1m.\n          More.\n"
      "delivery  Acknowledged.\n");
  EXPECT_TRUE(explains_delivery(kItem));
}

TEST(ExplainText, OfAHostIsATable) {
  constexpr std::string_view kHost =
      R"({"host":"web-1","now":1700000000,"explanation":[{"about":"wanted","text":"2 items."}],"destinations":[)"
      R"({"name":"z:10051","host_known":true,"items":[)"
      R"({"key":"bakusoku.ping","interval":"1m","state":"delivered","clock":1699999990,"value":"1"},)"
      R"({"key":"aws.metric[AWS/EC2]","interval":"5m","state":"not supported","error":"a parameter is missing"}]}]})";
  EXPECT_EQ(explain_text(kHost, 0).value(),
            "web-1\n\nwanted    2 items.\n\nz:10051\n"
            "STATE          EVERY  AGE   VALUE  KEY\n"
            "delivered      1m     10 s  1      bakusoku.ping\n"
            "not supported  5m     -     -      aws.metric[AWS/EC2]  a parameter is missing\n");
  EXPECT_FALSE(explains_delivery(kHost));
  const std::string narrow = explain_text(kHost, 50).value();
  EXPECT_THAT(narrow, HasSubstr("not supported  5m     -     -      aws.metric[AWS…\n"));
}

TEST(ExplainText, OfSomethingElseIsAnError) {
  for (const char* text : {"", "1", "{}", "[", "null", R"({"explanation":3})"}) {
    (void)explain_text(text, 80);
    EXPECT_FALSE(explains_delivery(text)) << text;
  }
  EXPECT_FALSE(explain_text("{}", 80));
  EXPECT_FALSE(status_lines("{}", 80));
  EXPECT_FALSE(status_lines("", 80));
}

constexpr std::string_view kStatus =
    R"({"version":"1.2.3","now":1700000000,"uptime":93784,"memory":45000000,"cpu_percent":1.25,"destinations":[)"
    R"({"name":"a:10051","alternatives":["b:10051"],"hosts":10,"hosts_known":7,"hosts_unknown":2,"pending":0,)"
    R"("pending_bytes":0,"pending_age":0,"refused_waiting":3,"given_up":0,"delivered":1000,"resent":5,"refused":3},)"
    R"({"name":"c:10051","alternatives":[],"trouble":"Zabbix at c:10051: cannot connect","trouble_since":1699999900,)"
    R"("hosts":10,"hosts_known":10,"hosts_unknown":0,"pending":1234,"pending_bytes":56000,"pending_age":100,)"
    R"("refused_waiting":0,"given_up":17,"delivered":2000,"resent":0,"refused":0}],)"
    R"("items":{"wanted":100,"metrics":90,"due":2,"reading":1,"asking":0},)"
    R"("values":{"put":5000,"delivered":3000,"put_per_second":1.25,"delivered_per_second":12.5,"not_stored":0},)"
    R"("aws":{"requests_per_second":0.5,"requests":70,"failed":1,"throttled":0,"in_flight":1,"queued":0,)"
    R"("series":90,"billed":9000,"datapoints_per_second":17.3,"postponed":12,"postponed_since":1699999900,)"
    R"("postponed_by":"quota_share"},)"
    R"("delays":[{"namespace":"AWS/EC2","periods":"minutes","seconds":180,"at_first":120,"configured":false},)"
    R"({"namespace":"AWS/ELB","periods":"minutes","seconds":120,"at_first":120,"configured":false},)"
    R"({"namespace":"AWS/S3","periods":"days","seconds":7200,"at_first":7200,"configured":true}],)"
    R"("bill":{"today":1.5,"month":20.25,"forecast":98.7,"since":1699000000,"on_disk":false,"budget":100.0,)"
    R"("unstretched":130.0,"stretch":{"high":1,"normal":1,"low":4},"exceeded":false,)"
    R"("namespaces":[{"namespace":"AWS/EBS","month":5.25},{"namespace":"AWS/EC2","month":15.0},)"
    R"({"namespace":"ListMetrics","month":0.0}]},)"
    R"("quotas":[{"account":"","region":"eu-west-1","calls":5.0,"calls_limit":25.0,"datapoints":900.0,)"
    R"("datapoints_limit":90000.0},{"account":"prod","region":"us-east-1","calls":0.1,"calls_limit":25.0,)"
    R"("datapoints":0,"datapoints_limit":0}],)"
    R"("problems":[{"first":1699999000,"last":1699999900,"times":3,"level":"warning","text":"values wait"}]})";

TEST(StatusLines, TellWhatTheAgentSaid) {
  const auto lines = status_lines(kStatus, 0);
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->front(), "bakusoku 1.2.3, up 1 d 2 h, 22:13:20 UTC; memory 45.0 MB, CPU 1.2 %");
  EXPECT_THAT(*lines,
              Contains("a:10051  ok               7/10   0               -           1000       5       3"));
  EXPECT_THAT(*lines,
              Contains(AllOf(HasSubstr("c:10051  away 1 min 40 s  10/10  1234 (56.0 kB)  1 min 40 s"))));
  EXPECT_THAT(*lines, Contains("  c:10051 since 22:11:40 UTC: Zabbix at c:10051: cannot connect"));
  EXPECT_THAT(*lines, Contains("  a:10051 is in use; of the same cluster: b:10051"));
  EXPECT_THAT(*lines, Contains("  a:10051 does not know 2 of the hosts"));
  EXPECT_THAT(*lines, Contains("  a:10051 has not been asked about 1 of the hosts yet"));
  EXPECT_THAT(*lines, Contains(HasSubstr("17 values for c:10051 were given up")));
  EXPECT_THAT(*lines, Contains("ITEMS   100 wanted, 90 of them metrics; 2 due, 1 being read, 0 being asked"));
  EXPECT_THAT(*lines, Contains(HasSubstr("1.2/s collected and 12/s delivered")));
  EXPECT_THAT(*lines, Contains("        90 metric series known; 17/s datapoints in the last minute"));
  EXPECT_THAT(*lines,
              Contains("BILL    US$1.50 today, US$20.25 this month so far; the month comes to US$98.70 of a "
                       "budget of US$100.00"));
  EXPECT_THAT(*lines, Contains("        for the budget, metrics are read more rarely: low priority every 4 "
                               "intervals; otherwise it were US$130.00"));
  EXPECT_THAT(*lines, Contains(HasSubstr("counted in memory since")));
  EXPECT_THAT(*lines, Contains("        of the month: AWS/EC2 US$15.00, AWS/EBS US$5.25"));
  EXPECT_THAT(*lines, Contains("eu-west-1                  5/s of 25/s (20 %)   900/s of 90000/s (1 %)"));
  EXPECT_THAT(*lines, Contains("us-east-1 of account prod  0.1/s of 25/s (0 %)  -"));
  EXPECT_THAT(*lines, Contains("  22:11:40 UTC (3 times) warning: values wait"));
  EXPECT_THAT(*lines,
              Contains("        12 of them are postponed, first since 22:11:40 UTC, because of the limit: "
                       "quota_share"));
  EXPECT_THAT(*lines, Contains("3 min             minutes     AWS/EC2"));
  EXPECT_THAT(*lines, Contains("2 h (configured)  days        AWS/S3"));
  EXPECT_THAT(*lines, Contains(HasSubstr("of 1 more nothing else")));
}

TEST(StatusLines, NameRegionsThatAreLeftOut) {
  const auto lines = status_lines(
      R"({"version":"1","now":0,"uptime":1,"memory":1,"cpu_percent":0,"problems":[],)"
      R"("left_out":[{"account":"prod","region":"us-east-1","service":"ec2","why":"forbidden"}]})",
      0);
  ASSERT_TRUE(lines);
  EXPECT_THAT(*lines, Contains("LEFT OUT  ec2 of us-east-1 of account prod: forbidden"));
}

TEST(StatusLines, OfDelaysNameWhatWasLearnt) {
  const auto lines = status_lines(
      R"({"version":"1","now":0,"uptime":1,"memory":1,"cpu_percent":0,"problems":[],)"
      R"("delays":[{"namespace":"X","periods":"hours","seconds":300,"at_first":300,"configured":false}]})",
      0);
  ASSERT_TRUE(lines);
  EXPECT_THAT(*lines, Not(Contains(HasSubstr("PERIODS OF"))));
  EXPECT_THAT(*lines, Contains("FINAL AFTER  the usual time in all namespaces"));
}

TEST(StatusLines, ABudgetThatIsPassedIsSaidLoudly) {
  std::string json(kStatus);
  json.replace(json.find("\"exceeded\":false"), 16, "\"exceeded\":true");
  EXPECT_THAT(*status_lines(json, 0), Contains(HasSubstr("THE BUDGET IS PASSED")));
}

TEST(StatusLines, NewMetricsThatWaitForTheBudgetAreCounted) {
  std::string json(kStatus);
  EXPECT_THAT(*status_lines(json, 0), Not(Contains(HasSubstr("new metrics"))));
  json.insert(json.find("\"exceeded\":false"), "\"waiting\":0,");
  EXPECT_THAT(*status_lines(json, 0), Not(Contains(HasSubstr("new metrics"))));
  json.replace(json.find("\"waiting\":0"), 11, "\"waiting\":23");
  EXPECT_THAT(
      *status_lines(json, 0),
      Contains("        23 new metrics wait and are not read: with them the month would pass the budget"));
}

constexpr std::string_view kPlan =
    R"({"source":"the items in a","prices":"2026-11-24","items":40,"series":35,"metrics":{"there":30,"absent":4,)"
    R"("unknown":1},"calls_per_minute":0.2,"usd_per_month":2.98,"usd_of_absent":0.35,"budget":2.0,)"
    R"("namespaces":[{"namespace":"AWS/EC2","series":31,"absent":4,"usd_per_month":2.98}],)"
    R"("targets":[{"account":"prod","region":"eu-west-1","series":31,"calls_per_minute":0.2,)"
    R"("datapoints_per_second":0.52,"of_calls_quota":0.0001,"of_datapoints_quota":0.00001}],)"
    R"("intervals":[{"interval":900,"calls_per_minute":0.067,"usd_per_month":0.99}],)"
    R"("savings":[{"what":"AWS/EC2 CPUUtilization, 10 series every 5 min","change":"every 15 min",)"
    R"("usd_per_month":0.58}]})";

TEST(PlanText, TellsWhatTheAgentSaid) {
  const auto text = plan_text(kPlan, 0);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("40 items, 35 series: the items in a\n"));
  EXPECT_THAT(
      *text, HasSubstr("30 metrics are listed by CloudWatch, 4 are not and will not be asked for (that would "
                       "cost US$0.35 a month more), of 1 it is not known\n"));
  EXPECT_THAT(*text, Not(HasSubstr("count as 0")));
  std::string with_zeros(kPlan);
  with_zeros.replace(with_zeros.find("\"unknown\""), 9, "\"zero\":3,\"unknown\"");
  EXPECT_THAT(*plan_text(with_zeros, 0),
              HasSubstr("3 of those that are not listed count as 0 (<missing> is zero)"));
  EXPECT_THAT(*text, Not(HasSubstr("wait for the budget")));
  std::string waiting(kPlan);
  waiting.replace(waiting.find("\"budget\":2.0"), 12, R"("budget":2.0,"waiting":5,"usd_of_waiting":1.25)");
  EXPECT_THAT(*plan_text(waiting, 0),
              HasSubstr("5 of the series are new and wait for the budget; they are US$1.25 a month of it\n"));
  EXPECT_THAT(*text,
              HasSubstr("US$2.98 a month, 0.2 calls a minute\nThat is more than the budget of US$2.00"));
  EXPECT_THAT(*text, HasSubstr("eu-west-1 of account prod  31"));
  EXPECT_THAT(*text, HasSubstr("15 min          0.067      0.99\n"));
  EXPECT_THAT(*text, HasSubstr("0.58       every 15 min  AWS/EC2 CPUUtilization, 10 series every 5 min\n"));
  EXPECT_THAT(*text, HasSubstr("At list prices of 2026-11-24"));
  for (const char* other : {"", "{}", "[1]", "null"}) EXPECT_FALSE(plan_text(other, 0)) << other;
}

TEST(StatusLines, FitAnyWidth) {
  for (const size_t width : {1u, 20u, 60u, 80u, 200u}) {
    const auto lines = status_lines(kStatus, width);
    ASSERT_TRUE(lines);
    for (const std::string& line : *lines) {
      size_t columns = 0;
      for (const char ch : line) columns += (static_cast<unsigned char>(ch) & 0xC0) != 0x80 ? 1 : 0;
      EXPECT_LE(columns, width) << line;
    }
  }
}

TEST(StatusLines, OfAnAgentWithoutAServerSaySo) {
  const auto lines =
      status_lines(R"({"version":"1","now":0,"uptime":1,"memory":1,"cpu_percent":0,"problems":[]})", 0);
  ASSERT_TRUE(lines);
  EXPECT_THAT(*lines, Contains(HasSubstr("no server in [zabbix]")));
}

TEST(Remarks, NameHostsAndItemsThatZabbixDoesNotTake) {
  const auto remarks = remarks_of(
      R"({"version":"1.2.3","uptime":70,"holds":{"pid":42,"configuration":"/etc/b.toml"},"destinations":[
      {"name":"z:10051","hosts_unknown":4,
       "unknown":[{"host":"i-1","says":"host [i-1] not found"},{"host":"i-2","says":"host [i-2] not found"},
                  {"host":"db","says":"host [db] is not monitored"}],
       "items_refused":1,"refused_items":[{"host":"web","key":"a[1]","times":3}]},
      {"name":"y:10051","unknown":[],"items_refused":0,"refused_items":[]}]})");
  ASSERT_EQ(remarks.size(), 4U);
  EXPECT_TRUE(remarks[0].is_good);
  EXPECT_EQ(remarks[0].text, "version 1.2.3 runs (process 42, configured by /etc/b.toml), up 1 min 10 s");
  EXPECT_EQ(remarks[1].about, "Zabbix at z:10051");
  EXPECT_NE(remarks[1].text.find("of host db that"), std::string::npos) << remarks[1].text;
  EXPECT_NE(
      remarks[2].text.find("hosts i-1, i-2 that the running agent answers for: \"host [i-1] not found\""),
      std::string::npos)
      << remarks[2].text;
  EXPECT_TRUE(remarks[2].text.ends_with("(and 1 other hosts)")) << remarks[2].text;
  EXPECT_NE(remarks[3].text.find("the values of 1 item of the running agent: a[1] of web;"),
            std::string::npos)
      << remarks[3].text;
}

TEST(Remarks, OfAVersionThatSaysLessAreFew) {
  EXPECT_EQ(remarks_of(R"({"version":"0.1","uptime":5})").size(), 1U);
  const auto unreadable = remarks_of("no JSON");
  ASSERT_EQ(unreadable.size(), 1U);
  EXPECT_FALSE(unreadable[0].is_good);
}

}  // namespace
}  // namespace bakusoku::cli
