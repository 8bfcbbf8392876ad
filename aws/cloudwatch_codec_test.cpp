#include "aws/cloudwatch_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "aws/cbor_fixture.h"

namespace bakusoku::aws::cloudwatch {
namespace {

MetricDataRequest two_queries() {
  MetricDataRequest request;
  request.queries.push_back({"AWS/EC2", "CPUUtilization", {{"InstanceId", "i-1"}}, "Average", 300});
  request.queries.push_back({"My \"App\"", "名前", {}, "p99.9", 60});
  request.start = 1700000000;
  request.end = 1700000300;
  return request;
}

using namespace std::string_literals;

std::string body_of(const MetricDataRequest& request) {
  return json_of(encode_get_metric_data(request).value());
}
std::string body_of(const ListMetricsRequest& request) { return json_of(encode_list_metrics(request)); }
Result<MetricDataPage> page_of(std::string_view json, size_t queries) {
  return decode_get_metric_data(cbor_of(json), queries);
}

constexpr std::string_view kReply =
    R"({"Messages":[],"MetricDataResults":[)"
    R"({"Id":"q1","Label":"x \" \u00e9","StatusCode":"PartialData","Timestamps":[1.7000001E9,1700000040],"Values":[-0.5,1e3],)"
    R"("Messages":[{"Code":"MaxMetricsExceeded","Value":"too many"},{"Code":"Other","Value":null}],"New":{"a":[1,{}]}},)"
    R"({"Values":[1],"Timestamps":[1700000000.75],"Id":"q0","StatusCode":"Complete"}],"NextToken":"tok/en","Future":null})";

TEST(CloudWatchCodec, writes_get_metric_data) {
  MetricDataRequest request = two_queries();
  EXPECT_EQ(
      body_of(request),
      R"({"MetricDataQueries":[{"Id":"q0","MetricStat":{"Metric":{"Namespace":"AWS/EC2","MetricName":"CPUUtilization",)"
      R"("Dimensions":[{"Name":"InstanceId","Value":"i-1"}]},"Period":300,"Stat":"Average"}},)"
      R"({"Id":"q1","MetricStat":{"Metric":{"Namespace":"My \"App\"","MetricName":"名前"},"Period":60,"Stat":"p99.9"}}],)"
      R"("StartTime":1700000000,"EndTime":1700000300,"ScanBy":"TimestampDescending",)"
      R"("MaxDatapoints":100800})");
  request.next_token = "to\"ken";
  EXPECT_TRUE(body_of(request).ends_with(R"(,"NextToken":"to\"ken"})"));
}

TEST(CloudWatchCodec, refuses_to_write_what_aws_would_refuse) {
  const auto refused = [](auto change) {
    MetricDataRequest request = two_queries();
    change(request);
    const auto got = encode_get_metric_data(request);
    return !got && got.error().kind == ErrorKind::invalid;
  };
  EXPECT_TRUE(refused([](auto& r) { r.queries.clear(); }));
  EXPECT_TRUE(refused([](auto& r) { r.queries.resize(501, r.queries[0]); }));
  EXPECT_FALSE(refused([](auto& r) { r.queries.resize(500, r.queries[0]); }));
  EXPECT_TRUE(refused([](auto& r) { r.end = r.start; }));
  EXPECT_TRUE(refused([](auto& r) { r.queries[0].namespace_.clear(); }));
  EXPECT_TRUE(refused([](auto& r) { r.queries[1].metric.clear(); }));
  EXPECT_TRUE(refused([](auto& r) { r.queries[1].statistic.clear(); }));
  EXPECT_TRUE(refused([](auto& r) { r.queries[1].period_seconds = 0; }));
  EXPECT_TRUE(refused([](auto& r) { r.queries[0].dimensions.resize(31, {"a", "b"}); }));
  EXPECT_TRUE(refused([](auto& r) { r.queries[0].dimensions[0].value.clear(); }));
}

MetricDataRequest with_math() {
  MetricDataRequest request = two_queries();
  MetricQuery& math = request.queries.emplace_back();
  math.period_seconds = 60;
  math.account_id = "111111111111";
  math.expression = "IF(errors >= 1, 100*errors/requests, 0) + SUM(METRICS( ))";
  math.inputs = {{"errors", "AWS/X", "Errors", {{"A", "1"}}, "Sum"}, {"requests", "AWS/X", "All", {}, "p9"}};
  return request;
}

