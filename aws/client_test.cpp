#include "aws/client.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "aws/cbor_fixture.h"
#include "aws/cloudwatch.h"
#include "aws/ec2.h"
#include "aws/scripted_server.h"
#include "aws/sigv4.h"
#include "aws/sts.h"

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

// 2015-08-30T12:36:00Z, a Sunday.
const WallTime kNow = WallTime(std::chrono::seconds(1440938160));
constexpr const char* kDateNow = "Date: Sun, 30 Aug 2015 12:36:00 GMT";
constexpr const char* kDateInAnHour = "Date: Sun, 30 Aug 2015 13:36:00 GMT";

class FixedCredentials : public CredentialsProvider {
 public:
  asio::awaitable<Result<Credentials>> get() override {
    ++asked;
    if (failure) co_return fail(*failure);
    Credentials credentials;
    credentials.access_key_id = "AKIDEXAMPLE";
    credentials.secret_access_key = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    credentials.session_token = Secret("TOKEN" + std::to_string(fixed ? 0 : renewed));
    credentials.source = "the environment";
    co_return credentials;
  }
  void invalidate() override { ++renewed; }
  std::string name() const override { return "fixed"; }

  int asked = 0;
  int renewed = 0;
  bool fixed = false;  // whatever is renewed is the same
  std::optional<Error> failure;
};

std::string xml_error(std::string_view code, std::string_view message) {
  return fmt::format(
      "<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors>"
      "<RequestID>r-1</RequestID></Response>",
      code, message);
}

constexpr const char* kOnePage =
    "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId></item>"
    "</instancesSet></item></reservationSet></DescribeInstancesResponse>";

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
      ::unsetenv(name);
    retry_.base_delay = 1ms;
    retry_.max_delay = 5ms;
  }

  void serve(ScriptedServer::Handler handler) {
    server_ = std::make_unique<ScriptedServer>(std::move(handler));
  }

  // Answers in turn; the last one for ever.
  void serve_in_turn(std::vector<Script> replies) {
    serve([replies = std::move(replies)](const SeenRequest& request) {
      return replies[std::min(static_cast<size_t>(request.index), replies.size() - 1)];
    });
  }

  Client& client() {
    if (!client_) {
      EndpointSettings endpoints;
      endpoints.endpoint_url = server_->url();
      client_ = std::make_unique<Client>(
          io_, http_, &credentials_, endpoints, retry_, [this] { return now_; }, quota_share_, nullptr,
          account_);
    }
    return *client_;
  }

  template <typename T>
  asio::awaitable<void> keep(asio::awaitable<Result<T>> call, std::optional<Result<T>>& out) {
    out = co_await std::move(call);
  }

  template <typename T>
  Result<T> run(asio::awaitable<Result<T>> call) {
    std::optional<Result<T>> out;
    asio::co_spawn(io_, keep(std::move(call), out), asio::detached);
    io_.restart();
    io_.run_for(20s);
    if (!out) return fail(ErrorKind::io, "the call never ended");
    return *out;
  }

  Result<ec2::InstancesPage> describe() { return run(ec2::describe_instances(client(), "eu-west-1", "")); }

  // The signature the server would calculate for what it received.
  static std::string expected_signature(const SeenRequest& request) {
    const Result<sigv4::Authorization> given =
        sigv4::parse_authorization(request.headers.at("authorization"));
    if (!given) return given.error().message;
    std::vector<HttpHeader> headers;
    for (const auto& [name, value] : request.headers) headers.push_back({name, value});
    const std::string canonical = sigv4::canonical_request(
        request.method, request.target, "", headers, given->signed_headers, sigv4::sha256_hex(request.body));
    const std::string text = sigv4::string_to_sign(request.headers.at("x-amz-date"), given->scope, canonical);
    return sigv4::signature(Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), given->scope, text);
  }

  asio::io_context io_;
  Http http_{io_, HttpSettings{}};
  FixedCredentials credentials_;
  RetrySettings retry_;
  double quota_share_ = 1;
  std::string account_;
  WallTime now_ = kNow;
  std::unique_ptr<ScriptedServer> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, sends_a_signed_form_and_returns_the_page) {
  serve_in_turn({reply(200, kOnePage)});
  const auto page = run(ec2::describe_instances(client(), "eu-west-1", "a+b/c="));
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->instances.size(), 1U);
  EXPECT_EQ(page->instances[0].id, "i-1");
  const SeenRequest seen = server_->seen().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/");
  EXPECT_EQ(seen.body, "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&NextToken=a%2Bb%2Fc%3D");
  EXPECT_EQ(seen.headers.at("content-type"), "application/x-www-form-urlencoded; charset=utf-8");
  EXPECT_EQ(seen.headers.at("x-amz-date"), "20150830T123600Z");
  EXPECT_EQ(seen.headers.at("x-amz-security-token"), "TOKEN0");
  const auto authorization = sigv4::parse_authorization(seen.headers.at("authorization"));
  ASSERT_TRUE(authorization);
  EXPECT_EQ(authorization->scope, (sigv4::Scope{"20150830", "eu-west-1", "ec2"}));
  EXPECT_EQ(authorization->signature, expected_signature(seen));
}

