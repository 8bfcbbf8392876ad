// The simulated AWS Organizations, API 2016-11-28, in AWS JSON 1.1: ListAccounts. Its members are
// world.organization accounts beside the management account, which is kAccount. Pure.
#pragma once

#include <string>
#include <string_view>

#include "simaws/api.h"
#include "simaws/fleet.h"

namespace bakusoku::simaws {

inline constexpr const char* kOrganizationsTarget = "AWSOrganizationsV20161128";
/// Organizations has one endpoint; calls are signed for its region.
inline constexpr const char* kOrganizationsRegion = "us-east-1";

/// The id of the member at `index`, counted from 0: 200000000001 and so on.
[[nodiscard]] std::string member_account(size_t index);
[[nodiscard]] bool is_suspended(size_t index);
/// Whether the account is a suspended member of the world's organization.
[[nodiscard]] bool is_suspended_member(const World& world, std::string_view account);

/// The body of a successful reply.
[[nodiscard]] ApiResult<std::string> call_organizations(const World& world, const Call& call);

}  // namespace bakusoku::simaws
