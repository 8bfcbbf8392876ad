// Where values go: Zabbix's `ServerActive=`,
//
//   a:10051;b,c     two destinations, each gets everything: the cluster of a and b, and c
//
// Servers of a high-availability cluster are alternatives, tried in their order: the standby refuses
// connections. The one that works is remembered, the one that fails goes to the end. A proxy of a group may
// redirect, host by host, to another proxy; Alternatives follows as Zabbix's own agent does. IPv6 addresses
// stand in brackets when a port follows. Pure values.
#pragma once

#include <cstdint>
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

/// The endpoints of one destination, the one to try first in front.
class Alternatives {
 public:
  /// At least one endpoint.
  explicit Alternatives(std::vector<Endpoint> endpoints);

  [[nodiscard]] const Endpoint& current() const { return places_.front().endpoint; }
  [[nodiscard]] size_t size() const { return places_.size(); }
  /// Every endpoint once, the current one first.
  [[nodiscard]] std::vector<Endpoint> endpoints() const;

  /// `endpoint` did not answer, or refused as a standby does: the next one's turn, unless somebody else has
  /// found that out before.
  void failed(const Endpoint& endpoint);

  /// What a proxy said. Once followed, ask again, at once and only once. Fails when the redirect is older
  /// than the one followed before, or its address cannot be read: then it is an error like any other.
  [[nodiscard]] Result<void> follow(const Redirect& redirect);

  friend bool operator==(const Alternatives&, const Alternatives&) = default;

 private:
  struct Place {
    Endpoint endpoint{};
    uint64_t revision = 0;  // of the redirect that named it; 0: configured
    friend bool operator==(const Place&, const Place&) = default;
  };
  std::vector<Place> places_;
};

/// The destinations of a `ServerActive=` text, in its order. Fails (`invalid`) naming the entry; so does an
/// endpoint written twice.
[[nodiscard]] Result<std::vector<Alternatives>> parse_destinations(std::string_view text);

}  // namespace bakusoku::zabbix
