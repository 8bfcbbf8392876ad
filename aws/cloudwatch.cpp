#include "aws/cloudwatch.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

namespace bakusoku::aws::cloudwatch {
namespace {

constexpr std::string_view kNothing = "\xA0";  // a request without members, in CBOR

Call call(const std::string& region, const std::string& action) {
  Call out;
  out.service = "cloudwatch";
  out.signing_name = "monitoring";
  out.region = region;
  out.permission = "cloudwatch:" + action;
  out.action = action;
  out.target = "GraniteServiceVersion20100801";
  return out;
}

Call written(Call call, Wire wire, std::string body) {
  call.protocol = wire == Wire::cbor ? Protocol::rpc_cbor : Protocol::json10;
  call.body = std::move(body);
  return call;
}

// What went wrong, for a sentence that says where.
std::string_view without_context(std::string_view message, std::string_view context) {
  if (!message.starts_with(context)) return message;
  message.remove_prefix(context.size());
  while (message.starts_with(':') || message.starts_with(' ')) message.remove_prefix(1);
  return message.substr(0, message.find(';'));  // without advice, which is given once
}

// The same in JSON, after something answered that seems not to know CBOR. Only an answer that can be read
// proves that JSON is spoken, and only where CBOR fails once more right after it, CBOR is not: what passed
// was a trouble.
template <typename Page, typename Encode, typename Decode>
asio::awaitable<Result<Page>> ask_in_json(Client& client, Call sent, std::string endpoint, Error strange,
                                          Encode encode, Decode decode) {
  const std::string context = sent.permission + " in " + sent.region;
  Spoken& spoken = client.spoken();
  Result<std::string> encoded = encode(Wire::json);
  if (!encoded) co_return fail(encoded.error().with_context(context));
  const Result<std::string> body = co_await client.send(written(sent, Wire::json, std::move(*encoded)));
  // What AWS says in its own words tells more than that CBOR is not known.
  if (!body && !body.error().code.empty()) co_return fail(body.error());
  Result<Page> page = body ? decode(*body, Wire::json) : Result<Page>(fail(body.error()));
  if (!page) {
    co_return fail(strange.kind,
                   "{}: {} speaks neither CBOR ({}) nor AWS JSON 1.0 ({}); check the endpoint and the proxy",
                   context, endpoint, without_context(strange.message, context),
                   without_context(page.error().message, context));
  }
  if (spoken.of(endpoint) != Wire::json) {
    Heard heard = Heard::nothing;
    sent.heard = &heard;
    sent.carried_out = nullptr;
    sent.datapoints = 0;
    (void)co_await client.send(written(std::move(sent), Wire::cbor, std::string(kNothing)));
    if (heard == Heard::cbor) (void)spoken.note(endpoint, Wire::cbor, client.now());
    if (heard != Heard::other) co_return page;
  }
  if (spoken.note(endpoint, Wire::json, client.now())) {
    spdlog::info(
        "{} does not speak CBOR; CloudWatch is asked there in AWS JSON 1.0, CBOR is tried again in a day "
        "([aws] protocol)",
        endpoint);
  }
  co_return page;
}

// One page, in what the endpoint speaks. Where that is not known yet, the request is kept until it is.
template <typename Page, typename Encode, typename Decode>
asio::awaitable<Result<Page>> ask(Client& client, Call sent, Encode encode, Decode decode) {
  const std::string context = sent.permission + " in " + sent.region;
  Spoken& spoken = client.spoken();
  std::string endpoint = client.endpoint_of(sent.service, sent.region);
  const Wire wire = spoken.next(endpoint, client.now());
  const bool known = spoken.of(endpoint) == wire;
  Result<std::string> encoded = encode(wire);
  if (!encoded) co_return fail(encoded.error().with_context(context));
  std::optional<Encode> kept(std::move(encode));
  if (known) kept.reset();  // the call may wait for its turn
  Heard heard = Heard::nothing;
  Call first = written(sent, wire, std::move(*encoded));
  first.heard = &heard;
  const Result<std::string> body = co_await client.send(std::move(first));
  if (heard == Heard::cbor) (void)spoken.note(endpoint, Wire::cbor, client.now());
  Result<Page> page = body ? decode(*body, wire) : Result<Page>(fail(body.error()));
  if (!page && body) page = fail(page.error().with_context(context));
  if (heard != Heard::other || page || spoken.fixed()) co_return page;
  if (kept) {
    co_return co_await ask_in_json<Page>(client, std::move(sent), std::move(endpoint), page.error(),
                                         std::move(*kept), std::move(decode));
  }
  // The next call finds out, unless this is a trouble of a server that is known.
  if (page.error().kind != ErrorKind::unavailable) spoken.doubt(endpoint);
  co_return page;
}

bool is_refusal(const Error& error) {
  return error.kind == ErrorKind::invalid &&
         (error.code.starts_with("Validation") || error.code.starts_with("InvalidParameter"));
}

asio::awaitable<Result<AlarmsPage>> alarms_page(Client& client, const std::string& region,
                                                const std::string& next_token, bool log_alarms) {
  return ask<AlarmsPage>(
      client, call(region, "DescribeAlarms"),
      [next_token, log_alarms](Wire wire) {
        return Result<std::string>(encode_describe_alarms(next_token, log_alarms, wire));
      },
      decode_describe_alarms);
}

}  // namespace

asio::awaitable<Result<MetricDataPage>> get_metric_data(Client& client, std::string region,
                                                        MetricDataRequest request, uint32_t* carried_out) {
  Call sent = call(region, "GetMetricData");
  sent.datapoints = estimated_datapoints(request);
  sent.datapoints_from = request.start;
  sent.carried_out = carried_out;
  const size_t queries = request.queries.size();
  return ask<MetricDataPage>(
      client, std::move(sent),
      [request = std::move(request)](Wire wire) { return encode_get_metric_data(request, wire); },
      [queries](std::string_view bytes, Wire wire) { return decode_get_metric_data(bytes, queries, wire); });
}

asio::awaitable<Result<MetricsPage>> list_metrics(Client& client, std::string region,
                                                  ListMetricsRequest request) {
  return ask<MetricsPage>(
      client, call(region, "ListMetrics"),
      [request = std::move(request)](Wire wire) {
        return Result<std::string>(encode_list_metrics(request, wire));
      },
      decode_list_metrics);
}

asio::awaitable<Result<AlarmsPage>> describe_alarms(Client& client, std::string region,
                                                    std::string next_token) {
  Spoken& spoken = client.spoken();
  const std::string endpoint = client.endpoint_of("cloudwatch", region);
  const bool log_alarms = spoken.log_alarms(endpoint, client.now());
  Result<AlarmsPage> page = co_await alarms_page(client, region, next_token, log_alarms);
  if (page || !log_alarms || !is_refusal(page.error())) co_return page;
  // They are of 2026, and not known everywhere; if that was not it, the next answer says what was.
  page = co_await alarms_page(client, region, next_token, false);
  if (page) spoken.note_no_log_alarms(endpoint, client.now());
  co_return page;
}

}  // namespace bakusoku::aws::cloudwatch
