#include "base/log_output.h"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bakusoku {
namespace {

constexpr std::string_view kYellow = "\033[33m\033[1m";
constexpr std::string_view kRed = "\033[31m\033[1m";
constexpr std::string_view kGreen = "\033[32m";
constexpr std::string_view kPlain = "\033[m";

std::string_view colour_of(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return kRed;
  return level == spdlog::level::warn ? kYellow : kGreen;
}

}  // namespace

// The descriptor is shared with others (a shell's terminal), so it is not made non-blocking: what a pipe that
// is ready for writing takes without waiting is PIPE_BUF bytes.
long write_without_waiting(int fd, bool is_socket, std::string_view bytes) {
  for (;;) {
    ssize_t written = 0;
    if (is_socket) {
      written = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      pollfd ready{fd, POLLOUT, 0};
      if (::poll(&ready, 1, 0) <= 0) return 0;
      if ((ready.revents & POLLOUT) == 0) {
        errno = EPIPE;
        return -1;
      }
      written = ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    }
    if (written >= 0) return written;
    if (errno == EINTR) continue;
    // A full disk has room again one day; a reader that has gone does not come back.
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EBADF ? -1 : 0;
  }
}

LogOutput::LogOutput(int fd) : fd_(fd), colours_(::isatty(fd) == 1) {
  struct stat status {};
  is_socket_ = ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

void LogOutput::lose(uint64_t lines) {
  lost_ += lines;
  untold_ += lines;
}

void LogOutput::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (!waiting_.empty()) flush_();
  if (gone_) {
    lose(1);
    return;
  }
  if (!waiting_.empty() && waiting_.size() + line.size() > kMostWaiting) {
    lose(1);
    return;
  }
  if (untold_ != 0) {
    waiting_ += fmt::format("... {} lines of the log are missing here: whoever reads it did not take them\n",
                            untold_);
    untold_ = 0;
  }
  const std::string_view text(line.data(), line.size());
  const bool coloured = colours_ && message.color_range_end > message.color_range_start;
  if (coloured) {
    const size_t from = message.color_range_start;
    const size_t to = message.color_range_end;
    waiting_.append(text.substr(0, from)).append(colour_of(message.level));
    waiting_.append(text.substr(from, to - from)).append(kPlain).append(text.substr(to));
  } else {
    waiting_.append(text);
  }
  flush_();
}

void LogOutput::flush_() {
  size_t done = 0;
  while (done < waiting_.size()) {
    const long written = write_without_waiting(fd_, is_socket_, std::string_view(waiting_).substr(done));
    if (written < 0) {
      gone_ = true;
      lose(static_cast<uint64_t>(
          std::count(waiting_.begin() + static_cast<ptrdiff_t>(done), waiting_.end(), '\n')));
      done = waiting_.size();
    }
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  waiting_.erase(0, done);
  if (waiting_.empty() && waiting_.capacity() > kMostWaiting / 4) waiting_.shrink_to_fit();
}

}  // namespace bakusoku