TEST_F(ClientTest, sends_cbor_to_the_path_of_the_operation) {
  serve_in_turn({reply(
      200, cbor_of(R"({"MetricDataResults":[{"Id":"q0","Timestamps":[1440938100],"Values":[1.5]}]})"))});
  cloudwatch::MetricDataRequest request;
  request.queries.push_back({"AWS/EC2", "CPUUtilization", {{"InstanceId", "i-1"}}, "Average", 300});
  request.start = 1440937800;
  request.end = 1440938100;
  const auto page = run(cloudwatch::get_metric_data(client(), "eu-west-1", request));
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->series.size(), 1U);
  EXPECT_EQ(page->series[0].points.at(0).value, 1.5);
  const SeenRequest seen = server_->seen().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/service/GraniteServiceVersion20100801/operation/GetMetricData");
  EXPECT_EQ(seen.headers.at("content-type"), "application/cbor");
  EXPECT_EQ(seen.headers.at("accept"), "application/cbor");
  EXPECT_EQ(seen.headers.at("accept-encoding"), "identity");
  EXPECT_EQ(seen.headers.at("smithy-protocol"), "rpc-v2-cbor");
  EXPECT_TRUE(json_of(seen.body).starts_with(R"({"MetricDataQueries":[{"Id":"q0")")) << json_of(seen.body);
  const auto authorization = sigv4::parse_authorization(seen.headers.at("authorization"));
  ASSERT_TRUE(authorization);
  EXPECT_EQ(authorization->scope.service, "monitoring");
  EXPECT_EQ(authorization->signature, expected_signature(seen));
  EXPECT_NE(std::find(authorization->signed_headers.begin(), authorization->signed_headers.end(),
                      "smithy-protocol"),
            authorization->signed_headers.end());
}

// What spdlog's default logger is told, as lines "level: text".
class LogCapture {
 public:
  explicit LogCapture(spdlog::level::level_enum level) : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_st>(text_, true));
    logger->set_pattern("%l: %v");
    logger->set_level(level);
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  [[nodiscard]] std::string text() const { return text_.str(); }
  // Without the milliseconds, which are the machine's.
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    std::istringstream in(text_.str());
    for (std::string line; std::getline(in, line);) {
      const size_t from = line.find("after ") + 6;
      lines.push_back(line.replace(from, line.find(" ms", from) - from, "N"));
    }
    return lines;
  }

 private:
  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
};

TEST_F(ClientTest, at_debug_each_attempt_is_a_line_without_secrets) {
  const std::string secret = "TOKEN0 wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  serve_in_turn({reply(503, xml_error("RequestLimitExceeded", secret)),
                 reply(403, xml_error("AuthFailure", secret)), reply(200, kOnePage)});
  account_ = "prod";
  const LogCapture log(spdlog::level::debug);
  EXPECT_TRUE(describe());
  const std::string call = "debug: AWS call ec2 DescribeInstances in eu-west-1 of account prod: ";
  const std::string sent = fmt::format("after N ms, {} bytes sent", server_->seen().at(0).body.size());
  const auto line = [&](std::string_view outcome, size_t received, int attempt) {
    return fmt::format("{}{} {}, {} received, attempt {}", call, outcome, sent, received, attempt);
  };
  EXPECT_EQ(log.lines(),
            (std::vector<std::string>{
                line("503 RequestLimitExceeded", xml_error("RequestLimitExceeded", secret).size(), 1),
                line("403 AuthFailure", xml_error("AuthFailure", secret).size(), 2),
                line("200", std::string_view(kOnePage).size(), 3)}));
  for (const char* hidden : {"TOKEN0", "wJalr", "AKIDEXAMPLE", "Signature"})
    EXPECT_EQ(log.text().find(hidden), std::string::npos) << log.text();
}

TEST_F(ClientTest, at_debug_a_call_without_a_reply_says_what_became_of_it) {
  serve_in_turn({reply(200, kOnePage)});
  client();
  server_.reset();
  retry_.max_attempts = 1;
  client_->set_retry(retry_);
  const LogCapture log(spdlog::level::debug);
  EXPECT_FALSE(describe());
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_TRUE(log.lines()[0].starts_with("debug: AWS call ec2 DescribeInstances in eu-west-1: unavailable "))
      << log.text();
}

