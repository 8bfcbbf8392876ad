// What comes out of a handler: a value, or an error that Zabbix shows as "not supported: message". Both are
// plain values of the calling worker; turning them into Zabbix's memory is the SDK's work, not the handler's.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <variant>

#include "zbxmod/text.h"

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

/// For a handler whose item is now text, now a number: made implicitly, so that it says `return 42;`.
/// A signed number below zero becomes text, as Zabbix's integer is unsigned; the item's value type converts.
class Value {
 public:
  Value() = default;  // an empty text
  Value(Text text) : data_(std::move(text)) {}
  Value(std::string_view text) : data_(Text(text)) {}
  Value(const std::string& text) : Value(std::string_view(text)) {}
  Value(const char* text) : Value(std::string_view(text)) {}
  Value(double number) : data_(number) {}
  template <std::integral T>
  Value(T number) {
    if constexpr (std::is_signed_v<T>) {
      if (number < 0) {
        data_ = Text(std::to_string(static_cast<long long>(number)));
        return;
      }
    }
    data_ = static_cast<uint64_t>(number);
  }

  [[nodiscard]] const std::variant<Text, uint64_t, double>& data() const { return data_; }
  [[nodiscard]] std::variant<Text, uint64_t, double>& data() { return data_; }

 private:
  std::variant<Text, uint64_t, double> data_{};
};

}  // namespace zbxmod
