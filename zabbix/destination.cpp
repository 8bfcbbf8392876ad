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

Alternatives::Alternatives(std::vector<Endpoint> endpoints) {
  places_.reserve(endpoints.size());
  for (Endpoint& endpoint : endpoints) places_.push_back({std::move(endpoint), 0});
}

std::vector<Endpoint> Alternatives::endpoints() const {
  std::vector<Endpoint> all;
  all.reserve(places_.size());
  for (const Place& place : places_) all.push_back(place.endpoint);
  return all;
}

void Alternatives::failed(const Endpoint& endpoint) {
  if (endpoint == current()) std::rotate(places_.begin(), places_.begin() + 1, places_.end());
}

Result<void> Alternatives::follow(const Redirect& redirect) {
  if (redirect.reset) {
    failed(current());
    return {};
  }
  auto endpoint = parse_endpoint(redirect.address);
  if (!endpoint) return fail(endpoint.error().with_context("Zabbix's redirect"));
  const auto known =
      std::find_if(places_.begin(), places_.end(), [](const Place& place) { return place.revision != 0; });
  if (known == places_.end()) {
    places_.insert(places_.begin(), Place{std::move(*endpoint), redirect.revision});
    return {};
  }
  if (redirect.revision < known->revision) {
    return fail(ErrorKind::invalid, "Zabbix's redirect to {} is older (revision {}) than that to {} ({})",
                redirect.address, redirect.revision, to_string(known->endpoint), known->revision);
  }
  *known = Place{std::move(*endpoint), redirect.revision};
  std::rotate(places_.begin(), known, known + 1);
  return {};
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
