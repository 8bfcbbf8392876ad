// Whether a folder takes files, found out without making any: for what looks before it acts.
#pragma once

#include <string>

#include "base/result.h"

namespace bakusoku::agent {

/// The folder of a path; "." of a bare name.
[[nodiscard]] std::string folder_of(const std::string& path);

/// Whether this user can make files in `folder`, which may first have to be made itself, with those above it.
/// Errors: denied, io; they name the folder that stands in the way.
[[nodiscard]] Result<void> takes_files(const std::string& folder);

}  // namespace bakusoku::agent
