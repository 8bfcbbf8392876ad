// The JSON in which the container endpoint, instance metadata and credential_process hand out credentials.
// Pure. No error repeats a byte of the document except the other side's own Code, and Message where it is an
// error document.
#pragma once

#include <string_view>

#include "aws/credentials_data.h"
#include "base/result.h"

namespace bakusoku::aws {

enum class CredentialsDialect {
  metadata,  // containers and instances: AccessKeyId, SecretAccessKey, Token, Expiration; or Code and Message
  process,   // credential_process: Version 1, AccessKeyId, SecretAccessKey, [SessionToken], [Expiration]
};

/// `source` is for messages and becomes Credentials::source. Errors: corrupt (not such a document), denied
/// (the other side says why it gives none: Code and Message). Source: AWS SDKs and Tools Reference Guide,
/// "Process credential provider"; Amazon EC2 user guide, "Retrieve security credentials from instance
/// metadata"; Amazon ECS developer guide, "Task IAM role".
[[nodiscard]] Result<Credentials> decode_credentials_json(std::string_view json, CredentialsDialect dialect,
                                                          std::string_view source);

/// "2026-01-31T12:00:00Z": UTC, whole seconds.
[[nodiscard]] std::string format_timestamp(WallTime time);

/// Refuses what could never be a key or would break a header: blanks, control characters, undue length.
/// Errors: invalid, naming `source` and which part, not its value.
[[nodiscard]] Result<void> check_credentials(const Credentials& credentials, std::string_view source);

}  // namespace bakusoku::aws
