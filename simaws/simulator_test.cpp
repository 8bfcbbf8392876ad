#include "simaws/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "simaws/alarms.h"
#include "simaws/cbor.h"

namespace bakusoku::simaws {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNow = 1'763'800'800;

std::string percent(std::string_view text) {
  std::string out;
  for (const char ch : text) out += fmt::format("%{:02X}", static_cast<uint8_t>(ch));
  return out;
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) return "";
  return text.substr(at + from.size(), text.find(to, at + from.size()) - at - from.size());
}

struct Signer {
  std::string key = kDefaultAccessKey;
  std::string secret = kDefaultSecretKey;
  std::string token{};
  std::string region = "eu-west-1";
  int64_t date = kNow;
  std::string signed_headers{};  // empty: all
};

Request sign(Request request, const std::string& service, const Signer& signer) {
  const std::string date = format_amz_date(signer.date);
  request.headers.emplace_back("Host", "127.0.0.1:1");
  request.headers.emplace_back("X-Amz-Date", date);
  std::string names = "content-type;host;x-amz-date";
  if (!signer.token.empty()) {
    request.headers.emplace_back("X-Amz-Security-Token", signer.token);
    names += ";x-amz-security-token";
  }
  if (!signer.signed_headers.empty()) names = signer.signed_headers;
  const std::string start = fmt::format(
      "AWS4-HMAC-SHA256 Credential={}/{}/{}/{}/aws4_request, SignedHeaders={}, Signature=", signer.key,
      date.substr(0, 8), signer.region, service, names);
  const auto authorization = parse_authorization(start + "0");
  const auto canonical = canonical_request(request, *authorization);
  request.headers.emplace_back("Authorization",
                               start + expected_signature(signer.secret, date, *authorization, *canonical));
  return request;
}

Request form(std::string body) {
  return {
      "POST", "/", {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}, std::move(body)};
}

Request ec2(const std::string& body, const Signer& signer = {}) {
  return sign(form("Version=2016-11-15&Action=" + body), "ec2", signer);
}
Request sts(const std::string& body, const Signer& signer = {}) {
  return sign(form("Version=2011-06-15&Action=" + body), "sts", signer);
}
Request json(const std::string& action, std::string body, const Signer& signer = {}) {
  return sign({"POST",
               "/",
               {{"Content-Type", "application/x-amz-json-1.0"},
                {"X-Amz-Target", std::string(kCloudWatchTarget) + "." + action}},
               std::move(body)},
              "monitoring", signer);
}

class Simulated : public testing::Test {
 protected:
  static SimulatorOptions options() {
    SimulatorOptions out;
    out.world = {7, {"eu-west-1", "us-east-1"}, 2500};
    return out;
  }
  Simulator make(SimulatorOptions of = options()) {
    return Simulator(std::move(of), [this] { return WallTime(std::chrono::milliseconds(now_ * 1000)); });
  }
  Reply ask(Request request) { return simulator_.handle(std::move(request)).reply; }

  static std::string query(const std::string& id, const std::string& change = "",
                           const std::string& stat = "Average", int64_t period = 300) {
    return fmt::format(
        R"({{"Id":"{}","MetricStat":{{"Metric":{{"Namespace":"AWS/EC2","MetricName":"CPUUtilization","Dimensions":[{{"Name":"InstanceId","Value":"{}"}}]}},"Period":{},"Stat":"{}"}}{}}})",
        id, instance_id(options().world, "eu-west-1", 0), period, stat, change);
  }
  static std::string metric_data(const std::string& queries, int64_t start = kNow - 3600, int64_t end = kNow,
                                 const std::string& more = "") {
    return fmt::format(R"({{"MetricDataQueries":[{}],"StartTime":{},"EndTime":{}{}}})", queries, start, end,
                       more);
  }
  void refused(const std::string& body, const std::string& words) {
    const Reply reply = ask(json("GetMetricData", body));
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_THAT(reply.body, HasSubstr("\"__type\":\"ValidationException\"")) << body;
    EXPECT_THAT(reply.body, HasSubstr(words));
  }

  int64_t now_ = kNow;
  Simulator simulator_ = make();
};

TEST_F(Simulated, PagesHoldEveryInstanceOnce) {
  std::set<std::string> ids;
  std::string token;
  int pages = 0;
  do {
    const Reply reply =
        ask(ec2("DescribeInstances&MaxResults=1000" + (token.empty() ? "" : "&NextToken=" + percent(token))));
    ASSERT_EQ(reply.status, 200) << reply.body;
    ++pages;
    for (size_t at = reply.body.find("<instanceId>"); at != std::string::npos;
         at = reply.body.find("<instanceId>", at + 1)) {
      EXPECT_TRUE(ids.insert(reply.body.substr(at + 12, 19)).second);
    }
    token = between(reply.body, "<nextToken>", "</nextToken>");
  } while (!token.empty() && pages < 10);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(ids.size(), 2500u);
  EXPECT_THAT(simulator_.stats_json(), HasSubstr("\"unpaged_calls\":0"));
  (void)ask(ec2("DescribeInstances"));
  EXPECT_THAT(simulator_.stats_json(), HasSubstr("\"unpaged_calls\":1"));
}

TEST_F(Simulated, ATokenIsGoodOnlyForTheQuestionItCameFrom) {
  const std::string token =
      percent(between(ask(ec2("DescribeInstances&MaxResults=5")).body, "<nextToken>", "</nextToken>"));
  EXPECT_EQ(ask(ec2("DescribeInstances&MaxResults=5&NextToken=" + token)).status, 200);
  const std::string filter = "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running";
  EXPECT_THAT(ask(ec2("DescribeInstances&MaxResults=5&NextToken=" + token + filter)).body,
              HasSubstr("InvalidNextToken"));
  EXPECT_THAT(
      ask(ec2("DescribeInstances&MaxResults=5&NextToken=" + token, Signer{.region = "us-east-1"})).body,
      HasSubstr("InvalidNextToken"));
}