TEST(CloudWatchCodec, writes_metric_math_with_inputs_of_its_own) {
  const std::string body = body_of(with_math());
  EXPECT_NE(
      body.find(
          R"({"Id":"q2_0","MetricStat":{"Metric":{"Namespace":"AWS/X","MetricName":"Errors","Dimensions":[{"Name":"A",)"
          R"("Value":"1"}]},"Period":60,"Stat":"Sum"},"AccountId":"111111111111","ReturnData":false},)"
          R"({"Id":"q2_1","MetricStat":{"Metric":{"Namespace":"AWS/X","MetricName":"All"},"Period":60,"Stat":"p9"},)"
          R"("AccountId":"111111111111","ReturnData":false},)"
          R"json({"Id":"q2","Expression":"IF(q2_0 >= 1, 100*q2_0/q2_1, 0) + SUM([q2_0,q2_1])"}])json"),
      std::string::npos)
      << body;
}

TEST(CloudWatchCodec, names_in_quotes_and_parts_of_words_are_not_inputs) {
  MetricDataRequest request = with_math();
  request.queries[2].expression = "SUM(METRICS(\"errors\")) + errors_ + errors";
  EXPECT_NE(body_of(request).find(R"json(SUM(METRICS(\"errors\")) + errors_ + q2_0")json"),
            std::string::npos);
  request.queries[2].expression = "errors + \"errors";
  EXPECT_NE(body_of(request).find(R"(q2_0 + \"errors")"), std::string::npos);
}

TEST(CloudWatchCodec, inputs_count_as_queries) {
  MetricDataRequest request = with_math();
  EXPECT_EQ(query_count(request.queries[0]), 1u);
  EXPECT_EQ(query_count(request.queries[2]), 3u);
  // Five minutes: one of 300 s, five of 60 s, and three times five.
  EXPECT_EQ(estimated_datapoints(request), 1u + 5u + 15u);
  request.end += 1;
  EXPECT_EQ(estimated_datapoints(request), 2u + 6u + 18u) << "a period that has begun counts";
  request.queries.resize(3 + 495, request.queries[0]);
  EXPECT_TRUE(encode_get_metric_data(request));
  request.queries.push_back(request.queries[0]);
  EXPECT_FALSE(encode_get_metric_data(request)) << "501 with the inputs";
}

TEST(CloudWatchCodec, refuses_metric_math_that_aws_would_refuse) {
  const auto refused = [](auto change) {
    MetricDataRequest request = with_math();
    change(request.queries[2]);
    const auto got = encode_get_metric_data(request);
    return !got && got.error().kind == ErrorKind::invalid;
  };
  EXPECT_TRUE(refused([](auto& q) { q.expression.clear(); }));
  EXPECT_TRUE(refused([](auto& q) { q.inputs.clear(); }));
  EXPECT_TRUE(refused([](auto& q) { q.inputs[0].name = "Errors"; }));
  EXPECT_TRUE(refused([](auto& q) { q.inputs[0].name = "e-1"; }));
  EXPECT_TRUE(refused([](auto& q) { q.inputs[0].metric.clear(); }));
  EXPECT_TRUE(refused([](auto& q) { q.inputs[0].dimensions.push_back({"B", ""}); }));
  EXPECT_TRUE(refused([](auto& q) { q.expression = std::string(2050, '('); }));
}

TEST(CloudWatchCodec, an_expression_of_several_series_has_no_value) {
  const auto page = page_of(
      R"({"MetricDataResults":[{"Id":"q1","Timestamps":[60],"Values":[1]},{"Id":"q0","Timestamps":[60],"Values":[2]},)"
      R"({"Id":"q1","Timestamps":[60],"Values":[3]}]})",
      2);
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->series.size(), 3U);
  EXPECT_EQ(page->series[0].status, SeriesStatus::several);
  EXPECT_TRUE(page->series[0].points.empty());
  EXPECT_EQ(page->series[1].status, SeriesStatus::complete);
  EXPECT_EQ(page->series[1].points.size(), 1U);
  EXPECT_EQ(page->series[2].status, SeriesStatus::several);
  std::string many = R"({"MetricDataResults":[{"Id":"q0"})";
  for (int times = 1; times < 501; ++times) many += R"(,{"Id":"q0"})";
  EXPECT_FALSE(page_of(many + "]}", 1));
}

