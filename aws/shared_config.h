// Finds and reads the two files of the AWS tools: AWS_CONFIG_FILE, else ~/.aws/config, and
// AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials. Read again whenever credentials are fetched, so that
// edited keys need no restart.
#pragma once

#include <string>
#include <vector>

#include "aws/profile.h"
#include "base/environment.h"
#include "base/result.h"

namespace bakusoku::aws {

struct SharedConfigPaths {
  std::string config;  // empty: neither variable nor HOME is set
  std::string credentials;
  bool config_named = false;  // by its variable, not the default
  bool credentials_named = false;
};

/// `~/x` as HOME's x; other paths as they are.
[[nodiscard]] std::string expand_home(std::string_view path, const Environment& environment);

[[nodiscard]] SharedConfigPaths shared_config_paths(const Environment& environment);

/// Files that do not exist are empty. A default file that may not be read is empty with a warning, and the
/// result's `unreadable` where there is one for certain; one named by its variable is an error (denied).
/// Other errors: invalid (FILE:LINE), io. `warnings` may be null.
[[nodiscard]] Result<SharedConfig> read_shared_config(const Environment& environment,
                                                      std::vector<std::string>* warnings);

}  // namespace bakusoku::aws