TEST_F(Simulated, EveryFlippedByteOfATokenIsNoticed) {
  const std::string token = make_token("gmd", 7, 1'763'800'200, 42);
  ASSERT_TRUE(read_token(token, "gmd", 42));
  EXPECT_EQ(read_token(token, "gmd", 42)->second, 1'763'800'200u);
  EXPECT_FALSE(read_token(token, "lm", 42));
  EXPECT_FALSE(read_token(token, "gmd", 43));
  for (size_t at = 0; at < token.size(); ++at) {
    std::string flipped = token;
    flipped[at] = flipped[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(read_token(flipped, "gmd", 42)) << at;
    EXPECT_FALSE(read_token(token.substr(0, at), "gmd", 42)) << at;
  }
}

TEST_F(Simulated, UnknownParametersAndActionsAreRefused) {
  EXPECT_THAT(ask(ec2("DescribeInstances&MaxResult=5")).body, HasSubstr("<Code>UnknownParameter</Code>"));
  EXPECT_THAT(ask(ec2("RunInstances")).body, HasSubstr("<Code>InvalidAction</Code>"));
  EXPECT_THAT(ask(json("PutMetricData", "{}")).body, HasSubstr("UnknownOperationException"));
  EXPECT_EQ(ask({"POST", "/elsewhere", {}, ""}).status, 404);
}

TEST_F(Simulated, AlteredRequestsAreRefused) {
  Request body = ec2("DescribeRegions");
  body.body += "&RegionName.1=eu-west-1";
  EXPECT_EQ(ask(body).status, 401);
  EXPECT_THAT(ask(body).body, HasSubstr("<Code>AuthFailure</Code>"));
  Request target = json("ListMetrics", "{}");
  target.target = "/?a=1";
  EXPECT_THAT(ask(target).body, HasSubstr("InvalidSignatureException"));
  Request unsigned_host = sts("GetCallerIdentity", Signer{.signed_headers = "content-type;x-amz-date"});
  EXPECT_THAT(ask(unsigned_host).body, HasSubstr("'host' must be a 'SignedHeader'"));
}

TEST_F(Simulated, ADateMoreThanFiveMinutesOffIsRefusedInEachServicesWords) {
  for (const int64_t off : {-301, 301}) {
    const Signer late{.date = kNow + off};
    EXPECT_EQ(ask(ec2("DescribeRegions", late)).status, off < 0 ? 400 : 401);
    const Reply query = ask(sts("GetCallerIdentity", late));
    EXPECT_EQ(query.status, 403);
    EXPECT_THAT(query.body, HasSubstr("<Code>SignatureDoesNotMatch</Code>"));
    EXPECT_THAT(query.body, HasSubstr(off < 0 ? "Signature expired: " : "Signature not yet current: "));
    EXPECT_THAT(ask(json("ListMetrics", "{}", late)).body, HasSubstr("InvalidSignatureException"));
    const bool dated = std::any_of(query.headers.begin(), query.headers.end(), [](const Header& one) {
      return one.first == "Date" && one.second == "Sat, 22 Nov 2025 08:40:00 GMT";
    });
    EXPECT_TRUE(dated);
  }
  EXPECT_EQ(ask(sts("GetCallerIdentity", Signer{.date = kNow - 300})).status, 200);
}

TEST_F(Simulated, UnknownKeysAreRefusedInEachServicesWords) {
  const Signer unknown{.key = "AKIAUNKNOWN000000000"};
  EXPECT_THAT(ask(ec2("DescribeRegions", unknown)).body, HasSubstr("AuthFailure"));
  EXPECT_THAT(ask(sts("GetCallerIdentity", unknown)).body, HasSubstr("InvalidClientTokenId"));
  EXPECT_THAT(ask(json("ListMetrics", "{}", unknown)).body, HasSubstr("UnrecognizedClientException"));
  EXPECT_THAT(ask(sts("GetCallerIdentity", Signer{.region = "ap-northeast-1"})).body,
              HasSubstr("valid region"));
  EXPECT_THAT(ask(sign(form("Version=2011-06-15&Action=GetCallerIdentity"), "ec2", {})).body,
              HasSubstr("correct service"));
  EXPECT_THAT(ask(form("Version=2011-06-15&Action=GetCallerIdentity")).body,
              HasSubstr("MissingAuthenticationToken"));
}

TEST_F(Simulated, TemporaryCredentialsNeedTheirTokenAndEnd) {
  const std::string asked =
      "AssumeRole&RoleArn=arn:aws:iam::111122223333:role/reader&RoleSessionName=test&DurationSeconds=";
  const std::string issued = ask(sts(asked + "900")).body;
  Signer mine{.key = between(issued, "<AccessKeyId>", "<"),
              .secret = between(issued, "<SecretAccessKey>", "<"),
              .token = between(issued, "<SessionToken>", "<")};
  EXPECT_THAT(ask(sts("GetCallerIdentity", mine)).body,
              HasSubstr("arn:aws:sts::111122223333:assumed-role/reader/test"));
  Signer altered = mine;
  altered.token[5] = altered.token[5] == 'A' ? 'B' : 'A';
  EXPECT_THAT(ask(json("ListMetrics", "{}", altered)).body, HasSubstr("UnrecognizedClientException"));
  altered.token.clear();
  EXPECT_THAT(ask(ec2("DescribeRegions", altered)).body, HasSubstr("AuthFailure"));
  Signer unsigned_token = mine;
  unsigned_token.signed_headers = "content-type;host;x-amz-date";
  EXPECT_THAT(ask(sts("GetCallerIdentity", unsigned_token)).body, HasSubstr("SignatureDoesNotMatch"));
  now_ += 900;
  mine.date = now_;
  EXPECT_THAT(ask(sts("GetCallerIdentity", mine)).body, HasSubstr("<Code>ExpiredToken</Code>"));
  EXPECT_THAT(ask(json("ListMetrics", "{}", mine)).body, HasSubstr("ExpiredTokenException"));
  EXPECT_THAT(ask(ec2("DescribeRegions", mine)).body, HasSubstr("RequestExpired"));
}

TEST_F(Simulated, AReplacedKeyIsUnknownFromThenOn) {
  EXPECT_EQ(ask(sts("GetCallerIdentity")).status, 200);
  EXPECT_EQ(ask({"POST", "/simaws/key", {}, "short keys"}).status, 400);
  EXPECT_EQ(ask({"POST", "/simaws/key", {}, "AKIASIMAWSROTATED000 another/secret/of/nobody\n"}).status, 200);
  EXPECT_THAT(ask(sts("GetCallerIdentity")).body, HasSubstr("InvalidClientTokenId"));
  EXPECT_THAT(ask(ec2("DescribeRegions")).body, HasSubstr("AuthFailure"));
}

TEST_F(Simulated, RegionsMayBeForbiddenOrOff) {
  EXPECT_EQ(ask({"POST", "/simaws/faults", {}, "ec2:scp,sts:off,monitoring:off"}).status, 200);
  EXPECT_THAT(ask(ec2("DescribeRegions")).body,
              HasSubstr("ec2:DescribeRegions with an explicit deny in a service control policy"));
  EXPECT_THAT(ask(sts("GetCallerIdentity")).body, HasSubstr("<Code>RegionDisabledException</Code>"));
  EXPECT_THAT(ask(json("ListMetrics", "{}")).body, HasSubstr("UnrecognizedClientException"));
}

TEST_F(Simulated, RolesAreCheckedAsAwsDoes) {
  const std::string arn = "AssumeRole&RoleSessionName=test&RoleArn=arn:aws:iam::111122223333:role/";
  EXPECT_THAT(ask(sts(arn + "r&DurationSeconds=899")).body, HasSubstr("ValidationError"));
  EXPECT_THAT(ask(sts(arn + "r&DurationSeconds=43201")).body, HasSubstr("ValidationError"));
  EXPECT_THAT(ask(sts("AssumeRole&RoleSessionName=x&RoleArn=arn:aws:iam::111122223333:role/r")).body,
              HasSubstr("roleSessionName"));
  EXPECT_THAT(ask(sts("AssumeRole&RoleSessionName=test&RoleArn=arn:aws:iam::1:role/r")).body,
              HasSubstr("is invalid"));
  EXPECT_EQ(ask(sts(arn + "denied")).status, 403);
  EXPECT_EQ(ask(sts(arn + "an-external-role&ExternalId=wrong")).status, 403);
  EXPECT_EQ(ask(sts(arn + "an-external-role&ExternalId=simaws-external")).status, 200);
  const std::string web =
      "Version=2011-06-15&Action=AssumeRoleWithWebIdentity&RoleSessionName=test&RoleArn=arn:aws:iam::"
      "111122223333:role/r&WebIdentityToken=";
  EXPECT_EQ(ask(form(web + "simaws-web-identity-token-1")).status, 200);
  EXPECT_THAT(ask(form(web + "simaws-web-identity-token-expired")).body, HasSubstr("ExpiredTokenException"));
  EXPECT_THAT(ask(form(web + "x")).body, HasSubstr("InvalidIdentityToken"));
}

TEST_F(Simulated, MetricDataIsTheSyntheticFunctionInJson) {
  const Reply reply = ask(json("GetMetricData", metric_data(query("q0"), kNow - 600, kNow)));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::string id = instance_id(options().world, "eu-west-1", 0);
  std::string values;
  for (const int64_t start : {kNow - 300, kNow - 600}) {
    const auto series =
        find_series(options().world, "eu-west-1", "AWS/EC2", "CPUUtilization", {{"InstanceId", id}});
    if (!values.empty()) values += ',';
    append_millionths(values, *series->point(*parse_statistic("Average"), 300, start));
  }
  EXPECT_EQ(reply.body,
            "{\"Messages\":[],\"MetricDataResults\":[{\"Id\":\"q0\",\"Label\":\"CPUUtilization\","
            "\"StatusCode\":\"Complete\","
            "\"Timestamps\":[1.7638005E9,1.7638002E9],\"Values\":[" +
                values + "]}]}");
}

TEST_F(Simulated, TheLimitsOfGetMetricDataHold) {
  std::string many;
  for (int i = 0; i < 500; ++i) many += (i ? "," : "") + query("q" + std::to_string(i));
  EXPECT_EQ(ask(json("GetMetricData", metric_data(many))).status, 200);
  refused(metric_data(many + "," + query("q500")), "must not have a size greater than 500");
  refused(metric_data(query("q0") + "," + query("q0")), "not unique");
  for (const char* id : {"Q0", "0", "", "a-b"}) refused(metric_data(query(id)), "expected pattern");
  for (const int64_t period : {0, 2, 15, 59, 61, 90, -60})
    refused(metric_data(query("q", "", "Average", period)), "multiple of 60");
  for (const int64_t period : {1, 5, 10, 20, 30, 60, 3600, 86400, 7 * 86400, 30 * 86400})
    EXPECT_EQ(ask(json("GetMetricData", metric_data(query("q", "", "Sum", period)))).status, 200);
  refused(metric_data(query("q", "", "Avg")), "not a valid statistic");
  refused(metric_data(query("q"), kNow, kNow), "StartTime must be less");
  refused(metric_data(query("q"), kNow - 60, kNow, R"(,"ScanBy":"x")"), "scanBy");
  refused(metric_data(query("q"), kNow - 60, kNow, R"(,"MaxDatapoints":0)"), "MaxDatapoints");
  refused(metric_data(query("q"), kNow - 60, kNow, R"(,"MaxDatapoints":100801)"), "MaxDatapoints");
  refused(metric_data(query("q", R"(,"ReturnData":false)")), "ReturnData");
  refused(metric_data(query("q", R"(,"Expression":"q+1")")), "Exactly one of");
  refused(metric_data(""), "MetricDataQueries is required");
  std::string dimensions;
  for (int i = 0; i < 31; ++i)
    dimensions += fmt::format(R"({}{{"Name":"d{}","Value":"v"}})", i ? "," : "", i);
  refused(metric_data(R"({"Id":"q","MetricStat":{"Metric":{"Namespace":"n","MetricName":"m","Dimensions":[)" +
                      dimensions + R"(]},"Period":60,"Stat":"Sum"}})"),
          "greater than 30");
  for (const char* bad : {"", "{", "[]", R"({"MetricDataQueries":1})", R"({"StartTime":"yesterday"})",
                          R"({"StartTime":1e300})"}) {
    EXPECT_THAT(ask(json("GetMetricData", bad)).body, HasSubstr("SerializationException")) << bad;
  }
}

TEST_F(Simulated, PagesOfMetricDataLoseNothingWhileTimePasses) {
  for (const char* order : {"TimestampDescending", "TimestampAscending"}) {
    now_ = kNow;
    std::vector<std::string> seen;
    std::string token;
    int pages = 0;
    do {
      const std::string more = fmt::format(R"(,"MaxDatapoints":7,"ScanBy":"{}"{})", order,
                                           token.empty() ? "" : ",\"NextToken\":\"" + token + "\"");
      const Reply reply = ask(json("GetMetricData",
                                   metric_data(query("a") + "," + query("b"), kNow - 3600, kNow + 3600, more),
                                   Signer{.date = now_}));
      ASSERT_EQ(reply.status, 200) << reply.body;
      for (std::string rest = reply.body; rest.find("\"Id\":\"") != std::string::npos;) {
        const std::string id = between(rest, "\"Id\":\"", "\"");
        std::string times = between(rest, "\"Timestamps\":[", "]");
        for (size_t at = 0; !times.empty() && at != std::string::npos; at = times.find(',', at + 1))
          seen.push_back(id + times.substr(at + (at > 0), 11));
        rest = rest.substr(rest.find("\"Values\"") + 8);
      }
      token = between(reply.body, "\"NextToken\":\"", "\"");
      ++pages;
      if (std::string(order) == "TimestampDescending") now_ += 300;
    } while (!token.empty() && pages < 10);
    EXPECT_EQ(pages, 4) << order;
    EXPECT_GE(seen.size(), 24u) << order;
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size()) << order;
  }
}

TEST_F(Simulated, OldPointsAreGoneAsAwsForgetsThem) {
  const auto points = [&](int64_t period, int64_t age_days) {
    const int64_t start = kNow - age_days * 86400;
    const Reply reply =
        ask(json("GetMetricData", metric_data(query("q", "", "Sum", period), start, start + period * 2)));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return !between(reply.body, "\"Values\":[", "]").empty();
  };
  EXPECT_TRUE(points(60, 14));
  EXPECT_FALSE(points(60, 16));
  EXPECT_TRUE(points(300, 62));
  EXPECT_FALSE(points(300, 64));
  EXPECT_TRUE(points(3600, 454));
  EXPECT_FALSE(points(3600, 456));
}

TEST_F(Simulated, TheBillCountsFiveStatisticsOfOneMetricOnce) {
  std::string queries;
  int at = 0;
  for (const char* stat : {"Average", "Sum", "Minimum", "Maximum", "SampleCount"})
    queries += (at ? "," : "") + query("q" + std::to_string(at), "", stat), ++at;
  (void)ask(json("GetMetricData", metric_data(queries)));
  EXPECT_THAT(simulator_.stats_json(), HasSubstr("\"metrics_requested\":5,\"metrics_billed\":1,"));
  (void)ask(json("GetMetricData", metric_data(queries + "," + query("p", "", "p99"))));
  EXPECT_THAT(simulator_.stats_json(), HasSubstr("\"metrics_requested\":11,\"metrics_billed\":3,"));
}

TEST_F(Simulated, ThrottlingSpeaksEachServicesWordsAndRefills) {
  SimulatorOptions slow = options();
  slow.throttle = 2;
  Simulator simulator = make(slow);
  const auto status = [&](Request request) { return simulator.handle(std::move(request)).reply; };
  EXPECT_EQ(status(ec2("DescribeRegions")).status, 200);
  EXPECT_EQ(status(ec2("DescribeRegions")).status, 200);
  const Reply over = status(ec2("DescribeRegions"));
  EXPECT_EQ(over.status, 503);
  EXPECT_THAT(over.body, HasSubstr("RequestLimitExceeded"));
  EXPECT_EQ(status(ec2("DescribeRegions", Signer{.region = "us-east-1"})).status, 200)
      << "each region has its own bucket";
  (void)status(json("ListMetrics", "{}"));
  (void)status(json("ListMetrics", "{}"));
  const Reply metrics = status(json("ListMetrics", "{}"));
  EXPECT_EQ(metrics.status, 400);
  EXPECT_THAT(metrics.body, HasSubstr("ThrottlingException"));
  now_ += 1;
  EXPECT_EQ(status(ec2("DescribeRegions")).status, 200);
}

TEST_F(Simulated, FaultsAreReplacedOverTheControlEndpoint) {
  EXPECT_EQ(ask({"POST", "/simaws/faults", {}, "GetCallerIdentity:503\n"}).status, 200);
  EXPECT_EQ(ask(sts("GetCallerIdentity")).status, 503);
  EXPECT_EQ(ask({"POST", "/simaws/faults", {}, "nonsense"}).status, 400);
  EXPECT_EQ(ask(sts("GetCallerIdentity")).status, 503) << "a mistake changes nothing";
  EXPECT_EQ(ask({"POST", "/simaws/faults", {}, ""}).status, 200);
  EXPECT_EQ(ask(sts("GetCallerIdentity")).status, 200);
  EXPECT_THAT(simulator_.stats_json(), HasSubstr("\"sts.GetCallerIdentity\":{\"calls\":3,\"errors\":2}"));
}

TEST_F(Simulated, ListMetricsHolds500APage) {
  const Reply reply = ask(json("ListMetrics", R"({"Namespace":"AWS/EC2"})"));
  size_t metrics = 0;
  for (size_t at = reply.body.find("MetricName"); at != std::string::npos;
       at = reply.body.find("MetricName", at + 1))
    ++metrics;
  EXPECT_EQ(metrics, 500u);
  EXPECT_THAT(reply.body, HasSubstr("\"NextToken\":\""));
  EXPECT_THAT(ask(json("ListMetrics", R"({"RecentlyActive":"PT4H"})")).body, HasSubstr("PT3H"));
  EXPECT_THAT(ask(json("ListMetrics", R"({"NextToken":"x"})")).body,
              HasSubstr("InvalidParameterValueException"));
  EXPECT_THAT(
      ask(json("ListMetrics", R"({"Dimensions":[{"Name":"InstanceId","Value":"i-00000000000000000"}]})"))
          .body,
      HasSubstr("\"Metrics\":[]"));
}

std::string points_of(const Reply& reply, const std::string& id) {
  return between(between(reply.body, "\"Id\":\"" + id + "\"", "}"), "\"Values\":[", "]");
}

TEST_F(Simulated, APointCanBeSeenOnlyAfterItsNamespacesPublication) {
  const std::string two = metric_data(query("q"), kNow - 600, kNow);
  const auto count = [&] { return points_of(ask(json("GetMetricData", two, Signer{.date = now_})), "q"); };
  const std::string both = count();
  EXPECT_THAT(both, HasSubstr(","));
  EXPECT_EQ(ask({"POST", "/simaws/publication", {}, "AWS/EC2=90,Sim/App=10\n"}).status, 200);
  EXPECT_THAT(count(), Not(HasSubstr(",")));
  now_ = kNow + 89;
  EXPECT_THAT(count(), Not(HasSubstr(",")));
  now_ = kNow + 90;
  EXPECT_EQ(count(), both);
  EXPECT_EQ(ask({"POST", "/simaws/publication", {}, "soon"}).status, 400);
  now_ = kNow;
  EXPECT_THAT(count(), Not(HasSubstr(","))) << "a mistake changes nothing";
  EXPECT_EQ(ask({"POST", "/simaws/publication", {}, "revise=1:60,late=0:0"}).status, 200);
  const std::string early = count();
  EXPECT_NE(early, both) << "the newer is not final yet";
  EXPECT_EQ(early.substr(early.find(',')), both.substr(both.find(',')));
  now_ = kNow + 60;
  EXPECT_EQ(count(), both);
}

std::string expression(const std::string& id, const std::string& text, const std::string& more = "") {
  return fmt::format(R"({{"Id":"{}","Expression":"{}"{}}})", id, text, more);
}

TEST_F(Simulated, ExpressionsAreComputedFromTheirMetricsAndAreFree) {
  const std::string hidden = R"(,"ReturnData":false)";
  const Reply reply = ask(json(
      "GetMetricData",
      metric_data(expression("e2", "e1 / 2") + "," + expression("e1", "(m1 + m2) * 10", R"(,"Label":"sum")") +
                      "," + query("m1", hidden, "Minimum") + "," + query("m2", hidden, "Maximum"),
                  kNow - 300, kNow)));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::string id = instance_id(options().world, "eu-west-1", 0);
  const auto of = [&](const char* stat) {
    return *value(options().world, "eu-west-1", "AWS/EC2", "CPUUtilization", {{"InstanceId", id}}, stat, 300,
                  kNow - 300);
  };
  const double sum = (of("Minimum") + of("Maximum")) * 10;
  EXPECT_DOUBLE_EQ(std::stod(points_of(reply, "e1")), sum);
  EXPECT_DOUBLE_EQ(std::stod(points_of(reply, "e2")), sum / 2);
  EXPECT_THAT(reply.body, Not(HasSubstr("\"m1\"")));
  EXPECT_THAT(reply.body, HasSubstr(R"("Id":"e1","Label":"sum")"));
  EXPECT_THAT(simulator_.stats_json(), HasSubstr("\"metrics_requested\":2,\"metrics_billed\":1,"));
}

TEST_F(Simulated, AnArrayOfAnExpressionIsSeveralResultsThatPage) {
  const std::string body = expression("e1", "FILL(METRICS(), 0)") + "," +
                           query("m1", R"(,"ReturnData":false,"Label":"one")") + "," +
                           query("m2", R"(,"ReturnData":false,"Label":"two")", "Sum");
  const Reply whole = ask(json("GetMetricData", metric_data(body)));
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_THAT(whole.body, HasSubstr(R"("Id":"e1","Label":"one")"));
  EXPECT_THAT(whole.body, HasSubstr(R"("Id":"e1","Label":"two")"));
  const auto times = [](const Reply& reply) {
    std::string out;
    for (std::string rest = reply.body; rest.find("\"Timestamps\":[") != std::string::npos;
         rest = rest.substr(rest.find("\"Values\"") + 8))
      out += between(rest, "\"Timestamps\":[", "]") + ",";
    while (out.find(",,") != std::string::npos) out.replace(out.find(",,"), 2, ",");
    return out.starts_with(',') ? out.substr(1) : out;
  };
  std::string paged;
  std::string token;
  do {
    const Reply page = ask(json(
        "GetMetricData", metric_data(body, kNow - 3600, kNow,
                                     fmt::format(R"(,"MaxDatapoints":7{})",
                                                 token.empty() ? "" : ",\"NextToken\":\"" + token + "\""))));
    ASSERT_EQ(page.status, 200) << page.body;
    paged += times(page);
    token = between(page.body, "\"NextToken\":\"", "\"");
  } while (!token.empty());
  EXPECT_EQ(paged, times(whole));
}

TEST_F(Simulated, OneBadExpressionFailsTheWholeCall) {
  const std::string m1 = query("m1") + ",";
  refused(metric_data(m1 + expression("e1", "m1 +")), "Error in expression 'e1'");
  refused(metric_data(m1 + expression("e1", "m2")), "The id 'm2' is not one of the request");
  refused(metric_data(m1 + expression("e1", "e2") + "," + expression("e2", "e1 + m1")), "refers to itself");
  refused(metric_data(m1 + expression("e1", "SUM(m1)")), "must be a time series");
  refused(metric_data(m1 + expression("e1", "SEARCH('x', 'Sum', 300)")), "does not know SEARCH");
  refused(metric_data(m1 + expression("E1", "m1")), "expected pattern");
  EXPECT_EQ(ask(json("GetMetricData", metric_data(m1 + expression("e1", "SUM(m1)", R"(,"ReturnData":false)") +
                                                  "," + expression("e2", "m1 - e1"))))
                .status,
            200);
}

TEST_F(Simulated, AMonitoringAccountReadsTheAccountsLinkedToIt) {
  SimulatorOptions linked = options();
  linked.world.linked = {"111111111111", "222222222222"};
  Simulator simulator = make(linked);
  const auto query_of = [&](const std::string& id, const std::string& account) {
    std::string out = query(id, R"(,"AccountId":")" + account + "\"");
    if (account == kAccount) return out;
    const std::string mine = instance_id(options().world, "eu-west-1", 0);
    return out.replace(out.find(mine), mine.size(), instance_id(linked.world.of(account), "eu-west-1", 0));
  };
  const Reply reply =
      simulator
          .handle(json("GetMetricData",
                       metric_data(query_of("own", kAccount) + "," + query_of("a", "111111111111") + "," +
                                       query_of("b", "222222222222") + "," + query_of("c", "333333333333") +
                                       "," + expression("e", "c + own"),
                                   kNow - 300)))
          .reply;
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_NE(points_of(reply, "own"), "");
  EXPECT_NE(points_of(reply, "a"), "");
  EXPECT_NE(points_of(reply, "a"), points_of(reply, "b"));
  for (const char* id : {"c", "e"}) {
    EXPECT_EQ(points_of(reply, id), "");
    EXPECT_EQ(between(reply.body.substr(reply.body.find(fmt::format("\"Id\":\"{}\"", id))),
                      "\"StatusCode\":\"", "\""),
              "Forbidden")
        << id;
  }
  const auto list = [&](const std::string& more) {
    return simulator
        .handle(json("ListMetrics", R"({"Namespace":"Sim/App","MetricName":"Temperature")" + more + "}"))
        .reply.body;
  };
  EXPECT_THAT(list(""), Not(HasSubstr("OwningAccounts")));
  EXPECT_THAT(list(R"(,"IncludeLinkedAccounts":true)"),
              HasSubstr(R"("OwningAccounts":["000000000000","111111111111","222222222222"])"));
  EXPECT_THAT(list(R"(,"IncludeLinkedAccounts":true,"OwningAccount":"222222222222")"),
              HasSubstr(R"("OwningAccounts":["222222222222"])"));
  EXPECT_THAT(list(R"(,"IncludeLinkedAccounts":true,"OwningAccount":"333333333333")"),
              HasSubstr(R"("Metrics":[])"));
}

TEST_F(Simulated, LinkedAccountsPageOneAfterTheOther) {
  SimulatorOptions linked = options();
  linked.world.instances = 40;
  linked.world.linked = {"111111111111"};
  Simulator simulator = make(linked);
  std::set<std::string> metrics;
  size_t seen = 0;
  std::string token;
  do {
    const std::string body =
        simulator
            .handle(json("ListMetrics", R"({"IncludeLinkedAccounts":true)" +
                                            (token.empty() ? "" : ",\"NextToken\":\"" + token + "\"") + "}"))
            .reply.body;
    const std::string owners = between(body, "\"OwningAccounts\":[", "]");
    size_t at_owner = 0;
    for (std::string rest = body; rest.find("{\"Namespace\"") != std::string::npos; ++seen, at_owner += 15) {
      rest = rest.substr(rest.find("{\"Namespace\"") + 1);
      EXPECT_TRUE(metrics.insert(owners.substr(at_owner, 14) + between(rest, "Namespace", "]}")).second);
    }
    token = between(body, "\"NextToken\":\"", "\"");
  } while (!token.empty());
  size_t expected = 0;
  for (size_t slot = 0; slot < metric_slots(linked.world); ++slot)
    expected += metric_at(linked.world, "eu-west-1", slot).has_value();
  EXPECT_EQ(seen, 2 * expected);
}

TEST_F(Simulated, VolumesAndBucketsHaveMetrics) {
  const World& world = options().world;
  const std::string volume = volume_id(world, "eu-west-1", 3);
  EXPECT_EQ(index_of_volume(world, "eu-west-1", volume), 3u);
  size_t listed = 0;
  const std::string body =
      ask(json("ListMetrics", R"({"Dimensions":[{"Name":"VolumeId","Value":")" + volume + "\"}]}")).body;
  for (size_t at = body.find("AWS/EBS"); at != std::string::npos; at = body.find("AWS/EBS", at + 1)) ++listed;
  EXPECT_EQ(listed, 8u);
  const int64_t midnight = kNow / 86400 * 86400;
  const std::string size =
      R"({"Id":"s","MetricStat":{"Metric":{"Namespace":"AWS/S3","MetricName":"BucketSizeBytes","Dimensions":[{"Name":"BucketName","Value":"simaws-logs"},{"Name":"StorageType","Value":"StandardStorage"}]},"Period":86400,"Stat":"Average"}})";
  const auto days = [&] {
    const Reply reply =
        ask(json("GetMetricData", metric_data(size, midnight - 2 * 86400, midnight), Signer{.date = now_}));
    const std::string values = points_of(reply, "s");
    return values.empty() ? 0 : 1 + std::count(values.begin(), values.end(), ',');
  };
  now_ = midnight + kStoragePublication - 1;
  EXPECT_EQ(days(), 1) << "hours late";
  now_ = midnight + kStoragePublication;
  EXPECT_EQ(days(), 2);
}

