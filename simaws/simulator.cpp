#include "simaws/simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "simaws/alarms.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kMaxClockOffset = int64_t{10} * 366 * 86400;  // seconds
constexpr int64_t kAllowedSkew = int64_t{5} * 60;
constexpr std::string_view kRpcPrefix = "/service/";
constexpr std::string_view kRpcOperation = "operation/";
// Errors that do not mean that the call broke a limit.
const std::vector<std::string> kNotTheCallersFault{
    "Throttling",   "InternalFailure",      "ServiceUnavailable",     "ExpiredToken",
    "AccessDenied", "InvalidClientTokenId", "RegionDisabledException"};
constexpr size_t kMaxCountedActions = 1000;  // action names are the asker's: the table of counters is bounded

const char* permission_prefix(std::string_view service) {
  if (service == "monitoring") return "cloudwatch";
  if (service == "organizations") return "organizations";
  return service == "ec2" ? "ec2" : "sts";
}

// RFC 9110: Sun, 22 Nov 2026 20:35:50 GMT
std::string http_date(int64_t unix_seconds) {
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

std::string make_request_id(uint64_t number) {
  const uint64_t high = mix(number * 2 + 1);
  const uint64_t low = mix(number * 2 + 2);
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high >> 32, high >> 16 & 0xFFFF, high & 0xFFF,
                     low >> 48 & 0xFFF, low & 0xFFFFFFFFFFFFull);
}

bool media_type_is(const Request& request, std::string_view type) {
  const auto* value = request.header("Content-Type");
  if (value == nullptr) return false;
  std::string_view media = std::string_view(*value).substr(0, value->find(';'));
  while (media.ends_with(' ')) media.remove_suffix(1);
  return equal_ignoring_case(media, type);
}

std::string service_of_version(std::string_view version) {
  if (version == kEc2Version) return "ec2";
  if (version == kCloudWatchVersion) return "monitoring";
  if (version == kStsVersion) return "sts";
  return "";
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

tl::unexpected<ApiError> no_match() {
  return refuse("SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your "
                "AWS Secret Access Key and "
                "signing method. Consult the service documentation for details.",
                403);
}

ApiResult<void> check_date(const Request& request, const Authorization& authorization, int64_t now) {
  const auto* amz_date = request.header("X-Amz-Date");
  const auto signed_at = amz_date == nullptr ? std::nullopt : parse_amz_date(*amz_date);
  if (!signed_at)
    return refuse("IncompleteSignature",
                  "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                  403);
  if (std::string_view(*amz_date).substr(0, 8) != authorization.date) {
    return refuse("SignatureDoesNotMatch",
                  fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
                              "date from HTTP: '{}' != '{}'",
                              authorization.date, amz_date->substr(0, 8)),
                  403);
  }
  if (*signed_at < now - kAllowedSkew) {
    return refuse("SignatureExpired",
                  fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)", *amz_date,
                              format_amz_date(now - kAllowedSkew), format_amz_date(now)),
                  403);
  }
  if (*signed_at > now + kAllowedSkew) {
    return refuse("SignatureDoesNotMatch",
                  fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)", *amz_date,
                              format_amz_date(now + kAllowedSkew), format_amz_date(now)),
                  403);
  }
  return {};
}

ApiResult<void> check_scope(const World& world, const Authorization& authorization,
                            const std::string& service) {
  if (authorization.service != service) {
    return refuse("SignatureDoesNotMatch",
                  fmt::format("Credential should be scoped to correct service: '{}'.", service), 403);
  }
  const bool known = service == "organizations" ? authorization.region == kOrganizationsRegion
                                                : world.has_region(authorization.region);
  if (!known) {
    return refuse("SignatureDoesNotMatch",
                  fmt::format("Credential should be scoped to a valid region, not '{}'. (simaws, a "
                              "simulator, was started with --regions {}.)",
                              authorization.region, fmt::join(world.regions, ",")),
                  403);
  }
  return {};
}

}  // namespace

