// The sentences, one situation after the other.
#include "agent/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <functional>

namespace bakusoku::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNow = 1'700'000'000;  // 22:13:20 UTC

// A metric's item of which all is well.
ItemFacts healthy() {
  DestinationFacts zabbix;
  zabbix.name = "zabbix:10051";
  zabbix.has_host = zabbix.host_known = zabbix.wanted = true;
  zabbix.host_asked = kNow - 20;
  zabbix.host_asks = kNow + 100;
  zabbix.items = 12;
  zabbix.interval = "1m";
  zabbix.due = kNow + 30;
  zabbix.put_at = kNow - 10;
  zabbix.put_clock = kNow - 320;
  zabbix.put_text = "12.5";
  zabbix.acknowledged_at = kNow - 9;
  zabbix.trace = SpoolTrace{};
  zabbix.trace->complete = true;

  SeriesFacts series;
  series.description = "AWS/EC2 CPUUtilization (InstanceId=i-1) Average";
  series.namespace_ = "AWS/EC2";
  series.metric = "CPUUtilization";
  series.dimensions = {{"InstanceId", "i-1"}};
  series.statistic = "Average";
  series.period = 60;
  series.region = "eu-west-1";
  series.delay = 120;
  series.readings = 25;
  series.last_read = kNow - 11;
  series.window_start = kNow - 560;
  series.window_end = kNow - 260;
  series.point_clock = kNow - 320;
  series.point_value = "12.5";
  series.next_reading = kNow + 40;
  series.last_asked = kNow - 30;
  series.ask_gap = 60;
  series.fed = true;

  ItemFacts facts;
  facts.now = kNow;
  facts.host = "i-1";
  facts.key = "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,60]";
  facts.is_metric = true;
  facts.hosts = 3;
  facts.destinations = {zabbix};
  facts.series = series;
  return facts;
}

std::string said(const ItemFacts& facts, std::string_view about = "") {
  std::string text;
  for (const Sentence& sentence : explain(facts)) {
    if (about.empty() || sentence.about == about) text += sentence.text + '\n';
  }
  return text;
}

// `change` is what is otherwise than in the healthy case.
ItemFacts with(const std::function<void(DestinationFacts&, SeriesFacts&)>& change) {
  ItemFacts facts = healthy();
  change(facts.destinations.front(), *facts.series);
  return facts;
}

TEST(Explanation, OfAMetricThatCloudWatchDoesNotList) {
  ItemFacts facts = healthy();
  facts.series->absent = true;
  facts.series->looks_again = kNow + 300;
  facts.series->point_clock = 0;
  const std::string json = explanation_json(facts);
  EXPECT_THAT(json, HasSubstr("CloudWatch lists no such metric"));
  EXPECT_THAT(json, HasSubstr(fmt::format("\"looks_again\":{}", kNow + 300)));
  EXPECT_THAT(json, Not(HasSubstr("last asked")));
}

TEST(Explanation, TellsSinceWhenNothingWasSeenOfAMetricThatCountsAsZero) {
  ItemFacts facts = healthy();
  facts.series->absent = true;
  facts.series->looks_again = kNow + 300;
  facts.series->point_clock = 0;
  facts.series->readings = 0;
  facts.series->missing_is_zero = facts.series->zero = true;
  facts.series->absent_since = kNow - 7200;
  EXPECT_THAT(said(facts, "missing"),
              AllOf(HasSubstr("counts as 0"), HasSubstr("Nothing was seen of it since "),
                    HasSubstr("for 2 h, as long as the agent knows it: a 0 may mean that "
                              "nothing was counted yet, or that the key is mistaken.")));
  EXPECT_THAT(explanation_json(facts), HasSubstr(fmt::format("\"absent_since\":{}", kNow - 7200)));
  facts.series->missing_is_zero = facts.series->zero = false;
  facts.series->readings = 3;
  EXPECT_THAT(said(facts, "missing"),
              HasSubstr("for 2 h: it may have had no datapoint yet, or the key is mistaken."));
}