Signer assumed(Simulator& simulator, const std::string& account) {
  const std::string issued =
      simulator
          .handle(sts("AssumeRole&RoleSessionName=test&RoleArn=arn:aws:iam::" + account + ":role/reader"))
          .reply.body;
  return {.key = between(issued, "<AccessKeyId>", "<"),
          .secret = between(issued, "<SecretAccessKey>", "<"),
          .token = between(issued, "<SessionToken>", "<")};
}

TEST_F(Simulated, EachAccountHasAFleetOfItsOwn) {
  const Signer other = assumed(simulator_, "111111111111");
  const auto first = [&](const Signer& signer) {
    return between(ask(ec2("DescribeInstances&MaxResults=5", signer)).body, "<instanceId>", "<");
  };
  EXPECT_EQ(first({}), instance_id(options().world, "eu-west-1", 0));
  EXPECT_EQ(first(other), instance_id(options().world.of("111111111111"), "eu-west-1", 0));
  EXPECT_NE(first({}), first(other));
  EXPECT_THAT(ask(ec2("DescribeInstances&MaxResults=5", other)).body,
              HasSubstr("<ownerId>111111111111</ownerId>"));
  (void)ask(json("GetMetricData", metric_data(query("q"), kNow - 600), other));
  EXPECT_THAT(
      simulator_.stats_json(),
      HasSubstr(
          R"("111111111111":{"eu-west-1":{"calls":{"ec2.DescribeInstances":3,"monitoring.GetMetricData":1},)"
          R"("throttled":0,"requested":1,"billed":1,"billed_by_namespace":{"AWS/EC2":1})"));
}