std::optional<Reply> without_cbor(std::string_view answer) {
  const std::string html = "<!doctype html>\n<html lang=en><title>404 Not Found</title><h1>Not Found</h1>\n";
  const std::string xml =
      "<?xml version='1.0' encoding='utf-8'?><ErrorResponse><Error><Code>InternalFailure</Code><Message>"
      "Operation detection failed. Missing Action in request for query-protocol service.</Message></Error>"
      "</ErrorResponse>";
  const std::string unknown = R"({"__type":"UnknownOperationException"})";
  if (answer == "404") return Reply{404, "text/html; charset=utf-8", html};
  if (answer == "405") return Reply{405, "text/html; charset=utf-8", html};
  if (answer == "415") return Reply{415, "application/json", R"({"message":"Unsupported Media Type"})"};
  if (answer == "500") return Reply{500, "text/xml", xml};
  if (answer == "501") return Reply{501, "application/json", R"({"message":"not implemented"})"};
  if (answer == "unknown") return Reply{404, "application/x-amz-json-1.0", unknown};
  if (answer == "json") return Reply{200, "application/json", R"({"status":"running"})"};
  if (answer == "xml") return Reply{200, "text/xml", "<ListBucketResult/>"};
  if (answer == "html") return Reply{200, "text/html", html};
  if (answer == "empty") return Reply{200, "application/cbor", ""};
  if (answer == "204") return Reply{204, "text/plain", ""};
  return std::nullopt;
}

Simulator::Simulator(SimulatorOptions options, Clock clock)
    : options_(std::move(options)),
      clock_([this, clock = std::move(clock)] { return clock() + clock_offset_; }),
      vault_(options_.access_key, options_.secret_key),
      metadata_(options_.world, vault_, options_.credential_seconds, options_.imds_v1),
      faults_(options_.world.seed),
      usage_(options_.quotas) {}

Outcome Simulator::handle(Request request) {
  ++requests_;
  const int64_t now = unix_seconds(clock_());
  const std::string_view path = request.path();
  Outcome outcome;
  if (path.starts_with("/simaws/") && path != kContainerPath) {
    outcome.service = "simaws";
    outcome.action = "Control";
    outcome.reply = control(request);
    return outcome;
  }
  if (path.starts_with("/latest/") || path == kContainerPath) {
    outcome.service = "imds";
    outcome.action = path == kContainerPath        ? "Container"
                     : path == "/latest/api/token" ? "Token"
                                                   : "Metadata";
    auto reply = metadata_.answer(request, now);
    outcome.reply = reply ? *std::move(reply) : Reply{404};
    const auto faults = faults_.decide(outcome.service, outcome.action, "", "");
    if (faults.contains(FaultKind::internal_500)) outcome.reply = Reply{500};
    if (faults.contains(FaultKind::unavailable_503)) outcome.reply = Reply{503};
    if (faults.contains(FaultKind::denied)) outcome.reply = Reply{403};
    if (faults.contains(FaultKind::garbage))
      outcome.reply = Reply{200, "text/plain", "\x01\xFF{<simaws garbage"};
    if (faults.contains(FaultKind::hang)) outcome.delivery = Delivery::hang;
    if (faults.contains(FaultKind::cut)) outcome.delivery = Delivery::cut;
    if (faults.contains(FaultKind::reset)) outcome.delivery = Delivery::reset;
    if (faults.contains(FaultKind::junk)) outcome.delivery = Delivery::junk;
    if (const auto slow = faults.find(FaultKind::slow); slow != faults.end())
      outcome.delay = std::chrono::milliseconds(slow->second);
    for (const auto& [kind, value] : faults) ++faults_done_[std::string(to_string(kind))];
    return outcome;
  }
  return handle_api(request);
}