TEST_F(ClientTest, above_debug_calls_are_no_lines) {
  serve_in_turn({reply(200, kOnePage)});
  const LogCapture log(spdlog::level::info);
  EXPECT_TRUE(describe());
  EXPECT_EQ(log.text(), "");
}

TEST_F(ClientTest, a_throttled_call_is_tried_again) {
  serve_in_turn(
      {reply(503, xml_error("RequestLimitExceeded", "Request limit exceeded.")), reply(200, kOnePage)});
  EXPECT_TRUE(describe());
  EXPECT_EQ(client().counters().calls, 1U);
  EXPECT_EQ(client().counters().attempts, 2U);
  EXPECT_EQ(client().counters().throttled, 1U);
  EXPECT_EQ(client().counters().failed, 0U);
}

TEST_F(ClientTest, calls_and_datapoints_keep_to_the_share_of_the_quota) {
  const std::string empty = cbor_of(R"({"MetricDataResults":[{"Id":"q0","Timestamps":[],"Values":[]}]})");
  serve_in_turn({reply(200, empty)});
  quota_share_ = 0.4;  // 20 calls and 72,000 datapoints a second
  now_ = WallTime(std::chrono::seconds(1440938100));
  double begun_within = 0;  // the newest ones, seconds
  const auto seconds_for = [&](int calls, int64_t window) {
    cloudwatch::MetricDataRequest request;
    request.queries.push_back({"AWS/EC2", "CPUUtilization", {{"InstanceId", "i-1"}}, "Average", 1});
    request.start = 1440938100 - window;
    request.end = 1440938100;
    std::vector<std::optional<Result<cloudwatch::MetricDataPage>>> pages(static_cast<size_t>(calls));
    const auto begun = std::chrono::steady_clock::now();
    for (auto& page : pages) {
      asio::co_spawn(io_, keep(cloudwatch::get_metric_data(client(), "eu-west-1", request), page),
                     asio::detached);
    }
    asio::post(io_, [&] {
      begun_within = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    });
    io_.restart();
    io_.run_for(20s);
    for (const auto& page : pages) EXPECT_TRUE(page && *page);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  EXPECT_GE(seconds_for(30, 60), 0.49) << "20 at once, 10 more at 20 a second";
  // One fewer for each 50 ms that a busy machine takes to begin them.
  EXPECT_GE(static_cast<double>(client().counters().paced), std::ceil(10 - 20 * begun_within));
  EXPECT_GE(seconds_for(10, 10800), 0.49) << "108,000 datapoints, of which 72,000 go at once";
  EXPECT_EQ(client().counters().throttled, 0U);
}

TEST_F(ClientTest, throttling_is_known_by_its_code_even_with_status_400) {
  serve_in_turn(
      {reply(
           400,
           cbor_of(R"({"__type":"com.amazonaws.cloudwatch#ThrottlingException","message":"Rate exceeded"})")),
       reply(400, cbor_of(R"({"message":"Rate exceeded"})"), {"x-amzn-query-error: Throttling;Sender"}),
       reply(200, cbor_of(R"({"Metrics":[]})"))});
  const auto page = run(cloudwatch::list_metrics(client(), "eu-west-1", {}));
  EXPECT_TRUE(page);
  EXPECT_EQ(server_->seen().size(), 3U);
  EXPECT_EQ(client().counters().throttled, 2U);
}

TEST_F(ClientTest, gives_up_after_the_last_attempt_with_awss_words) {
  serve_in_turn({reply(503, xml_error("RequestLimitExceeded", "Request limit exceeded."))});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::throttled);
  EXPECT_EQ(page.error().code, "RequestLimitExceeded");
  EXPECT_EQ(page.error().message,
            "ec2:DescribeInstances in eu-west-1 throttled (RequestLimitExceeded): Request limit exceeded.");
  EXPECT_EQ(server_->seen().size(), 3U);
  EXPECT_EQ(client().counters().failed, 1U);
}

TEST_F(ClientTest, a_server_error_without_a_body_is_tried_again) {
  serve_in_turn({reply(502, "<html>Bad gateway</html>"), reply(500, ""), reply(200, kOnePage)});
  EXPECT_TRUE(describe());
}

TEST_F(ClientTest, a_cut_answer_and_a_dropped_connection_are_tried_again) {
  Script cut = reply(200, kOnePage);
  cut.bytes.resize(cut.bytes.size() - 10);
  cut.close = true;
  Script dropped;
  dropped.close = true;
  serve_in_turn({cut, dropped, reply(200, kOnePage)});
  EXPECT_TRUE(describe());
}

TEST_F(ClientTest, a_hanging_server_is_a_timeout_after_all_attempts) {
  Script hang;
  hang.hang = true;
  serve_in_turn({hang});
  Call call;
  call.service = call.signing_name = "ec2";
  call.region = "eu-west-1";
  call.action = "DescribeInstances";
  call.timeout = 100ms;
  const auto body = run(client().send(std::move(call)));
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().kind, ErrorKind::timeout);
  EXPECT_EQ(server_->seen().size(), 3U);
}

TEST_F(ClientTest, an_attempt_lasts_no_longer_than_is_set) {
  Script hang;
  hang.hang = true;
  serve_in_turn({hang, hang, reply(200, kOnePage)});
  client().set_retry({.max_attempts = 3, .base_delay = 1ms, .max_delay = 5ms, .longest_attempt = 100ms});
  EXPECT_TRUE(describe()) << "within less than the 20 s of one attempt";
}

TEST_F(ClientTest, what_aws_carried_out_is_counted_by_the_beginning_of_its_answer) {
  const std::string good = cbor_of(R"({"MetricDataResults":[]})");
  const auto cut = [](Script script) {
    script.bytes.resize(script.bytes.size() - 5);
    script.close = true;
    return script;
  };
  Script dropped;
  dropped.close = true;
  const std::string error = cbor_of(R"({"__type":"InternalServiceError","message":"try again"})");
  cloudwatch::MetricDataRequest request;
  request.queries.push_back({"AWS/EC2", "CPUUtilization", {{"InstanceId", "i-1"}}, "Average", 300});
  request.start = 1440937800;
  request.end = 1440938100;
  const std::pair<Script, uint32_t> cases[] = {{reply(200, good), 0U},
                                               {reply(500, error), 0U},
                                               {cut(reply(500, error)), 0U},
                                               {cut(reply(200, good)), 1U},
                                               {dropped, 1U}};
  for (const auto& [first, lost] : cases) {
    client_.reset();
    const bool whole = first.bytes == reply(200, good).bytes;
    serve_in_turn({first, reply(200, good)});
    uint32_t carried_out = 0;
    cloudwatch::MetricDataRequest sent = request;
    EXPECT_TRUE(run(cloudwatch::get_metric_data(client(), "eu-west-1", std::move(sent), &carried_out)));
    EXPECT_EQ(carried_out, lost + 1) << first.bytes;
    EXPECT_EQ(server_->seen().size(), whole ? 1U : 2U) << first.bytes;
  }
}

TEST_F(ClientTest, a_denied_call_is_not_tried_again_and_names_the_permission) {
  serve_in_turn(
      {reply(403, xml_error("UnauthorizedOperation", "You are not authorized to perform this operation."))});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::denied);
  EXPECT_EQ(page.error().code, "UnauthorizedOperation");
  EXPECT_EQ(
      page.error().message,
      "ec2:DescribeInstances in eu-west-1 denied (UnauthorizedOperation): You are not authorized to perform "
      "this operation. Allow ec2:DescribeInstances for the credentials from the environment");
  EXPECT_EQ(server_->seen().size(), 1U);
}

