#include "aws/sts_codec.h"

#include "aws/query.h"
#include "aws/timestamp.h"
#include "aws/xml.h"

namespace bakusoku::aws::sts {
namespace {

constexpr std::string_view kVersion = "2011-06-15";

}  // namespace

std::string encode_get_caller_identity() { return QueryBody("GetCallerIdentity", kVersion).take(); }

Result<CallerIdentity> decode_get_caller_identity(std::string_view xml) {
  pugi::xml_document document;
  const Result<pugi::xml_node> root = load_xml(document, xml, "GetCallerIdentityResponse");
  if (!root) return fail(root.error());
  const pugi::xml_node result = root->child("GetCallerIdentityResult");
  CallerIdentity identity{result.child_value("Account"), result.child_value("Arn"),
                          result.child_value("UserId")};
  if (identity.account.empty() || identity.arn.empty()) {
    return fail(ErrorKind::corrupt, "a GetCallerIdentityResponse without an account or ARN");
  }
  return identity;
}

std::string encode_assume_role(const AssumeRoleRequest& request) {
  QueryBody body("AssumeRole", kVersion);
  body.add("RoleArn", request.role_arn);
  body.add("RoleSessionName", request.session_name);
  body.add("DurationSeconds", request.duration_seconds);
  if (!request.external_id.empty()) body.add("ExternalId", request.external_id);
  return body.take();
}

std::string encode_assume_role_with_web_identity(const WebIdentityRequest& request) {
  QueryBody body("AssumeRoleWithWebIdentity", kVersion);
  body.add("RoleArn", request.role_arn);
  body.add("RoleSessionName", request.session_name);
  body.add("WebIdentityToken", request.token.reveal());
  body.add("DurationSeconds", request.duration_seconds);
  return body.take();
}

Result<Credentials> decode_assume_role(std::string_view xml, std::string_view action) {
  pugi::xml_document document;
  const Result<pugi::xml_node> root = load_xml(document, xml, fmt::format("{}Response", action).c_str());
  if (!root) return fail(root.error());
  const pugi::xml_node node = root->child(fmt::format("{}Result", action).c_str()).child("Credentials");
  Credentials credentials;
  credentials.access_key_id = node.child_value("AccessKeyId");
  credentials.secret_access_key = Secret(node.child_value("SecretAccessKey"));
  credentials.session_token = Secret(node.child_value("SessionToken"));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() ||
      credentials.session_token.empty()) {
    return fail(ErrorKind::corrupt, "an {}Response without complete credentials", action);
  }
  const Result<WallTime> expires = parse_iso8601(node.child_value("Expiration"));
  if (!expires) return fail(ErrorKind::corrupt, "an {}Response whose Expiration is not a time", action);
  credentials.expires = *expires;
  return credentials;
}

}  // namespace bakusoku::aws::sts
