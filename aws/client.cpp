#include "aws/client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/experimental/as_tuple.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <utility>

#include "aws/call_rate.h"
#include "aws/clock_skew.h"
#include "aws/denial.h"
#include "aws/service_error.h"
#include "aws/sigv4.h"

namespace bakusoku::aws {
namespace {

std::string_view header_or_empty(const HttpReply& reply, std::string_view name) {
  const std::string* const value = reply.header(name);
  return value == nullptr ? std::string_view() : std::string_view(*value);
}

ServiceError read_error(Protocol protocol, const HttpReply& reply) {
  if (protocol != Protocol::query && protocol != Protocol::ec2) {
    const auto decode = protocol == Protocol::rpc_cbor ? decode_cbor_error : decode_json_error;
    return decode(reply.body, header_or_empty(reply, "x-amzn-query-error"),
                  header_or_empty(reply, "x-amzn-errortype"));
  }
  return decode_xml_error(reply.body);
}

Heard heard_of(const Call& call, const Result<HttpReply>& reply) {
  if (call.protocol != Protocol::rpc_cbor || !reply) return Heard::nothing;
  const bool success = reply->status >= 200 && reply->status <= 299;
  return heard(reply->status, reply->body, header_or_empty(*reply, "content-type"),
               header_or_empty(*reply, "smithy-protocol"),
               success ? std::string() : read_error(call.protocol, *reply).code);
}

void replace_all(std::string& text, const std::string& what) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 3)) {
    text.replace(at, what.size(), "***");
  }
}

// A refused signature is answered with the canonical request AWS calculated, session token included.
std::string without_secrets(std::string message, const Credentials& credentials) {
  for (const std::string_view mark : {"The Canonical String for this request", "\n\nThe Canonical String"}) {
    if (const size_t at = message.find(mark); at != std::string::npos) message.resize(at);
  }
  replace_all(message, credentials.session_token.reveal());
  replace_all(message, credentials.secret_access_key.reveal());
  while (!message.empty() && static_cast<unsigned char>(message.back()) <= ' ') message.pop_back();
  return message;
}

bool same_keys(const Credentials& a, const Credentials& b) {
  return a.access_key_id == b.access_key_id && a.secret_access_key.reveal() == b.secret_access_key.reveal() &&
         a.session_token.reveal() == b.session_token.reveal();
}

std::string permission_of(const Call& call) {
  return call.permission.empty() ? fmt::format("{}:{}", call.service, call.action) : call.permission;
}

std::string sentence(std::string_view text) {
  std::string out(text);
  if (!out.empty() && out.back() != '.' && out.back() != '!' && out.back() != '?') out += '.';
  return out;
}

// Calls that are under way to one place, and those that wait for one of them to end.
struct Gate {
  size_t running = 0;
  size_t paced = 0;  // not yet here: they wait for their turn at a quota
  std::list<asio::steady_timer*> waiting{};

  void wake_next() {
    if (waiting.empty() || running >= kMostCallsInFlight) return;
    asio::steady_timer* const next = waiting.front();
    waiting.pop_front();
    next->cancel();
  }
};

std::string gate_name(std::string_view region, std::string_view service) {
  return fmt::format("{} {}", region, service);
}

