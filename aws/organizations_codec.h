// AWS Organizations API 2016-11-28, protocol "json 1.1", as bytes and values: the list of an organization's
// accounts. Pure; the call itself is in organizations.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::aws::organizations {

struct Account {
  std::string id;  // twelve digits
  std::string name{};
  /// "ACTIVE", "SUSPENDED", ...: the member State where the answer has it, else Status, which AWS gives up
  /// for it in September 2026 (Organizations API reference, Account).
  std::string state{};
};

struct AccountsPage {
  std::vector<Account> accounts;
  std::string next_token;  // empty on the last page
};

inline constexpr int kMaxAccountsPerPage = 20;

[[nodiscard]] std::string encode_list_accounts(const std::string& next_token);
/// Errors: corrupt.
[[nodiscard]] Result<AccountsPage> decode_list_accounts(std::string_view json);

}  // namespace bakusoku::aws::organizations
