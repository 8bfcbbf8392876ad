// Reading one small text file whole: configuration, tokens. The edge that the pure parsers have not.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"

namespace bakusoku::aws {

struct TextFile {
  std::string text;
  mode_t mode = 0;  // permission bits, of the file that was read
  uid_t owner = 0;
};

/// Errors: not_found; denied (no permission); invalid (not a regular file, or longer than 1 MiB); io. All
/// name the path.
[[nodiscard]] Result<TextFile> read_text_file(const std::string& path);

/// A warning with the chmod to run if others may read the file or write to it; else empty.
[[nodiscard]] std::string permission_warning(const std::string& path, const TextFile& file);

}  // namespace bakusoku::aws
