#include "simaws/organizations.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/json.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kFirstMember = 200'000'000'001;
constexpr size_t kMembersPerPage = 20;
constexpr int64_t kJoined = 1'600'000'000;
constexpr const char* kOrganization = "o-simaws0000";

std::string account_json(size_t number) {
  const bool management = number == 0;
  const std::string id = management ? kAccount : member_account(number - 1);
  const bool suspended = !management && is_suspended(number - 1);
  const std::string name = management ? "management" : fmt::format("member-{}", number);
  JsonObject out;
  out.add("Id", id);
  out.add("Arn", fmt::format("arn:aws:organizations::{}:account/{}/{}", kAccount, kOrganization, id));
  out.add("Email", fmt::format("{}@example.invalid", name));
  out.add("Name", name);
  out.add("Status", suspended ? "SUSPENDED" : "ACTIVE");
  out.add("State", suspended ? "SUSPENDED" : "ACTIVE");
  out.add("JoinedMethod", management ? "INVITED" : "CREATED");
  out.add_raw("JoinedTimestamp", fmt::format("{}.0", kJoined + static_cast<int64_t>(number) * 86400));
  return out.finish();
}

struct Question {
  size_t page = kMembersPerPage;
  std::string next_token{};
};

tl::unexpected<ApiError> invalid_input(std::string_view what) {
  return refuse("InvalidInputException", fmt::format("You specified an invalid value: {}", what));
}

ApiResult<Question> read_question(std::string_view body) {
  thread_local simdjson::dom::parser kParser;
  simdjson::dom::element document;
  if (kParser.parse(body.data(), body.size()).get(document) != simdjson::SUCCESS || !document.is_object())
    return refuse("SerializationException", "The request is not JSON.");
  Question out;
  simdjson::dom::element member;
  if (document["MaxResults"].get(member) == simdjson::SUCCESS) {
    int64_t wanted = 0;
    if (member.get(wanted) != simdjson::SUCCESS)
      return refuse("SerializationException", "The member MaxResults has the wrong type.");
    if (wanted < 1 || wanted > static_cast<int64_t>(kMembersPerPage))
      return invalid_input(fmt::format("MaxResults must be between 1 and {}", kMembersPerPage));
    out.page = static_cast<size_t>(wanted);
  }
  if (document["NextToken"].get(member) == simdjson::SUCCESS && !member.is_null()) {
    std::string_view token;
    if (member.get(token) != simdjson::SUCCESS)
      return refuse("SerializationException", "The member NextToken has the wrong type.");
    out.next_token = token;
  }
  return out;
}

}  // namespace

std::string member_account(size_t index) {
  return fmt::format("{:012}", kFirstMember + static_cast<int64_t>(index));
}

bool is_suspended(size_t index) { return index % 7 == 3; }

bool is_suspended_member(const World& world, std::string_view account) {
  const auto number = parse_integer(account);
  if (!number || *number < kFirstMember) return false;
  const auto index = static_cast<size_t>(*number - kFirstMember);
  return index < world.organization && is_suspended(index);
}

ApiResult<std::string> call_organizations(const World& world, const Call& call) {
  if (call.action != "ListAccounts")
    return refuse(
        "InvalidAction",
        fmt::format("Could not find operation {}. (simaws, a simulator, knows ListAccounts.)", call.action));
  if (world.organization == 0)
    return refuse("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.");
  if (world.account != kAccount)
    return refuse("AccessDenied", "You don't have permissions to access this resource.", 403);
  const auto question = read_question(call.body);
  if (!question) return tl::unexpected(question.error());
  const uint64_t binding = fnv1a("organizations");
  size_t at = 0;
  if (!question->next_token.empty()) {
    const auto position = read_token(question->next_token, "la", binding);
    if (!position || position->first > world.organization)
      return invalid_input("You must specify a valid NextToken");
    at = static_cast<size_t>(position->first);
  }
  const size_t end = std::min(at + question->page, world.organization + 1);
  JsonArray accounts;
  for (size_t number = at; number < end; ++number) accounts.add_raw(account_json(number));
  JsonObject out;
  out.add_raw("Accounts", accounts.finish());
  if (end <= world.organization) out.add("NextToken", make_token("la", end, 0, binding));
  return out.finish();
}

}  // namespace bakusoku::simaws