TEST(CloudWatchCodec, reads_series_in_any_order_and_with_unknown_fields) {
  for (const bool indefinite : {false, true}) {
    const auto page = decode_get_metric_data(cbor_of(kReply, indefinite), 2);
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_EQ(page->next_token, "tok/en");
    ASSERT_EQ(page->series.size(), 2U);
    const SeriesData& partial = page->series[0];
    EXPECT_EQ(partial.query, 1U);
    EXPECT_EQ(partial.status, SeriesStatus::partial);
    EXPECT_EQ(partial.message, "MaxMetricsExceeded: too many; Other");
    ASSERT_EQ(partial.points.size(), 2U);
    EXPECT_EQ(partial.points[0].clock, 1700000100);
    EXPECT_EQ(partial.points[0].value, -0.5);
    EXPECT_EQ(partial.points[1].clock, 1700000040);
    EXPECT_EQ(partial.points[1].value, 1000);
    EXPECT_EQ(page->series[1].query, 0U);
    EXPECT_EQ(page->series[1].status, SeriesStatus::complete);
    EXPECT_EQ(page->series[1].points[0].clock, 1700000000);
  }
}

TEST(CloudWatchCodec, tells_the_states_of_a_series_apart) {
  const auto status = [](const std::string& code) {
    const auto page = page_of(R"({"MetricDataResults":[{"Id":"q0","StatusCode":)" + code + "}]}", 1);
    return page.value().series.at(0);
  };
  EXPECT_EQ(status(R"("Complete")").status, SeriesStatus::complete);
  EXPECT_EQ(status("null").status, SeriesStatus::complete);
  EXPECT_EQ(status(R"("Forbidden")").status, SeriesStatus::forbidden);
  EXPECT_EQ(status(R"("InternalError")").status, SeriesStatus::internal_error);
  EXPECT_EQ(status(R"("NeverHeardOf")").status, SeriesStatus::internal_error);
  EXPECT_EQ(status(R"("NeverHeardOf")").message, "StatusCode NeverHeardOf");
}

TEST(CloudWatchCodec, what_is_not_the_answer_is_corrupt) {
  const std::string none = cbor_of(R"({"MetricDataResults":[]})");
  ASSERT_TRUE(decode_get_metric_data(none, 2));
  const std::string result = "\xA1\x71MetricDataResults\x81"s;
  for (const std::string& bad :
       {""s, "\x80"s, "\xF6"s, "\x01"s, "\xA1"s, "\xA0"s, "{\"MetricDataResults\":[]}"s, none + "x",
        none + none, result + "\x01", result + "\xA1\x62Id\x62q0\xFF"}) {
    const auto page = decode_get_metric_data(bad, 2);
    ASSERT_FALSE(page) << testing::PrintToString(bad);
    EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
  }
  for (const char* bad :
       {R"({"MetricDataResults":{}})", R"({"MetricDataResults":null})",
        R"({"MetricDataResults":[],"NextToken":1})", R"({"MetricDataResults":[],"Messages":1})",
        R"({"MetricDataResults":[],"Messages":[1]})", R"({"MetricDataResults":[1]})",
        R"({"MetricDataResults":[{"Id":"q0","Timestamps":1}]})"}) {
    ASSERT_NE(cbor_of(bad), "") << bad;
    const auto page = page_of(bad, 2);
    ASSERT_FALSE(page) << bad;
    EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
    EXPECT_FALSE(decode_get_metric_data(bad, 2, Wire::json)) << bad;
  }
}