TEST(Explanation, TellsWhatCloudWatchSaidBesideTheDatapoints) {
  ItemFacts facts = healthy();
  EXPECT_THAT(said(facts, "reading"), Not(HasSubstr("CloudWatch said")));
  facts.series->remark = "ArithmeticError: one of the values";
  EXPECT_THAT(said(facts, "reading"),
              HasSubstr("CloudWatch said of the newest reading: ArithmeticError: one of the values."));
  EXPECT_THAT(explanation_json(facts), HasSubstr("\"remark\":\"ArithmeticError: one of the values\""));
}

TEST(Explanation, OfADeliveredValueTellsItsWholeWay) {
  const ItemFacts facts = healthy();
  EXPECT_EQ(state_of(facts), ItemState::delivered);
  EXPECT_THAT(said(facts, "wanted"),
              HasSubstr("Zabbix at zabbix:10051 wants it every 1m; it is due 22:13:50 UTC (in 30 s)."));
  EXPECT_THAT(said(facts, "metric"),
              AllOf(HasSubstr("AWS/EC2 CPUUtilization (InstanceId=i-1) Average over 60 s"),
                    HasSubstr("in eu-west-1 with the default account"), HasSubstr("read 25 times"),
                    HasSubstr("about US$0.00025")));
  EXPECT_THAT(
      said(facts, "reading"),
      AllOf(HasSubstr("last asked 22:13:09 UTC (11 s ago) for the periods from 22:04:00 UTC to 22:09:00 UTC"),
            HasSubstr("The newest datapoint there was 12.5 of 22:08:00 UTC (5 min 20 s ago)"),
            HasSubstr("The next reading is about 22:14:00 UTC (in 40 s)"),
            HasSubstr("the one that ends at 22:10:00 UTC is delivered from 22:12:00 UTC on")));
  EXPECT_THAT(
      said(facts, "value"),
      HasSubstr("The newest for zabbix:10051 is the value 12.5, of 22:08:00 UTC; it was stored 22:13:10"));
  EXPECT_THAT(said(facts, "delivery"), AllOf(HasSubstr("acknowledged it 22:13:11 UTC (9 s ago)"),
                                             HasSubstr("does not fit its type of information")));
  EXPECT_EQ(said(facts, "missing"), "");
}

TEST(Explanation, OfAPostponedReadingTellsSinceWhenAndByWhichLimit) {
  ItemFacts facts = with([](DestinationFacts&, SeriesFacts& series) {
    series.reading = true;
    series.postponed_since = kNow - 200;
    series.postponed_by = Limit::quota;
    series.priority = "low";
  });
  EXPECT_THAT(
      said(facts, "reading"),
      AllOf(HasSubstr("It is postponed: it has been due since 22:10:00 UTC (3 min 20 s ago), but more "
                      "metrics are due in eu-west-1 than may be read in time."),
            HasSubstr("[aws] quota_share"), HasSubstr("[[priority]]; this one is low"),
            HasSubstr("Nothing is lost"), Not(HasSubstr("being read"))));
  EXPECT_THAT(explanation_json(facts),
              HasSubstr(fmt::format(R"("postponed_since":{},"postponed_by":"quota_share")", kNow - 200)));
  facts.series->postponed_by = Limit::calls_in_flight;
  facts.series->most_calls = 16;
  EXPECT_THAT(said(facts, "reading"),
              HasSubstr("All 16 calls that may be under way at once to an account and "
                        "region ([aws] calls_in_flight) are"));
  facts.series->postponed_by = Limit::all_calls;
  facts.series->most_calls = 64;
  EXPECT_THAT(said(facts, "reading"), HasSubstr("All 64 calls that the agent makes at once are under way"));
  facts.series->postponed_since = 0;
  EXPECT_THAT(said(facts, "reading"),
              AllOf(HasSubstr("being read"), Not(HasSubstr("postponed")), Not(HasSubstr("quota"))));
  EXPECT_THAT(explanation_json(facts), AllOf(Not(HasSubstr("postponed")), Not(HasSubstr("waiting_calls"))));
  facts.series->waiting_calls = 7;
  EXPECT_THAT(said(facts, "reading"),
              HasSubstr("It is being read now. 7 calls to CloudWatch in eu-west-1 wait "
                        "because our share of AWS's quotas ([aws] quota_share) is used up"));
  EXPECT_THAT(explanation_json(facts), HasSubstr(R"("waiting_calls":7)"));
}