TEST_F(ClientTest, wrong_keys_point_at_the_credentials) {
  serve_in_turn({reply(
      403, xml_error("InvalidClientTokenId", "The security token included in the request is invalid"))});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::denied);
  EXPECT_NE(page.error().message.find("Check the credentials from the environment"), std::string::npos)
      << page.error().message;
}

TEST_F(ClientTest, no_error_holds_a_secret_even_if_aws_sends_it_back) {
  serve_in_turn({reply(403,
                       xml_error("SignatureDoesNotMatch",
                                 "The request signature we calculated does not match. TOKEN0 "
                                 "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n\nThe Canonical String for this "
                                 "request should have been 'POST x-amz-security-token:TOKEN0'"),
                       {kDateNow})});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().message.find("TOKEN0"), std::string::npos) << page.error().message;
  EXPECT_EQ(page.error().message.find("wJalr"), std::string::npos);
  EXPECT_EQ(page.error().message.find("Canonical"), std::string::npos);
  EXPECT_EQ(server_->seen().size(), 2U) << "with the credentials that the source has now";
}

TEST_F(ClientTest, a_wrong_clock_is_corrected_at_once_and_remembered) {
  serve([](const SeenRequest& request) {
    if (request.headers.at("x-amz-date") == "20150830T133600Z") return reply(200, kOnePage, {kDateInAnHour});
    return reply(403, xml_error("RequestExpired", "Request has expired."), {kDateInAnHour});
  });
  EXPECT_TRUE(describe());
  EXPECT_EQ(client().clock_skew(), 3600s);
  EXPECT_EQ(credentials_.renewed, 0);
  EXPECT_TRUE(describe());
  EXPECT_EQ(server_->seen().size(), 3U);
}

