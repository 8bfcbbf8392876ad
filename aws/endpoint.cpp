#include "aws/endpoint.h"

#include <algorithm>
#include <array>

#include "aws/url.h"

namespace bakusoku::aws {
namespace {

struct Partition {
  std::string_view name;
  std::string_view prefix;  // of its regions
  std::string_view dns_suffix;
  std::string_view dualstack_suffix;
  std::string_view default_region;
};

// Longer prefixes first: "us-gov-" and "us-iso-" would otherwise never be reached. The last row is for all
// others.
constexpr std::array<Partition, 8> kPartitions{{
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-north-1"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws", "us-gov-west-1"},
    {"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-de-east-1"},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud", "us-isob-east-1"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe-west-1"},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof-south-1"},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "us-iso-east-1"},
    {"aws", "", "amazonaws.com", "api.aws", "us-east-1"},
}};

struct Service {
  std::string_view id;
  std::string_view host;          // first label of the host name
  bool fips_in_gov_is_plain;      // GovCloud's ordinary endpoints of this service are the FIPS ones,
  bool dualstack_in_gov_as_well;  // those for IPv6 too
};
constexpr std::array<Service, 4> kServices{{
    {"ec2", "ec2", true, false},
    {"cloudwatch", "monitoring", true, true},
    {"sts", "sts", true, false},
    {"organizations", "organizations", true, false},
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
  return Service{id, id, false, false};
}

bool is_host_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// Letters, letters, ..., a number: "eu-west-1", "us-gov-west-1".
bool is_region_name(std::string_view text) {
  size_t words = 0;
  for (;; ++words) {
    const size_t dash = text.find('-');
    const std::string_view word = text.substr(0, dash);
    const bool last = dash == std::string_view::npos;
    const auto fits = [last](char c) { return last ? c >= '0' && c <= '9' : c >= 'a' && c <= 'z'; };
    if (word.empty() || word.size() > 20 || !std::all_of(word.begin(), word.end(), fits)) return false;
    if (last) return words >= 2 && word.size() <= 3;
    text.remove_prefix(dash + 1);
  }
}

bool is_global(std::string_view region) {
  return std::any_of(kPartitions.begin(), kPartitions.end(), [&](const Partition& partition) {
    return region.size() == partition.name.size() + 7 && region.starts_with(partition.name) &&
           region.ends_with("-global");
  });
}

// What was probably meant; empty: no idea.
std::string meant_by(std::string_view text) {
  std::string name;
  for (char c : text.substr(0, 80)) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c > ' ' && c != '"' && c != '\'') name += c == '_' ? '-' : c;
  }
  // "us-east-1-bos-1a" and "eu-west-1a" are zones of a region.
  for (size_t end = name.size(); end > 0; --end) {
    const std::string_view part = std::string_view(name).substr(0, end);
    const bool zone = end == name.size() || name[end] == '-' || (end + 1 == name.size() && name[end] >= 'a');
    if (!zone || !is_region_name(part)) continue;
    if (end == name.size()) return fmt::format("; write {}", part);
    return fmt::format("; it is a zone of the region {}", part);
  }
  const size_t digits = name.find_last_not_of("0123456789") + 1;
  if (digits < name.size()) name.insert(digits, "-");
  return is_region_name(name) ? fmt::format("; write {}", name) : std::string();
}

}  // namespace

std::string_view partition_of(std::string_view region) {
  // Pseudo-regions of AWS's tools are named after the partition itself.
  if (is_global(region)) return region.substr(0, region.size() - 7);
  return find_partition(region).name;
}

std::string_view default_region_of(std::string_view name) {
  for (const Partition& partition : kPartitions) {
    if (partition.name == name) return partition.default_region;
  }
  return kPartitions.back().default_region;
}

Result<void> check_region(std::string_view region) {
  if (is_region_name(region) || is_global(region)) return {};
  if (region.empty()) {
    return fail(ErrorKind::invalid,
                "no AWS region: set AWS_REGION, or region in the profile or in Bakusoku's configuration");
  }
  return fail(ErrorKind::invalid, "'{}' is not an AWS region: a region is written like eu-west-1{}",
              region.substr(0, 80), meant_by(region));
}

Result<std::string> check_endpoint_url(std::string_view url) {
  // What is no URL is not repeated: any part of it may be a password.
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(ErrorKind::invalid, "an endpoint URL must start with https:// or http://");
  }
  if (rest.find('@') != std::string_view::npos) {
    return fail(ErrorKind::invalid,
                "an endpoint URL must not hold a user or password: give scheme, host, port and path only");
  }
  if (url.find_first_of("?#") != std::string_view::npos) {
    return fail(ErrorKind::invalid,
                "an endpoint URL must not have a query or fragment: give scheme, host, port and path only");
  }
  const bool printable = std::all_of(url.begin(), url.end(),
                                     [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
  if (!printable)
    return fail(ErrorKind::invalid, "an endpoint URL holds blanks, quotes or bytes that are not ASCII");
  if (!is_authority(rest.substr(0, rest.find('/')))) {
    return fail(ErrorKind::invalid, "an endpoint URL has no valid host and port");
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

Result<Endpoint> resolve_endpoint(std::string_view service_id, std::string_view region,
                                  const EndpointSettings& settings) {
  if (const auto checked = check_region(region); !checked) return fail(checked.error());
  if (!is_host_label(service_id))
    return fail(ErrorKind::invalid, "'{}' is not an AWS service id", service_id.substr(0, 80));
  Endpoint endpoint{{}, std::string(is_global(region) ? default_region_of(partition_of(region)) : region)};

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
    endpoint.url = "https://sts.amazonaws.com";
    return endpoint;
  }
  const std::string_view name = partition_of(region);
  const auto partition = std::find_if(kPartitions.begin(), kPartitions.end(),
                                      [&](const Partition& row) { return row.name == name; });
  const bool plain_is_fips =
      name == "aws-us-gov" &&
      (settings.use_dualstack ? service.dualstack_in_gov_as_well : service.fips_in_gov_is_plain);
  endpoint.url =
      fmt::format("https://{}{}.{}.{}", service.host, settings.use_fips && !plain_is_fips ? "-fips" : "",
                  region, settings.use_dualstack ? partition->dualstack_suffix : partition->dns_suffix);
  return endpoint;
}

}  // namespace bakusoku::aws
