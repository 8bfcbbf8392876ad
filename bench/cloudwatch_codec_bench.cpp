// What a metric costs between the agent and CloudWatch: CPU of writing GetMetricData's request, of signing it
// and of reading the answer, in AWS JSON 1.0 and in CBOR, and the bytes on the wire. With the URL of a simaws
// also the CPU of whole calls: the HTTP exchange alone in both protocols, and aws::Client as the agent uses
// it. Prints JSON; CPU is this process's, user and system. Rounds of what is compared alternate, and of each
// the median counts.
//
//   cloudwatch_codec_bench [URL [ROUNDS]]
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/client.h"
#include "aws/cloudwatch.h"
#include "aws/http.h"
#include "aws/sigv4.h"
#include "bench/cloudwatch_json.h"
#include "bench/measure.h"

namespace {

using namespace bakusoku;
using aws::cloudwatch::MetricDataPage;
using aws::cloudwatch::MetricDataRequest;
using aws::cloudwatch::MetricQuery;
using bench::cpu_seconds;
using bench::die;

constexpr size_t kQueries = 500;
constexpr int64_t kStart = 1'760'400'000;  // a quarter of an hour, as most windows begin
constexpr int64_t kPeriod = 300;
constexpr size_t kPointsOfCall = 5;
constexpr std::array<std::string_view, 16> kMetrics = {
    "CPUUtilization",    "NetworkIn",         "NetworkOut",       "NetworkPacketsIn",
    "NetworkPacketsOut", "DiskReadOps",       "DiskWriteOps",     "DiskReadBytes",
    "DiskWriteBytes",    "EBSReadOps",        "EBSWriteOps",      "EBSReadBytes",
    "EBSWriteBytes",     "StatusCheckFailed", "CPUCreditBalance", "MetadataNoToken"};

// ---- what is measured with

MetricDataRequest fleet() {
  MetricDataRequest request;
  request.start = kStart;
  request.end = kStart + kPeriod;
  for (size_t at = 0; at < kQueries; ++at) {
    MetricQuery& query = request.queries.emplace_back();
    query.namespace_ = "AWS/EC2";
    query.metric = kMetrics[at % kMetrics.size()];
    query.dimensions = {
        {"InstanceId", fmt::format("i-0{:016x}", (at / kMetrics.size() + 1) * 0x9E3779B97F4A7C15U)}};
    query.statistic = "Average";
    query.period_seconds = kPeriod;
  }
  return request;
}

// A third are averages with all their digits, a third are zero, a third are whole numbers.
double value_of(size_t query, size_t point) {
  const auto number = static_cast<double>((query * 7919 + point * 104729) % 99991);
  if (query % 3 == 0) return number / 997.0;
  return query % 3 == 1 ? 0.0 : number * 1024.0;
}

std::string label_of(const MetricQuery& query) {
  return fmt::format("{} {}", query.dimensions.front().value, query.metric);
}

// AWS's servers write numbers as Java does: 0.0, and times as 1.7604003E9.
std::string json_answer(const MetricDataRequest& request, size_t points) {
  std::string out = R"({"Messages":[],"MetricDataResults":[)";
  for (size_t at = 0; at < request.queries.size(); ++at) {
    out += fmt::format(R"({}{{"Id":"q{}","Label":"{}","StatusCode":"Complete","Timestamps":[)",
                       at == 0 ? "" : ",", at, label_of(request.queries[at]));
    for (size_t point = 0; point < points; ++point) {
      const auto time = static_cast<double>(kStart - static_cast<int64_t>(point) * kPeriod);
      out += fmt::format("{}{}E9", point == 0 ? "" : ",", time / 1e9);
    }
    out += R"(],"Values":[)";
    for (size_t point = 0; point < points; ++point) {
      const double value = value_of(at, point);
      out += fmt::format("{}{}{}", point == 0 ? "" : ",", value, std::floor(value) == value ? ".0" : "");
    }
    out += "]}";
  }
  return out + "]}";
}

void append_cbor_text(std::string& out, std::string_view text) {
  if (text.size() < 24) {
    out += static_cast<char>(0x60 + text.size());
  } else {
    out += '\x78';
    out += static_cast<char>(text.size());
  }
  out += text;
}

void append_cbor_double(std::string& out, double value) {
  out += '\xFB';
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift & 0xFF);
}

