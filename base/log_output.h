// Where the log goes: a file descriptor that is never waited for. Whoever reads the log (a terminal, a pipe,
// the journal) may stop reading; the process goes on. What it cannot take waits in memory up to kMostWaiting
// bytes; what is beyond that is lost, counted, and told as soon as there is room. On one thread.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bakusoku {

class LogOutput : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  static constexpr size_t kMostWaiting = size_t{256} << 10;

  /// `fd` stays the caller's.
  explicit LogOutput(int fd);

  /// Lines that nobody will read.
  [[nodiscard]] uint64_t lost() const { return lost_; }
  /// Bytes that wait for their reader.
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;
  void lose(uint64_t lines);

  int fd_;
  bool is_socket_ = false;
  bool gone_ = false;  // nobody will ever read it again
  bool colours_ = false;
  std::string waiting_;  // whole lines, but for the first, of which a part may have been written
  uint64_t lost_ = 0;
  uint64_t untold_ = 0;  // of them, those that no line has told of
};

/// Writes as much as goes without waiting: the bytes written, 0 when there is no room, -1: never again
/// (errno).
[[nodiscard]] long write_without_waiting(int fd, bool is_socket, std::string_view bytes);

}  // namespace bakusoku
