// What a handler returns: a value, or an error that Zabbix shows as "not supported: message". Both are plain
// values of the calling worker; turning them into Zabbix's memory is the SDK's work, not the handler's.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <variant>

namespace zbxmod {

struct Error {
  std::string message;  // for the person who looks at the item: what was tried, what is wrong, what to do
};

template <typename T>
using Result = tl::expected<T, Error>;

/// `return zbxmod::not_supported("no such disk: " + name);`
[[nodiscard]] inline tl::unexpected<Error> not_supported(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}

/// Text, an unsigned number or a floating point number. Made implicitly, so that a handler says `return 42;`.
/// Signed numbers below zero travel as text, as Zabbix's integer is unsigned; the item's value type converts.
class Value {
 public:
  Value() = default;  // an empty text
  Value(std::string text) : data_(std::move(text)) {}
  Value(std::string_view text) : data_(std::string(text)) {}
  Value(const char* text) : data_(std::string(text)) {}
  Value(double number) : data_(number) {}
  template <std::integral T>
  Value(T number) {
    if constexpr (std::is_signed_v<T>) {
      if (number < 0) {
        data_ = std::to_string(static_cast<long long>(number));
        return;
      }
    }
    data_ = static_cast<uint64_t>(number);
  }

  [[nodiscard]] const std::variant<std::string, uint64_t, double>& data() const { return data_; }

 private:
  std::variant<std::string, uint64_t, double> data_;
};

/// The shortest text that reads back as the same number: without an exponent from 1e-15 up to 1e17, as Zabbix
/// before 5.0 reads none. The number must be finite.
[[nodiscard]] std::string to_text(double number);

/// `text` with every malformed UTF-8 sequence, and every NUL, replaced by U+FFFD: Zabbix stores only UTF-8
/// and reads only up to the first NUL.
[[nodiscard]] std::string valid_text(std::string_view text);

/// Whether valid_text() would change nothing.
[[nodiscard]] bool is_valid_text(std::string_view text);

}  // namespace zbxmod
