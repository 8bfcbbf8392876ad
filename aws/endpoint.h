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
  bool ignore_configured =
      false;                   // AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: the two fields below are not looked at
  std::string endpoint_url{};  // AWS_ENDPOINT_URL: for every service
  std::map<std::string, std::string, std::less<>>
      service_urls{};  // service id ("ec2", "cloudwatch", "sts") -> AWS_ENDPOINT_URL_<SERVICE>
};

struct Endpoint {
  std::string url;             // scheme://host[:port][/path], no trailing slash
  std::string signing_region;  // the region in the credential scope
};

/// The partition of a region, by its prefix: "aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso",
/// "aws-iso-b", "aws-iso-e", "aws-iso-f" (unknown prefixes count as "aws").
[[nodiscard]] std::string_view partition_of(std::string_view region);

/// A region of `partition` that always has STS, for calls that no region was configured for: "us-east-1",
/// "cn-north-1", ...
[[nodiscard]] std::string_view default_region_of(std::string_view partition);

/// Nothing if `region` is written like one, or is a pseudo-region such as "aws-global"; else invalid, with
/// what was probably meant: "eu-west-1a" is a zone, "eu-west1" lacks a dash.
[[nodiscard]] Result<void> check_region(std::string_view region);

/// `url` without trailing slashes. Errors: invalid (not http or https, no host, a user, a query, bytes that
/// no URL has); none repeats a part of the URL.
[[nodiscard]] Result<std::string> check_endpoint_url(std::string_view url);

/// `service` is the service id as in AWS_ENDPOINT_URL_<SERVICE>, lower case: "ec2", "cloudwatch", "sts".
/// Errors: invalid (a malformed region or override URL, FIPS or dual-stack together with an override).
/// Source: the endpoint rule sets that AWS publishes with its SDKs.
[[nodiscard]] Result<Endpoint> resolve_endpoint(std::string_view service, std::string_view region,
                                                const EndpointSettings& settings);

}  // namespace bakusoku::aws