TEST(Explanation, OfANewMetricThatWaitsForTheBudget) {
  ItemFacts facts = with([](DestinationFacts&, SeriesFacts& series) {
    series.readings = 0;
    series.last_read = series.window_start = series.window_end = series.point_clock = 0;
    series.point_value.clear();
    series.failure =
        "a new metric, which waits: with it the month would pass the budget of US$10.00 ([budget] "
        "usd_per_month)";
    series.waits_for_budget = true;
    series.retry = kNow + 200;
  });
  EXPECT_THAT(said(facts, "missing"),
              AllOf(HasSubstr("It is a new metric, which waits: with it the month would pass the budget of "
                              "US$10.00 ([budget] usd_per_month). The next look is 22:16:40 UTC"),
                    Not(HasSubstr("failed")), Not(HasSubstr("had no datapoint"))));
  facts.series->retry = 0;
  EXPECT_THAT(said(facts, "missing"), HasSubstr("The next look is when somebody asks for it."));
  facts.series->waits_for_budget = false;  // anything else is a failure
  EXPECT_THAT(said(facts, "missing"),
              AllOf(HasSubstr("The last reading failed: a new metric"), Not(HasSubstr("The next look"))));
}

TEST(Explanation, OfATrapperItemTellsWhoSendsIt) {
  ItemFacts facts = healthy();
  facts.series.reset();
  facts.is_metric = false;
  DestinationFacts& zabbix = facts.destinations.front();
  zabbix.has_host = zabbix.host_known = false;
  zabbix.origin = Origin::send;
  zabbix.sent_key = "trap.cpu";
  EXPECT_EQ(state_of(facts), ItemState::delivered);
  EXPECT_THAT(said(facts),
              AllOf(HasSubstr("[[send]] in the configuration collects it every 1m and sends it to "
                              "the trapper item trap.cpu"),
                    HasSubstr("acknowledged it"), Not(HasSubstr("answers for"))));

  zabbix = DestinationFacts{};
  zabbix.name = "zabbix:10051";
  zabbix.origin = Origin::intake;
  zabbix.trace = SpoolTrace{};
  zabbix.trace->pending = 2;
  zabbix.trace->newest_id = 5;
  EXPECT_EQ(state_of(facts), ItemState::waiting);
  EXPECT_THAT(said(facts), AllOf(HasSubstr("Another program sends its values to the intake"),
                                 HasSubstr("2 values of it wait in the spool")));
}

TEST(Explanation, OfAHostThatIsNotOursNamesThoseThatAreLikeIt) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    const std::string name = zabbix.name;
    zabbix = DestinationFacts{};
    zabbix.name = name;
  });
  facts.series.reset();
  facts.similar_hosts = {"i-10", "i-12"};
  EXPECT_EQ(state_of(facts), ItemState::host_not_ours);
  EXPECT_THAT(said(facts), AllOf(HasSubstr("answers for no host named \"i-1\""),
                                 HasSubstr("answers for 3 hosts"), HasSubstr("Similar hosts: i-10, i-12."),
                                 HasSubstr("so it is not read and costs nothing")));
}

TEST(Explanation, OfAHostThatZabbixDoesNotKnowHasItsWords) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.host_known = zabbix.wanted = false;
    zabbix.put_at = 0;
    zabbix.host_refusal = "host [i-1] not found";
  });
  EXPECT_EQ(state_of(facts), ItemState::host_unknown);
  EXPECT_THAT(said(facts),
              AllOf(HasSubstr("wants nothing of host \"i-1\". It says: \"host [i-1] not found\""),
                    HasSubstr("Create a host with exactly this name"),
                    HasSubstr("asked again 22:15:00 UTC (in 1 min 40 s)")));
}

