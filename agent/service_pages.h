// How a service of the table is read whole, where AWS lists its resources page by page.
#pragma once

#include <asio/awaitable.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "agent/inventory.h"
#include "aws/client.h"

namespace bakusoku::agent {

/// Pages of one list; an answer without end is not believed.
inline constexpr size_t kMaxServicePages = 10'000;

/// Reads every page with `read` (of a region; an empty token means the first), and adds each to the snapshot.
/// `action` ("ec2:DescribeInstances") is for messages. Errors: the call's; corrupt when there is no last
/// page.
template <typename Page>
asio::awaitable<Result<std::shared_ptr<Snapshot>>> read_pages(
    const Target& target, std::string_view action,
    asio::awaitable<Result<Page>> (*read)(aws::Client& client, std::string region, std::string next_token),
    void (*add)(Snapshot& snapshot, const Page& page)) {
  auto snapshot = std::make_shared<Snapshot>();
  std::string token;
  for (size_t page = 0; page < kMaxServicePages; ++page) {
    const std::string sent = token;
    auto answer = co_await read(*target.account->client, target.region, sent);
    if (!answer) co_return fail(answer.error());
    snapshot->count_page();
    add(*snapshot, *answer);
    token = answer->next_token;
    if (token.empty()) co_return snapshot;
    if (token == sent) break;
  }
  co_return fail(ErrorKind::corrupt, "{} in {} never came to a last page", action, target.description());
}

}  // namespace bakusoku::agent
