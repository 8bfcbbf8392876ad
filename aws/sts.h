// AWS Security Token Service API 2011-06-15: the calls. Types and codec are in sts_codec.h.
#pragma once

#include <asio/awaitable.hpp>
#include <string>

#include "aws/client.h"
#include "aws/sts_codec.h"
#include "base/result.h"

namespace bakusoku::aws::sts {

[[nodiscard]] asio::awaitable<Result<CallerIdentity>> get_caller_identity(Client& client, std::string region);
[[nodiscard]] asio::awaitable<Result<Credentials>> assume_role(Client& client, std::string region,
                                                               AssumeRoleRequest request);
/// Sent unsigned: the client's credentials are not used.
[[nodiscard]] asio::awaitable<Result<Credentials>> assume_role_with_web_identity(Client& client,
                                                                                 std::string region,
                                                                                 WebIdentityRequest request);

}  // namespace bakusoku::aws::sts
