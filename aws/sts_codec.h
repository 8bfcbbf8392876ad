// AWS Security Token Service API 2011-06-15, protocol "query" (query in, XML out), as bytes and values. Pure;
// the calls themselves are in sts.h.
#pragma once

#include <string>
#include <string_view>

#include "aws/credentials_data.h"
#include "base/result.h"
#include "base/secret.h"

namespace bakusoku::aws::sts {

struct CallerIdentity {
  std::string account;
  std::string arn;
  std::string user_id;
};

struct AssumeRoleRequest {
  std::string role_arn;
  std::string session_name;
  std::string external_id{};
  int duration_seconds = 3600;
};

struct WebIdentityRequest {
  std::string role_arn;
  std::string session_name;
  Secret token;
  int duration_seconds = 3600;
};

[[nodiscard]] std::string encode_get_caller_identity();
[[nodiscard]] Result<CallerIdentity> decode_get_caller_identity(std::string_view xml);
[[nodiscard]] std::string encode_assume_role(const AssumeRoleRequest& request);
[[nodiscard]] std::string encode_assume_role_with_web_identity(const WebIdentityRequest& request);
/// Of either reply; `action` names the enclosing <{action}Result>. Credentials::source is left empty.
[[nodiscard]] Result<Credentials> decode_assume_role(std::string_view xml, std::string_view action);

}  // namespace bakusoku::aws::sts
