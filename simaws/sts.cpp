#include "simaws/sts.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <vector>

#include "simaws/organizations.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kMinDuration = 900;
constexpr int64_t kMaxDuration = 43200;
constexpr int64_t kDefaultDuration = 3600;

// With the characters that must survive encoding in headers and XML.
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string random_of(size_t size, std::string_view alphabet) {
  std::vector<unsigned char> bytes(size);
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  std::string out;
  for (const unsigned char byte : bytes) out += alphabet[byte % alphabet.size()];
  return out;
}

bool made_of(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [&](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           extra.find(ch) != std::string_view::npos;
  });
}

struct Role {
  std::string account;
  std::string name;  // the last part of the path
};

// arn:PARTITION:iam::ACCOUNT:role/PATH/NAME
std::optional<Role> parse_role(std::string_view arn) {
  std::vector<std::string_view> parts;
  std::string_view rest = arn;
  while (parts.size() < 5) {
    const size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    parts.push_back(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  const bool partition = parts[1] == "aws" || parts[1] == "aws-cn" || parts[1] == "aws-us-gov";
  if (parts[0] != "arn" || !partition || parts[2] != "iam" || !parts[3].empty()) return std::nullopt;
  if (parts[4].size() != 12 || parts[4].find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  if (!rest.starts_with("role/") || !made_of(rest, "_+=,.@-/")) return std::nullopt;
  const std::string_view name = rest.substr(rest.rfind('/') + 1);
  if (name.empty() || name.size() > 64) return std::nullopt;
  return Role{std::string(parts[4]), std::string(name)};
}

tl::unexpected<ApiError> constraint(std::string_view value, std::string_view member, std::string_view what) {
  return refuse(
      "ValidationError",
      fmt::format("1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: {}", value,
                  member, what));
}

struct RoleRequest {
  std::string arn;
  Role role;
  std::string session;
  int64_t duration = kDefaultDuration;
};

ApiResult<RoleRequest> read_role_request(const Call& call) {
  RoleRequest out;
  const auto* arn = call.parameter("RoleArn");
  const auto* session = call.parameter("RoleSessionName");
  if (arn == nullptr) return constraint("null", "roleArn", "Member must not be null");
  if (session == nullptr) return constraint("null", "roleSessionName", "Member must not be null");
  const auto role = parse_role(*arn);
  if (!role || arn->size() < 20) return refuse("ValidationError", fmt::format("{} is invalid", *arn));
  if (session->size() < 2 || session->size() > 64 || !made_of(*session, "_+=,.@-")) {
    return constraint(*session, "roleSessionName",
                      "Member must satisfy regular expression pattern: [\\w+=,.@-]*, length 2 to 64");
  }
  out.arn = *arn;
  out.role = *role;
  out.session = *session;
  if (const auto* seconds = call.parameter("DurationSeconds")) {
    const auto duration = parse_integer(*seconds);
    if (!duration) return constraint(*seconds, "durationSeconds", "Member must be an integer");
    if (*duration < kMinDuration)
      return constraint(*seconds, "durationSeconds",
                        fmt::format("Member must have value greater than or equal to {}", kMinDuration));
    if (*duration > kMaxDuration)
      return constraint(*seconds, "durationSeconds",
                        fmt::format("Member must have value less than or equal to {}", kMaxDuration));
    out.duration = *duration;
  }
  return out;
}

std::string opening(std::string_view action) {
  return fmt::format("<{0}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{0}Result>", action);
}

std::string closing(std::string_view action, std::string_view request_id) {
  return fmt::format(
      "</{0}Result><ResponseMetadata><RequestId>{1}</RequestId></ResponseMetadata></{0}Response>", action,
      request_id);
}

Identity identity_of(const RoleRequest& request, std::string_view role_id) {
  return {request.role.account,
          fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", request.role.account, request.role.name,
                      request.session),
          fmt::format("{}:{}", role_id, request.session)};
}

void append_issued(std::string& out, const Issued& issued) {
  out += "<Credentials>";
  append_element(out, "AccessKeyId", issued.access_key);
  append_element(out, "SecretAccessKey", issued.secret_key.reveal());
  append_element(out, "SessionToken", issued.session_token.reveal());
  append_element(out, "Expiration", format_iso(issued.expires));
  out += "</Credentials><AssumedRoleUser>";
  append_element(out, "AssumedRoleId", issued.identity.user_id);
  append_element(out, "Arn", issued.identity.arn);
  out += "</AssumedRoleUser>";
}

const Issued& issue_for(Vault& vault, const Call& call, const RoleRequest& request, int64_t lifetime_cap) {
  const int64_t lifetime = lifetime_cap > 0 ? std::min(lifetime_cap, request.duration) : request.duration;
  const std::string role_id = fmt::format("AROASIMAWS{:010d}", fnv1a(request.arn) % 10'000'000'000ull);
  return vault.issue(identity_of(request, role_id), call.now + lifetime);
}

ApiResult<std::string> assume_role(Vault& vault, const World& world, const Call& call, const Identity& caller,
                                   int64_t lifetime_cap) {
  const auto request = read_role_request(call);
  if (!request) return tl::unexpected(request.error());
  const auto* external_id = call.parameter("ExternalId");
  const bool wants_external = request->role.name.find("external") != std::string::npos;
  if (request->role.name == "denied" || is_suspended_member(world, request->role.account) ||
      (wants_external && (external_id == nullptr || *external_id != kExternalId))) {
    return refuse("AccessDenied",
                  fmt::format("User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                              caller.arn, request->arn),
                  403);
  }
  std::string out = opening(call.action);
  append_issued(out, issue_for(vault, call, *request, lifetime_cap));
  return out + closing(call.action, call.request_id);
}

ApiResult<std::string> assume_role_with_web_identity(Vault& vault, const Call& call, int64_t lifetime_cap) {
  const auto request = read_role_request(call);
  if (!request) return tl::unexpected(request.error());
  const auto* token = call.parameter("WebIdentityToken");
  if (token == nullptr || token->empty())
    return constraint("null", "webIdentityToken", "Member must not be null");
  if (token->starts_with(kExpiredWebIdentityToken)) {
    return refuse("ExpiredTokenException",
                  "Token expired: current date/time must be before the expiration date/time", 400);
  }
  if (!token->starts_with(kWebIdentityToken)) {
    return refuse(
        "InvalidIdentityToken",
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        400);
  }
  if (request->role.name == "denied")
    return refuse("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403);
  std::string out = opening(call.action);
  append_issued(out, issue_for(vault, call, *request, lifetime_cap));
  append_element(out, "SubjectFromWebIdentityToken", "system:serviceaccount:simaws:simulated");
  append_element(out, "Provider", "arn:aws:iam::000000000000:oidc-provider/simaws");
  append_element(out, "Audience", "sts.amazonaws.com");
  return out + closing(call.action, call.request_id);
}

}  // namespace

std::string random_text(size_t size) { return random_of(size, kBase64); }

Vault::Vault(std::string access_key, Secret secret_key) {
  replace_key(std::move(access_key), std::move(secret_key));
}

void Vault::replace_key(std::string access_key, Secret secret_key) {
  issued_.erase(long_lived_);
  long_lived_ = access_key;
  Issued issued{
      access_key,
      std::move(secret_key),
      Secret(),
      0,
      {kAccount, fmt::format("arn:aws:iam::{}:user/simaws-simulator", kAccount), "AIDASIMAWS0000000000"}};
  issued_.insert_or_assign(std::move(access_key), std::move(issued));
}

const Issued& Vault::issue(Identity identity, int64_t expires) {
  constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string key = "ASIASIMAWS" + random_of(10, kUpper);
  Issued issued{key, Secret(random_text(40)), Secret("IQoJsimaws//" + random_text(340) + "=="), expires,
                std::move(identity)};
  order_.push_back(key);
  if (order_.size() > kRemembered) {
    issued_.erase(order_.front());
    order_.pop_front();
  }
  return issued_.insert_or_assign(std::move(key), std::move(issued)).first->second;
}

const Issued* Vault::find(std::string_view access_key) const {
  const auto found = issued_.find(std::string(access_key));
  return found == issued_.end() ? nullptr : &found->second;
}

std::string role_account(const Call& call) {
  const auto* arn = call.parameter("RoleArn");
  const auto role = arn == nullptr ? std::nullopt : parse_role(*arn);
  return role ? role->account : "";
}

ApiResult<std::string> call_sts(Vault& vault, const World& world, const Call& call, const Identity* caller,
                                int64_t lifetime_cap) {
  if (call.action == "AssumeRoleWithWebIdentity")
    return assume_role_with_web_identity(vault, call, lifetime_cap);
  if (caller == nullptr)
    return refuse("MissingAuthenticationToken", "Request is missing Authentication Token", 403);
  if (call.action == "AssumeRole") return assume_role(vault, world, call, *caller, lifetime_cap);
  if (call.action == "GetCallerIdentity") {
    std::string out = opening(call.action);
    append_element(out, "Arn", caller->arn);
    append_element(out, "UserId", caller->user_id);
    append_element(out, "Account", caller->account);
    return out + closing(call.action, call.request_id);
  }
  return refuse("InvalidAction",
                fmt::format("Could not find operation {} for version {}. (simaws, a simulator, knows "
                            "GetCallerIdentity, AssumeRole and AssumeRoleWithWebIdentity.)",
                            call.action, kStsVersion));
}

}  // namespace bakusoku::simaws