Outcome Simulator::handle_api(Request& request) {
  Outcome outcome;
  const std::string request_id = make_request_id(requests_);
  if (!options_.no_cbor.empty() && request.path().starts_with(kRpcPrefix)) {
    outcome.service = "monitoring";
    outcome.action = "(CBOR)";
    outcome.reply = *without_cbor(options_.no_cbor);
    ++faults_done_["no_cbor"];
    return outcome;
  }
  auto identified = identify(request);
  if (!identified) {
    const Protocol protocol = request.path().starts_with(kRpcPrefix)      ? Protocol::cbor
                              : request.header("X-Amz-Target") != nullptr ? Protocol::json
                                                                          : Protocol::query;
    outcome.error_code = identified.error().code;
    outcome.reply = write_error(protocol, identified.error(), request_id);
    outcome.reply.headers.emplace_back("x-amzn-RequestId", request_id);
    outcome.reply.headers.emplace_back("Date", http_date(unix_seconds(clock_())));
    return outcome;
  }
  Call call = *std::move(identified);
  call.request_id = request_id;
  const WallTime clock = clock_();
  call.now = unix_seconds(clock);
  call.precise_now = std::chrono::duration<double>(clock.time_since_epoch()).count();
  const auto [account, region] = place_of(request, call);
  const auto faults = faults_.decide(call.service, call.action, account, region);
  for (const auto& [kind, value] : faults) ++faults_done_[std::string(to_string(kind))];
  outcome.delay = options_.delay;
  if (const auto slow = faults.find(FaultKind::slow); slow != faults.end())
    outcome.delay += std::chrono::milliseconds(slow->second);
  const auto skew = faults.find(FaultKind::skew);
  const int64_t server_now = call.now + (skew == faults.end() ? 0 : skew->second);

  auto authenticated = authenticate(request, call, server_now);
  ApiResult<std::string> body = tl::unexpected(ApiError{});
  if (!authenticated) {
    body = tl::unexpected(authenticated.error());
  } else if (auto allowed = throttle(call); !allowed) {
    body = tl::unexpected(allowed.error());
  } else if (auto admitted = usage_.admit_call(call); !admitted) {
    ++faults_done_["throttled"];
    body = tl::unexpected(admitted.error());
  } else if (faults.contains(FaultKind::throttle)) {
    body = refuse("Throttling", "Rate exceeded");
  } else if (faults.contains(FaultKind::internal_500)) {
    body = refuse("InternalFailure", "An internal error has occurred", 500);
  } else if (faults.contains(FaultKind::unavailable_503)) {
    body = refuse("ServiceUnavailable", "The server is overloaded and can't handle the request.", 503);
  } else if (faults.contains(FaultKind::expired)) {
    body = refuse("ExpiredToken", "The security token included in the request is expired", 403);
  } else if (faults.contains(FaultKind::off)) {
    // EC2 and CloudWatch know no key in a region that is not enabled.
    body =
        call.service == "sts"
            ? refuse("RegionDisabledException",
                     fmt::format("STS is not activated in this region for account:{}. Your "
                                 "account administrator can activate STS in this region using "
                                 "the IAM Console.",
                                 call.account),
                     403)
            : refuse("InvalidClientTokenId", "The security token included in the request is invalid.", 403);
  } else if (faults.contains(FaultKind::denied) || faults.contains(FaultKind::scp)) {
    const std::string who = *authenticated == nullptr ? "anonymous" : (*authenticated)->identity.arn;
    const std::string permission = fmt::format("{}:{}", permission_prefix(call.service), call.action);
    std::string words =
        faults.contains(FaultKind::scp)
            ? fmt::format(
                  "User: {} is not authorized to perform: {} with an explicit deny in a service control "
                  "policy",
                  who, permission)
            : fmt::format(
                  "User: {} is not authorized to perform: {} because no identity-based policy allows the {} "
                  "action",
                  who, permission, permission);
    if (call.protocol == Protocol::ec2) words = "You are not authorized to perform this operation. " + words;
    body = refuse("AccessDenied", std::move(words), 403);
  } else {
    MetricDataFault fault;
    fault.partial = faults.contains(FaultKind::partial);
    fault.internal = faults.contains(FaultKind::internal_status);
    fault.forbidden = faults.contains(FaultKind::forbidden_status);
    fault.not_a_number = faults.contains(FaultKind::not_a_number);
    fault.unequal = faults.contains(FaultKind::unequal);
    fault.unasked = faults.contains(FaultKind::unasked);
    fault.units = faults.contains(FaultKind::units);
    fault.cutoff = faults.contains(FaultKind::cutoff);
    call.body = std::move(request.body);
    std::optional<World> other;
    if (call.account != options_.world.account) other = options_.world.of(call.account);
    const World& world = other ? *other : options_.world;
    if (call.service == "ec2") {
      body = call_ec2(world, call, ec2_);
    } else if (call.service == "monitoring") {
      body = call_cloudwatch(world, call, fault, cloudwatch_, usage_, outcome.queries);
    } else if (call.service == "organizations") {
      body = call_organizations(world, call);
    } else {
      body = call_sts(vault_, options_.world, call,
                      *authenticated == nullptr ? nullptr : &(*authenticated)->identity,
                      options_.credential_seconds);
    }
  }
  const bool answered = body.has_value();
  if (answered) {
    outcome.reply = Reply{200, content_type(call.protocol), *std::move(body)};
    if (call.protocol == Protocol::cbor) outcome.reply.headers.emplace_back("smithy-protocol", "rpc-v2-cbor");
  } else {
    outcome.error_code = body.error().code;
    outcome.reply = write_error(call.protocol, body.error(), request_id);
  }
  outcome.reply.headers.emplace_back(call.protocol == Protocol::ec2 ? "x-amzn-requestid" : "x-amzn-RequestId",
                                     request_id);
  outcome.reply.headers.emplace_back("Date", http_date(server_now));
  if (faults.contains(FaultKind::garbage))
    outcome.reply.body = "\x01\xFF{<simaws garbage \xC3\x28 & ]]> \"unclosed";
  if (faults.contains(FaultKind::hang)) outcome.delivery = Delivery::hang;
  if (faults.contains(FaultKind::cut)) outcome.delivery = Delivery::cut;
  if (faults.contains(FaultKind::reset)) outcome.delivery = Delivery::reset;
  if (faults.contains(FaultKind::junk)) outcome.delivery = Delivery::junk;

  std::string counted = call.service + "." + call.action;
  if (!calls_.contains(counted) && calls_.size() >= kMaxCountedActions) counted = "other";
  ActionCounters& counters = calls_[counted];
  ++counters.calls;
  if (!answered) ++counters.errors;
  if (authenticated) count(call, answered ? "" : outcome.error_code, counted);
  outcome.service = std::move(call.service);
  outcome.action = std::move(call.action);
  outcome.region = std::move(call.region);
  return outcome;
}