// A timer among those that wait, as long as it is there.
class Place {
 public:
  Place(Gate& gate, asio::steady_timer& timer) : gate_(gate), timer_(&timer) {
    gate_.waiting.push_back(timer_);
  }
  ~Place() { gate_.waiting.remove(timer_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  Gate& gate_;
  asio::steady_timer* timer_;
};

// One of those that wait for their turn at a quota.
class Paced {
 public:
  explicit Paced(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) { ++gate_->paced; }
  ~Paced() { --gate_->paced; }
  Paced(const Paced&) = delete;
  Paced& operator=(const Paced&) = delete;

 private:
  std::shared_ptr<Gate> gate_;  // a call may be given up after its client has gone
};

class Turn {
 public:
  explicit Turn(Gate& gate) : gate_(gate) { ++gate_.running; }
  ~Turn() {
    --gate_.running;
    gate_.wake_next();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Gate& gate_;
};

// An attempt.
struct Sent {
  std::chrono::steady_clock::time_point at{};
  uint64_t number = 0;  // of the call's attempts, those included that take no turn of its retries
  bool given_up = false;
};

}  // namespace

std::string_view content_type(Protocol protocol) {
  switch (protocol) {
    case Protocol::json10:
      return "application/x-amz-json-1.0";
    case Protocol::json11:
      return "application/x-amz-json-1.1";
    case Protocol::rpc_cbor:
      return "application/cbor";
    case Protocol::query:
    case Protocol::ec2:
      break;
  }
  return "application/x-www-form-urlencoded; charset=utf-8";
}

struct Client::State {
  asio::io_context& io;
  Http& http;
  CredentialsProvider* credentials;
  EndpointSettings endpoints;
  RetrySettings retry;
  double quota_share;
  Clock clock;
  std::shared_ptr<Spoken> spoken;
  std::string account;                      // its name for the log
  std::map<std::string, CallRate> rates{};  // by region and what is counted there
  ClockSkew skew{};
  RetryQuota quota{};
  ClientCounters counters{};
  // By region and service. Calls share them, because a call may be given up after the client has gone.
  std::map<std::string, std::shared_ptr<Gate>> gates{};
  std::optional<Error> closed{};
  Requests requests{};
  std::string works_in{};    // the region that last took credentials,
  std::string works_with{};  // these
  std::minstd_rand random{std::random_device{}()};

  CallRate& rate(const std::string& what, Quota allowed) {
    return rates.try_emplace(what, allowed, quota_share, std::chrono::steady_clock::now()).first->second;
  }

  // The rates that the call is counted at.
  std::vector<std::pair<CallRate*, double>> rates_of(const Call& call) {
    std::vector<std::pair<CallRate*, double>> found;
    if (const auto allowed = call_quota(call.service, call.action)) {
      // EC2 counts all of Describe* together.
      const std::string_view action = call.service == "ec2" ? std::string_view("Describe") : call.action;
      found.emplace_back(&rate(fmt::format("{} {} {}", call.region, call.service, action), *allowed), 1);
    }
    if (call.datapoints > 0) {
      const bool recent = unix_seconds(clock()) - call.datapoints_from <= 3 * 3600;
      found.emplace_back(&rate(fmt::format("{} datapoints {}", call.region, recent), datapoint_quota(recent)),
                         static_cast<double>(call.datapoints));
    }
    return found;
  }

  // What is paid for: AWS has answered with what was asked for, or may have and the answer was lost before it
  // began.
  void note_carried_out(const Call& call, int answered, uint32_t issued) {
    const bool refused = answered > 299;
    const uint32_t carried_out = refused && issued > 0 ? issued - 1 : issued;
    if (carried_out == 0) return;
    if (call.carried_out != nullptr) *call.carried_out += carried_out;
    if (call.service == "cloudwatch") requests[{call.region, call.action}] += carried_out;
  }

  // One attempt, for who asks why AWS is slow or what it costs: no words of AWS's, which may hold anything.
  void log(const Call& call, const Sent& sent, const Result<HttpReply>& reply) const {
    if (!spdlog::should_log(spdlog::level::debug)) return;
    constexpr size_t kLongestCode = 64;
    std::string outcome = sent.given_up ? "given up"
                          : reply       ? std::to_string(reply->status)
                                        : std::string(to_string(reply.error().kind));
    if (reply && reply->status > 299) {
      if (const std::string code = read_error(call.protocol, *reply).code; !code.empty())
        outcome += ' ' + code.substr(0, kLongestCode);
    }
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - sent.at);
    spdlog::debug("AWS call {} {} in {}{}: {} after {} ms, {} bytes sent, {} received, attempt {}",
                  call.service, call.action, call.region,
                  account.empty() ? std::string() : " of account " + account, outcome, took.count(),
                  call.body.size(), reply ? reply->body.size() : 0, sent.number);
  }

  std::chrono::milliseconds wait_for_turn(const Call& call) {
    std::chrono::milliseconds wait{0};
    for (const auto& [rate, amount] : rates_of(call)) {
      wait = std::max(wait, rate->take(amount, std::chrono::steady_clock::now()));
    }
    return wait;
  }

  void slow_down(const Call& call) {
    for (const auto& [rate, amount] : rates_of(call)) rate->throttled(std::chrono::steady_clock::now());
  }

  // False when the caller has given up meanwhile.
  [[nodiscard]] asio::awaitable<bool> pause(std::chrono::milliseconds time) {
    asio::steady_timer timer(io, time);
    co_await timer.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
    const asio::cancellation_state cancelled = co_await asio::this_coro::cancellation_state;
    co_return cancelled.cancelled() == asio::cancellation_type::none;
  }

  // False when the caller has given up meanwhile.
  [[nodiscard]] asio::awaitable<bool> enter(Gate& gate) {
    while (gate.running >= kMostCallsInFlight) {
      asio::steady_timer timer(io, asio::steady_timer::time_point::max());
      {
        const Place place(gate, timer);
        co_await timer.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
      }
      const asio::cancellation_state cancelled = co_await asio::this_coro::cancellation_state;
      if (cancelled.cancelled() != asio::cancellation_type::none) {
        gate.wake_next();
        co_return false;
      }
    }
    co_return true;
  }

  [[nodiscard]] double chance() { return std::uniform_real_distribution<double>(0, 1)(random); }

  [[nodiscard]] Result<HttpRequest> encode(const Call& call, const Endpoint& endpoint) const {
    HttpRequest request;
    request.method = "POST";
    request.url = endpoint.url + '/';
    request.timeout = std::min(call.timeout, retry.longest_attempt);
    request.connect_timeout = std::min(request.connect_timeout, request.timeout);
    request.headers.reserve(8);
    request.headers.push_back({"Content-Type", std::string(content_type(call.protocol))});
    if (call.protocol == Protocol::json10 || call.protocol == Protocol::json11) {
      request.headers.push_back({"X-Amz-Target", fmt::format("{}.{}", call.target, call.action)});
    } else if (call.protocol == Protocol::rpc_cbor) {
      request.url += fmt::format("service/{}/operation/{}", call.target, call.action);
      request.headers.push_back({"Accept", "application/cbor"});
      request.headers.push_back({"Smithy-Protocol", "rpc-v2-cbor"});
      // Inflating an answer of 500 metrics costs as much as all the rest of reading it.
      request.headers.push_back({"Accept-Encoding", "identity"});
    }
    request.body = call.body;
    return request;
  }

  // AWS's refusal in words that say what to do.
  [[nodiscard]] Error describe(const Call& call, const HttpReply& reply, const ServiceError& error,
                               const Credentials& used) const {
    const std::string where = fmt::format("{} in {}", permission_of(call), call.region);
    const std::string words = without_secrets(error.message, used);
    if (error.code.empty()) {
      const ErrorKind kind = kind_of({}, reply.status);
      if (reply.status == 407) {
        return Error{
            ErrorKind::denied,
            fmt::format("{}: the proxy wants a user and password, or other ones (HTTP status 407)", where),
            {}};
      }
      return Error{
          kind,
          fmt::format("{}: HTTP status {} without an AWS error in it; check the endpoint and the proxy",
                      where, reply.status),
          {}};
    }
    const ErrorKind kind = kind_of(error.code, reply.status);
    const std::string who = used.source.empty() ? std::string("these credentials")
                            : used.source.starts_with("role ")
                                ? used.source
                                : fmt::format("the credentials from {}", used.source);
    std::string message;
    const Denial denial = denial_of(error.code, words);
    if (kind == ErrorKind::denied && (call.sign || denial != Denial::credentials)) {
      const std::string permission = permission_of(call);
      const bool works = works_in != call.region && works_with == used.access_key_id;
      message =
          fmt::format("{} denied ({}): {} {}", where, error.code, sentence(words),
                      advice_for(denial, error.code,
                                 {permission, who, call.region, works ? works_in : std::string_view()}));
      if (classify(error.code, reply.status) == RetryClass::clock_skew && is_always_enabled(call.region))
        message += " and the clock of this machine";
    } else {
      const std::string_view verb = kind == ErrorKind::denied      ? "denied"
                                    : kind == ErrorKind::throttled ? "throttled"
                                                                   : "failed";
      message = fmt::format("{} {} ({}): {}", where, verb, error.code, words);
    }
    return Error{kind, std::move(message), error.code};
  }
};

Client::Client(asio::io_context& io, Http& http, CredentialsProvider* credentials, EndpointSettings endpoints,
               RetrySettings retry, Clock clock, double quota_share, std::shared_ptr<Spoken> spoken,
               std::string account)
    : state_(new State{io, http, credentials, std::move(endpoints), retry, quota_share, std::move(clock),
                       spoken ? std::move(spoken) : std::make_shared<Spoken>(), std::move(account)}) {}

Client::~Client() = default;

asio::awaitable<Result<std::string>> Client::send(Call call) {
  State& state = *state_;
  ++state.counters.calls;
  const std::string where = fmt::format("{} in {}", permission_of(call), call.region);
  if (state.closed) {
    ++state.counters.failed;
    co_return fail(*state.closed);
  }

  const Result<Endpoint> endpoint = resolve_endpoint(call.service, call.region, state.endpoints);
  if (!endpoint) {
    ++state.counters.failed;
    co_return fail(endpoint.error().with_context(where));
  }
  const bool sign = call.sign;
  if (sign && state.credentials == nullptr) {
    ++state.counters.failed;
    co_return fail(ErrorKind::denied, "{}: no credentials are set up", where);
  }

  std::shared_ptr<Gate>& known_gate = state.gates[gate_name(call.region, call.service)];
  if (!known_gate) known_gate = std::make_shared<Gate>();
  const std::shared_ptr<Gate> gate = known_gate;
  bool clock_corrected = false;
  Credentials refused;
  std::optional<Error> refusal;
  int paid = 0;
  int attempt = 1;
  uint64_t attempts = 0;
  for (;;) {
    if (const auto wait = state.wait_for_turn(call); wait.count() > 0) {
      ++state.counters.paced;
      const Paced paced(gate);
      if (!co_await state.pause(wait)) {
        ++state.counters.failed;
        co_return fail(ErrorKind::timeout, "{}: cancelled", where);
      }
    }
    Credentials used;
    if (sign) {
      Result<Credentials> credentials = co_await state.credentials->get();
      if (!credentials) {
        ++state.counters.failed;
        Error error = credentials.error().with_context(where);
        error.code.clear();  // it is that of another call
        // To the caller not_found would mean that the thing asked for does not exist.
        if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::denied;
        co_return fail(std::move(error));
      }
      used = std::move(*credentials);
      if (refusal && same_keys(used, refused)) {
        ++state.counters.failed;
        co_return fail(std::move(*refusal));
      }
    }
    // Signed when its turn has come: a signature is good for five minutes.
    if (!co_await state.enter(*gate)) {
      ++state.counters.failed;
      co_return fail(ErrorKind::timeout, "{}: cancelled", where);
    }
    std::optional<Turn> turn(std::in_place, *gate);
    Result<HttpRequest> request = state.encode(call, *endpoint);
    const auto skew_used = state.skew.offset();
    if (sign) {
      const Result<void> is_signed = sigv4::sign(*request, used, endpoint->signing_region, call.signing_name,
                                                 state.skew.correct(state.clock()));
      if (!is_signed) {
        ++state.counters.failed;
        co_return fail(is_signed.error().with_context(where));
      }
    }

    ++state.counters.attempts;
    uint32_t issued = 0;
    int answered = 0;
    HttpRequest sent = std::move(*request);
    sent.issued = &issued;
    sent.answered = &answered;
    Sent attempted{std::chrono::steady_clock::now(), ++attempts};
    Result<HttpReply> reply = co_await state.http.send(std::move(sent));
    turn.reset();
    const Heard heard = heard_of(call, reply);
    if (call.heard != nullptr) *call.heard = heard;
    // Something that does not know CBOR has answered, not CloudWatch.
    const bool strange = heard == Heard::other && state.spoken->of(endpoint->url) != Spoken::Wire::cbor;
    state.note_carried_out(call, strange && answered <= 299 ? 400 : answered, issued);
    const asio::cancellation_state cancelled = co_await asio::this_coro::cancellation_state;
    attempted.given_up = cancelled.cancelled() != asio::cancellation_type::none;
    state.log(call, attempted, reply);
    if (attempted.given_up) {
      ++state.counters.failed;
      co_return fail(ErrorKind::timeout, "{}: cancelled", where);
    }

    RetryClass retry = RetryClass::never;
    bool timed_out = false;
    Error error;
    if (!reply) {
      error = reply.error().with_context(where);
      timed_out = error.kind == ErrorKind::timeout;
      const bool may_pass =
          timed_out || error.kind == ErrorKind::unavailable || error.kind == ErrorKind::corrupt;
      retry = may_pass ? RetryClass::transient : RetryClass::never;
    } else if (reply->status >= 200 && reply->status <= 299) {
      state.skew.learn(header_or_empty(*reply, "date"), state.clock());
      state.quota.give_back(paid);
      if (sign) {
        state.works_in = call.region;
        state.works_with = used.access_key_id;
      }
      co_return std::move(reply->body);
    } else {
      const ServiceError service_error = read_error(call.protocol, *reply);
      retry = classify(service_error.code, reply->status);
      error = state.describe(call, *reply, service_error, used);
      if (refusal) error.message = without_secrets(std::move(error.message), refused);
      if (retry == RetryClass::throttled) {
        ++state.counters.throttled;
        state.slow_down(call);
      }
      if (retry == RetryClass::clock_skew) {
        // Another call may have learnt it while this one was under way.
        const bool changed = state.skew.learn(header_or_empty(*reply, "date"), state.clock()) ||
                             state.skew.offset() != skew_used;
        if (changed && !clock_corrected && sign) {
          clock_corrected = true;
          continue;
        }
        // With a right clock the keys are wrong: they have run out (EC2 says RequestExpired), were deleted
        // (EC2 says AuthFailure) or were read while somebody wrote them.
        retry = service_error.code == "RequestTimeTooSkewed" ? RetryClass::never
                                                             : RetryClass::refused_credentials;
      }
      if (retry == RetryClass::refused_credentials) {
        if (sign && !refusal) {
          refusal = std::move(error);
          refused = std::move(used);
          state.credentials->invalidate();
          continue;
        }
        retry = RetryClass::never;
      }
    }

    if (retry == RetryClass::never || attempt >= state.retry.max_attempts ||
        !state.quota.take(timed_out, paid)) {
      ++state.counters.failed;
      co_return fail(std::move(error));
    }
    if (!co_await state.pause(backoff(state.retry, attempt, state.chance()))) {
      ++state.counters.failed;
      co_return fail(std::move(error));
    }
    ++attempt;
  }
}

void Client::set_quota_share(double quota_share) {
  if (state_->quota_share == quota_share) return;
  state_->quota_share = quota_share;
  state_->rates.clear();
}

void Client::set_retry(RetrySettings retry) { state_->retry = retry; }

void Client::close(Error why) { state_->closed = std::move(why); }

std::chrono::seconds Client::clock_skew() const { return state_->skew.offset(); }
const ClientCounters& Client::counters() const { return state_->counters; }
const Client::Requests& Client::cloudwatch_requests() const { return state_->requests; }

std::vector<Pace> Client::paces() const {
  std::vector<Pace> paces;
  for (const auto& [name, rate] : state_->rates) {
    const size_t space = name.find(' ');
    std::string what = name.substr(space + 1);
    if (what == "datapoints true") what = "datapoints";
    if (what == "datapoints false") what = "datapoints old";
    paces.push_back(Pace{name.substr(0, space), std::move(what), rate.per_second(), rate.taken()});
  }
  return paces;
}

void Client::forget_region(std::string_view region) {
  const auto of_region = [region](const std::string& name) {
    return name.size() > region.size() && name.starts_with(region) && name[region.size()] == ' ';
  };
  for (const auto& [name, gate] : state_->gates) {
    if (of_region(name) && (gate->running > 0 || gate->paced > 0 || !gate->waiting.empty())) return;
  }
  std::erase_if(state_->gates, [&](const auto& entry) { return of_region(entry.first); });
  std::erase_if(state_->rates, [&](const auto& entry) { return of_region(entry.first); });
}

size_t Client::waiting_for_quota(std::string_view region, std::string_view service) const {
  const auto gate = state_->gates.find(gate_name(region, service));
  return gate == state_->gates.end() ? 0 : gate->second->paced;
}

CredentialsProvider* Client::credentials() const { return state_->credentials; }
Spoken& Client::spoken() const { return *state_->spoken; }
int64_t Client::now() const { return unix_seconds(state_->clock()); }

std::string Client::endpoint_of(std::string_view service, std::string_view region) const {
  const auto endpoint = resolve_endpoint(service, region, state_->endpoints);
  return endpoint ? endpoint->url : std::string();
}

}  // namespace bakusoku::aws
