// A folder of a test's own, and a web server that writes a log there and has it rotated. Lines are numbered,
// so that no two are alike, and may be written in pieces.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "weblog/descriptor.h"

namespace bakusoku::weblog {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "bakusoku-weblog-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string path(std::string_view name = "") const {
    return name.empty() ? path_ : path_ + "/" + std::string(name);
  }

 private:
  std::string path_;
};

class Webserver {
 public:
  explicit Webserver(std::string path) : path_(std::move(path)) { reopen(); }

  void reopen() {
    log_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!log_.is_open()) std::abort();
  }
  void put(std::string_view bytes) {
    if (::write(log_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  static std::string line(uint64_t number, int status = 200) {
    return fmt::format(
        "203.0.113.{} - - [24/Nov/2026:12:25:00 +0000] \"GET /{} HTTP/1.1\" {} 10 \"-\" \"test\" 0.005\n",
        number % 250, number, status);
  }
  void log(int count, int status = 200) {
    for (int i = 0; i < count; ++i) put(line(written_++, status));
  }
  [[nodiscard]] uint64_t written() const { return written_; }

  /// access.log becomes access.log.1, that access.log.2, ...; ours goes on in the old file until reopen().
  void rename_away(int kept = 50) {
    shift(kept);
    std::filesystem::rename(path_, path_ + ".1");
  }
  void rotate() {
    rename_away();
    reopen();
  }
  void copy_and_truncate(int kept = 50) {
    shift(kept);
    std::filesystem::copy_file(path_, path_ + ".1");
    if (::ftruncate(log_.get(), 0) != 0) std::abort();
  }

 private:
  void shift(int kept) {
    std::error_code ignored;
    for (int at = kept; at > 0; --at) {
      std::filesystem::rename(fmt::format("{}.{}", path_, at), fmt::format("{}.{}", path_, at + 1), ignored);
    }
  }

  std::string path_;
  Descriptor log_;
  uint64_t written_ = 0;
};

}  // namespace bakusoku::weblog
