#include "aws/organizations_codec.h"

#include <algorithm>

#include "aws/json.h"
#include "base/json.h"

namespace bakusoku::aws::organizations {
namespace {

namespace ondemand = simdjson::ondemand;

bool is_account_id(std::string_view id) {
  return id.size() == 12 && std::all_of(id.begin(), id.end(), [](char ch) { return ch >= '0' && ch <= '9'; });
}

simdjson::error_code read_account(ondemand::object object, Account& into) {
  std::string status;
  for (auto member : object) {
    std::string_view key;
    ondemand::value value;
    if (auto error = member.unescaped_key().get(key)) return error;
    std::string* const text = key == "Id"       ? &into.id
                              : key == "Name"   ? &into.name
                              : key == "State"  ? &into.state
                              : key == "Status" ? &status
                                                : nullptr;
    if (auto error = member.value().get(value)) return error;
    if (text == nullptr) continue;
    if (auto error = read_json_string(value, *text)) return error;
  }
  if (into.state.empty()) into.state = std::move(status);
  return simdjson::SUCCESS;
}

simdjson::error_code read_accounts(ondemand::value value, std::vector<Account>& into) {
  bool null = false;
  if (auto error = is_json_null(value, null)) return error;
  if (null) return simdjson::SUCCESS;
  ondemand::array array;
  if (auto error = value.get_array().get(array)) return error;
  for (auto element : array) {
    ondemand::object object;
    if (auto error = element.get_object().get(object)) return error;
    if (auto error = read_account(object, into.emplace_back())) return error;
  }
  return simdjson::SUCCESS;
}

}  // namespace

std::string encode_list_accounts(const std::string& next_token) {
  JsonObject body;
  body.add("MaxResults", int64_t{kMaxAccountsPerPage});
  if (!next_token.empty()) body.add("NextToken", next_token);
  return body.finish();
}

Result<AccountsPage> decode_list_accounts(std::string_view json) {
  AccountsPage page;
  bool listed = false;
  const Result<void> read = read_json_object(json, [&](ondemand::object object) -> simdjson::error_code {
    for (auto member : object) {
      std::string_view key;
      ondemand::value value;
      if (auto error = member.unescaped_key().get(key)) return error;
      const bool is_list = key == "Accounts";
      const bool is_token = key == "NextToken";
      if (auto error = member.value().get(value)) return error;
      if (is_list) {
        if (auto error = read_accounts(value, page.accounts)) return error;
        listed = true;
      } else if (is_token) {
        if (auto error = read_json_string(value, page.next_token)) return error;
      }
    }
    return simdjson::SUCCESS;
  });
  if (!read) return fail(read.error());
  if (!listed) return fail(ErrorKind::corrupt, "the answer holds no list of accounts");
  for (const Account& account : page.accounts) {
    if (!is_account_id(account.id)) {
      return fail(ErrorKind::corrupt, "the answer lists an account whose id is not twelve digits");
    }
  }
  return page;
}

}  // namespace bakusoku::aws::organizations
