// Where values go: Zabbix's `ServerActive=`,
//
//   a:10051;b,c     two destinations, each gets everything: the cluster of a and b, and c
//
// Servers of a high-availability cluster are alternatives, tried in their order: the standby refuses
// connections. The one that works is remembered, the one that fails goes to the end. A proxy of a group may
// redirect, host by host, to another proxy: such hosts have an endpoint of their own before the common ones,
// as the address list of each of Zabbix's own agents. IPv6 addresses stand in brackets when a port follows.
// Pure values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "zabbix/reply.h"

namespace bakusoku::zabbix {

inline constexpr uint16_t kTrapperPort = 10051;

struct Endpoint {
  std::string host{};  // name or address, without brackets
  uint16_t port = kTrapperPort;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// "zabbix.example.com", "10.0.0.1:10051", "[::1]:10051", "::1". Fails (`invalid`) naming the text.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);
/// The form parse_endpoint() reads, with the port.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

/// The endpoints of one destination, the one to try first in front, and the hosts that have been redirected.
class Alternatives {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// How long an endpoint that did not answer is not asked for other hosts that were redirected to it: at
  /// first kAvoided, so that a short absence costs little more than itself, then doubled up to kLongest.
  static constexpr std::chrono::seconds kAvoided{2};
  static constexpr std::chrono::seconds kLongest{30};

  /// At least one endpoint.
  explicit Alternatives(std::vector<Endpoint> endpoints, std::chrono::milliseconds longest = kLongest);

  [[nodiscard]] const Endpoint& current() const { return endpoints_.front(); }
  [[nodiscard]] size_t size() const { return endpoints_.size(); }
  /// Every common endpoint once, the current one first.
  [[nodiscard]] const std::vector<Endpoint>& endpoints() const { return endpoints_; }
  /// Where to ask for `host`, in this order: where it was redirected to, unless that failed lately, and the
  /// common ones.
  [[nodiscard]] std::vector<Endpoint> endpoints(std::string_view host, Time now) const;

  /// `endpoint` did not answer, or refused as a standby does: the next one's turn, unless somebody else has
  /// found that out before.
  void failed(const Endpoint& endpoint);
  void failed(const Endpoint& endpoint, Time now);
  /// It did answer.
  void answered(const Endpoint& endpoint);
  /// So lately that it is avoided.
  [[nodiscard]] bool failed_lately(const Endpoint& endpoint, Time now) const;

  /// Where `host` was redirected to and belongs since, or null.
  [[nodiscard]] const Endpoint* route(std::string_view host) const;
  /// Whether the redirect of `host` is of an older map of the group than the one that was followed.
  [[nodiscard]] bool is_older(std::string_view host, const Redirect& redirect) const;
  /// What `from` said of `host`. Once followed, ask endpoints() again, at once and only once. Fails when the
  /// redirect is older than the one followed before, its address cannot be read, or that did not answer a
  /// moment ago.
  [[nodiscard]] Result<void> follow(std::string_view host, const Endpoint& from, const Redirect& redirect,
                                    Time now);
  /// `by` answered for `host` itself: the host belongs there, whatever redirect was followed before.
  void belongs(std::string_view host, const Endpoint& by);
  /// Whether any host has ever been redirected: then packets may hold values of one host only, and of the
  /// common endpoints some may not know a host that others know.
  [[nodiscard]] bool redirects() const { return redirects_; }
  /// `host` is not asked for any more, or what was known of its place is not right.
  void forget(std::string_view host);

 private:
  struct Route {
    Endpoint endpoint{};
    uint64_t revision = 0;
    bool left = false;  // reset: the common endpoints are tried first
  };
  struct Failure {
    Time at{};
    std::chrono::milliseconds avoided{};
  };
  std::vector<Endpoint> endpoints_;
  std::chrono::milliseconds longest_;
  std::map<std::string, Route, std::less<>> routes_;
  bool redirects_ = false;
  std::map<std::string, Failure> failures_;  // by to_string()
};

/// The destinations of a `ServerActive=` text, in its order. Fails (`invalid`) naming the entry; so does an
/// endpoint written twice.
[[nodiscard]] Result<std::vector<Alternatives>> parse_destinations(std::string_view text);

}  // namespace bakusoku::zabbix
