// The simulated Amazon EC2, API 2016-11-15: DescribeInstances and DescribeRegions. Pure.
#pragma once

#include <string>

#include "simaws/api.h"
#include "simaws/fleet.h"

namespace bakusoku::simaws {

inline constexpr const char* kEc2Version = "2016-11-15";

struct Ec2Counters {
  uint64_t unpaged_calls = 0;  // DescribeInstances of everything without MaxResults
  uint64_t instances = 0;      // listed
};

/// The body of a successful reply.
[[nodiscard]] ApiResult<std::string> call_ec2(const World& world, const Call& call, Ec2Counters& counters);

}  // namespace bakusoku::simaws
