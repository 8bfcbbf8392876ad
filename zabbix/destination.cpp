#include "zabbix/destination.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace bakusoku::zabbix {
namespace {

std::string_view trim(std::string_view text) {
  const auto is_space = [](char ch) { return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_host(std::string_view text) {
  constexpr size_t kLongest = 253;
  return !text.empty() && text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '.' ||
           ch == '-' || ch == '_' || ch == ':' || ch == '%';
  });
}

// Calls `take` for each part of `text` between separators; stops at the first error.
template <typename Take>
Result<void> for_each_part(std::string_view text, char separator, Take take) {
  for (;;) {
    const size_t end = std::min(text.find(separator), text.size());
    Result<void> taken = take(trim(text.substr(0, end)));
    if (!taken || end == text.size()) return taken;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  std::string_view host = text;
  std::string_view port;
  bool bad = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    bad = close == std::string_view::npos || text.substr(0, close).find(':') == std::string_view::npos;
    if (!bad) {
      host = text.substr(1, close - 1);
      port = text.substr(close + 1);
    }
  } else if (const size_t colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!bad && !port.empty()) {
    const char* end = port.data() + port.size();
    const auto parsed = std::from_chars(port.data() + 1, end, endpoint.port);
    bad = port.front() != ':' || parsed.ec != std::errc() || parsed.ptr != end || endpoint.port == 0;
  }
  if (bad || !is_host(host)) {
    return fail(
        ErrorKind::invalid,
        "\"{}\" is no address: write HOST, HOST:PORT or [IPV6]:PORT, such as zabbix.example.com:10051", text);
  }
  endpoint.host = host;
  return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
  return endpoint.host.find(':') == std::string::npos ? fmt::format("{}:{}", endpoint.host, endpoint.port)
                                                      : fmt::format("[{}]:{}", endpoint.host, endpoint.port);
}

Alternatives::Alternatives(std::vector<Endpoint> endpoints, std::chrono::milliseconds longest)
    : endpoints_(std::move(endpoints)), longest_(longest) {}

std::vector<Endpoint> Alternatives::endpoints(std::string_view host, Time now) const {
  const auto route = routes_.find(host);
  if (route == routes_.end() || route->second.left || failed_lately(route->second.endpoint, now))
    return endpoints_;
  std::vector<Endpoint> all{route->second.endpoint};
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint != all.front()) all.push_back(endpoint);
  }
  return all;
}

void Alternatives::failed(const Endpoint& endpoint) {
  if (endpoint == current()) std::rotate(endpoints_.begin(), endpoints_.begin() + 1, endpoints_.end());
}

void Alternatives::failed(const Endpoint& endpoint, Time now) {
  failed(endpoint);
  // An address that is of no use any more has nobody to forget it.
  std::erase_if(failures_, [&](const auto& each) { return now - each.second.at > 4 * longest_; });
  Failure& failure = failures_[to_string(endpoint)];
  // Those who ask at the same time find the same out.
  if (failure.avoided.count() != 0 && now - failure.at < failure.avoided) return;
  failure.at = now;
  failure.avoided = failure.avoided.count() == 0 ? std::min<std::chrono::milliseconds>(kAvoided, longest_)
                                                 : std::min(2 * failure.avoided, longest_);
}

void Alternatives::answered(const Endpoint& endpoint) {
  if (!failures_.empty()) failures_.erase(to_string(endpoint));
}

bool Alternatives::failed_lately(const Endpoint& endpoint, Time now) const {
  if (failures_.empty()) return false;
  const auto known = failures_.find(to_string(endpoint));
  return known != failures_.end() && now - known->second.at < known->second.avoided;
}

const Endpoint* Alternatives::route(std::string_view host) const {
  const auto known = routes_.find(host);
  return known == routes_.end() || known->second.left ? nullptr : &known->second.endpoint;
}

bool Alternatives::is_older(std::string_view host, const Redirect& redirect) const {
  const auto known = routes_.find(host);
  return !redirect.reset && known != routes_.end() && redirect.revision < known->second.revision;
}

Result<void> Alternatives::follow(std::string_view host, const Endpoint& from, const Redirect& redirect,
                                  Time now) {
  const auto known = routes_.find(host);
  if (redirect.reset) {
    if (known != routes_.end() && !known->second.left && known->second.endpoint == from) {
      known->second.left = true;
    } else {
      failed(from);
    }
    return {};
  }
  auto endpoint = parse_endpoint(redirect.address);
  if (!endpoint) return fail(endpoint.error().with_context("Zabbix's redirect"));
  if (is_older(host, redirect)) {
    return fail(
        ErrorKind::invalid,
        "Zabbix at {} redirects host {} to {}, which is older (revision {}) than its redirect to {} ({})",
        to_string(from), host, redirect.address, redirect.revision, to_string(known->second.endpoint),
        known->second.revision);
  }
  redirects_ = true;
  routes_.insert_or_assign(std::string(host), Route{*endpoint, redirect.revision});
  if (failed_lately(*endpoint, now)) {
    return fail(
        ErrorKind::unavailable,
        "Zabbix at {} redirects host {} to {}, which did not answer a moment ago; is that proxy of the "
        "group running and reachable from here?",
        to_string(from), host, redirect.address);
  }
  return {};
}

void Alternatives::belongs(std::string_view host, const Endpoint& by) {
  const auto known = routes_.find(host);
  if (known == routes_.end() || (!known->second.left && known->second.endpoint == by)) return;
  known->second.endpoint = by;
  known->second.left = false;
}

void Alternatives::forget(std::string_view host) {
  if (const auto known = routes_.find(host); known != routes_.end()) routes_.erase(known);
}

Result<std::vector<Alternatives>> parse_destinations(std::string_view text) {
  std::vector<Alternatives> destinations;
  std::vector<Endpoint> seen;
  Result<void> parsed = for_each_part(text, ',', [&](std::string_view cluster) -> Result<void> {
    std::vector<Endpoint> endpoints;
    Result<void> taken = for_each_part(cluster, ';', [&](std::string_view written) -> Result<void> {
      auto endpoint = parse_endpoint(written);
      if (!endpoint) return fail(endpoint.error());
      if (std::find(seen.begin(), seen.end(), *endpoint) != seen.end()) {
        return fail(ErrorKind::invalid, "{} is written twice", to_string(*endpoint));
      }
      seen.push_back(*endpoint);
      endpoints.push_back(std::move(*endpoint));
      return {};
    });
    if (!taken) return taken;
    destinations.emplace_back(std::move(endpoints));
    return {};
  });
  if (!parsed) return fail(parsed.error());
  return destinations;
}

}  // namespace bakusoku::zabbix