// Services have codes of their own for it.
TEST_F(ClientTest, a_wrong_clock_is_corrected_by_whatever_code) {
  for (const char* code : {"RequestTimeTooSkewed", "RequestExpired", "SignatureExpired",
                           "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"}) {
    credentials_.renewed = 0;
    client_.reset();
    serve([code](const SeenRequest& request) {
      if (request.headers.at("x-amz-date") == "20150830T133600Z")
        return reply(200, kOnePage, {kDateInAnHour});
      return reply(403, xml_error(code, "no"), {kDateInAnHour});
    });
    EXPECT_TRUE(describe()) << code;
    EXPECT_EQ(credentials_.renewed, 0) << code;
    EXPECT_EQ(server_->seen().size(), 2U) << code;
  }
}

TEST_F(ClientTest, a_skew_is_learnt_from_good_answers_and_forgotten_when_the_clock_is_set_right) {
  serve_in_turn({reply(200, kOnePage, {kDateInAnHour})});
  EXPECT_TRUE(describe());
  EXPECT_EQ(client().clock_skew(), 3600s);
  now_ += 3600s;
  EXPECT_TRUE(describe());
  EXPECT_EQ(client().clock_skew(), 0s);
}

TEST_F(ClientTest, a_clock_that_agrees_is_not_blamed) {
  serve_in_turn(
      {reply(403, xml_error("AuthFailure", "AWS was not able to validate the provided access credentials"),
             {kDateNow})});
  credentials_.fixed = true;
  EXPECT_FALSE(describe());
  EXPECT_EQ(server_->seen().size(), 1U);
}

TEST_F(ClientTest, a_clock_that_cannot_be_pleased_ends_after_one_correction) {
  serve([](const SeenRequest& request) {
    return reply(403, xml_error("RequestTimeTooSkewed", "no"),
                 {request.index % 2 == 0 ? kDateInAnHour : "Date: Sun, 30 Aug 2015 16:36:00 GMT"});
  });
  EXPECT_FALSE(describe());
  EXPECT_EQ(server_->seen().size(), 2U);
}

TEST_F(ClientTest, expired_credentials_are_renewed_once) {
  serve([](const SeenRequest& request) {
    if (request.headers.at("x-amz-security-token") == "TOKEN1") return reply(200, kOnePage);
    return reply(403, xml_error("ExpiredToken", "The security token included in the request is expired"));
  });
  EXPECT_TRUE(describe());
  EXPECT_EQ(credentials_.renewed, 1);
}

TEST_F(ClientTest, credentials_that_stay_expired_are_an_error) {
  serve_in_turn(
      {reply(403, xml_error("ExpiredToken", "The security token included in the request is expired"))});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::denied);
  EXPECT_EQ(server_->seen().size(), 2U);
}

TEST_F(ClientTest, keys_that_were_rotated_are_fetched_again) {
  for (const char* code :
       {"InvalidClientTokenId", "UnrecognizedClientException", "UnrecognizedClient", "AuthFailure",
        "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestExpired"}) {
    credentials_.renewed = 0;
    client_.reset();
    serve([code](const SeenRequest& request) {
      if (request.headers.at("x-amz-security-token") == "TOKEN1") return reply(200, kOnePage);
      return reply(403, xml_error(code, "The security token included in the request is invalid."));
    });
    EXPECT_TRUE(describe()) << code;
    EXPECT_EQ(credentials_.renewed, 1) << code;
    EXPECT_EQ(server_->seen().size(), 2U) << code;
  }
}

TEST_F(ClientTest, the_same_keys_are_not_sent_twice) {
  serve_in_turn(
      {reply(401, xml_error("AuthFailure", "AWS was not able to validate the provided credentials"))});
  credentials_.fixed = true;
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, "AuthFailure");
  EXPECT_EQ(credentials_.renewed, 1);
  EXPECT_EQ(server_->seen().size(), 1U);
  EXPECT_EQ(client().counters().failed, 1U);
}

TEST_F(ClientTest, a_denial_says_what_would_help) {
  serve_in_turn({reply(403, xml_error("UnauthorizedOperation",
                                      "User: x is not authorized to perform: ec2:DescribeInstances with an "
                                      "explicit deny in a service control policy"))});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_NE(page.error().message.find("does not help"), std::string::npos) << page.error().message;
  EXPECT_EQ(page.error().message.find("Allow ec2"), std::string::npos) << page.error().message;
}

TEST_F(ClientTest, a_region_that_is_not_enabled_is_told_from_wrong_keys) {
  serve([](const SeenRequest& request) {
    if (request.headers.at("authorization").find("/eu-west-1/") != std::string::npos)
      return reply(200, kOnePage);
    return reply(401,
                 xml_error("AuthFailure", "AWS was not able to validate the provided access credentials"));
  });
  credentials_.fixed = true;
  EXPECT_TRUE(describe());
  const auto page = run(ec2::describe_instances(client(), "me-south-1", ""));
  ASSERT_FALSE(page);
  EXPECT_NE(page.error().message.find("The region is probably not enabled: eu-west-1 has taken"),
            std::string::npos)
      << page.error().message;
}

