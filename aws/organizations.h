// AWS Organizations: the call that lists an organization's accounts. Types and codec are in
// organizations_codec.h.
#pragma once

#include <asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "aws/client.h"
#include "aws/organizations_codec.h"
#include "base/result.h"

namespace bakusoku::aws::organizations {

/// Organizations is one service for a whole partition; the region that it is called in.
[[nodiscard]] std::string home_region(std::string_view region);

/// Every page of it. Only the management account and delegated administrators may ask.
[[nodiscard]] asio::awaitable<Result<std::vector<Account>>> list_accounts(Client& client, std::string region);

}  // namespace bakusoku::aws::organizations