void Simulator::count(const Call& call, std::string_view error, const std::string& counted) {
  RegionUsage& usage = usage_.of(call.account, call.region);
  ++usage.calls[counted];
  if (error == "Throttling") ++usage.throttled;
  if (call.action == "GetMetricData") usage.calls_peak.add(1, call.precise_now);
  if (call.service == "monitoring" && !error.empty() && !contains(kNotTheCallersFault, error))
    ++usage.violations["invalid"];
}

// The account and region that a fault may be limited to, before the signature is checked.
std::pair<std::string, std::string> Simulator::place_of(const Request& request, const Call& call) const {
  const auto* header = request.header("Authorization");
  if (header == nullptr) return {};
  const auto authorization = parse_authorization(*header);
  if (!authorization) return {};
  const Issued* issued = vault_.find(authorization->access_key);
  std::string account = call.service == "sts" ? role_account(call) : "";
  if (account.empty() && issued != nullptr) account = issued->identity.account;
  return {std::move(account), authorization->region};
}

// Smithy's RPC: the service and the operation are in the path.
ApiResult<Call> Simulator::identify_rpc(const Request& request) const {
  Call call;
  call.protocol = Protocol::cbor;
  call.service = "monitoring";
  std::string_view rest = request.path().substr(std::string_view(kRpcPrefix).size());
  const size_t slash = rest.find('/');
  const std::string_view service = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (service != kCloudWatchTarget || !rest.starts_with(kRpcOperation) || rest.size() == kRpcOperation.size())
    return refuse(
        "InvalidAction",
        fmt::format("There is no operation at {}. (simaws, a simulator, knows /service/{}/operation/*.)",
                    request.path(), kCloudWatchTarget),
        404);
  const auto* protocol = request.header("smithy-protocol");
  if (request.method != "POST" || protocol == nullptr || *protocol != "rpc-v2-cbor" ||
      !media_type_is(request, "application/cbor"))
    return refuse("InvalidAction",
                  "The operation must be sent as POST with smithy-protocol rpc-v2-cbor and Content-Type "
                  "application/cbor.",
                  404);
  call.action = rest.substr(kRpcOperation.size());
  return call;
}