TEST(Explanation, OfAHostThatAProxyMayHaveSaysWhereToLook) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.host_known = zabbix.wanted = false;
    zabbix.put_at = 0;
    zabbix.host_refusal = "host [i-1] not found";
  });
  EXPECT_THAT(said(facts), HasSubstr("monitored by a proxy is known to that proxy only"));
  // Another destination of the configuration answers for it.
  facts.destinations.push_back(healthy().destinations.front());
  facts.destinations.back().name = "proxy:10051";
  facts.destinations.front().known_to = "proxy:10051";
  EXPECT_EQ(state_of(facts), ItemState::host_unknown) << "of the first";
  EXPECT_THAT(said(facts), AllOf(HasSubstr("Zabbix at proxy:10051 does, and the values go there"),
                                 Not(HasSubstr("Create a host"))));
}

TEST(Explanation, NamesTheProxyOfAGroupThatAnswersForTheHost) {
  const ItemFacts facts =
      with([](DestinationFacts& zabbix, SeriesFacts&) { zabbix.told_by = "proxy-2:10051"; });
  EXPECT_THAT(said(facts), HasSubstr("Zabbix at proxy-2:10051 (which answers for the host; zabbix:10051 is "
                                     "asked first) wants it every 1m"));
  EXPECT_THAT(explanation_json(facts), HasSubstr(R"("told_by":"proxy-2:10051")"));
}

TEST(Explanation, OfAnAcknowledgedValueNamesMaintenance) {
  EXPECT_THAT(said(healthy(), "delivery"), HasSubstr("in maintenance without data collection"));
}

TEST(Explanation, FindsMacrosThatZabbixHasLeft) {
  using Macros = std::vector<std::string>;
  EXPECT_EQ(macros_left_in("k[eu-west-1,{$NONE},aws,{HOST.NOPE},{#LLD},127.0.0.1,{$NONE}]"),
            (Macros{"{$NONE}", "{HOST.NOPE}", "{#LLD}"}));
  EXPECT_EQ(macros_left_in("k[{$A:\"b c\"},{HOST.IP1}]"), (Macros{"{$A:\"b c\"}", "{HOST.IP1}"}));
  for (const char* none :
       {"k", "k[{}]", "k[{a}]", "k[\"{\"\"a\"\":1.5}\"]", "k[{$}]", "k[{$a}]", "k[{A}]", "k[{$A"})
    EXPECT_EQ(macros_left_in(none), Macros()) << none;
}

TEST(Explanation, OfAKeyWithAMacroTellsBothWaysToWriteItAndWhatIsNotDefined) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.key = "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,60,{$REGION}]";
    zabbix.sent_key = "aws.metric[AWS/EC2,CPUUtilization,InstanceId={HOST.HOST},Average,60,{$REGION}]";
  });
  EXPECT_THAT(
      said(facts),
      AllOf(HasSubstr("(its key is aws.metric[AWS/EC2,CPUUtilization,InstanceId={HOST.HOST},Average,60,"
                      "{$REGION}] there, before macros are replaced)"),
            HasSubstr("left {$REGION} in the key as it is: no such macro is defined")));
  EXPECT_THAT(explanation_json(facts), HasSubstr(R"("macros_left":["{$REGION}"])"));
  facts.destinations.front().key = facts.key;
  EXPECT_THAT(said(facts), Not(HasSubstr("no such macro")));
}

TEST(Explanation, OfAnItemToldByIdThatIsRefusedSaysWhatIsLeft) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.itemid = 44518;
    zabbix.refusal = Refusal{4, kNow - 100, kNow - 10, kNow + 20, 0, "processed: 0; failed: 1; total: 1"};
  });
  EXPECT_EQ(state_of(facts), ItemState::refused);
  EXPECT_THAT(said(facts, "delivery"),
              AllOf(HasSubstr("although it names item 44518 among those it wants"),
                    HasSubstr("(the list is asked for again 22:15:00 UTC (in 1 min 40 s))"),
                    Not(HasSubstr("not of the type the values are sent for"))));
  facts.destinations.front().wanted = false;
  EXPECT_THAT(said(facts, "delivery"), Not(HasSubstr("among those it wants"))) << "it is gone from the list";
}

TEST(Explanation, OfAHostThatIsNotMonitoredAsksForThat) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.host_known = zabbix.wanted = false;
    zabbix.put_at = 0;
    zabbix.host_refusal = "host [i-1] not monitored";
  });
  EXPECT_THAT(said(facts), AllOf(HasSubstr("Is the host enabled"), Not(HasSubstr("Create a host"))));
}