TEST_F(ClientTest, sts_that_is_switched_off_is_named) {
  serve_in_turn(
      {reply(403,
             "<ErrorResponse><Error><Code>RegionDisabledException</Code><Message>STS is not activated in "
             "this region for account:1.</Message></Error></ErrorResponse>")});
  const auto caller = run(sts::get_caller_identity(client(), "eu-west-1"));
  ASSERT_FALSE(caller);
  EXPECT_EQ(caller.error().kind, ErrorKind::denied);
  EXPECT_NE(caller.error().message.find("STS is switched off in eu-west-1: set sts_region"),
            std::string::npos)
      << caller.error().message;
}

TEST_F(ClientTest, missing_credentials_are_denied_not_not_found) {
  serve_in_turn({reply(200, kOnePage)});
  credentials_.failure = Error{ErrorKind::not_found, "no credentials found", {}};
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::denied);
  EXPECT_NE(page.error().message.find("no credentials found"), std::string::npos);
  EXPECT_TRUE(server_->seen().empty());
}

TEST_F(ClientTest, web_identity_is_sent_unsigned) {
  serve_in_turn({reply(200,
                       "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                       "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                       "</SessionToken><Expiration>2015-08-30T13:36:00Z</Expiration></Credentials>"
                       "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")});
  sts::WebIdentityRequest request;
  request.role_arn = "arn:aws:iam::123456789012:role/r";
  request.session_name = "s";
  request.token = Secret("jwt.jwt.jwt");
  const auto got = run(sts::assume_role_with_web_identity(client(), "eu-west-1", request));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->access_key_id, "ASIA1");
  EXPECT_EQ(got->expires, kNow + 3600s);
  EXPECT_EQ(server_->seen().at(0).headers.count("authorization"), 0U);
  EXPECT_EQ(credentials_.asked, 0);
}

TEST_F(ClientTest, an_answer_that_is_not_the_calls_is_corrupt_and_named) {
  serve_in_turn({reply(200, "<html><body>Please log in to the hotel's network</body></html>")});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
  EXPECT_NE(page.error().message.find("ec2:DescribeInstances in eu-west-1"), std::string::npos)
      << page.error().message;
}

TEST_F(ClientTest, a_redirect_is_an_error_that_points_at_the_endpoint) {
  serve_in_turn({reply(302, "", {"Location: http://127.0.0.1/"})});
  const auto page = describe();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
  EXPECT_NE(page.error().message.find("302"), std::string::npos);
}

TEST_F(ClientTest, a_region_that_is_none_is_invalid) {
  serve_in_turn({reply(200, kOnePage)});
  const auto page = run(ec2::describe_instances(client(), "eu west/1", ""));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::invalid);
  EXPECT_TRUE(server_->seen().empty());
}

TEST_F(ClientTest, a_cancelled_call_is_not_tried_again) {
  Script hang;
  hang.hang = true;
  serve_in_turn({hang});
  asio::cancellation_signal cancel;
  std::optional<Result<ec2::InstancesPage>> out;
  asio::co_spawn(io_, keep(ec2::describe_instances(client(), "eu-west-1", ""), out),
                 asio::bind_cancellation_slot(cancel.slot(), asio::detached));
  asio::steady_timer timer(io_, 100ms);
  timer.async_wait([&](const std::error_code&) { cancel.emit(asio::cancellation_type::terminal); });
  io_.run_for(10s);
  ASSERT_TRUE(out);
  EXPECT_FALSE(*out);
  EXPECT_EQ(server_->seen().size(), 1U);
}

TEST_F(ClientTest, retries_stop_when_the_common_purse_is_empty) {
  serve_in_turn({reply(500, "")});
  int sent = 0;
  // 100 retries of 5 fill the purse of 500; each call alone would take two.
  for (int i = 0; i < 60; ++i) EXPECT_FALSE(describe());
  sent = static_cast<int>(server_->seen().size());
  EXPECT_EQ(sent, 60 + 100);
}

// An endpoint of CloudWatch that answers CBOR by one thing and JSON by another.
class ProtocolTest : public ClientTest {
 protected:
  void answer(Script to_cbor, Script to_json) {
    serve([this, to_cbor = std::move(to_cbor), to_json = std::move(to_json)](const SeenRequest& request) {
      const bool cbor = request.target.starts_with("/service/");
      ++(cbor ? cbor_ : json_);
      return cbor ? to_cbor : to_json;
    });
  }
  Result<cloudwatch::MetricDataPage> read() {
    cloudwatch::MetricDataRequest request;
    request.queries.push_back({"AWS/EC2", "CPUUtilization", {{"InstanceId", "i-1"}}, "Average", 300});
    request.start = 1440937800;
    request.end = 1440938100;
    return run(cloudwatch::get_metric_data(client(), "eu-west-1", request, &carried_out_));
  }
  std::optional<Spoken::Wire> spoken() { return client().spoken().of(server_->url()); }