TEST(CloudWatchCodec, what_is_wrong_with_one_result_costs_that_one) {
  const std::string good = R"({"Id":"q1","StatusCode":"Complete","Timestamps":[60],"Values":[7]})";
  const auto with = [&](const std::string& result, Wire wire) {
    const std::string json = R"({"MetricDataResults":[)" + result + "," + good + "]}";
    auto page = wire == Wire::cbor ? page_of(json, 2) : decode_get_metric_data(json, 2, wire);
    EXPECT_TRUE(page) << result << page.error().message;
    EXPECT_EQ(page->series.back().query, 1U) << result;
    EXPECT_EQ(page->series.back().points.size(), 1U) << result;
    return std::move(*page);
  };
  for (const Wire wire : {Wire::cbor, Wire::json}) {
    for (const char* id : {"{}", R"({"Id":"q2"})", R"({"Id":"q-1"})", R"({"Id":"q"})", R"({"Id":"q01"})",
                           R"({"Id":"q1 "})", R"({"Id":"q99999999999999999999"})", R"({"Id":1})",
                           R"({"Id":null})", R"({"Id":"e1","Timestamps":[60],"Values":[1]})"}) {
      const MetricDataPage page = with(id, wire);
      EXPECT_EQ(page.unasked, 1U) << id;
      EXPECT_EQ(page.series.size(), 1U) << id;
    }
    for (const char* unequal : {R"("Timestamps":[60],"Values":[])", R"("Timestamps":[],"Values":[1])",
                                R"("Timestamps":[60,120],"Values":[1])", R"("Values":[1])"}) {
      const MetricDataPage page = with(std::string(R"({"Id":"q0",)") + unequal + "}", wire);
      EXPECT_EQ(page.series.front().status, SeriesStatus::damaged) << unequal;
      EXPECT_TRUE(page.series.front().points.empty()) << unequal;
      EXPECT_NE(page.series.front().message.find("timestamps and"), std::string::npos) << unequal;
    }
    for (const char* dropped :
         {R"("Timestamps":[120,60],"Values":[null,1])", R"("Timestamps":[120,60],"Values":["NaN",1])",
          R"("Timestamps":[120,60],"Values":[true,1])", R"("Timestamps":[120,60],"Values":[[2],1])",
          R"("Timestamps":[null,60],"Values":[2,1])", R"("Timestamps":["x",60],"Values":[2,1])",
          R"("Timestamps":[-1,60],"Values":[2,1])", R"("Timestamps":[1e300,60],"Values":[2,1])"}) {
      const MetricDataPage page = with(std::string(R"({"Id":"q0",)") + dropped + "}", wire);
      const SeriesData& series = page.series.front();
      EXPECT_EQ(series.status, SeriesStatus::complete) << dropped;
      EXPECT_EQ(series.dropped, 1U) << dropped;
      ASSERT_EQ(series.points.size(), 1U) << dropped;
      EXPECT_EQ(series.points[0].clock, 60) << dropped;
      EXPECT_EQ(series.points[0].value, 1) << dropped;
    }
    EXPECT_EQ(with(R"({"Id":"q0","StatusCode":5})", wire).series.front().status,
              SeriesStatus::internal_error);
  }
  const auto bare = decode_get_metric_data(
      R"({"MetricDataResults":[{"Id":"q0","Timestamps":[180,120,60],"Values":[NaN,-Infinity,4]}]})", 1,
      Wire::json);
  ASSERT_TRUE(bare) << bare.error().message;
  EXPECT_EQ(bare->series[0].dropped, 2U);
  EXPECT_EQ(bare->series[0].points.size(), 1U);
}

TEST(CloudWatchCodec, texts_that_are_not_utf_8_are_made_valid) {
  const auto page =
      decode_get_metric_data("\xA1\x71MetricDataResults\x81\xA2\x62Id\x62q0\x6AStatusCode\x62\xC3\x28"s, 1);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->series[0].status, SeriesStatus::internal_error);
  EXPECT_EQ(page->series[0].message, "StatusCode \xEF\xBF\xBD(");
}

TEST(CloudWatchCodec, json_is_written_and_read_as_cbor_is) {
  for (const MetricDataRequest& request : {two_queries(), with_math()})
    EXPECT_EQ(encode_get_metric_data(request, Wire::json).value(), body_of(request));
  ListMetricsRequest list;
  EXPECT_EQ(encode_list_metrics(list, Wire::json), "{}");
  list.namespace_ = "AWS/EC2";
  list.dimensions = {{"InstanceId", ""}, {"A", "b"}};
  list.owning_account = "111111111111";
  EXPECT_EQ(encode_list_metrics(list, Wire::json), body_of(list));
  EXPECT_EQ(encode_describe_alarms("t", true, Wire::json), json_of(encode_describe_alarms("t")));
  const auto in_json = decode_get_metric_data(kReply, 2, Wire::json);
  const auto in_cbor = page_of(kReply, 2);
  ASSERT_TRUE(in_json && in_cbor);
  EXPECT_EQ(in_json->next_token, in_cbor->next_token);
  ASSERT_EQ(in_json->series.size(), in_cbor->series.size());
  for (size_t at = 0; at < in_json->series.size(); ++at) {
    EXPECT_EQ(in_json->series[at].query, in_cbor->series[at].query);
    EXPECT_EQ(in_json->series[at].status, in_cbor->series[at].status);
    EXPECT_EQ(in_json->series[at].message, in_cbor->series[at].message);
    ASSERT_EQ(in_json->series[at].points.size(), in_cbor->series[at].points.size());
    for (size_t point = 0; point < in_json->series[at].points.size(); ++point) {
      EXPECT_EQ(in_json->series[at].points[point].clock, in_cbor->series[at].points[point].clock);
      EXPECT_EQ(in_json->series[at].points[point].value, in_cbor->series[at].points[point].value);
    }
  }
  for (size_t cut = 0; cut < kReply.size(); ++cut)
    ASSERT_FALSE(decode_get_metric_data(kReply.substr(0, cut), 2, Wire::json)) << cut;
  for (size_t at = 0; at < kReply.size(); ++at) {
    std::string flipped(kReply);
    flipped[at] = static_cast<char>(~flipped[at]);
    (void)decode_get_metric_data(flipped, 2, Wire::json);  // read or refused
  }
}