// Which protocol, service and action: by the target header (JSON), else by Action and Version.
ApiResult<Call> Simulator::identify(const Request& request) const {
  Call call;
  if (request.path().starts_with(kRpcPrefix)) return identify_rpc(request);
  if (const auto* target = request.header("X-Amz-Target")) {
    call.protocol = Protocol::json;
    const size_t dot = target->find('.');
    if (dot != std::string::npos && target->substr(0, dot) == kOrganizationsTarget &&
        request.method == "POST" && request.path() == "/" &&
        media_type_is(request, "application/x-amz-json-1.1")) {
      call.protocol = Protocol::json11;
      call.service = "organizations";
      call.action = target->substr(dot + 1);
      return call;
    }
    if (request.method != "POST" || request.path() != "/" ||
        !media_type_is(request, "application/x-amz-json-1.0")) {
      return refuse("InvalidAction",
                    "The operation must be sent as POST / with Content-Type application/x-amz-json-1.0.",
                    404);
    }
    if (dot == std::string::npos || target->substr(0, dot) != kCloudWatchTarget)
      return refuse("InvalidAction",
                    fmt::format("The target {} is not known. (simaws, a simulator, knows {}.* and "
                                "{}.*)",
                                *target, kCloudWatchTarget, kOrganizationsTarget),
                    404);
    call.service = "monitoring";
    call.action = target->substr(dot + 1);
    return call;
  }
  if (request.path() != "/")
    return refuse("InvalidAction", "There is nothing at this path. (simaws, a simulator, answers at /.)",
                  404);
  if (request.method != "POST" && request.method != "GET")
    return refuse("InvalidAction", "The method must be POST or GET.", 405);
  const bool post = request.method == "POST";
  if (post && !media_type_is(request, "application/x-www-form-urlencoded"))
    return refuse("InvalidAction", "The request must have Content-Type application/x-www-form-urlencoded.",
                  404);
  auto parameters = parse_form(post ? std::string_view(request.body) : request.query());
  if (!parameters) return refuse("MalformedQueryString", "The query string contains a syntax error", 400);
  call.parameters = *std::move(parameters);
  const auto* action = call.parameter("Action");
  const auto* version = call.parameter("Version");
  if (action == nullptr || action->empty())
    return refuse("MissingAction", "The request is missing an action or a required parameter.", 400);
  if (version == nullptr)
    return refuse("MissingParameter", "The request must contain the parameter Version.", 400);
  call.action = *action;
  call.service = service_of_version(*version);
  if (call.service.empty())
    return refuse("NoSuchVersion",
                  fmt::format("The requested version ({}) of service is not valid. (simaws, a simulator, "
                              "knows ec2 {}, monitoring {} and sts {}.)",
                              *version, kEc2Version, kCloudWatchVersion, kStsVersion),
                  400);
  call.protocol = call.service == "ec2" ? Protocol::ec2 : Protocol::query;
  return call;
}