  static Script good_json() {
    return reply(200, R"({"MetricDataResults":[{"Id":"q0","Timestamps":[1440938040],"Values":[1.5]}]})",
                 {"Content-Type: application/x-amz-json-1.0"});
  }
  static Script good_cbor() {
    return reply(200,
                 cbor_of(R"({"MetricDataResults":[{"Id":"q0","Timestamps":[1440938040],"Values":[2.5]}]})"),
                 {"Content-Type: application/cbor", "smithy-protocol: rpc-v2-cbor"});
  }

  std::atomic<int> cbor_{0};
  std::atomic<int> json_{0};
  uint32_t carried_out_ = 0;
};

TEST_F(ProtocolTest, json_is_spoken_where_cbor_is_not_known) {
  const std::string html = "<!doctype html><title>404 Not Found</title>";
  const std::string unknown = R"({"__type":"UnknownOperationException"})";
  const std::string xml = "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>";
  for (const Script& odd :
       {reply(404, html), reply(405, html), reply(415, "{}"), reply(500, xml), reply(501, ""),
        reply(404, unknown), reply(400, unknown), reply(200, html), reply(200, "{}"), reply(200, "<a/>"),
        reply(200, ""), reply(204, ""), reply(200, "", {"Content-Type: application/cbor"})}) {
    client_.reset();
    cbor_ = json_ = 0;
    carried_out_ = 0;
    answer(odd, good_json());
    const auto page = read();
    ASSERT_TRUE(page) << page.error().message << odd.bytes;
    EXPECT_EQ(page->series.at(0).points.at(0).value, 1.5);
    EXPECT_EQ(spoken(), Spoken::Wire::json) << odd.bytes;
    EXPECT_EQ(json_, 1) << odd.bytes;
    EXPECT_EQ(carried_out_, 1U) << "what does not know CBOR has asked AWS nothing: " << odd.bytes;
    const int asked = cbor_;
    ASSERT_TRUE(read());
    EXPECT_EQ(cbor_, asked) << "it is known now: " << odd.bytes;
    EXPECT_EQ(json_, 2) << odd.bytes;
    const SeenRequest seen = server_->seen().back();
    EXPECT_EQ(seen.target, "/");
    EXPECT_EQ(seen.headers.at("x-amz-target"), "GraniteServiceVersion20100801.GetMetricData");
    EXPECT_EQ(seen.headers.at("content-type"), "application/x-amz-json-1.0");
    const auto authorization = sigv4::parse_authorization(seen.headers.at("authorization"));
    ASSERT_TRUE(authorization);
    EXPECT_EQ(authorization->scope, (sigv4::Scope{"20150830", "eu-west-1", "monitoring"}));
    EXPECT_EQ(authorization->signature, expected_signature(seen));
    const auto alarms = run(cloudwatch::describe_alarms(client(), "eu-west-1", ""));
    EXPECT_FALSE(alarms) << "that is no answer to it";
    EXPECT_EQ(cbor_, asked) << "what is known of the endpoint is known for all calls";
  }
}

TEST_F(ProtocolTest, cbor_is_tried_again_after_a_day) {
  bool knows_cbor = false;
  serve([&](const SeenRequest& request) {
    const bool cbor = request.target.starts_with("/service/");
    ++(cbor ? cbor_ : json_);
    return !cbor ? good_json() : knows_cbor ? good_cbor() : reply(404, "");
  });
  ASSERT_TRUE(read());
  const int asked = cbor_;
  now_ += std::chrono::hours(23);
  ASSERT_TRUE(read());
  EXPECT_EQ(cbor_, asked);
  now_ += std::chrono::hours(1);
  ASSERT_TRUE(read());
  EXPECT_EQ(cbor_, asked + 1);
  EXPECT_EQ(spoken(), Spoken::Wire::json);
  knows_cbor = true;
  now_ += std::chrono::hours(12);
  EXPECT_EQ(read().value().series.at(0).points.at(0).value, 1.5);
  now_ += std::chrono::hours(12);
  EXPECT_EQ(read().value().series.at(0).points.at(0).value, 2.5);
  EXPECT_EQ(spoken(), Spoken::Wire::cbor);
}

