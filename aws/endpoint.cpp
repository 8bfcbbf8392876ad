#include "aws/endpoint.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace bakusoku::aws {
namespace {

struct Partition {
  std::string_view name;
  std::string_view prefix;  // of its regions
  std::string_view dns_suffix;
  std::string_view dualstack_suffix;  // empty: no dual-stack
  std::string_view default_region;
};

// Longer prefixes first: "us-gov-" and "us-iso-" would otherwise never be reached. The last row is for all
// others.
constexpr std::array<Partition, 8> kPartitions{{
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-north-1"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws", "us-gov-west-1"},
    {"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-de-east-1"},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "", "us-isob-east-1"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "", "eu-isoe-west-1"},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "", "us-isof-south-1"},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "", "us-iso-east-1"},
    {"aws", "", "amazonaws.com", "api.aws", "us-east-1"},
}};

struct Service {
  std::string_view id;
  std::string_view host;      // first label of the host name
  bool fips_in_gov_is_plain;  // GovCloud's ordinary endpoints of this service are the FIPS ones
};
constexpr std::array<Service, 3> kServices{{
    {"ec2", "ec2", true},
    {"cloudwatch", "monitoring", true},
    {"sts", "sts", true},
}};

const Partition& find_partition(std::string_view region) {
  for (const Partition& partition : kPartitions) {
    if (region.starts_with(partition.prefix)) return partition;
  }
  return kPartitions.back();
}

Service find_service(std::string_view id) {
  for (const Service& service : kServices) {
    if (service.id == id) return service;
  }
  return Service{id, id, false};
}

bool is_host_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// What of a URL may be repeated in a message: one with a user part may hold a password.
std::string_view shown(std::string_view url) {
  return url.find('@') == std::string_view::npos ? url.substr(0, 200) : "(with a user part)";
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool is_authority(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    const std::string_view address = authority.substr(1, close - 1);
    if (address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
    const std::string_view rest = authority.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const size_t colon = authority.find(':');
  const std::string_view host = authority.substr(0, colon);
  if (host.empty() || host.size() > 253) return false;
  const bool host_bytes = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
  return host_bytes && (colon == std::string_view::npos || is_port(authority.substr(colon + 1)));
}

}  // namespace

std::string_view partition_of(std::string_view region) {
  // Pseudo-regions of AWS's tools are named after the partition itself.
  for (const Partition& partition : kPartitions) {
    if (region.size() == partition.name.size() + 7 && region.starts_with(partition.name) &&
        region.ends_with("-global")) {
      return partition.name;
    }
  }
  return find_partition(region).name;
}

std::string_view default_region_of(std::string_view name) {
  for (const Partition& partition : kPartitions) {
    if (partition.name == name) return partition.default_region;
  }
  return kPartitions.back().default_region;
}

Result<void> check_region(std::string_view region) {
  if (is_host_label(region)) return {};
  if (region.empty()) {
    return fail(ErrorKind::invalid,
                "no AWS region: set AWS_REGION, or region in the profile or in Bakusoku's configuration");
  }
  return fail(ErrorKind::invalid, "'{}' is not an AWS region: a region is written like eu-west-1",
              region.substr(0, 80));
}

Result<std::string> check_endpoint_url(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(ErrorKind::invalid, "endpoint URL '{}' must start with https:// or http://", shown(url));
  }
  if (rest.find('@') != std::string_view::npos) {
    return fail(ErrorKind::invalid,
                "an endpoint URL must not hold a user or password: give scheme, host, port and path only");
  }
  if (url.find_first_of("?#") != std::string_view::npos) {
    return fail(ErrorKind::invalid,
                "endpoint URL '{}' must not have a query or fragment: give scheme, host, port and path only",
                shown(url));
  }
  const bool printable = std::all_of(url.begin(), url.end(),
                                     [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
  if (!printable)
    return fail(ErrorKind::invalid, "an endpoint URL holds blanks, quotes or bytes that are not ASCII");
  if (!is_authority(rest.substr(0, rest.find('/')))) {
    return fail(ErrorKind::invalid, "endpoint URL '{}' has no valid host and port", shown(url));
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

Result<Endpoint> resolve_endpoint(std::string_view service_id, std::string_view region,
                                  const EndpointSettings& settings) {
  if (const auto checked = check_region(region); !checked) return fail(checked.error());
  if (!is_host_label(service_id))
    return fail(ErrorKind::invalid, "'{}' is not an AWS service id", service_id.substr(0, 80));
  Endpoint endpoint{{}, std::string(region)};

  std::string_view configured;
  if (!settings.ignore_configured) {
    const auto own = settings.service_urls.find(service_id);
    configured =
        own != settings.service_urls.end() && !own->second.empty() ? own->second : settings.endpoint_url;
  }
  if (!configured.empty()) {
    if (settings.use_fips || settings.use_dualstack) {
      return fail(ErrorKind::invalid,
                  "{}: a configured endpoint URL and {} exclude each other: unset {}, or set "
                  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
                  service_id, settings.use_fips ? "FIPS endpoints" : "dual-stack endpoints",
                  settings.use_fips ? "AWS_USE_FIPS_ENDPOINT (use_fips_endpoint)"
                                    : "AWS_USE_DUALSTACK_ENDPOINT (use_dualstack_endpoint)");
    }
    auto url = check_endpoint_url(configured);
    if (!url) return fail(url.error().with_context(service_id));
    endpoint.url = std::move(*url);
    return endpoint;
  }

  const Service service = find_service(service_id);
  if (service.id == "sts" && region == "aws-global" && !settings.use_fips && !settings.use_dualstack) {
    return Endpoint{"https://sts.amazonaws.com", "us-east-1"};
  }
  const std::string_view name = partition_of(region);
  const auto partition = std::find_if(kPartitions.begin(), kPartitions.end(),
                                      [&](const Partition& row) { return row.name == name; });
  if (settings.use_dualstack && partition->dualstack_suffix.empty()) {
    return fail(
        ErrorKind::invalid,
        "region {} is in partition {}, which has no dual-stack endpoints: unset AWS_USE_DUALSTACK_ENDPOINT "
        "(use_dualstack_endpoint)",
        region, name);
  }
  const bool plain_is_fips = service.fips_in_gov_is_plain && name == "aws-us-gov" && !settings.use_dualstack;
  endpoint.url =
      fmt::format("https://{}{}.{}.{}", service.host, settings.use_fips && !plain_is_fips ? "-fips" : "",
                  region, settings.use_dualstack ? partition->dualstack_suffix : partition->dns_suffix);
  return endpoint;
}

}  // namespace bakusoku::aws
