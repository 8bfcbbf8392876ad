// Amazon EC2 API 2016-11-15, protocol "ec2" (query in, XML out): what the inventory needs of it, as bytes and
// values. Pure; the calls themselves are in ec2.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::aws::ec2 {

struct Tag {
  std::string key;
  std::string value;
};

struct Instance {
  std::string id;                 // i-0123456789abcdef0
  std::string type;               // t3.micro
  std::string state;              // running, stopped, ...
  std::string availability_zone;  // eu-west-1a
  std::string private_ip{};
  std::string public_ip{};
  std::string private_dns{};
  std::string public_dns{};
  std::string vpc_id{};
  std::string subnet_id{};
  std::string image_id{};
  std::string architecture{};
  std::string platform{};     // "windows" or empty
  std::string launch_time{};  // ISO 8601 as sent
  std::string monitoring{};   // disabled, enabled, ...
  std::vector<Tag> tags{};
};

struct InstancesPage {
  std::vector<Instance> instances;
  std::string next_token;  // empty on the last page
};

inline constexpr int kMaxInstancesPerPage = 1000;

/// The request body for one page (pure) and the parsed reply (pure: errors are corrupt).
[[nodiscard]] std::string encode_describe_instances(const std::string& next_token);
[[nodiscard]] Result<InstancesPage> decode_describe_instances(std::string_view xml);
[[nodiscard]] std::string encode_describe_regions();
[[nodiscard]] Result<std::vector<std::string>> decode_describe_regions(std::string_view xml);

}  // namespace bakusoku::aws::ec2
