#include "aws/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace bakusoku::aws {
namespace {

constexpr size_t kMaxBytes = 1u << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> failed(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorKind::not_found, "{} does not exist", path);
    case EACCES:
    case EPERM:
      return fail(ErrorKind::denied,
                  "{}: permission denied: make it readable for the user that Bakusoku runs as", path);
    default:
      return fail(ErrorKind::io, "{}: {}", path, std::strerror(error));
  }
}

}  // namespace

Result<TextFile> read_text_file(const std::string& path) {
  // O_NONBLOCK: opening a FIFO would wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return failed(path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return failed(path, errno);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::invalid, "{} is not a regular file", path);
  TextFile out;
  out.mode = status.st_mode & 07777;
  out.owner = status.st_uid;
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path, errno);
    if (got == 0) return out;
    out.text.append(buffer.data(), static_cast<size_t>(got));
    if (out.text.size() > kMaxBytes)
      return fail(ErrorKind::invalid, "{} is longer than {} bytes", path, kMaxBytes);
  }
}

std::string permission_warning(const std::string& path, const TextFile& file) {
  const bool read = (file.mode & S_IROTH) != 0;
  const bool write = (file.mode & (S_IWGRP | S_IWOTH)) != 0;
  if (!read && !write) return {};
  const bool group_reads = (file.mode & S_IRGRP) != 0 && file.owner != ::geteuid();
  return fmt::format("{} holds credentials and {}: run chmod {} {}", path,
                     read && write ? "others may read and write it"
                     : read        ? "every user of this machine may read it"
                                   : "users other than its owner may write to it",
                     group_reads ? "640" : "600", path);
}

}  // namespace bakusoku::aws