// Null: the call is one that is sent unsigned.
ApiResult<const Issued*> Simulator::authenticate(const Request& request, Call& call, int64_t now) const {
  const auto* header = request.header("Authorization");
  if (header == nullptr) {
    if (call.service == "sts" && call.action == "AssumeRoleWithWebIdentity") return nullptr;
    return refuse("MissingAuthenticationToken", "Request is missing Authentication Token", 403);
  }
  const auto authorization = parse_authorization(*header);
  if (!authorization) return refuse("IncompleteSignature", authorization.error().message, 403);
  call.region = authorization->region;
  const Issued* issued = vault_.find(authorization->access_key);
  if (issued == nullptr)
    return refuse("InvalidClientTokenId", "The security token included in the request is invalid.", 403);
  const auto* token = request.header("X-Amz-Security-Token");
  const std::string_view sent = token == nullptr ? std::string_view() : std::string_view(*token);
  if (!equal_secrets(sent, issued->session_token.reveal())) {
    return refuse("InvalidClientTokenId", "The security token included in the request is invalid.", 403);
  }
  call.account = issued->identity.account;
  if (issued->expires != 0 && issued->expires <= now)
    return refuse("ExpiredToken", "The security token included in the request is expired", 403);
  if (auto checked = check_scope(options_.world, *authorization, call.service); !checked)
    return tl::unexpected(checked.error());
  if (auto checked = check_date(request, *authorization, now); !checked)
    return tl::unexpected(checked.error());
  for (const auto& [name, needed] : {std::pair("host", true), std::pair("x-amz-date", true),
                                     std::pair("x-amz-security-token", token != nullptr)}) {
    if (needed && !contains(authorization->signed_headers, name)) {
      return refuse("SignatureDoesNotMatch",
                    fmt::format("'{}' must be a 'SignedHeader' in the AWS Authorization.", name), 403);
    }
  }
  const auto canonical = canonical_request(request, *authorization);
  if (!canonical) return refuse("SignatureDoesNotMatch", canonical.error().message, 403);
  const std::string expected = expected_signature(issued->secret_key.reveal(), *request.header("X-Amz-Date"),
                                                  *authorization, *canonical);
  if (!equal_secrets(expected, authorization->signature)) return no_match();
  return issued;
}

ApiResult<void> Simulator::throttle(const Call& call) {
  if (options_.throttle <= 0) return {};
  const double now = call.precise_now;
  const double burst = std::max(1.0, options_.throttle);
  auto [found, fresh] = buckets_.try_emplace(
      call.service + "." + call.action + "." + call.account + "." + call.region, Bucket{burst, now});
  Bucket& bucket = found->second;
  bucket.tokens = std::min(burst, bucket.tokens + std::max(0.0, now - bucket.filled) * options_.throttle);
  bucket.filled = now;
  if (bucket.tokens < 1) {
    ++faults_done_["throttled"];
    return refuse("Throttling", "Rate exceeded");
  }
  bucket.tokens -= 1;
  return {};
}

