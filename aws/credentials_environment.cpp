#include "aws/credentials_environment.h"

#include "aws/credentials_json.h"
#include "aws/timestamp.h"

namespace bakusoku::aws {

Result<Credentials> credentials_of(const Environment& environment, std::string_view where) {
  const auto id = environment.get("AWS_ACCESS_KEY_ID");
  auto secret = environment.get("AWS_SECRET_ACCESS_KEY");
  if (!id && !secret) return fail(ErrorKind::not_found, "AWS_ACCESS_KEY_ID is not set in {}", where);
  if (!id || !secret) {
    return fail(ErrorKind::invalid, "{} is set in {} but {} is not: set both or neither",
                id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY", where,
                id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
  }
  Credentials credentials;
  credentials.access_key_id = *id;
  credentials.secret_access_key = Secret(std::move(*secret));
  // The old name goes first, as in AWS's own tools.
  auto token = environment.get("AWS_SECURITY_TOKEN");
  if (!token) token = environment.get("AWS_SESSION_TOKEN");
  if (token) credentials.session_token = Secret(std::move(*token));
  if (const auto expires = environment.get("AWS_CREDENTIAL_EXPIRATION"); expires && !expires->empty()) {
    const auto time = parse_iso8601(*expires);
    if (!time)
      return fail(ErrorKind::invalid,
                  "AWS_CREDENTIAL_EXPIRATION in {} is not a time like 2026-01-31T12:00:00Z", where);
    credentials.expires = *time;
  }
  credentials.source = where;
  if (auto checked = check_credentials(credentials, where); !checked) return fail(std::move(checked.error()));
  return credentials;
}

EnvironmentCredentials::EnvironmentCredentials(Environment environment)
    : environment_(std::move(environment)) {}

asio::awaitable<Result<Credentials>> EnvironmentCredentials::get() {
  co_return credentials_of(environment_, "the environment");
}

std::string EnvironmentCredentials::name() const { return "environment variables"; }

}  // namespace bakusoku::aws
