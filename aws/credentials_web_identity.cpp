#include "aws/credentials_web_identity.h"

#include "aws/shared_config.h"
#include "aws/sts.h"
#include "aws/text_file.h"

namespace bakusoku::aws {
namespace {

Result<Secret> read_token(const std::string& path) {
  auto file = read_text_file(path);
  if (!file) {
    Error error = file.error().with_context("web identity token");
    if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::invalid;
    return fail(std::move(error));
  }
  std::string& text = file->text;
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
  if (text.empty()) return fail(ErrorKind::invalid, "web identity token: {} is empty", path);
  return Secret(std::move(text));
}

}  // namespace

WebIdentityCredentials::WebIdentityCredentials(const ChainContext& context, const Settings& settings,
                                               RoleToAssume role, std::string token_file)
    : role_(std::move(role)),
      token_file_(expand_home(token_file, settings.environment)),
      region_(sts_region(settings, partition_of_role(role_.role_arn))),
      client_(context.io, context.http, nullptr, settings.endpoints, settings.retry, context.clock) {}

asio::awaitable<Result<Credentials>> WebIdentityCredentials::get() {
  if (auto checked = check_role_arn(role_.role_arn); !checked) co_return fail(std::move(checked.error()));
  auto token = read_token(token_file_);
  if (!token) co_return fail(std::move(token.error()));
  sts::WebIdentityRequest request;
  request.role_arn = role_.role_arn;
  request.session_name = role_.session_name.empty() ? kDefaultSessionName : role_.session_name;
  request.token = std::move(*token);
  if (role_.duration.count() > 0) request.duration_seconds = static_cast<int>(role_.duration.count());
  auto credentials = co_await sts::assume_role_with_web_identity(client_, region_, std::move(request));
  if (!credentials) {
    Error error = credentials.error().with_context(
        fmt::format("assuming {} with the web identity token in {}", role_.role_arn, token_file_));
    if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::invalid;
    co_return fail(std::move(error));
  }
  credentials->source = name();
  if (credentials->expires) *credentials->expires -= client_.clock_skew();
  co_return std::move(*credentials);
}

std::string WebIdentityCredentials::name() const {
  return fmt::format("web identity role {}", role_.role_arn);
}

}  // namespace bakusoku::aws