TEST_F(Simulated, AFaultCanBeOfOneAccountOrRegion) {
  const Signer other = assumed(simulator_, "111111111111");
  const Signer elsewhere{.region = "us-east-1"};
  EXPECT_EQ(
      ask({"POST", "/simaws/faults", {}, "ListMetrics@us-east-1:denied,ListMetrics@111111111111:503"}).status,
      200);
  EXPECT_EQ(ask(json("ListMetrics", "{}")).status, 200);
  EXPECT_EQ(ask(json("ListMetrics", "{}", other)).status, 503);
  EXPECT_THAT(ask(json("ListMetrics", "{}", elsewhere)).body, HasSubstr("cloudwatch:ListMetrics"));
  EXPECT_EQ(ask({"POST", "/simaws/faults", {}, "*@111111111111@us-east-1:denied"}).status, 200);
  EXPECT_EQ(ask(json("ListMetrics", "{}", other)).status, 200);
  Signer both = other;
  both.region = "us-east-1";
  EXPECT_THAT(ask(json("ListMetrics", "{}", both)).body,
              HasSubstr("User: arn:aws:sts::111111111111:assumed-role/reader/test is not authorized to "
                        "perform: cloudwatch:ListMetrics"));
  EXPECT_EQ(ask({"POST", "/simaws/faults", {}, "AssumeRole@222222222222:500"}).status, 200);
  EXPECT_EQ(ask(sts("AssumeRole&RoleSessionName=test&RoleArn=arn:aws:iam::222222222222:role/r")).status, 500)
      << "of AssumeRole the account is the role's";
  EXPECT_EQ(ask(sts("AssumeRole&RoleSessionName=test&RoleArn=arn:aws:iam::333333333333:role/r")).status, 200);
  for (const char* bad : {"ListMetrics@:503", "@eu-west-1:503", "ListMetrics@1234:503"})
    EXPECT_EQ(ask({"POST", "/simaws/faults", {}, bad}).status, 400) << bad;
}