TEST(Explanation, OfAHostNobodyHasBeenAskedAboutSaysWhenItIs) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.host_known = zabbix.wanted = false;
    zabbix.put_at = 0;
    zabbix.host_asked = 0;
    zabbix.host_asks = kNow - 1;
    zabbix.no_answer = "Zabbix at zabbix:10051: TLS handshake failed (bad PSK)";
    zabbix.no_answer_since = kNow - 600;
  });
  EXPECT_EQ(state_of(facts), ItemState::host_not_asked);
  EXPECT_THAT(said(facts), AllOf(HasSubstr("has not said since 22:03:20 UTC (10 min ago)"),
                                 HasSubstr("bad PSK"), HasSubstr("it is asked now")));
}

TEST(Explanation, OfAnItemThatIsNotWantedNamesKeysThatAreLikeIt) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.wanted = false;
    zabbix.put_at = 0;
    zabbix.similar = {"aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,300]"};
  });
  facts.series.reset();
  EXPECT_EQ(state_of(facts), ItemState::not_wanted);
  EXPECT_THAT(said(facts), AllOf(HasSubstr("knows the host and wants 12 items of it, but not this one"),
                                 HasSubstr("disabled"), HasSubstr("Zabbix agent (active)"),
                                 HasSubstr("Similar keys of this host: aws.metric[")));
}

TEST(Explanation, OfAMetricThatOthersAskForSaysSo) {
  ItemFacts facts = with([](DestinationFacts&, SeriesFacts& series) { series.fed = false; });
  facts.destinations.clear();
  EXPECT_EQ(state_of(facts), ItemState::not_configured);
  EXPECT_THAT(
      said(facts, "wanted"),
      AllOf(HasSubstr("No Zabbix server is configured"),
            HasSubstr("through the module, the passive port or bakusoku get: last 22:12:50 UTC (30 s ago), "
                      "1 min after the time before")));
}

TEST(Explanation, OfAnIntervalThatCannotBeRead) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.interval = "soon";
    zabbix.has_interval = false;
    zabbix.due = 0;
    zabbix.error = "update interval \"soon\": no number";
  });
  EXPECT_EQ(state_of(facts), ItemState::interval_wrong);
  EXPECT_THAT(said(facts, "missing"),
              AllOf(HasSubstr("\"soon\" cannot be read"), HasSubstr("Correct it in Zabbix")));
}

TEST(Explanation, OfANewItem) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) { zabbix.put_at = 0; });
  facts.series.reset();
  EXPECT_EQ(state_of(facts), ItemState::not_due_yet);
  EXPECT_THAT(said(facts, "missing"), HasSubstr("due for the first time 22:13:50 UTC"));
  facts.destinations.front().asking = true;
  EXPECT_EQ(state_of(facts), ItemState::being_read);
  EXPECT_THAT(said(facts, "missing"), HasSubstr("first value is being read"));
}

TEST(Explanation, OfAnItemWithoutAValueSinceTheStartTellsTheOneBefore) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts& series) {
    zabbix.put_at = 0;
    zabbix.earlier_clock = kNow - 3600;
    series.last_read = series.window_end = series.point_clock = 0;
  });
  EXPECT_EQ(state_of(facts), ItemState::delivered_earlier);
  EXPECT_THAT(said(facts, "value"), HasSubstr("the newest before was of 21:13:20 UTC (1 h ago)"));
}

TEST(Explanation, OfADailyMetricAskedInMinutesNamesThePeriod) {
  const auto every = [](int32_t period) {
    return with([period](DestinationFacts& zabbix, SeriesFacts& series) {
      zabbix.put_at = 0;
      series.namespace_ = "AWS/S3";
      series.metric = "BucketSizeBytes";
      series.period = period;
      series.point_clock = 0;
    });
  };
  EXPECT_THAT(said(every(300), "missing"),
              HasSubstr("AWS publishes BucketSizeBytes once a day: write 86400 as period instead of 300."));
  EXPECT_THAT(said(every(86400), "missing"), Not(HasSubstr("write 86400")));
}

