// Amazon EC2 API 2016-11-15: the calls. Types and codec are in ec2_codec.h.
#pragma once

#include <asio/awaitable.hpp>
#include <string>
#include <vector>

#include "aws/client.h"
#include "aws/ec2_codec.h"
#include "base/result.h"

namespace bakusoku::aws::ec2 {

/// One page, 1000 instances at most; pass the next_token of the page before.
[[nodiscard]] asio::awaitable<Result<InstancesPage>> describe_instances(Client& client, std::string region,
                                                                        std::string next_token);

/// Names of the regions enabled for the account.
[[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> describe_regions(Client& client,
                                                                                 std::string region);

}  // namespace bakusoku::aws::ec2