Reply Simulator::control(const Request& request) {
  const std::string_view path = request.path();
  if (path == "/simaws/stats" && request.method == "GET") return {200, "application/json", stats_json()};
  std::string spec = request.body;
  while (spec.ends_with('\n') || spec.ends_with('\r') || spec.ends_with(' ')) spec.pop_back();
  if (path == "/simaws/publication" && request.method == "POST") {
    auto publication = parse_publication(spec);
    if (!publication)
      return {400, "application/json", "{\"error\":" + json_string(publication.error().message) + "}\n"};
    options_.world.publication = *std::move(publication);
    return {200, "application/json", "{\"publication\":" + json_string(spec) + "}\n"};
  }
  if (path == "/simaws/instances" && request.method == "POST") {
    const auto count = parse_integer(spec);
    if (!count || *count < 0 || *count > kMaxInstances)
      return {400, "application/json",
              fmt::format("{{\"error\":\"write a number from 0 to {}\"}}\n", kMaxInstances)};
    options_.world.instances = static_cast<size_t>(*count);
    return {200, "application/json", fmt::format("{{\"instances\":{}}}\n", *count)};
  }
  if (path == "/simaws/alarms" && request.method == "POST") {
    auto& states = options_.world.alarm_states;
    auto set = parse_alarm_state(spec, unix_seconds(clock_()));
    if (!spec.empty() && (!set || states.size() >= kMaxAlarmStates))
      return {400, "application/json",
              "{\"error\":" + json_string(set ? "too many states are set" : set.error().message) + "}\n"};
    if (spec.empty() || set->first == kEveryAlarm) states.clear();
    if (!spec.empty()) states.insert_or_assign(std::move(set->first), std::move(set->second));
    return {200, "application/json", fmt::format("{{\"alarms\":{}}}\n", states.size())};
  }
  if (path == "/simaws/key" && request.method == "POST") {
    const size_t blank = spec.find(' ');
    if (blank == std::string::npos || blank < 16 || spec.size() - blank < 17)
      return {400, "application/json", "{\"error\":\"write an id and a secret, with a blank between\"}\n"};
    vault_.replace_key(spec.substr(0, blank), Secret(spec.substr(blank + 1)));
    return {200, "application/json", "{\"key\":" + json_string(spec.substr(0, blank)) + "}\n"};
  }
  if (path == "/simaws/clock" && request.method == "POST") {
    const auto seconds = parse_integer(spec);
    if (!seconds || *seconds < -kMaxClockOffset || *seconds > kMaxClockOffset)
      return {400, "application/json",
              fmt::format("{{\"error\":\"write seconds from -{0} to {0}\"}}\n", kMaxClockOffset)};
    clock_offset_ = std::chrono::seconds(*seconds);
    return {200, "application/json", fmt::format("{{\"clock\":{}}}\n", *seconds)};
  }
  if (path == "/simaws/cbor" && request.method == "POST") {
    if (spec != kCborSpoken && !without_cbor(spec))
      return {400, "application/json", "{\"error\":\"write spoken, or what --no-cbor takes\"}\n"};
    options_.no_cbor = spec == kCborSpoken ? std::string() : spec;
    return {200, "application/json", "{\"cbor\":" + json_string(spec) + "}\n"};
  }
  if (path == "/simaws/faults" && request.method == "POST") {
    auto rules = parse_faults(spec);
    if (!rules) return {400, "application/json", "{\"error\":" + json_string(rules.error().message) + "}\n"};
    faults_.replace(*std::move(rules));
    return {200, "application/json", "{\"faults\":" + json_string(spec) + "}\n"};
  }
  return {404, "application/json",
          "{\"error\":\"simaws, a simulator of AWS: GET /simaws/stats, POST /simaws/faults, "
          "/simaws/publication, /simaws/instances, /simaws/alarms, /simaws/clock, /simaws/cbor, "
          "/simaws/key\"}\n"};
}

std::string Simulator::stats_json() const {
  std::string out = "{\"simulator\":\"simaws (a simulator, not AWS)\"";
  out += fmt::format(",\"requests\":{},\"connections\":{}", requests_, connections_);
  out += fmt::format(",\"metrics_requested\":{},\"metrics_billed\":{},\"datapoints\":{}",
                     cloudwatch_.metrics_requested, cloudwatch_.metrics_billed, cloudwatch_.datapoints);
  out += fmt::format(",\"instances_listed\":{},\"unpaged_calls\":{},\"calls\":{{", ec2_.instances,
                     ec2_.unpaged_calls);
  bool first = true;
  for (const auto& [action, counters] : calls_) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, action);
    out += fmt::format(":{{\"calls\":{},\"errors\":{}}}", counters.calls, counters.errors);
  }
  out += "},\"faults\":{";
  first = true;
  for (const auto& [kind, count] : faults_done_) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, kind);
    out += fmt::format(":{}", count);
  }
  out += "},\"accounts\":" + usage_.json() + "}\n";
  return out;
}

}  // namespace bakusoku::simaws
