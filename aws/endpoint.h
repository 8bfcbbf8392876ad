// Which URL a service of a region is reached at: partitions, FIPS, dual-stack and the standard overrides.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

struct EndpointSettings {
  bool use_fips = false;
  bool use_dualstack = false;
  bool ignore_configured = false;             // AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
  std::string endpoint_url{};                 // AWS_ENDPOINT_URL: for every service
  std::map<std::string, std::string, std::less<>> service_urls{};  // service id ("ec2", "cloudwatch", "sts") -> AWS_ENDPOINT_URL_<SERVICE>
};

struct Endpoint {
  std::string url;             // scheme://host[:port][/path], no trailing slash
  std::string signing_region;  // the region in the credential scope
};

/// The partition of a region: "aws", "aws-cn", "aws-us-gov" (unknown prefixes count as "aws").
[[nodiscard]] std::string_view partition_of(std::string_view region);

/// `service` is the service id as in AWS_ENDPOINT_URL_<SERVICE>, lower case: "ec2", "cloudwatch", "sts". Errors: invalid
/// (a malformed region or override URL, FIPS or dual-stack where the partition has none).
[[nodiscard]] Result<Endpoint> resolve_endpoint(std::string_view service, std::string_view region,
                                                const EndpointSettings& settings);

}  // namespace bakusoku::aws