TEST(CloudWatchCodec, a_unit_is_asked_for_where_one_is_given) {
  MetricDataRequest request = with_math();
  EXPECT_EQ(body_of(request).find("Unit"), std::string::npos);
  request.queries[0].unit = "Percent";
  request.queries[2].inputs[1].unit = "Count";
  EXPECT_NE(body_of(request).find(R"("Period":300,"Stat":"Average","Unit":"Percent"})"), std::string::npos);
  EXPECT_NE(body_of(request).find(R"("Period":60,"Stat":"p9","Unit":"Count"})"), std::string::npos);
}

TEST(CloudWatchCodec, only_numbers_are_values_and_only_times_timestamps) {
  const auto page = [](const std::string& time, const std::string& value) {
    return decode_get_metric_data(
        "\xA1\x71MetricDataResults\x81\xA3\x62Id\x62q0\x6ATimestamps\x81"s + time + "\x66Values\x81" + value,
        1);
  };
  const std::string minute = "\xC1\x18\x3C"s;
  const auto integers = page(minute, "\x38\x63"s);
  ASSERT_TRUE(integers) << integers.error().message;
  EXPECT_EQ(integers->series[0].points[0].clock, 60);
  EXPECT_EQ(integers->series[0].points[0].value, -100);
  EXPECT_EQ(page("\xC1\xFA\x42\x70\x00\x00"s, "\xF9\x3E\x00"s).value().series[0].points[0].value, 1.5);
  for (const auto& [time, value, what] : {std::tuple("\x18\x3C"s, "\x01"s, "without the tag of a time"),
                                          {"\xC1\xF9\x7E\x00"s, "\x01"s, "not a number"},
                                          {"\xC1\x20"s, "\x01"s, "before 1970"},
                                          {minute, "\xF9\x7C\x00"s, "infinite"},
                                          {minute, "\xFB\x7F\xF8\x00\x00\x00\x00\x00\x00"s, "not a number"},
                                          {minute, "\xF5"s, "true"},
                                          {minute, "\xF6"s, "null"},
                                          {"\xC1\xC1\x18\x3C"s, "\x01"s, "tagged twice"}}) {
    const auto dropped = page(time, value);
    ASSERT_TRUE(dropped) << what << dropped.error().message;
    EXPECT_EQ(dropped->series[0].dropped, 1U) << what;
    EXPECT_TRUE(dropped->series[0].points.empty()) << what;
  }
}

TEST(CloudWatchCodec, more_points_than_a_call_returns_are_corrupt) {
  const auto reply = [](size_t points) {
    std::string clocks = "1";
    for (size_t i = 1; i < points; ++i) clocks += ",1";
    return R"({"MetricDataResults":[{"Id":"q0","Timestamps":[)" + clocks + R"(],"Values":[)" + clocks +
           "]}]}";
  };
  EXPECT_TRUE(page_of(reply(100800), 1));
  EXPECT_FALSE(page_of(reply(100801), 1));
}

TEST(CloudWatchCodec, a_reply_cut_at_any_byte_is_corrupt) {
  for (const bool indefinite : {false, true}) {
    const std::string whole = cbor_of(kReply, indefinite);
    for (size_t cut = 0; cut < whole.size(); ++cut) {
      ASSERT_FALSE(decode_get_metric_data(whole.substr(0, cut), 2)) << "cut at byte " << cut;
    }
  }
}