TEST_F(ProtocolTest, throttles_denials_and_signatures_make_nothing_fall_back) {
  for (const char* code : {"Throttling", "AccessDenied", "SignatureDoesNotMatch", "InvalidClientTokenId"}) {
    for (const Script& refusal :
         {reply(400, fmt::format(R"({{"__type":"{}","message":"no"}})", code)),
          reply(403, fmt::format("<ErrorResponse><Error><Code>{}</Code></Error></ErrorResponse>", code)),
          reply(400, cbor_of(fmt::format(R"({{"__type":"{}","message":"no"}})", code)))}) {
      client_.reset();
      json_ = 0;
      answer(refusal, good_json());
      const auto page = read();
      ASSERT_FALSE(page) << code;
      EXPECT_EQ(page.error().code, code);
      EXPECT_EQ(json_, 0) << code;
      EXPECT_NE(spoken(), Spoken::Wire::json) << code;
    }
  }
}

TEST_F(ProtocolTest, a_trouble_that_passes_does_not_make_cbor_unknown) {
  // All attempts of the first call fail, with what could be an endpoint without CBOR; then it is well again.
  for (const Script& trouble : {reply(500, "<html/>"), reply(501, ""), reply(200, "")}) {
    client_.reset();
    cbor_ = json_ = 0;
    const int attempts = trouble.bytes.starts_with("HTTP/1.1 500") ? retry_.max_attempts : 1;
    serve([&](const SeenRequest& request) {
      const bool cbor = request.target.starts_with("/service/");
      ++(cbor ? cbor_ : json_);
      return !cbor ? good_json() : cbor_ <= attempts ? trouble : good_cbor();
    });
    ASSERT_TRUE(read()) << "JSON has answered";
    EXPECT_EQ(spoken(), Spoken::Wire::cbor) << trouble.bytes;
    EXPECT_EQ(read().value().series.at(0).points.at(0).value, 2.5);
  }
  // Gateways whose servers are away, and an endpoint that is known.
  for (const int status : {502, 503, 504}) {
    client_.reset();
    json_ = 0;
    answer(reply(status, "<html/>"), good_json());
    EXPECT_FALSE(read());
    EXPECT_EQ(json_, 0) << status;
    EXPECT_EQ(spoken(), std::nullopt) << status;
  }
  client_.reset();
  json_ = 0;
  std::atomic<bool> well = true;
  serve([&](const SeenRequest& request) {
    if (!request.target.starts_with("/service/")) ++json_;
    return well ? good_cbor() : reply(500, "<html/>");
  });
  ASSERT_TRUE(read());
  well = false;
  EXPECT_FALSE(read());
  EXPECT_FALSE(read());
  EXPECT_EQ(json_, 0);
}

TEST_F(ProtocolTest, what_speaks_neither_is_named) {
  answer(reply(404, "<html/>"), reply(404, "<html/>"));
  const auto page = read();
  ASSERT_FALSE(page);
  EXPECT_EQ(
      page.error().message,
      fmt::format("cloudwatch:GetMetricData in eu-west-1: {} speaks neither CBOR (HTTP status 404 without "
                  "an AWS error in it) nor AWS JSON 1.0 (HTTP status 404 without an AWS error in it); "
                  "check the endpoint and the proxy",
                  server_->url()));
  EXPECT_EQ(spoken(), std::nullopt);
  client_.reset();
  answer(reply(404, "<html/>"), reply(400, R"({"__type":"AccessDeniedException","message":"no"})"));
  const auto denied = read();
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, "AccessDeniedException") << "what AWS says tells more";
  EXPECT_EQ(spoken(), std::nullopt) << "and proves nothing";
}

TEST_F(ProtocolTest, what_is_configured_is_kept_to) {
  answer(reply(404, ""), good_json());
  client().spoken().fix(Spoken::Wire::cbor);
  EXPECT_FALSE(read());
  EXPECT_EQ(json_, 0);
  client().spoken().fix(Spoken::Wire::json);
  const int asked = cbor_;
  EXPECT_TRUE(read());
  EXPECT_EQ(cbor_, asked);
}

TEST_F(ProtocolTest, alarms_of_logs_are_left_out_where_they_are_refused) {
  std::atomic<int> asked{0};
  serve([&](const SeenRequest& request) {
    ++asked;
    if (json_of(request.body).find("LogAlarm") != std::string::npos)
      return reply(400, cbor_of(R"({"__type":"ValidationError","message":"enum value set"})"));
    return reply(200, cbor_of(R"({"MetricAlarms":[{"AlarmName":"a","StateValue":"OK"}]})"));
  });
  const auto page = run(cloudwatch::describe_alarms(client(), "eu-west-1", ""));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->alarms.size(), 1U);
  EXPECT_EQ(asked, 2);
  ASSERT_TRUE(run(cloudwatch::describe_alarms(client(), "eu-west-1", "")));
  EXPECT_EQ(asked, 3) << "they are not asked for again";
  now_ += std::chrono::hours(24);
  ASSERT_TRUE(run(cloudwatch::describe_alarms(client(), "eu-west-1", "")));
  EXPECT_EQ(asked, 5) << "for a day";
}

}  // namespace
}  // namespace bakusoku::aws
