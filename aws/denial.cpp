#include "aws/denial.h"

#include <algorithm>
#include <array>

#include "aws/endpoint.h"
#include "aws/retry.h"

namespace bakusoku::aws {
namespace {

struct Words {
  std::string_view words;
  Denial means;
};

// As AWS names the kind of policy, after "with an explicit deny in a" or "because no".
constexpr std::array<Words, 6> kPolicies{{
    {"service control policy", Denial::organization},
    {"resource control policy", Denial::organization},
    {"permissions boundary", Denial::permissions_boundary},
    {"session policy", Denial::session_policy},
    {"VPC endpoint policy", Denial::vpc_endpoint},
    {"resource-based policy", Denial::resource_policy},
}};

constexpr std::array<std::string_view, 3> kRegionOff{"RegionDisabledException", "RegionDisabled",
                                                     "OptInRequired"};

// AWS guide "AWS Regions": those that are enabled by default.
constexpr std::array<std::string_view, 17> kAlwaysEnabled{
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1",   "eu-central-1",   "eu-north-1",     "eu-west-1",  "eu-west-2",      "eu-west-3",
    "sa-east-1",      "us-east-1",      "us-east-2",      "us-west-1",  "us-west-2"};

template <size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& among) {
  return std::find(among.begin(), among.end(), text) != among.end();
}

std::string enable(std::string_view region) {
  return fmt::format("Enable {} in the account (AWS Regions), or leave it out", region);
}

}  // namespace

bool is_always_enabled(std::string_view region) {
  return partition_of(region) != "aws" || one_of(region, kAlwaysEnabled);
}

Denial denial_of(std::string_view code, std::string_view words) {
  if (one_of(code, kRegionOff)) return Denial::region_off;
  if (!is_missing_permission(code)) return Denial::credentials;
  for (const Words& policy : kPolicies) {
    if (words.find(policy.words) != std::string_view::npos) return policy.means;
  }
  return words.find("explicit deny") != std::string_view::npos ? Denial::explicit_deny : Denial::permission;
}

std::string advice_for(Denial denial, std::string_view code, const DeniedCall& call) {
  switch (denial) {
    case Denial::permission:
      return fmt::format("Allow {} for {}", call.permission, call.who);
    case Denial::explicit_deny:
      return fmt::format("A policy of {} denies {} explicitly: change that statement; allowing does not help",
                         call.who, call.permission);
    case Denial::organization:
      return fmt::format(
          "A policy of the AWS organization forbids it: allowing {} in the account does not help. Whoever "
          "manages the organization can change the policy; or leave {} out",
          call.permission, call.region);
    case Denial::permissions_boundary:
      return fmt::format(
          "The permissions boundary of {} does not allow {}: change the boundary; allowing "
          "elsewhere does not help",
          call.who, call.permission);
    case Denial::session_policy:
      return fmt::format(
          "The session policy that {} was given does not allow {}: change it where the role is "
          "assumed",
          call.who, call.permission);
    case Denial::vpc_endpoint:
      return fmt::format(
          "The policy of the VPC endpoint does not allow {}: change that policy; allowing it for "
          "{} does not help",
          call.permission, call.who);
    case Denial::resource_policy:
      return fmt::format("The policy of the resource itself does not allow {} for {}: change that policy",
                         call.permission, call.who);
    case Denial::region_off:
      if (code == "RegionDisabledException" || code == "RegionDisabled") {
        return fmt::format(
            "STS is switched off in {}: set sts_region in [aws] to another region, or activate "
            "STS there (IAM, Account settings)",
            call.region);
      }
      return enable(call.region);
    case Denial::credentials:
      break;
  }
  const bool of_the_key = code == "AuthFailure" || code == "InvalidClientTokenId" ||
                          code == "UnrecognizedClientException" || code == "UnrecognizedClient";
  if (of_the_key && !call.works_in.empty() && !is_always_enabled(call.region)) {
    return fmt::format(
        "The region is probably not enabled: {} has taken these credentials. {}. Else check {}",
        call.works_in, enable(call.region), call.who);
  }
  if (of_the_key && !is_always_enabled(call.region)) {
    return fmt::format("Check {}, and whether {} is enabled for the account", call.who, call.region);
  }
  return fmt::format("Check {}", call.who);
}

bool closes_region(const Error& error) {
  if (error.kind != ErrorKind::denied || error.code.empty()) return false;
  const Denial denial = denial_of(error.code, error.message);
  return denial == Denial::organization || denial == Denial::region_off;
}

bool blames_credentials(const Error& error) {
  return error.kind == ErrorKind::denied &&
         (error.code.empty() || denial_of(error.code, error.message) == Denial::credentials);
}

}  // namespace bakusoku::aws