TEST_F(Simulated, QuotasThrottleCallsAndEstimatedDatapoints) {
  SimulatorOptions limited = options();
  limited.quotas = 0.5;
  Simulator simulator = make(limited);
  std::string absent;
  for (int at = 0; at < 100; ++at)
    absent += fmt::format(
        R"({}{{"Id":"q{}","MetricStat":{{"Metric":{{"Namespace":"None","MetricName":"m{}"}},"Period":60,"Stat":"Sum"}}}})",
        at ? "," : "", at, at);
  const auto ask_for = [&](int64_t seconds) {
    return simulator
        .handle(json("GetMetricData", metric_data(absent, now_ - seconds, now_), Signer{.date = now_}))
        .reply.status;
  };
  EXPECT_EQ(ask_for(3 * 3600), 200);  // 18,000 points, although there are none
  for (int at = 0; at < 4; ++at) EXPECT_EQ(ask_for(3 * 3600), 200);
  EXPECT_EQ(ask_for(60 * 60), 400) << "90,000 a second is the half of AWS's quota";
  for (int at = 0; at < 10; ++at)
    EXPECT_EQ(ask_for(3 * 3600 + 60), 200) << at << ": older windows have a quota of their own";
  EXPECT_EQ(ask_for(3 * 3600 + 60), 400);
  now_ += 1;
  int answered = 0;
  for (int at = 0; at < 50; ++at) answered += ask_for(60) == 200;
  EXPECT_EQ(answered, 25);
  const std::string stats = simulator.stats_json();
  EXPECT_THAT(
      stats,
      HasSubstr(R"("throttled":27,"requested":4000,"billed":4000,"billed_by_namespace":{"None":4000})"));
  EXPECT_THAT(stats, HasSubstr(R"("violations":{})"));
}

