// What the configuration says of logs: which may be read, and their formats. Plain values.
#pragma once

#include <string>
#include <vector>

#include "weblog/format.h"

namespace bakusoku::weblog {

/// What the configuration says of some logs.
struct FileOptions {
  std::string path;  // may be a pattern
  Format format{};
  bool from_start = false;
};

struct Options {
  std::vector<std::string> allow{"/var/log/*"};  // patterns; '*' stands for slashes too
  bool from_start = false;
  std::vector<FileOptions> files{};  // the first whose path fits counts
};

}  // namespace bakusoku::weblog
