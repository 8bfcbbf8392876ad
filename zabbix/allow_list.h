// Who may ask: a list in the form of Zabbix's `Server=`, addresses, networks and host names, separated by
// commas. An IPv4 address is the same as its IPv6 forms ::ffff:a.b.c.d and ::a.b.c.d, as in Zabbix; 0.0.0.0/0
// is every IPv4 address, ::/0 everyone. Names are kept apart: whoever has a resolver compares what they
// resolve to. Pure values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::zabbix {

/// An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  /// Nothing when `text` is no address. A zone ("fe80::1%eth0") is left out.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

class AllowList {
 public:
  /// Fails (`invalid`) naming the entry. An empty list allows nobody.
  [[nodiscard]] static Result<AllowList> parse(std::string_view list);

  /// Whether an address or network of the list holds `address`; host names are not looked at.
  [[nodiscard]] bool allows(const IpAddress& address) const;
  /// The list's host names, in its order, for the caller to resolve.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  struct Network {
    IpAddress address{};
    unsigned prefix_bits = 128;
  };
  std::vector<Network> networks_{};
  std::vector<std::string> names_{};
};

}  // namespace bakusoku::zabbix