TEST_F(Simulated, BrokenLimitsAreCounted) {
  std::string many;
  for (int at = 0; at < 501; ++at) many += (at ? "," : "") + query("q" + std::to_string(at));
  (void)ask(json("GetMetricData", metric_data(many)));
  (void)ask(json("GetMetricData", metric_data(query("q", "", "Sum", 60), kNow - 100'801 * 60)));
  EXPECT_THAT(simulator_.stats_json(), HasSubstr(R"("violations":{"datapoints":1,"invalid":1,"queries":1})"));
}

Request organizations(const std::string& action, std::string body, Signer signer = {}) {
  signer.region = "us-east-1";
  return sign({"POST",
               "/",
               {{"Content-Type", "application/x-amz-json-1.1"},
                {"X-Amz-Target", "AWSOrganizationsV20161128." + action}},
               std::move(body)},
              "organizations", signer);
}

TEST_F(Simulated, AnOrganizationListsItsAccountsInPages) {
  EXPECT_THAT(ask(organizations("ListAccounts", "{}")).body, HasSubstr("AWSOrganizationsNotInUseException"));
  SimulatorOptions with = options();
  with.world.organization = 45;
  Simulator simulator = make(with);
  std::set<std::string> ids;
  std::string token;
  size_t pages = 0;
  size_t suspended = 0;
  do {
    const Reply reply =
        simulator
            .handle(organizations("ListAccounts", token.empty() ? "{}" : R"({"NextToken":")" + token + "\"}"))
            .reply;
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.content_type, "application/x-amz-json-1.1");
    for (std::string rest = reply.body; rest.find("{\"Id\":\"") != std::string::npos;) {
      rest = rest.substr(rest.find("{\"Id\":\"") + 7);
      EXPECT_TRUE(ids.insert(rest.substr(0, 12)).second);
      suspended += between(rest, "\"Status\":\"", "\"") == "SUSPENDED";
    }
    token = between(reply.body, "\"NextToken\":\"", "\"");
    ++pages;
  } while (!token.empty() && pages < 10);
  EXPECT_EQ(pages, 3u);
  EXPECT_EQ(ids.size(), 46u);
  EXPECT_EQ(suspended, 6u);
  EXPECT_TRUE(ids.contains("000000000000"));
  EXPECT_TRUE(ids.contains("200000000045"));
  const auto status = [&](const std::string& body) {
    return simulator.handle(organizations("ListAccounts", body)).reply.status;
  };
  EXPECT_EQ(status(R"({"MaxResults":1})"), 200);
  EXPECT_EQ(status(R"({"MaxResults":21})"), 400);
  EXPECT_EQ(status(R"({"NextToken":"x"})"), 400);
  EXPECT_EQ(status("["), 400);
  EXPECT_THAT(
      simulator.handle(organizations("ListAccounts", "{}", assumed(simulator, "200000000001"))).reply.body,
      HasSubstr("AccessDeniedException"));
  EXPECT_EQ(simulator
                .handle(sts("AssumeRole&RoleSessionName=test&RoleArn=arn:aws:iam::" + member_account(3) +
                            ":role/r"))
                .reply.status,
            403)
      << "suspended";
}

TEST_F(Simulated, RegionsTellWhetherTheAccountHasOptedIn) {
  SimulatorOptions with = options();
  with.world.regions = {"eu-west-1", "af-south-1"};
  Simulator simulator = make(with);
  const auto regions = [&](const std::string& more) {
    return simulator.handle(ec2("DescribeRegions" + more)).reply.body;
  };
  const std::string enabled = regions("");
  EXPECT_THAT(enabled,
              HasSubstr("eu-west-1.amazonaws.com</regionEndpoint><optInStatus>opt-in-not-required<"));
  EXPECT_THAT(enabled, HasSubstr("af-south-1.amazonaws.com</regionEndpoint><optInStatus>opted-in<"));
  EXPECT_THAT(enabled, Not(HasSubstr("not-opted-in")));
  EXPECT_THAT(regions("&AllRegions=false"), Not(HasSubstr("not-opted-in")));
  const std::string all = regions("&AllRegions=true");
  EXPECT_THAT(all, HasSubstr("me-south-1.amazonaws.com</regionEndpoint><optInStatus>not-opted-in<"));
  const std::string filtered =
      regions("&AllRegions=true&Filter.1.Name=opt-in-status&Filter.1.Value.1=not-opted-in");
  EXPECT_THAT(filtered, HasSubstr("me-south-1"));
  EXPECT_THAT(filtered, Not(HasSubstr("eu-west-1")));
  EXPECT_THAT(regions("&RegionName.1=nowhere-1"), HasSubstr("InvalidParameterValue"));
}

Request rpc(const std::string& action, std::string body, const Signer& signer = {}) {
  return sign({"POST",
               "/service/GraniteServiceVersion20100801/operation/" + action,
               {{"Content-Type", "application/cbor"},
                {"Accept", "application/cbor"},
                {"smithy-protocol", "rpc-v2-cbor"}},
               std::move(body)},
              "monitoring", signer);
}

std::string metric_data_cbor(const std::string& id, int64_t start, int64_t end) {
  std::string out;
  cbor::append_map(out, 3);
  cbor::append_text(out, "StartTime");
  cbor::append_time(out, start);
  cbor::append_text(out, "EndTime");
  cbor::append_time(out, end);
  cbor::append_text(out, "MetricDataQueries");
  cbor::append_array(out, 1);
  cbor::append_map(out, 2);
  cbor::append_text(out, "Id");
  cbor::append_text(out, id);
  cbor::append_text(out, "MetricStat");
  cbor::append_map(out, 3);
  cbor::append_text(out, "Stat");
  cbor::append_text(out, "Sum");
  cbor::append_text(out, "Period");
  out += std::string("\x18\x3C");  // 60
  cbor::append_text(out, "Metric");
  cbor::append_map(out, 2);
  cbor::append_text(out, "Namespace");
  cbor::append_text(out, "Sim/App");
  cbor::append_text(out, "MetricName");
  cbor::append_text(out, "Temperature");
  return out;
}

TEST_F(Simulated, CborAnswersWhatJsonAnswers) {
  const Reply reply = ask(rpc("GetMetricData", metric_data_cbor("q", kNow - 120, kNow)));
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "application/cbor");
  EXPECT_TRUE(std::any_of(reply.headers.begin(), reply.headers.end(),
                          [](const Header& one) { return one == Header("smithy-protocol", "rpc-v2-cbor"); }));
  const auto document = cbor::read(reply.body);
  ASSERT_TRUE(document);
  ASSERT_EQ(document->members.size(), 2u);
  const auto& result = document->members[1].second.items.at(0);
  ASSERT_EQ(result.members.size(), 5u);
  EXPECT_EQ(result.members[0].second.text, "q");
  EXPECT_EQ(result.members[2].second.text, "Complete");
  ASSERT_EQ(result.members[4].second.items.size(), 2u);
  for (size_t at = 0; at < 2; ++at) {
    const auto start = static_cast<int64_t>(result.members[3].second.items[at].real);
    EXPECT_EQ(result.members[3].second.items[at].tag, 1u);
    EXPECT_EQ(result.members[4].second.items[at].real,
              value(options().world, "eu-west-1", "Sim/App", "Temperature", {}, "Sum", 60, start));
  }
  std::string listing;
  cbor::append_map(listing, 1);
  cbor::append_text(listing, "MetricName");
  cbor::append_text(listing, "Temperature");
  const auto listed = cbor::read(ask(rpc("ListMetrics", listing)).body);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->members[0].second.items.size(), 1u);
  EXPECT_EQ(listed->members[0].second.items[0].members[0].second.text, "Sim/App");
}