// Lengths are not said in advance, as a server writes that does not know them.
std::string cbor_answer(const MetricDataRequest& request, size_t points) {
  std::string out = "\xBF";
  append_cbor_text(out, "Messages");
  out += "\x9F\xFF";
  append_cbor_text(out, "MetricDataResults");
  out += '\x9F';
  for (size_t at = 0; at < request.queries.size(); ++at) {
    out += '\xBF';
    append_cbor_text(out, "Id");
    append_cbor_text(out, fmt::format("q{}", at));
    append_cbor_text(out, "Label");
    append_cbor_text(out, label_of(request.queries[at]));
    append_cbor_text(out, "StatusCode");
    append_cbor_text(out, "Complete");
    append_cbor_text(out, "Timestamps");
    out += '\x9F';
    for (size_t point = 0; point < points; ++point) {
      out += '\xC1';
      append_cbor_double(out, static_cast<double>(kStart - static_cast<int64_t>(point) * kPeriod));
    }
    out += '\xFF';
    append_cbor_text(out, "Values");
    out += '\x9F';
    for (size_t point = 0; point < points; ++point) append_cbor_double(out, value_of(at, point));
    out += "\xFF\xFF";
  }
  return out + "\xFF\xFF";
}

size_t gzip_bytes(const std::string& text) {
  z_stream stream{};
  constexpr int kGzip = 16;
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    die("zlib cannot be used");
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  (void)deflate(&stream, Z_FINISH);
  const size_t bytes = stream.total_out;
  deflateEnd(&stream);
  return bytes;
}

// ---- measuring

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Compared {
  std::string_view name;
  std::function<void()> once;
  std::function<void(int times)> prepare{};  // not measured
  std::vector<double> us{};                  // of one, by round

  [[nodiscard]] double median() const { return median_of(us); }
  /// The median of the rounds' ratios: what slows the machine for a while slows both.
  [[nodiscard]] double to(const Compared& other) const {
    std::vector<double> ratios;
    for (size_t round = 0; round < us.size(); ++round) ratios.push_back(us[round] / other.us[round]);
    return median_of(std::move(ratios));
  }
};

void measure(std::vector<Compared>& compared, int rounds, int times) {
  for (Compared& one : compared) {
    if (one.prepare) one.prepare(1);
    one.once();
  }
  for (int round = 0; round < rounds; ++round) {
    for (Compared& one : compared) {
      if (one.prepare) one.prepare(times);
      const double before = cpu_seconds();
      for (int time = 0; time < times; ++time) one.once();
      one.us.push_back((cpu_seconds() - before) * 1e6 / times);
    }
  }
}

template <typename T>
T checked(Result<T> result) {
  if (!result) die(result.error().message);
  return *std::move(result);
}

void check_equal(const MetricDataPage& left, const MetricDataPage& right) {
  if (left.series.size() != right.series.size()) die("the protocols differ in the number of results");
  for (size_t at = 0; at < left.series.size(); ++at) {
    const auto& one = left.series[at];
    const auto& other = right.series[at];
    bool equal =
        one.query == other.query && one.status == other.status && one.points.size() == other.points.size();
    for (size_t point = 0; equal && point < one.points.size(); ++point) {
      equal = one.points[point].clock == other.points[point].clock &&
              one.points[point].value == other.points[point].value;
    }
    if (!equal) die("the protocols differ in a result");
  }
}

struct Text {
  std::string json;
  std::string cbor;
};

aws::Credentials credentials() {
  aws::Credentials credentials;
  credentials.access_key_id = bench::simulator_key_id();
  credentials.secret_access_key = Secret(bench::simulator_secret_key());
  return credentials;
}

