#include "agent/spool_look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace bakusoku::agent {
namespace {

// https://www.sqlite.org/fileformat.html
constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr size_t kHeaderBytes = 100;
constexpr size_t kSchemaCookieAt = 40;
constexpr size_t kUserVersionAt = 60;
constexpr size_t kApplicationIdAt = 68;
constexpr size_t kWalHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;
constexpr off_t kFirstLock = 0x40000000;  // the bytes that SQLite's locks are on
constexpr off_t kLocks = 512;

using Header = std::array<char, kHeaderBytes>;

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int get() const { return fd_; }
  template <size_t Size>
  [[nodiscard]] bool read(std::array<char, Size>& into, uint64_t at) const {
    return ::pread(fd_, into.data(), Size, static_cast<off_t>(at)) == static_cast<ssize_t>(Size);
  }

 private:
  int fd_;
};

template <size_t Size>
uint32_t number_at(const std::array<char, Size>& bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = at; i < at + 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

// The newest first page that a killed process has left in the log beside the file.
void take_newest_header(const std::string& wal, Header& header) {
  const File file(wal);
  std::array<char, kWalHeaderBytes> start{};
  if (!file.is_open() || !file.read(start, 0) || (number_at(start, 0) & ~1U) != 0x377f0682) return;
  const uint64_t page_bytes = number_at(start, 8);
  if (page_bytes < 512 || page_bytes > 65536) return;
  std::optional<Header> found;
  std::array<char, kFrameHeaderBytes> frame{};
  for (uint64_t at = kWalHeaderBytes; file.read(frame, at); at += kFrameHeaderBytes + page_bytes) {
    if (number_at(frame, 8) != number_at(start, 16) || number_at(frame, 12) != number_at(start, 20)) break;
    Header page{};
    if (number_at(frame, 0) == 1 && file.read(page, at + kFrameHeaderBytes)) found = page;
    // The last frame of a transaction says how large the file is then.
    if (number_at(frame, 4) != 0 && found) header = *found;
  }
}

std::optional<pid_t> holder_of(const File& file) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kFirstLock;
  lock.l_len = kLocks;
  if (::fcntl(file.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return lock.l_pid > 0 ? lock.l_pid : 0;
}

}  // namespace

std::optional<pid_t> holder_of_database(const std::string& path) {
  const File file(path);
  return file.is_open() ? holder_of(file) : std::nullopt;
}

Result<void> look_at_spool(const std::string& path) {
  const File file(path);
  if (!file.is_open()) {
    if (errno == ENOENT) return {};
    return fail(ErrorKind::io, "spool {} cannot be read: {}", path, std::strerror(errno));
  }
  struct stat found {};
  if (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode))
    return fail(ErrorKind::io, "spool {} is no file", path);
  if (const auto holder = holder_of(file)) {
    return fail(ErrorKind::unavailable,
                "spool {} is open in another process{}; stop that one, or set another state_dir in [zabbix]",
                path, *holder == 0 ? std::string() : fmt::format(" ({})", *holder));
  }
  if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0)
    return fail(ErrorKind::io, "spool {} cannot be written: {}", path, std::strerror(errno));
  Header header{};
  if (found.st_size == 0) return {};
  if (!file.read(header, 0) || std::string_view(header.data(), kMagic.size()) != kMagic)
    return fail(ErrorKind::corrupt, "spool {} is damaged: it is no database", path);
  take_newest_header(path + "-wal", header);
  if (number_at(header, kSchemaCookieAt) == 0) return {};  // made, and nothing in it yet
  return check_spool_version(path, number_at(header, kApplicationIdAt), number_at(header, kUserVersionAt));
}

Result<void> check_spool_version(const std::string& path, int64_t application, int64_t version) {
  if (application != kSpoolApplicationId) {
    return fail(ErrorKind::invalid, "{} is a database, but not a spool of Bakusoku's; name another file",
                path);
  }
  if (version == kSpoolSchemaVersion) return {};
  return fail(
      ErrorKind::invalid,
      "spool {} is of version {}, and this Bakusoku knows version {} only; run the one that made it until "
      "all is delivered, or name another file",
      path, version, kSpoolSchemaVersion);
}

}  // namespace bakusoku::agent
