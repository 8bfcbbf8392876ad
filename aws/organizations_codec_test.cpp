// The list of an organization's accounts, as AWS writes it, and damaged at each byte.
#include "aws/organizations_codec.h"

#include <gtest/gtest.h>

namespace bakusoku::aws::organizations {
namespace {

const std::string kPage =
    R"({"Accounts":[{"Arn":"arn:aws:organizations::111111111111:account/o-exampleorgid/111111111111",)"
    R"("Email":"bill@example.com","Id":"111111111111","JoinedMethod":"INVITED","JoinedTimestamp":1.4781e9,)"
    R"("Name":"Management","Paths":["o-exampleorgid/r-examplerootid/111111111111/"],"State":"ACTIVE",)"
    R"("Status":"ACTIVE"},{"Id":"222222222222","Name":"caf\u00e9","Status":"SUSPENDED"},)"
    R"({"Id":"333333333333","State":"PENDING_CLOSURE"}],"NextToken":"a\"b"})";

TEST(OrganizationsCodec, ReadsAPage) {
  const auto page = decode_list_accounts(kPage);
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->accounts.size(), 3u);
  EXPECT_EQ(page->accounts[0].id, "111111111111");
  EXPECT_EQ(page->accounts[0].name, "Management");
  EXPECT_EQ(page->accounts[0].state, "ACTIVE");
  EXPECT_EQ(page->accounts[1].name, "café");
  EXPECT_EQ(page->accounts[1].state, "SUSPENDED");
  EXPECT_EQ(page->accounts[2].state, "PENDING_CLOSURE");
  EXPECT_EQ(page->next_token, "a\"b");
}

TEST(OrganizationsCodec, WritesTheQuestion) {
  EXPECT_EQ(encode_list_accounts(""), R"({"MaxResults":20})");
  EXPECT_EQ(encode_list_accounts("a\"b"), R"({"MaxResults":20,"NextToken":"a\"b"})");
}

TEST(OrganizationsCodec, ALastPageMayBeEmpty) {
  const auto page = decode_list_accounts(R"({"Accounts":[],"NextToken":null})");
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_TRUE(page->accounts.empty());
  EXPECT_TRUE(page->next_token.empty());
}

TEST(OrganizationsCodec, EveryCutIsAnError) {
  for (size_t size = 0; size < kPage.size(); ++size) {
    EXPECT_FALSE(decode_list_accounts(std::string_view(kPage).substr(0, size))) << size;
  }
}

TEST(OrganizationsCodec, AFlippedByteNeverMakesAnIdOfAnotherKind) {
  for (size_t at = 0; at < kPage.size(); ++at) {
    for (const int bit : {0, 1, 5, 7}) {
      std::string damaged = kPage;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto page = decode_list_accounts(damaged);
      if (!page) continue;
      for (const Account& account : page->accounts) {
        EXPECT_EQ(account.id.size(), 12u);
        EXPECT_EQ(account.id.find_first_not_of("0123456789"), std::string::npos);
      }
    }
  }
}

TEST(OrganizationsCodec, AnAnswerWithoutAListIsNoEmptyOne) {
  EXPECT_FALSE(decode_list_accounts("{}"));
  EXPECT_FALSE(decode_list_accounts(R"({"Accounts":[{"Name":"without an id"}]})"));
}

}  // namespace
}  // namespace bakusoku::aws::organizations