std::string request_part(const MetricDataRequest& request, const Text& body, int rounds) {
  aws::HttpRequest unsigned_request;
  unsigned_request.method = "POST";
  unsigned_request.url = "https://monitoring.eu-west-1.amazonaws.com/";
  const aws::Credentials keys = credentials();
  const auto sign = [&](const std::string& text) {
    aws::HttpRequest out = unsigned_request;
    out.body = text;
    (void)aws::sigv4::sign(out, keys, "eu-west-1", "monitoring", system_clock()());
  };
  std::vector<Compared> compared = {
      {"json_write", [&] { (void)bench::encode_get_metric_data_json(request); }},
      {"cbor_write", [&] { (void)aws::cloudwatch::encode_get_metric_data(request); }},
      {"json_sign", [&] { sign(body.json); }},
      {"cbor_sign", [&] { sign(body.cbor); }}};
  measure(compared, rounds, 100);
  const auto part = [&](const std::string& text, size_t write) {
    return fmt::format(
        R"({{"bytes":{},"gzip_bytes":{},"write_us_per_metric":{:.4f},"sign_us_per_metric":{:.4f}}})",
        text.size(), gzip_bytes(text), compared[write].median() / kQueries,
        compared[write + 2].median() / kQueries);
  };
  return fmt::format(R"({{"json":{},"cbor":{}}})", part(body.json, 0), part(body.cbor, 1));
}

std::string answer_part(const MetricDataRequest& request, size_t points, int rounds) {
  const Text body{json_answer(request, points), cbor_answer(request, points)};
  const auto read_json = [&] { return checked(bench::decode_get_metric_data_json(body.json, kQueries)); };
  const auto read_cbor = [&] {
    return checked(aws::cloudwatch::decode_get_metric_data(body.cbor, kQueries));
  };
  check_equal(read_json(), read_cbor());
  std::vector<Compared> compared = {{"json", [&] { (void)read_json(); }},
                                    {"cbor", [&] { (void)read_cbor(); }}};
  measure(compared, rounds, points > 10 ? 20 : 100);
  const auto part = [&](const std::string& text, const Compared& one) {
    return fmt::format(
        R"({{"bytes":{},"gzip_bytes":{},"read_us_per_metric":{:.4f},"read_ns_per_datapoint":{:.2f}}})",
        text.size(), gzip_bytes(text), one.median() / kQueries,
        one.median() * 1000 / static_cast<double>(kQueries * points));
  };
  return fmt::format(R"({{"points_per_query":{},"json":{},"cbor":{},"cbor_to_json":{:.3f}}})", points,
                     part(body.json, compared[0]), part(body.cbor, compared[1]), compared[1].to(compared[0]));
}

// ---- whole calls

class Keys final : public aws::CredentialsProvider {
 public:
  asio::awaitable<Result<aws::Credentials>> get() override { co_return credentials(); }
  [[nodiscard]] std::string name() const override { return "simaws's own"; }
};

class Calls {
 public:
  explicit Calls(const std::string& url)
      : url_(url),
        http_(io_, {}),
        client_(io_, http_, &keys_, endpoints(url), {}, system_clock(), 1e6) {}  // not to be paced

  // As many metrics of running instances, the last five periods that are over.
  MetricDataRequest request() {
    MetricDataRequest out;
    out.end = (unix_seconds(system_clock()()) / kPeriod - 1) * kPeriod;
    out.start = out.end - static_cast<int64_t>(kPointsOfCall) * kPeriod;
    aws::cloudwatch::ListMetricsRequest list;
    list.namespace_ = "AWS/EC2";
    while (out.queries.size() < kQueries) {
      const auto page = checked(run(aws::cloudwatch::list_metrics(client_, "eu-west-1", list)));
      for (const auto& metric : page.metrics) {
        if (out.queries.size() == kQueries) break;
        MetricQuery& query = out.queries.emplace_back();
        query.namespace_ = metric.namespace_;
        query.metric = metric.metric;
        query.dimensions = metric.dimensions;
        query.statistic = "Average";
        query.period_seconds = kPeriod;
      }
      if (page.next_token.empty()) break;
      list.next_token = page.next_token;
    }
    if (out.queries.size() < kQueries) die("simaws needs more instances (--instances 50)");
    return out;
  }

  MetricDataPage of_client(MetricDataRequest request) {
    return checked(run(aws::cloudwatch::get_metric_data(client_, "eu-west-1", std::move(request))));
  }

