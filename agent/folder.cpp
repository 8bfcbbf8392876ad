#include "agent/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace bakusoku::agent {

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? std::string(".") : folder.string();
}

Result<void> takes_files(const std::string& folder) {
  std::string at = folder.empty() ? std::string(".") : folder;
  const auto wrong = [&](int why) {
    const auto kind = why == EACCES || why == EPERM || why == EROFS ? ErrorKind::denied : ErrorKind::io;
    if (at == folder) return fail(kind, "{}: {}", folder, std::strerror(why));
    return fail(kind, "{} is not there and cannot be made in {}: {}", folder, at, std::strerror(why));
  };
  struct stat found {};
  while (::stat(at.c_str(), &found) != 0) {
    if (errno != ENOENT) return wrong(errno);
    struct stat link {};
    if (::lstat(at.c_str(), &link) == 0) return wrong(ENOENT);  // a symbolic link that leads nowhere
    while (at.size() > 1 && at.ends_with('/')) at.pop_back();
    at = folder_of(at);
  }
  if (!S_ISDIR(found.st_mode)) return wrong(ENOTDIR);
  if (::faccessat(AT_FDCWD, at.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return wrong(errno);
  return {};
}

}  // namespace bakusoku::agent