TEST_F(Simulated, CborErrorsCarryTheQueryProtocolsCode) {
  const auto code = [&](const Reply& reply) {
    const auto found = std::find_if(reply.headers.begin(), reply.headers.end(),
                                    [](const Header& one) { return one.first == "x-amzn-query-error"; });
    return found == reply.headers.end() ? "" : found->second;
  };
  const Reply invalid = ask(rpc("GetMetricData", metric_data_cbor("Q", kNow - 60, kNow)));
  EXPECT_EQ(invalid.status, 400);
  EXPECT_EQ(code(invalid), "ValidationError;Sender");
  const auto document = cbor::read(invalid.body);
  ASSERT_TRUE(document);
  EXPECT_EQ(document->members[0].second.text, "com.amazonaws.cloudwatch#ValidationException");
  EXPECT_EQ(code(ask(rpc("GetMetricData", "\xFF"))), "SerializationException;Sender");
  EXPECT_EQ(code(ask(rpc("PutMetricData", "\xA0"))), "InvalidAction;Sender");
  EXPECT_EQ(
      code(ask(rpc("GetMetricData", metric_data_cbor("q", kNow - 60, kNow), Signer{.secret = "wrong"}))),
      "SignatureDoesNotMatch;Sender");
  Request plain = rpc("ListMetrics", "\xA0");
  plain.headers.erase(plain.headers.begin() + 2);
  EXPECT_EQ(code(ask(std::move(plain))), "InvalidAction;Sender") << "without smithy-protocol";
  EXPECT_EQ(code(ask(rpc("", "\xA0"))), "InvalidAction;Sender");
}

// ---- alarms

std::vector<std::string> alarm_names(const std::string& body) {
  std::vector<std::string> names;
  const std::string mark = "\"AlarmName\":\"";
  for (size_t at = body.find(mark); at != std::string::npos; at = body.find(mark, at + 1))
    names.push_back(body.substr(at + mark.size(), body.find('"', at + mark.size()) - at - mark.size()));
  return names;
}

TEST_F(Simulated, AlarmsComeInPagesAndEachOnce) {
  const World world = options().world;
  std::vector<std::string> wanted;
  for (size_t slot = 0; slot < alarm_slots(world); ++slot) {
    if (const auto alarm = alarm_at(world, "eu-west-1", slot)) wanted.push_back(alarm->name);
  }
  ASSERT_GT(wanted.size(), 4000u);
  std::vector<std::string> listed;
  std::string token;
  const std::string both = R"("AlarmTypes":["MetricAlarm","CompositeAlarm"],"MaxRecords":100)";
  size_t pages = 0;
  do {
    const std::string more = token.empty() ? "" : ",\"NextToken\":\"" + token + "\"";
    const Reply reply = ask(json("DescribeAlarms", "{" + both + more + "}"));
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto page = alarm_names(reply.body);
    listed.insert(listed.end(), page.begin(), page.end());
    token = between(reply.body, "\"NextToken\":\"", "\"");
    ASSERT_LE(page.size(), 100u);
    ++pages;
  } while (!token.empty() && pages < 100);
  EXPECT_EQ(listed, wanted);
  EXPECT_EQ(pages, (wanted.size() + 99) / 100);
  EXPECT_EQ(std::set<std::string>(wanted.begin(), wanted.end()).size(), wanted.size());
}