TEST(Explanation, OfAMetricWithoutADatapoint) {
  const auto empty = [](DestinationFacts& zabbix, SeriesFacts& series) {
    zabbix.put_at = 0;
    series.point_clock = 0;
  };
  ItemFacts facts = with(empty);
  EXPECT_EQ(state_of(facts), ItemState::no_datapoint);
  EXPECT_THAT(said(facts, "missing"), AllOf(HasSubstr("CloudWatch had no datapoint of it in these periods"),
                                            HasSubstr("every 60 s"), HasSubstr("<missing> = zero")));
  facts.series->missing_is_zero = true;
  EXPECT_NE(state_of(facts), ItemState::no_datapoint);
  EXPECT_EQ(said(facts, "missing"), "");
}

TEST(Explanation, OfAFailedReadingHasTheWordsOfAws) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts& series) {
    zabbix.error = "cloudwatch:GetMetricData in eu-west-1: AccessDenied";
    series.failure = "cloudwatch:GetMetricData in eu-west-1: AccessDenied: not authorized.";
    series.retry = kNow + 20;
  });
  EXPECT_EQ(state_of(facts), ItemState::failing);
  EXPECT_THAT(said(facts, "missing"),
              AllOf(HasSubstr("not supported at the moment, and Zabbix is told so"),
                    HasSubstr("AccessDenied"), HasSubstr("tried again 22:13:40 UTC (in 20 s)")));
  EXPECT_THAT(said(facts, "value"), HasSubstr("that the item is not supported"));
}

TEST(Explanation, OfAValueThatWaitsWhileZabbixIsAway) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.put_pending = true;
    zabbix.acknowledged_at = 0;
    zabbix.trace->pending = 7;
    zabbix.trace->first_id = 100;
    zabbix.trace->first_clock = kNow - 740;
    zabbix.trace->first_put = kNow - 600;
    zabbix.trace->ahead = 1234;
    zabbix.no_values = "Zabbix at zabbix:10051: cannot connect: Connection refused.";
    zabbix.no_values_since = kNow - 601;
  });
  EXPECT_EQ(state_of(facts), ItemState::waiting);
  EXPECT_THAT(
      said(facts, "delivery"),
      AllOf(HasSubstr("7 values of it wait in the spool for zabbix:10051, the oldest of 22:01:00 UTC since "
                      "22:03:20 UTC (10 min ago); 1234 values go before it."),
            Not(HasSubstr("acknowledged"))));
  EXPECT_THAT(said(facts, "missing"), AllOf(HasSubstr("has taken no values since 22:03:19 UTC"),
                                            HasSubstr("Connection refused"), HasSubstr("Nothing is lost")));
}

TEST(Explanation, OfALookThatWasCutShortSaysAtLeast) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.put_pending = true;
    zabbix.trace->pending = 1;
    zabbix.trace->complete = false;
  });
  EXPECT_THAT(said(facts, "delivery"), HasSubstr("at least 1 value of it waits in the spool"));
}

TEST(Explanation, OfARefusedValueSaysHowOftenAndWhatNow) {
  ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.refusal = Refusal{4, kNow - 100, kNow - 10, kNow + 20, 0, "processed: 0; failed: 1; total: 1"};
    zabbix.trace->waiting = 1;
    zabbix.trace->not_before = kNow + 20;
  });
  EXPECT_EQ(state_of(facts), ItemState::refused);
  EXPECT_THAT(
      said(facts, "delivery"),
      AllOf(
          HasSubstr("did not take a value of it 4 times since 22:11:40 UTC (1 min 40 s ago), last 22:13:10"),
          HasSubstr("\"processed: 0; failed: 1; total: 1\""), HasSubstr("disabled"),
          HasSubstr("tried again 22:13:40 UTC (in 20 s)"), Not(HasSubstr("acknowledged it")),
          HasSubstr("1 value that Zabbix at zabbix:10051 refused waits until 22:13:40 UTC")));
  facts.destinations.front().refusal->taken = kNow - 5;
  EXPECT_EQ(state_of(facts), ItemState::delivered);
  EXPECT_THAT(said(facts, "delivery"), HasSubstr("takes them again since 22:13:15 UTC (5 s ago)"));
}

