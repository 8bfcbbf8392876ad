// Why AWS refused a call, read from its code and words, and what to do about it. Pure. Sources: IAM user
// guide, "Access denied error messages"; answers seen in public reports.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

enum class Denial {
  permission,            // no policy allows it
  explicit_deny,         // a policy of the caller's denies it
  organization,          // a service control or resource control policy of the organization
  permissions_boundary,  // of the caller
  session_policy,        // given when the role was assumed
  vpc_endpoint,          // the policy of the VPC endpoint that the call took
  resource_policy,       // of what was asked for
  credentials,           // AWS does not take the credentials (in this region)
  region_off,            // the service is switched off in this region, or the region is not enabled
};

/// Of an error whose kind is `denied`.
[[nodiscard]] Denial denial_of(std::string_view code, std::string_view words);

struct DeniedCall {
  std::string_view permission;  // "ec2:DescribeInstances"
  std::string_view who;         // "the credentials from the environment", "role arn:..."
  std::string_view region;
  std::string_view works_in;  // a region that has taken the same credentials; empty: none is known
};

/// One or two sentences: what helps.
[[nodiscard]] std::string advice_for(Denial denial, std::string_view code, const DeniedCall& call);

/// Whether nothing in the account opens the region to this call: the organization's policy denies it there,
/// or the region is off. Lists over all regions go without it.
[[nodiscard]] bool closes_region(const Error& error);

/// Whether the credentials are to blame, or where they come from: these may be mended at any moment.
[[nodiscard]] bool blames_credentials(const Error& error);

/// Whether every account of partition aws has the region from the start.
[[nodiscard]] bool is_always_enabled(std::string_view region);

}  // namespace bakusoku::aws