  // What no client can do without: encode, sign, exchange, decode.
  MetricDataPage plain(const MetricDataRequest& request, bool cbor, bool gzip) {
    aws::HttpRequest sent;
    sent.method = "POST";
    sent.url = url_ + (cbor ? "/service/GraniteServiceVersion20100801/operation/GetMetricData" : "/");
    if (cbor) {
      sent.headers = {{"Content-Type", "application/cbor"},
                      {"Accept", "application/cbor"},
                      {"smithy-protocol", "rpc-v2-cbor"}};
      sent.body = checked(aws::cloudwatch::encode_get_metric_data(request));
    } else {
      sent.headers = {{"Content-Type", "application/x-amz-json-1.0"},
                      {"X-Amz-Target", "GraniteServiceVersion20100801.GetMetricData"}};
      sent.body = bench::encode_get_metric_data_json(request);
    }
    if (!gzip) sent.headers.push_back({"Accept-Encoding", "identity"});
    const aws::Credentials credentials = checked(run(keys_.get()));
    if (!aws::sigv4::sign(sent, credentials, "eu-west-1", "monitoring", system_clock()()))
      die("cannot sign a request to " + url_);
    const aws::HttpReply reply = checked(run(http_.send(std::move(sent))));
    if (reply.status != 200) die(reply.body);
    return checked(cbor ? aws::cloudwatch::decode_get_metric_data(reply.body, kQueries)
                        : bench::decode_get_metric_data_json(reply.body, kQueries));
  }

 private:
  static aws::EndpointSettings endpoints(const std::string& url) {
    aws::EndpointSettings out;
    out.endpoint_url = url;
    return out;
  }
  template <typename T>
  Result<T> run(asio::awaitable<Result<T>> work) {
    Result<T> out = fail(ErrorKind::unavailable, "not finished");
    asio::co_spawn(
        io_, [&]() -> asio::awaitable<void> { out = co_await std::move(work); }, asio::detached);
    io_.restart();
    io_.run();
    return out;
  }

  std::string url_;
  asio::io_context io_{1};
  Keys keys_;
  aws::Http http_;
  aws::Client client_;
};

std::string call_part(const std::string& url, int rounds) {
  Calls calls(url);
  const MetricDataRequest request = calls.request();
  const MetricDataPage page = calls.of_client(request);
  check_equal(page, calls.plain(request, true, false));
  size_t points = 0;
  for (const auto& series : page.series) points += series.points.size();
  std::vector<MetricDataRequest> requests;  // the client takes them away
  const auto of_client = [&] {
    (void)calls.of_client(std::move(requests.back()));
    requests.pop_back();
  };
  const auto prepare = [&](int times) { requests.assign(static_cast<size_t>(times), request); };
  std::vector<Compared> compared = {{"json", [&] { (void)calls.plain(request, false, false); }},
                                    {"cbor", [&] { (void)calls.plain(request, true, false); }},
                                    {"json_gzip", [&] { (void)calls.plain(request, false, true); }},
                                    {"cbor_gzip", [&] { (void)calls.plain(request, true, true); }},
                                    {"client", of_client, prepare}};
  measure(compared, rounds * 20, 1);
  std::string out = fmt::format(R"({{"datapoints":{})", points);
  for (const Compared& one : compared)
    out += fmt::format(R"(,"{}_us_per_metric":{:.4f})", one.name, one.median() / kQueries);
  return out + fmt::format(R"(,"cbor_to_json":{:.3f},"cbor_to_json_gzip":{:.3f}}})",
                           compared[1].to(compared[0]), compared[3].to(compared[2]));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 3) die("usage: cloudwatch_codec_bench [URL [ROUNDS]]");
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 21;
  if (rounds < 1) die("the number of rounds must be positive");
  const MetricDataRequest request = fleet();
  const Text body{bench::encode_get_metric_data_json(request),
                  checked(aws::cloudwatch::encode_get_metric_data(request))};
  std::string out = fmt::format(R"({{"queries":{},"request":{},"answers":[)", kQueries,
                                request_part(request, body, rounds));
  for (const size_t points : {1, 5, 60}) {
    out += (points == 1 ? "" : ",") + answer_part(request, points, rounds);
  }
  out += ']';
  if (argc > 1) out += R"(,"calls":)" + call_part(argv[1], rounds);
  fmt::print("{}}}\n", out);
  return 0;
}
