#include "simaws/metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "simaws/api.h"
#include "simaws/signature.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kMaxTokenSeconds = 21600;
constexpr int64_t kCredentialSeconds = int64_t{6} * 3600;
constexpr int64_t kRenewBefore = int64_t{5} * 60;
constexpr size_t kMaxTokens = 10'000;
constexpr std::string_view kRolePath = "/latest/meta-data/iam/security-credentials/";

Reply html(int status) {
  return {status, "text/html",
          fmt::format("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>{0} - "
                      "{1}</title></head><body><h1>{0} - {1}</h1></body></html>\n",
                      status, reason_phrase(status))};
}

Reply text(std::string body) { return {200, "text/plain", std::move(body)}; }

}  // namespace

std::optional<Reply> Metadata::answer(const Request& request, int64_t now) {
  const std::string_view path = request.path();
  if (path == kContainerPath) return container(request, now);
  if (path == "/latest/api/token") return request.method == "PUT" ? put_token(request, now) : html(405);
  if (path.starts_with("/latest/")) return get(request, now);
  return std::nullopt;
}

Reply Metadata::put_token(const Request& request, int64_t now) {
  if (request.header("X-Forwarded-For") != nullptr) return html(403);
  const auto* ttl = request.header("X-aws-ec2-metadata-token-ttl-seconds");
  const auto seconds = ttl == nullptr ? std::nullopt : parse_integer(*ttl);
  if (!seconds || *seconds < 1 || *seconds > kMaxTokenSeconds) return html(400);
  if (tokens_.size() >= kMaxTokens) tokens_.clear();
  const std::string token = random_text(54) + "==";
  tokens_[token] = now + *seconds;
  Reply reply = text(token);
  reply.headers.emplace_back("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", std::to_string(*seconds));
  return reply;
}

Reply Metadata::get(const Request& request, int64_t now) {
  if (request.method != "GET" && request.method != "HEAD") return html(405);
  const auto* token = request.header("X-aws-ec2-metadata-token");
  const auto known = token == nullptr ? tokens_.end() : tokens_.find(*token);
  const bool good = token == nullptr ? v1_ : known != tokens_.end() && known->second > now;
  if (!good) return html(401);
  const std::string_view path = request.path();
  const std::string& region = world_.regions.front();
  if (path == kRolePath || path == kRolePath.substr(0, kRolePath.size() - 1)) return text(kInstanceRole);
  if (path == fmt::format("{}{}", kRolePath, kInstanceRole)) {
    const Issued& issued = current(instance_key_, kInstanceRole, instance_id(world_, region, 0), now);
    return text(
        fmt::format("{{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"{}\",\n  \"Type\" : "
                    "\"AWS-HMAC\",\n  \"AccessKeyId\" : {},\n  \"SecretAccessKey\" : {},\n"
                    "  \"Token\" : {},\n  \"Expiration\" : \"{}\"\n}}",
                    format_iso(now), json_string(issued.access_key), json_string(issued.secret_key.reveal()),
                    json_string(issued.session_token.reveal()), format_iso(issued.expires)));
  }
  if (path == "/latest/meta-data/placement/region") return text(region);
  if (path == "/latest/meta-data/placement/availability-zone") return text(region + "a");
  if (path == "/latest/meta-data/instance-id") return text(instance_id(world_, region, 0));
  if (path == "/latest/dynamic/instance-identity/document") {
    return text(
        fmt::format("{{\n  \"accountId\" : \"{}\",\n  \"instanceId\" : \"{}\",\n  \"region\" : \"{}\",\n  "
                    "\"simulated\" : true\n}}",
                    kAccount, instance_id(world_, region, 0), region));
  }
  return html(404);
}

Reply Metadata::container(const Request& request, int64_t now) {
  if (request.method != "GET") return html(405);
  const auto* token = request.header("Authorization");
  if (token != nullptr && !equal_secrets(*token, kContainerToken)) {
    return {401, "application/json",
            "{\"code\":\"AccessDeniedException\",\"message\":\"the authorization token is not the "
            "simulator's\"}"};
  }
  const Issued& issued = current(container_key_, "simaws-container-role", "container", now);
  return {200, "application/json",
          fmt::format("{{\"RoleArn\":\"arn:aws:iam::{}:role/"
                      "simaws-container-role\",\"AccessKeyId\":{},\"SecretAccessKey\":{},\"Token\":{},"
                      "\"Expiration\":\"{}\"}}",
                      kAccount, json_string(issued.access_key), json_string(issued.secret_key.reveal()),
                      json_string(issued.session_token.reveal()), format_iso(issued.expires))};
}

// The same credentials until shortly before they end, as AWS does.
const Issued& Metadata::current(std::string& key, const std::string& role, const std::string& session,
                                int64_t now) {
  const int64_t lifetime =
      lifetime_cap_ > 0 ? std::min(lifetime_cap_, kCredentialSeconds) : kCredentialSeconds;
  const Issued* issued = vault_.find(key);
  if (issued != nullptr && issued->expires - now > std::min(kRenewBefore, lifetime / 2)) return *issued;
  const Issued& renewed =
      vault_.issue({kAccount, fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", kAccount, role, session),
                    fmt::format("AROASIMAWS0000000000:{}", session)},
                   now + lifetime);
  key = renewed.access_key;
  return renewed;
}

}  // namespace bakusoku::simaws
