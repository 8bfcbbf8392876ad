#include "aws/credentials_assume_role.h"

#include <algorithm>

#include "aws/sts.h"

namespace bakusoku::aws {

std::string_view partition_of_role(std::string_view role_arn) {
  const size_t first = role_arn.find(':');
  const size_t second = first == std::string_view::npos ? first : role_arn.find(':', first + 1);
  return second == std::string_view::npos ? std::string_view("aws")
                                          : role_arn.substr(first + 1, second - first - 1);
}

Result<void> check_role_arn(std::string_view role_arn) {
  const bool printable =
      std::all_of(role_arn.begin(), role_arn.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (printable && role_arn.size() <= 2048 && role_arn.starts_with("arn:") &&
      role_arn.find(":role/") != std::string_view::npos) {
    return {};
  }
  return fail(ErrorKind::invalid,
              "the role to assume must be written like arn:aws:iam::123456789012:role/monitoring");
}

AssumeRoleCredentials::AssumeRoleCredentials(const ChainContext& context, const Settings& settings,
                                             std::shared_ptr<CredentialsProvider> source, RoleToAssume role)
    : source_(std::move(source)),
      role_(std::move(role)),
      region_(sts_region(settings, partition_of_role(role_.role_arn))),
      client_(context.io, context.http, source_.get(), settings.endpoints, settings.retry, context.clock) {}

asio::awaitable<Result<Credentials>> AssumeRoleCredentials::get() {
  if (auto checked = check_role_arn(role_.role_arn); !checked) co_return fail(std::move(checked.error()));
  auto source = co_await source_->get();
  if (!source) {
    Error error =
        source.error().with_context(fmt::format("to assume {} credentials are needed", role_.role_arn));
    // This source is set up: what is missing is what it is built on.
    if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::invalid;
    co_return fail(std::move(error));
  }
  sts::AssumeRoleRequest request;
  request.role_arn = role_.role_arn;
  request.session_name = role_.session_name.empty() ? kDefaultSessionName : role_.session_name;
  request.external_id = role_.external_id;
  if (role_.duration.count() > 0) request.duration_seconds = static_cast<int>(role_.duration.count());
  auto credentials = co_await sts::assume_role(client_, region_, std::move(request));
  if (!credentials) {
    Error error =
        credentials.error().with_context(fmt::format("assuming {} with {}", role_.role_arn, source->source));
    if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::invalid;
    if (error.kind == ErrorKind::denied && is_missing_permission(error.code)) {
      error.message += fmt::format(
          " (the role's trust policy must allow these credentials to assume it{}, and their own policy "
          "sts:AssumeRole on {})",
          role_.external_id.empty() ? "" : " with this external id", role_.role_arn);
    }
    co_return fail(std::move(error));
  }
  credentials->source = name();
  // STS counts in its own time, the cache in this machine's.
  if (credentials->expires) *credentials->expires -= client_.clock_skew();
  co_return std::move(*credentials);
}

void AssumeRoleCredentials::invalidate() { source_->invalidate(); }

std::string AssumeRoleCredentials::name() const { return "role " + role_.role_arn; }

}  // namespace bakusoku::aws
