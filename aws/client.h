// One account's way to AWS: takes a call (service, region, encoded body), signs, sends, retries what may be
// retried, keeps within a share of the quotas and to a number of calls at once, so that an account that hangs
// leaves connections to the others, corrects a skewed clock, and turns AWS's error bodies into Errors. Lives
// on the agent's io_context.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "aws/retry.h"
#include "aws/spoken.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::aws {

enum class Protocol { query, ec2, json10, json11, rpc_cbor };
[[nodiscard]] std::string_view content_type(Protocol protocol);

/// One API call, encoded and not yet signed.
struct Call {
  std::string service;       // service id: "ec2", "cloudwatch", "sts"
  std::string signing_name;  // "ec2", "monitoring", "sts"
  std::string region;
  std::string action;  // "DescribeInstances": for messages and, with JSON and CBOR, the target
  Protocol protocol = Protocol::query;
  std::string target{};  // JSON and CBOR: the service's, "GraniteServiceVersion20100801"
  std::string body{};
  bool sign = true;                          // AssumeRoleWithWebIdentity is sent unsigned
  std::chrono::milliseconds timeout{20000};  // of one attempt
  std::string permission{};                  // "ec2:DescribeInstances"; empty: service:action
  uint64_t datapoints = 0;          // that the answer is estimated to hold; 0: not a call that AWS counts so
  int64_t datapoints_from = 0;      // unix seconds of the oldest of them
  uint32_t* carried_out = nullptr;  // counts the attempts that AWS carried out, as far as can be known
  Heard* heard = nullptr;  // of a call in CBOR: what the newest reply says of whether it is spoken there
};

struct ClientCounters {
  uint64_t calls = 0;     // as asked for
  uint64_t attempts = 0;  // as sent
  uint64_t throttled = 0;
  uint64_t paced = 0;  // attempts that waited for their turn at our share of the quota
  uint64_t failed = 0;
};

/// Of one client, to one service of one region; others wait for their turn.
inline constexpr size_t kMostCallsInFlight = 32;

/// How an account goes on at one of AWS's quotas.
struct Pace {
  std::string region{};
  std::string what{};  // "cloudwatch GetMetricData", or "datapoints" (recent ones), "datapoints old"
  double limit = 0;    // a second: our share, less while AWS throttles
  double taken = 0;    // in all
};

class Client {
 public:
  /// `http` and `credentials` outlive the client; `credentials` may be null for unsigned calls only. The
  /// client outlives its calls. `quota_share` of AWS's quotas is used, above 0 up to 1 (aws/call_rate.h).
  /// `spoken`: what is known of endpoints, shared with other clients; null: its own. `account`: its name for
  /// the log; empty: the default one.
  Client(asio::io_context& io, Http& http, CredentialsProvider* credentials, EndpointSettings endpoints,
         RetrySettings retry, Clock clock, double quota_share = 0.5, std::shared_ptr<Spoken> spoken = nullptr,
         std::string account = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The body of a 2xx reply. Each attempt is a line of the log at level debug. Errors carry AWS's code and
  /// words, the region and the action; `denied` names the permission.
  [[nodiscard]] asio::awaitable<Result<std::string>> send(Call call);

  /// From now on calls are paced by this share of the quotas.
  void set_quota_share(double quota_share);
  /// From now on attempts end and are made again by this.
  void set_retry(RetrySettings retry);
  /// From now on every call ends at once with this error; those under way go on.
  void close(Error why);

  /// Server time minus ours, as learnt from replies; zero until a reply showed a skew worth correcting.
  [[nodiscard]] std::chrono::seconds clock_skew() const;
  [[nodiscard]] const ClientCounters& counters() const;
  /// The requests to CloudWatch that AWS carried out, as far as can be known, by region and action: those
  /// that it did not answer with an error.
  using Requests = std::map<std::pair<std::string, std::string>, uint64_t>;
  [[nodiscard]] const Requests& cloudwatch_requests() const;
  [[nodiscard]] std::vector<Pace> paces() const;
  /// Calls to a service of a region that wait now because our share of a quota is used up.
  [[nodiscard]] size_t waiting_for_quota(std::string_view region, std::string_view service) const;
  [[nodiscard]] CredentialsProvider* credentials() const;
  /// Which protocol the endpoints of CloudWatch speak.
  [[nodiscard]] Spoken& spoken() const;
  /// Where calls to a service go: its endpoint's URL; empty when there is none.
  [[nodiscard]] std::string endpoint_of(std::string_view service, std::string_view region) const;
  [[nodiscard]] int64_t now() const;  // unix seconds
  /// Nobody asks for that region any more: what is kept of its pace goes, unless a call is under way.
  void forget_region(std::string_view region);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bakusoku::aws