TEST(CloudWatchCodec, a_reply_with_any_byte_flipped_is_read_or_refused) {
  const std::string whole = cbor_of(kReply);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto page = decode_get_metric_data(flipped, 2);
    if (!page) {
      ASSERT_EQ(page.error().kind, ErrorKind::corrupt);
    }
  }
}

TEST(CloudWatchCodec, deep_nesting_is_refused) {
  const std::string deep = "\xA2\x71MetricDataResults\x80\x61x"s + std::string(100000, '\x81') + '\0';
  const auto page = decode_get_metric_data(deep, 1);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
}

TEST(CloudWatchCodec, writes_list_metrics) {
  EXPECT_EQ(body_of(ListMetricsRequest()), "{}");
  ListMetricsRequest request;
  request.namespace_ = "AWS/EC2";
  request.metric = "CPUUtilization";
  request.dimensions = {{"InstanceId", ""}, {"A", "b"}};
  request.recently_active = true;
  request.next_token = "t";
  EXPECT_EQ(body_of(request),
            R"({"Namespace":"AWS/EC2","MetricName":"CPUUtilization","Dimensions":[{"Name":"InstanceId"},)"
            R"({"Name":"A","Value":"b"}],"RecentlyActive":"PT3H","NextToken":"t"})");
}

TEST(CloudWatchCodec, lists_the_metrics_of_a_linked_account) {
  ListMetricsRequest request;
  request.namespace_ = "AWS/EC2";
  request.owning_account = "111111111111";
  EXPECT_EQ(body_of(request),
            R"({"Namespace":"AWS/EC2","IncludeLinkedAccounts":true,"OwningAccount":"111111111111"})");
}

TEST(CloudWatchCodec, reads_list_metrics) {
  const std::string reply =
      R"({"Metrics":[{"Namespace":"AWS/EC2","MetricName":"CPU","Dimensions":[{"Name":"InstanceId","Value":"i-1"}]},)"
      R"({"MetricName":"M","Namespace":"N","Dimensions":null}],"NextToken":null,"OwningAccounts":["1"]})";
  for (const bool indefinite : {false, true}) {
    const std::string bytes = cbor_of(reply, indefinite);
    const auto page = decode_list_metrics(bytes);
    ASSERT_TRUE(page) << page.error().message;
    ASSERT_EQ(page->metrics.size(), 2U);
    EXPECT_EQ(page->metrics[0].dimensions, (std::vector<Dimension>{{"InstanceId", "i-1"}}));
    EXPECT_EQ(page->metrics[1].namespace_, "N");
    EXPECT_TRUE(page->next_token.empty());
    for (size_t cut = 0; cut < bytes.size(); ++cut)
      ASSERT_FALSE(decode_list_metrics(bytes.substr(0, cut))) << cut;
  }
  std::string dimensions = R"({"Name":"a","Value":"b"})";
  for (size_t more = 1; more < kMaxDimensions; ++more) dimensions += R"(,{"Name":"a","Value":"b"})";
  const std::string metric = R"({"Metrics":[{"Namespace":"N","MetricName":"M","Dimensions":[)";
  EXPECT_TRUE(decode_list_metrics(cbor_of(metric + dimensions + "]}]}")));
  for (const std::string& bad : {"{}"s, R"({"Metrics":1})"s, R"({"Metrics":[{}]})"s,
                                 R"({"Metrics":[{"Namespace":"N"}]})"s, metric + dimensions + ",{}]}]}"}) {
    ASSERT_NE(cbor_of(bad), "") << bad;
    EXPECT_FALSE(decode_list_metrics(cbor_of(bad))) << bad;
  }
  EXPECT_FALSE(decode_list_metrics(""));
}