TEST_F(Simulated, AlarmsAreThoseThatAreAskedFor) {
  const auto names = [&](const std::string& body) {
    return alarm_names(ask(json("DescribeAlarms", body)).body);
  };
  EXPECT_EQ(names("{}").size(), 50u) << "where nobody says how many";
  EXPECT_EQ(names(R"({"MaxRecords":1})").size(), 1u);
  EXPECT_EQ(names(R"({"AlarmTypes":["CompositeAlarm"]})"), std::vector<std::string>{"simaws-composite"});
  EXPECT_EQ(names(R"({"AlarmNamePrefix":"simaws-"})"), std::vector<std::string>{"simaws-math"})
      << "composite ones are not meant unless they are named";
  const auto alarmed = names(R"({"StateValue":"ALARM","AlarmNamePrefix":"CPU","MaxRecords":100})");
  EXPECT_GT(alarmed.size(), 50u);
  EXPECT_TRUE(std::all_of(alarmed.begin(), alarmed.end(),
                          [](const std::string& name) { return name.starts_with("CPUUtilization of i-0"); }));
  EXPECT_TRUE(alarm_names(ask(json("DescribeAlarms", "{}", Signer{.region = "us-east-1"})).body).front() !=
              names("{}").front());
}

TEST_F(Simulated, AlarmsKeepToAwssLimits) {
  const auto refused = [&](const std::string& body, const std::string& words) {
    const Reply reply = ask(json("DescribeAlarms", body));
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_THAT(reply.body, HasSubstr(words)) << body;
  };
  refused(R"({"MaxRecords":0})",
          "at 'maxRecords' failed to satisfy constraint: Member must have value greater");
  refused(R"({"MaxRecords":101})", "less than or equal to 100");
  refused(R"({"MaxRecords":"5"})", "The member MaxRecords has the wrong type");
  refused(R"({"AlarmTypes":["MetricAlarm","Alarm"]})", "alarmTypes");
  refused(R"({"StateValue":"BAD"})", "stateValue");
  refused(R"({"NextToken":"x"})", "InvalidNextToken");
  refused(R"({"AlarmNames":["x"]})", "does not know AlarmNames of DescribeAlarms");
  refused("[]", "SerializationException");
  const std::string token =
      between(ask(json("DescribeAlarms", R"({"MaxRecords":5})")).body, "\"NextToken\":\"", "\"");
  EXPECT_EQ(ask(json("DescribeAlarms", R"({"NextToken":")" + token + "\"}")).status, 200);
  refused(R"({"StateValue":"OK","NextToken":")" + token + "\"}", "InvalidNextToken");
}

TEST_F(Simulated, AnAlarmsStateIsSetByHand) {
  const auto state = [&] {
    const std::string body = ask(json("DescribeAlarms", R"({"AlarmNamePrefix":"simaws-math"})")).body;
    return between(body, "\"StateValue\":\"", "\"") + ": " + between(body, "\"StateReason\":\"", "\"") + " " +
           between(body, "\"StateTransitionedTimestamp\":", ",");
  };
  const std::string before = state();
  const auto set = [&](const std::string& text) { return ask({"POST", "/simaws/alarms", {}, text}).status; };
  EXPECT_EQ(set("ALARM simaws-math\nToo hot.\n"), 200);
  EXPECT_EQ(state(), fmt::format("ALARM: Too hot. {}", kNow));
  EXPECT_EQ(set("FINE simaws-math"), 400);
  EXPECT_EQ(set("ALARM"), 400);
  EXPECT_EQ(state(), fmt::format("ALARM: Too hot. {}", kNow)) << "a mistake changes nothing";
  EXPECT_EQ(set("INSUFFICIENT_DATA *"), 200);
  EXPECT_EQ(state(), fmt::format("INSUFFICIENT_DATA: Set by hand. {}", kNow));
  EXPECT_EQ(alarm_names(ask(json("DescribeAlarms", R"({"StateValue":"OK"})")).body).size(), 0u);
  EXPECT_EQ(set(""), 200);
  EXPECT_EQ(state(), before);
}

TEST_F(Simulated, AlarmsAreTheSameInEachProtocol) {
  const Reply in_json = ask(json("DescribeAlarms", R"({"AlarmNamePrefix":"simaws-math"})"));
  EXPECT_THAT(in_json.body,
              HasSubstr(R"("Metrics":[{"Id":"m0","MetricStat":{"Metric":{"Namespace":"AWS/EC2")"));
  std::string question;
  cbor::append_map(question, 1);
  cbor::append_text(question, "AlarmNamePrefix");
  cbor::append_text(question, "simaws-math");
  const auto document = cbor::read(ask(rpc("DescribeAlarms", question)).body);
  ASSERT_TRUE(document);
  const auto& alarm = document->members.at(0).second.items.at(0);
  const auto member = [&](const std::string& name) {
    const auto found = std::find_if(alarm.members.begin(), alarm.members.end(),
                                    [&](const auto& one) { return one.first == name; });
    return found == alarm.members.end() ? cbor::Value() : found->second;
  };
  EXPECT_EQ(member("AlarmName").text, "simaws-math");
  EXPECT_EQ(member("Threshold").real, 150);
  EXPECT_EQ(member("EvaluationPeriods").integer, 1);
  EXPECT_EQ(member("ActionsEnabled").kind, cbor::Value::Kind::boolean);
  EXPECT_EQ(member("StateUpdatedTimestamp").tag, 1u);
  EXPECT_EQ(member("Metrics").items.size(), 3u);
  const Reply in_xml = ask(sign(form("Version=2010-08-01&Action=DescribeAlarms&AlarmNamePrefix=simaws-math&"
                                     "AlarmTypes.member.1=MetricAlarm"),
                                "monitoring", {}));
  EXPECT_THAT(in_xml.body, HasSubstr("<MetricAlarms><member><AlarmName>simaws-math</AlarmName>"));
  EXPECT_THAT(in_xml.body,
              HasSubstr("<CompositeAlarms></CompositeAlarms><LogAlarms></LogAlarms></DescribeAlarmsResult>"));
}

TEST_F(Simulated, AWorldMayHaveNoAlarms) {
  SimulatorOptions without = options();
  without.world.alarms = 0;
  Simulator simulator = make(without);
  EXPECT_EQ(simulator.handle(json("DescribeAlarms", "{}")).reply.body,
            R"({"MetricAlarms":[],"CompositeAlarms":[],"LogAlarms":[]})");
}

TEST_F(Simulated, AlarmsOfLogsAreThereWhenTheyAreNamed) {
  SimulatorOptions with = options();
  with.world.log_alarms = 2;
  Simulator simulator = make(with);
  const auto answer = [&](const std::string& body) {
    return simulator.handle(json("DescribeAlarms", body)).reply.body;
  };
  EXPECT_THAT(answer(R"({"AlarmNamePrefix":"simaws-log"})"), HasSubstr(R"("LogAlarms":[])"));
  const std::string of_logs = answer(R"({"AlarmTypes":["LogAlarm"]})");
  EXPECT_EQ(alarm_names(of_logs), (std::vector<std::string>{"simaws-log-0", "simaws-log-1"}));
  EXPECT_THAT(of_logs, HasSubstr(R"("MetricAlarms":[],"CompositeAlarms":[],"LogAlarms":[{)"));
}

}  // namespace
}  // namespace bakusoku::simaws
