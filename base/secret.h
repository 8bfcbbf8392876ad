// A string that must not be seen: prints as ***, is wiped from memory when it goes. Only the code that needs
// the bytes (the signer, a request body) calls reveal().
#pragma once

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace bakusoku {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe();
      value_ = other.value_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe();
      value_ = std::move(other.value_);
      other.wipe();
    }
    return *this;
  }
  ~Secret() { wipe(); }

  [[nodiscard]] bool empty() const { return value_.empty(); }
  /// The bytes themselves. Do not log, store or put them into an error.
  [[nodiscard]] const std::string& reveal() const { return value_; }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  void wipe() noexcept;  // overwrites the bytes in a way the compiler keeps

  std::string value_;
};

inline std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "***"; }

}  // namespace bakusoku

template <>
struct fmt::formatter<bakusoku::Secret> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const bakusoku::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format("***", context);
  }
};