constexpr std::string_view kAlarms =
    R"({"CompositeAlarms":[{"AlarmName":"any","AlarmRule":"ALARM(cpu) OR TRUE","StateValue":"INSUFFICIENT_DATA",)"
    R"("ActionsEnabled":false,"StateUpdatedTimestamp":1700000000.5,"ActionsSuppressor":null}],"MetricAlarms":[)"
    R"({"AlarmName":"cpu","AlarmDescription":"名前","ActionsEnabled":true,"OKActions":[],"StateValue":"ALARM",)"
    R"("StateReason":"Threshold Crossed","StateUpdatedTimestamp":1700000100,"StateTransitionedTimestamp":1700000040.25,)"
    R"("MetricName":"CPUUtilization","Namespace":"AWS/EC2","Statistic":"Average","ExtendedStatistic":null,)"
    R"("Dimensions":[{"Name":"InstanceId","Value":"i-1"}],"Period":300,"EvaluationPeriods":1,"Threshold":90.5,)"
    R"("ComparisonOperator":"GreaterThanThreshold","Metrics":null,"Future":{"a":[1]}},)"
    R"({"AlarmName":"sum","StateValue":"OK","Dimensions":[],"Threshold":-1,"Metrics":[)"
    R"({"Id":"a","MetricStat":{"Metric":{"Namespace":"N","MetricName":"M","Dimensions":[{"Name":"D","Value":"1"}]},)"
    R"("Period":60,"Stat":"p99"},"ReturnData":false},)"
    R"({"Id":"b","MetricStat":{"Metric":{"Namespace":"N","MetricName":"M","Dimensions":[{"Name":"D","Value":"2"},)"
    R"({"Name":"E","Value":"x"}]},"Period":60,"Stat":"Sum"},"ReturnData":false},)"
    R"({"Id":"c","MetricStat":{"Metric":{"Namespace":"N","MetricName":"O","Dimensions":[{"Name":"D","Value":"1"}]},)"
    R"("Period":60,"Stat":"Sum"},"ReturnData":false},)"
    R"({"Id":"e","Expression":"a+b+c","Label":"all","ReturnData":true,"Period":60}]}],"NextToken":"tok/en"})";

TEST(CloudWatchCodec, writes_describe_alarms) {
  EXPECT_EQ(json_of(encode_describe_alarms("")),
            R"({"AlarmTypes":["MetricAlarm","CompositeAlarm","LogAlarm"],"MaxRecords":100})");
  EXPECT_EQ(json_of(encode_describe_alarms("", false)),
            R"({"AlarmTypes":["MetricAlarm","CompositeAlarm"],"MaxRecords":100})");
  EXPECT_EQ(
      json_of(encode_describe_alarms("to\"ken")),
      R"({"AlarmTypes":["MetricAlarm","CompositeAlarm","LogAlarm"],"MaxRecords":100,"NextToken":"to\"ken"})");
}

TEST(CloudWatchCodec, reads_describe_alarms) {
  for (const bool indefinite : {false, true}) {
    const std::string bytes = cbor_of(kAlarms, indefinite);
    const auto page = decode_describe_alarms(bytes);
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_EQ(page->next_token, "tok/en");
    ASSERT_EQ(page->alarms.size(), 3U);
    const Alarm& any = page->alarms[0];
    EXPECT_EQ(any.type, AlarmType::composite);
    EXPECT_EQ(any.rule, "ALARM(cpu) OR TRUE");
    EXPECT_EQ(any.state, "INSUFFICIENT_DATA");
    EXPECT_EQ(any.actions_enabled, false);
    EXPECT_EQ(any.updated, 1700000000);
    EXPECT_EQ(any.transitioned, 0);
    EXPECT_EQ(any.threshold, std::nullopt);
    const Alarm& cpu = page->alarms[1];
    EXPECT_EQ(cpu.type, AlarmType::metric);
    EXPECT_EQ(cpu.name, "cpu");
    EXPECT_EQ(cpu.description, "名前");
    EXPECT_EQ(cpu.reason, "Threshold Crossed");
    EXPECT_EQ(cpu.updated, 1700000100);
    EXPECT_EQ(cpu.transitioned, 1700000040);
    EXPECT_EQ(cpu.namespace_, "AWS/EC2");
    EXPECT_EQ(cpu.metric, "CPUUtilization");
    EXPECT_EQ(cpu.statistic, "Average");
    EXPECT_EQ(cpu.period_seconds, 300);
    EXPECT_EQ(cpu.threshold, 90.5);
    EXPECT_EQ(cpu.comparison, "GreaterThanThreshold");
    EXPECT_EQ(cpu.actions_enabled, true);
    EXPECT_EQ(cpu.dimensions, (std::vector<Dimension>{{"InstanceId", "i-1"}}));
    const Alarm& sum = page->alarms[2];
    EXPECT_EQ(sum.expression, "a+b+c");
    EXPECT_EQ(sum.period_seconds, 60);
    EXPECT_EQ(sum.metric, "") << "no metric is compared with the threshold";
    EXPECT_EQ(sum.dimensions, (std::vector<Dimension>{{"D", "1"}, {"D", "2"}, {"E", "x"}}));
    EXPECT_EQ(sum.actions_enabled, std::nullopt);
    for (size_t cut = 0; cut < bytes.size(); ++cut)
      ASSERT_FALSE(decode_describe_alarms(bytes.substr(0, cut))) << cut;
    for (size_t at = 0; at < bytes.size(); ++at) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 0xFF);
      (void)decode_describe_alarms(flipped);  // whatever it says, it is read
    }
  }
}

