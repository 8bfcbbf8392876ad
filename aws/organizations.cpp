#include "aws/organizations.h"

#include <iterator>
#include <utility>

#include "aws/endpoint.h"

namespace bakusoku::aws::organizations {
namespace {

constexpr size_t kMaxPages = 10'000;

}  // namespace

std::string home_region(std::string_view region) {
  const std::string_view partition = partition_of(region);
  if (partition == "aws-cn") return "cn-northwest-1";
  return std::string(default_region_of(partition));
}

asio::awaitable<Result<std::vector<Account>>> list_accounts(Client& client, std::string region) {
  const std::string context = "organizations:ListAccounts in " + region;
  std::vector<Account> accounts;
  std::string token;
  for (size_t page = 0; page < kMaxPages; ++page) {
    Call call;
    call.service = "organizations";
    call.signing_name = "organizations";
    call.region = region;
    call.action = "ListAccounts";
    call.protocol = Protocol::json11;
    call.target = "AWSOrganizationsV20161128";
    call.permission = "organizations:ListAccounts";
    call.body = encode_list_accounts(token);
    const Result<std::string> body = co_await client.send(std::move(call));
    if (!body) co_return fail(body.error());
    Result<AccountsPage> read = decode_list_accounts(*body);
    if (!read) co_return fail(read.error().with_context(context));
    accounts.insert(accounts.end(), std::make_move_iterator(read->accounts.begin()),
                    std::make_move_iterator(read->accounts.end()));
    if (read->next_token.empty()) co_return accounts;
    if (read->next_token == token) break;
    token = std::move(read->next_token);
  }
  co_return fail(ErrorKind::corrupt, "{} never came to a last page", context);
}

}  // namespace bakusoku::aws::organizations
