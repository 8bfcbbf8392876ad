// The simulator without its sockets: one HTTP request in, one outcome out. It finds out which service is
// addressed, verifies the signature, applies throttling and faults, and counts. One thread; time is a
// parameter.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/secret.h"
#include "simaws/api.h"
#include "simaws/cloudwatch.h"
#include "simaws/ec2.h"
#include "simaws/faults.h"
#include "simaws/fleet.h"
#include "simaws/http.h"
#include "simaws/metadata.h"
#include "simaws/organizations.h"
#include "simaws/signature.h"
#include "simaws/sts.h"
#include "simaws/usage.h"

namespace bakusoku::simaws {

inline constexpr const char* kDefaultAccessKey = "AKIASIMAWS0000000000";
/// Not a secret: the simulator's documented default, good for nothing else.
inline constexpr const char* kDefaultSecretKey = "simaws/not/a/real/secret/0000000000000000";

inline constexpr int64_t kMaxInstances = 10'000'000;
inline constexpr int64_t kMaxLoad = 10'000'000;

struct SimulatorOptions {
  World world{};
  double throttle = 0;  // requests a second for each action, account and region; 0: unlimited
  double quotas = 0;    // the share of AWS's own quotas that is applied; 0: none is
  std::chrono::milliseconds delay{0};
  std::string access_key = kDefaultAccessKey;
  Secret secret_key{kDefaultSecretKey};
  std::string no_cbor{};  // how CloudWatch's CBOR is answered by what does not know it; empty: it is spoken
  int64_t credential_seconds = 0;  // at most this long live temporary credentials; 0: as asked for
  bool imds_v1 = false;            // instance metadata answers without a token too
};

/// How the reply goes out.
enum class Delivery { whole, cut, reset, hang, junk };

struct Outcome {
  Reply reply{};
  Delivery delivery = Delivery::whole;
  std::chrono::milliseconds delay{0};
  // for the log
  std::string service{};
  std::string action{};
  std::string region{};
  std::string error_code{};
  size_t queries = 0;
};

/// What an endpoint without CBOR answers to a call in it: "404", "405", "415", "500", "501", "unknown"
/// (UnknownOperationException), and with status 200 "json", "xml", "html", "empty", and "204"; as emulators
/// and gateways were seen to. Nothing: no such answer.
[[nodiscard]] std::optional<Reply> without_cbor(std::string_view answer);
inline constexpr std::string_view kCborSpoken = "spoken";

class Simulator {
 public:
  Simulator(SimulatorOptions options, Clock clock);
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  [[nodiscard]] Outcome handle(Request request);

  void set_faults(std::vector<FaultRule> rules) { faults_.replace(std::move(rules)); }
  /// What GET /simaws/stats answers.
  [[nodiscard]] std::string stats_json() const;
  void count_connection() { ++connections_; }

 private:
  struct ActionCounters {
    uint64_t calls = 0;
    uint64_t errors = 0;
  };
  struct Bucket {
    double tokens = 0;
    double filled = 0;  // unix seconds
  };

  Reply control(const Request& request);
  ApiResult<Call> identify(const Request& request) const;
  ApiResult<Call> identify_rpc(const Request& request) const;
  void count(const Call& call, std::string_view error, const std::string& counted);
  ApiResult<const Issued*> authenticate(const Request& request, Call& call, int64_t now) const;
  ApiResult<void> throttle(const Call& call);
  [[nodiscard]] std::pair<std::string, std::string> place_of(const Request& request, const Call& call) const;
  Outcome handle_api(Request& request);

  SimulatorOptions options_;
  std::chrono::seconds clock_offset_{0};  // before the clock that adds it
  Clock clock_;
  Vault vault_;
  Metadata metadata_;
  Faults faults_;
  std::map<std::string, Bucket> buckets_;
  std::map<std::string, ActionCounters> calls_;
  std::map<std::string, uint64_t> faults_done_;
  Ec2Counters ec2_;
  CloudWatchCounters cloudwatch_;
  Usage usage_;
  uint64_t requests_ = 0;
  uint64_t connections_ = 0;
};

}  // namespace bakusoku::simaws