TEST(CloudWatchCodec, reads_alarms_of_logs) {
  for (const Wire wire : {Wire::cbor, Wire::json}) {
    const std::string json =
        R"({"MetricAlarms":[],"LogAlarms":[{"AlarmName":"errors","StateValue":"ALARM","Threshold":5,)"
        R"("ComparisonOperator":"GreaterThanThreshold","ScheduledQueryConfiguration":{"QueryString":"fields",)"
        R"("LogGroupIdentifiers":["a"],"AggregationExpression":"max"},"QueryResultsToAlarm":1}]})";
    const auto page = decode_describe_alarms(wire == Wire::cbor ? cbor_of(json) : json, wire);
    ASSERT_TRUE(page) << page.error().message;
    ASSERT_EQ(page->alarms.size(), 1U);
    EXPECT_EQ(page->alarms[0].type, AlarmType::log);
    EXPECT_EQ(page->alarms[0].query, "fields");
    EXPECT_EQ(page->alarms[0].expression, "max");
    EXPECT_EQ(page->alarms[0].threshold, 5);
  }
}

TEST(CloudWatchCodec, an_alarm_of_one_metric_in_metric_maths_form_has_that_metric) {
  const auto page = decode_describe_alarms(cbor_of(
      R"({"MetricAlarms":[{"AlarmName":"x","StateValue":"OK","Metrics":[{"Id":"m","MetricStat":{"Metric":)"
      R"({"Namespace":"N","MetricName":"M"},"Period":60,"Stat":"Sum"}}]}]})"));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->alarms[0].namespace_, "N");
  EXPECT_EQ(page->alarms[0].metric, "M");
  EXPECT_EQ(page->alarms[0].statistic, "Sum");
  EXPECT_EQ(page->alarms[0].period_seconds, 60);
}

TEST(CloudWatchCodec, no_alarms_are_an_answer_and_other_answers_are_none) {
  for (const std::string_view empty : {R"({"MetricAlarms":[],"CompositeAlarms":[]})",
                                       R"({"MetricAlarms":[]})", R"({"CompositeAlarms":null})"}) {
    const auto page = decode_describe_alarms(cbor_of(empty));
    ASSERT_TRUE(page) << empty << page.error().message;
    EXPECT_TRUE(page->alarms.empty());
  }
  const auto alarm = [](std::string_view member) {
    return fmt::format(R"({{"MetricAlarms":[{{"AlarmName":"x","StateValue":"OK",{}}}]}})", member);
  };
  EXPECT_TRUE(decode_describe_alarms(cbor_of(alarm(R"("Period":60)"))));
  for (const std::string& bad :
       {"{}"s, R"({"Metrics":[]})"s, R"({"MetricAlarms":1})"s, R"({"MetricAlarms":[{}]})"s,
        R"({"MetricAlarms":[{"AlarmName":"x"}]})"s, R"({"MetricAlarms":[{"StateValue":"OK"}]})"s,
        alarm(R"("Period":1.5)"), alarm(R"("Period":-60)"), alarm(R"("Threshold":"high")"),
        alarm(R"("ActionsEnabled":1)"), alarm(R"("StateUpdatedTimestamp":-5)"),
        alarm(R"("Metrics":[{"MetricStat":{"Metric":{"Namespace":"N"}}}])")}) {
    const auto page = decode_describe_alarms(cbor_of(bad));
    ASSERT_FALSE(page) << bad;
    EXPECT_EQ(page.error().kind, ErrorKind::corrupt) << bad;
  }
  EXPECT_EQ(decode_describe_alarms(cbor_of("{}")).error().message,
            "the answer has neither MetricAlarms nor CompositeAlarms");
  EXPECT_FALSE(decode_describe_alarms(""));
}

}  // namespace
}  // namespace bakusoku::aws::cloudwatch
