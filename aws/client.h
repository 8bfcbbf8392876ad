// One account's way to AWS: takes a call (service, region, encoded body), signs, sends, retries what may be
// retried, corrects a skewed clock, and turns AWS's error bodies into Errors. Lives on the agent's
// io_context.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "aws/retry.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::aws {

enum class Protocol { query, ec2, json10, json11 };
[[nodiscard]] std::string_view content_type(Protocol protocol);

/// One API call, encoded and not yet signed.
struct Call {
  std::string service;       // service id: "ec2", "cloudwatch", "sts"
  std::string signing_name;  // "ec2", "monitoring", "sts"
  std::string region;
  std::string action;  // "DescribeInstances": for messages and, with JSON, the target
  Protocol protocol = Protocol::query;
  std::string target_prefix{};  // JSON only: "GraniteServiceVersion20100801"
  std::string body{};
  bool sign = true;                          // AssumeRoleWithWebIdentity is sent unsigned
  std::chrono::milliseconds timeout{20000};  // of one attempt
  std::string permission{};                  // "ec2:DescribeInstances"; empty: service:action
};

struct ClientCounters {
  uint64_t calls = 0;     // as asked for
  uint64_t attempts = 0;  // as sent
  uint64_t throttled = 0;
  uint64_t failed = 0;
};

class Client {
 public:
  /// `http` and `credentials` outlive the client; `credentials` may be null for unsigned calls only. The
  /// client outlives its calls.
  Client(asio::io_context& io, Http& http, CredentialsProvider* credentials, EndpointSettings endpoints,
         RetrySettings retry, Clock clock);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The body of a 2xx reply. Errors carry AWS's code and words, the region and the action; `denied` names
  /// the permission.
  [[nodiscard]] asio::awaitable<Result<std::string>> send(Call call);

  /// Server time minus ours, as learnt from replies; zero until a reply showed a skew worth correcting.
  [[nodiscard]] std::chrono::seconds clock_skew() const;
  [[nodiscard]] const ClientCounters& counters() const;
  [[nodiscard]] CredentialsProvider* credentials() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bakusoku::aws
