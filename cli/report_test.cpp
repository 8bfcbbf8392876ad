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
    R"("series":90,"billed":9000,"billed_today":5000,"billed_since":1699920000},)"
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
  EXPECT_THAT(*lines, Contains(HasSubstr("5000 metrics billed since 00:00:00 UTC, about US$0.05")));
  EXPECT_THAT(*lines, Contains("  22:11:40 UTC (3 times) warning: values wait"));
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

}  // namespace
}  // namespace bakusoku::cli
