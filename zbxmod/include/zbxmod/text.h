// Text as Zabbix takes it: UTF-8 without NUL bytes, in memory that Zabbix frees. `Text` is that memory while
// the module still fills it, so that an answer written into one is handed over and not copied.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace zbxmod {

/// Text in malloc's memory, which grows. Throws std::bad_alloc.
class Text {
 public:
  Text() = default;
  explicit Text(std::string_view text) { *this += text; }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  Text(Text&& other) noexcept { swap(other); }
  Text& operator=(Text&& other) noexcept {
    Text taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Text();

  Text& operator+=(std::string_view text);
  Text& operator+=(char c) { return *this += std::string_view(&c, 1); }
  /// Room for `size` bytes in all.
  void reserve(size_t size);

  [[nodiscard]] std::string_view view() const { return {bytes_, size_}; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  /// The bytes and a closing NUL, which are now the caller's to free(). This text is empty again.
  [[nodiscard]] char* release();

 private:
  void swap(Text& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
  }

  char* bytes_ = nullptr;
  size_t size_ = 0;
  size_t room_ = 0;  // without the closing NUL's byte
};

/// Appends `text` as a JSON string, with its quotes: escaped, and made valid UTF-8.
void append_json_string(Text& out, std::string_view text);

/// The shortest text that reads back as the same number: without an exponent from 1e-15 up to 1e17, as Zabbix
/// before 5.0 reads none. The number must be finite.
[[nodiscard]] std::string to_text(double number);

/// `text` with every malformed UTF-8 sequence, and every NUL, replaced by U+FFFD: Zabbix stores only UTF-8
/// and reads only up to the first NUL.
[[nodiscard]] std::string valid_text(std::string_view text);

/// Whether valid_text() would change nothing.
[[nodiscard]] bool is_valid_text(std::string_view text);

}  // namespace zbxmod
