#include "agent/kept_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace bakusoku::agent {
namespace {

constexpr mode_t kMode = 0640;

bool synchronise(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  errno = error;
  return done;
}

}  // namespace

KeptFile::File KeptFile::look(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? File{found.st_dev, found.st_ino} : File{};
}

KeptFile::KeptFile(std::string path)
    : path_(std::move(path)), file_(look(path_)), wal_(look(path_ + "-wal")) {}

KeptFile::State KeptFile::state() {
  if (file_ == File{}) return State::there;  // in memory, or not a file of the system's
  const File file = look(path_);
  if (file == File{}) return State::removed;
  if (file != file_) return State::replaced;
  const File wal = look(path_ + "-wal");
  if (wal_ == File{}) wal_ = wal;  // SQLite makes it when it needs it
  if (wal == wal_) return State::there;
  return wal == File{} ? State::removed : State::replaced;
}

Result<void> KeptFile::make_again(sqlite3* database) {
  std::error_code ignored;
  const auto folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  const std::string fresh = path_ + ".new";
  const auto wrong = [&](std::string_view why) {
    ::unlink(fresh.c_str());
    return fail(ErrorKind::io, "{} was removed while it was in use, and cannot be made again: {}", path_,
                why);
  };
  ::unlink(fresh.c_str());
  const int made = ::open(fresh.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kMode);
  if (made < 0) return wrong(std::strerror(errno));
  ::close(made);
  sqlite3_stmt* copy = nullptr;
  if (sqlite3_prepare_v2(database, "VACUUM INTO ?1", -1, &copy, nullptr) != SQLITE_OK)
    return wrong(sqlite3_errmsg(database));
  sqlite3_bind_text(copy, 1, fresh.c_str(), -1, SQLITE_TRANSIENT);
  const bool copied = sqlite3_step(copy) == SQLITE_DONE;
  const std::string said = copied ? std::string() : sqlite3_errmsg(database);
  sqlite3_finalize(copy);
  if (!copied) return wrong(said);
  if (!synchronise(fresh, O_RDONLY)) return wrong(std::strerror(errno));
  // What an old companion holds is in the copy, and must not be read into it again.
  ::unlink((path_ + "-wal").c_str());
  if (::rename(fresh.c_str(), path_.c_str()) != 0) return wrong(std::strerror(errno));
  (void)synchronise(folder.empty() ? std::string(".") : folder.string(), O_RDONLY | O_DIRECTORY);
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return {};
}

}  // namespace bakusoku::agent