TEST(Explanation, OfValuesThatCannotBeStored) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) {
    zabbix.unstored = "the spool cannot be written: No space left on device";
  });
  EXPECT_EQ(state_of(facts), ItemState::not_stored);
  EXPECT_THAT(said(facts, "missing"),
              HasSubstr("wait in memory: the spool cannot be written: No space left"));
}

TEST(Explanation, OfAValueThatWasGivenUp) {
  const ItemFacts facts = with([](DestinationFacts& zabbix, SeriesFacts&) { zabbix.given_up = true; });
  EXPECT_THAT(said(facts, "missing"), HasSubstr("given up undelivered: the spool was full"));
  EXPECT_THAT(said(facts, "delivery"), Not(HasSubstr("acknowledged")));
}

TEST(Explanation, OfACatchingUpSeriesSaysFromWhere) {
  const ItemFacts facts =
      with([](DestinationFacts&, SeriesFacts& series) { series.behind_from = kNow - 7200; });
  EXPECT_THAT(said(facts, "reading"), HasSubstr("from 20:13:20 UTC on have not been read yet"));
}

TEST(Explanation, OfTwoDestinationsNamesEach) {
  ItemFacts facts = healthy();
  facts.destinations.push_back(facts.destinations.front());
  facts.destinations.back().name = "proxy:10051";
  facts.destinations.back().put_pending = true;
  EXPECT_EQ(state_of(facts), ItemState::waiting) << "the worse of the two";
  EXPECT_THAT(said(facts), AllOf(HasSubstr("Zabbix at zabbix:10051 acknowledged it"),
                                 HasSubstr("It waits in the spool for proxy:10051.")));
  facts.destinations.back().put_pending = facts.destinations.back().wanted = false;
  facts.destinations.back().put_at = 0;
  EXPECT_EQ(state_of(facts), ItemState::not_wanted);
}

TEST(Explanation, IsJsonThatCanBeRead) {
  ItemFacts facts = healthy();
  facts.key = "k[\"a\xFF\"]";
  facts.destinations.front().put_text = std::string(100'000, 'x');
  facts.destinations.front().refusal = Refusal{};
  simdjson::dom::parser parser;
  const std::string json = explanation_json(facts);
  const auto root = parser.parse(json);
  ASSERT_EQ(root.error(), simdjson::SUCCESS) << json;
  EXPECT_EQ(root["host"].get_string().value(), "i-1");
  EXPECT_EQ(root["series"]["dimensions"]["InstanceId"].get_string().value(), "i-1");
  EXPECT_EQ(root["destinations"].at(0)["clock"].get_int64().value(), kNow - 320);
  EXPECT_LT(json.size(), 20'000u) << "a long value is shown in part";
}

TEST(Explanation, OfAHostHasARowForEachItem) {
  HostFacts facts;
  facts.now = kNow;
  facts.host = "i-1";
  HostFacts::Destination& zabbix = facts.destinations.emplace_back();
  zabbix.facts = healthy().destinations.front();
  for (int number = 0; number < 10'000; ++number) {
    ItemRow& row = zabbix.rows.emplace_back();
    row.key = "aws.metric[AWS/EC2,CPUUtilization,\"InstanceId=i-1\",Average," + std::to_string(number) + "]";
    row.interval = "1m";
    row.state = number % 2 == 0 ? ItemState::delivered : ItemState::failing;
    row.clock = kNow - 60;
    row.due = kNow + 60;
    if (number % 2 == 1) row.error = "CloudWatch has no datapoint";
  }
  const std::string json = explanation_json(facts);
  simdjson::dom::parser parser;
  const auto root = parser.parse(json);
  ASSERT_EQ(root.error(), simdjson::SUCCESS);
  const auto items = root["destinations"].at(0)["items"].get_array().value();
  EXPECT_EQ(items.size(), 10'000u);
  EXPECT_EQ(items.at(1)["state"].get_string().value(), "not supported");
  EXPECT_THAT(std::string(root["explanation"].at(0)["text"].get_string().value()),
              HasSubstr("wants 10000 items of it"));
}

}  // namespace
}  // namespace bakusoku::agent
