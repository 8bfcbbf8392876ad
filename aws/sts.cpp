#include "aws/sts.h"

#include <utility>

namespace bakusoku::aws::sts {
namespace {

Call call(std::string region, std::string action, std::string body) {
  Call out;
  out.service = "sts";
  out.signing_name = "sts";
  out.region = std::move(region);
  out.permission = "sts:" + action;
  out.action = std::move(action);
  out.protocol = Protocol::query;
  out.body = std::move(body);
  return out;
}

}  // namespace

asio::awaitable<Result<CallerIdentity>> get_caller_identity(Client& client, std::string region) {
  const std::string context = "sts:GetCallerIdentity in " + region;
  Call sent = call(std::move(region), "GetCallerIdentity", encode_get_caller_identity());
  const Result<std::string> body = co_await client.send(std::move(sent));
  if (!body) co_return fail(body.error());
  Result<CallerIdentity> identity = decode_get_caller_identity(*body);
  if (!identity) co_return fail(identity.error().with_context(context));
  co_return identity;
}

asio::awaitable<Result<Credentials>> assume_role(Client& client, std::string region,
                                                 AssumeRoleRequest request) {
  const std::string context = "sts:AssumeRole of " + request.role_arn + " in " + region;
  Call sent = call(std::move(region), "AssumeRole", encode_assume_role(request));
  const Result<std::string> body = co_await client.send(std::move(sent));
  if (!body) co_return fail(body.error());
  Result<Credentials> credentials = decode_assume_role(*body, "AssumeRole");
  if (!credentials) co_return fail(credentials.error().with_context(context));
  co_return credentials;
}

asio::awaitable<Result<Credentials>> assume_role_with_web_identity(Client& client, std::string region,
                                                                   WebIdentityRequest request) {
  const std::string context = "sts:AssumeRoleWithWebIdentity of " + request.role_arn + " in " + region;
  Call sent =
      call(std::move(region), "AssumeRoleWithWebIdentity", encode_assume_role_with_web_identity(request));
  sent.sign = false;
  const Result<std::string> body = co_await client.send(std::move(sent));
  if (!body) co_return fail(body.error());
  Result<Credentials> credentials = decode_assume_role(*body, "AssumeRoleWithWebIdentity");
  if (!credentials) co_return fail(credentials.error().with_context(context));
  co_return credentials;
}

}  // namespace bakusoku::aws::sts
