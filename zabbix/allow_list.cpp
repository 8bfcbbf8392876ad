#include "zabbix/allow_list.h"

#include <arpa/inet.h>

#include <algorithm>

namespace bakusoku::zabbix {
namespace {

constexpr size_t kMaxNameBytes = 253;
constexpr unsigned kIpv4InIpv6Bits = 96;

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char ch) { return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

std::optional<unsigned> parse_prefix(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 3 || !std::all_of(text.begin(), text.end(), is_digit))
    return std::nullopt;
  unsigned bits = 0;
  for (const char ch : text) bits = bits * 10 + static_cast<unsigned>(ch - '0');
  if (bits > most) return std::nullopt;
  return bits;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes || text.front() == '-' || text.front() == '.') return false;
  // Digits and dots alone are a mistyped address.
  if (std::all_of(text.begin(), text.end(), [](char ch) { return is_digit(ch) || ch == '.'; })) return false;
  return std::all_of(text.begin(), text.end(), [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || is_digit(ch) || ch == '-' || ch == '.' ||
           ch == '_';
  });
}

// ::a.b.c.d becomes ::ffff:a.b.c.d; :: and ::1 are addresses of their own.
void unify_ipv4(IpAddress& address) {
  auto& bytes = address.bytes;
  const bool compatible =
      std::all_of(bytes.begin(), bytes.begin() + 12, [](uint8_t byte) { return byte == 0; });
  const bool own = bytes[12] == 0 && bytes[13] == 0 && bytes[14] == 0 && bytes[15] <= 1;
  if (compatible && !own) bytes[10] = bytes[11] = 0xFF;
}

bool same_network(const IpAddress& left, const IpAddress& right, unsigned bits) {
  const size_t whole = bits / 8;
  if (!std::equal(left.bytes.begin(), left.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  right.bytes.begin())) {
    return false;
  }
  if (bits % 8 == 0) return true;
  const unsigned mask = 0xFFu << (8 - bits % 8) & 0xFFu;
  return ((left.bytes[whole] ^ right.bytes[whole]) & mask) == 0;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const bool ipv6 = text.find(':') != std::string_view::npos;
  const std::string plain(ipv6 ? text.substr(0, text.find('%')) : text);
  if (plain.find('\0') != std::string::npos) return std::nullopt;
  IpAddress address;
  if (ipv6) {
    if (::inet_pton(AF_INET6, plain.c_str(), address.bytes.data()) != 1) return std::nullopt;
  } else {
    address.bytes[10] = address.bytes[11] = 0xFF;
    if (::inet_pton(AF_INET, plain.c_str(), address.bytes.data() + 12) != 1) return std::nullopt;
  }
  return address;
}

Result<AllowList> AllowList::parse(std::string_view list) {
  AllowList result;
  if (trimmed(list).empty()) return result;
  for (;;) {
    const size_t comma = list.find(',');
    const std::string_view entry = trimmed(list.substr(0, comma));
    if (entry.empty()) return fail(ErrorKind::invalid, "an empty entry in the list of allowed peers");
    const size_t slash = entry.find('/');
    const std::string_view host = entry.substr(0, slash);
    if (auto address = IpAddress::parse(host); address && host.find('%') == std::string_view::npos) {
      const bool ipv4 = host.find(':') == std::string_view::npos;
      unsigned bits = 128;
      if (slash != std::string_view::npos) {
        const unsigned most = ipv4 ? 32 : 128;
        const auto prefix = parse_prefix(entry.substr(slash + 1), most);
        if (!prefix) {
          return fail(ErrorKind::invalid,
                      "'{}' in the list of allowed peers: the prefix after '/' is a number from 0 to {}",
                      entry, most);
        }
        bits = ipv4 ? *prefix + kIpv4InIpv6Bits : *prefix;
      }
      if (bits >= kIpv4InIpv6Bits) unify_ipv4(*address);
      result.networks_.push_back(Network{*address, bits});
    } else if (slash == std::string_view::npos && is_host_name(host)) {
      result.names_.emplace_back(host);
    } else {
      return fail(ErrorKind::invalid,
                  "'{}' in the list of allowed peers is no address, network (ADDRESS/BITS) or host name",
                  entry);
    }
    if (comma == std::string_view::npos) return result;
    list.remove_prefix(comma + 1);
  }
}

bool AllowList::allows(const IpAddress& address) const {
  IpAddress peer = address;
  unify_ipv4(peer);
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return same_network(network.address, peer, network.prefix_bits);
  });
}

}  // namespace bakusoku::zabbix
