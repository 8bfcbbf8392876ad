// How a row of the table describes the parameters of its key: the name that messages use, the bounds, and
// what holds when the parameter is left out. Everything here is settled while the module is compiled.
//
//   text("path")                              must be given, and not be empty
//   text("mode").or_else("all")               may be left out
//   text("mode").one_of("rx", "tx")           one of these words
//   whole("minutes").between(1, 15)           a whole number, both ends included
//   number("share").at_least(0).or_else(0.5)  a floating point number
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <variant>

namespace zbxmod {

inline constexpr size_t kMostChoices = 8;

struct TextParam {
  const char* name = "";
  const char* otherwise = nullptr;  // null: the parameter is required
  bool empty_allowed = false;
  std::array<const char*, kMostChoices> choices{};  // up to the first null; none: any text

  /// What the handler gets when the parameter is left out or empty.
  [[nodiscard]] consteval TextParam or_else(const char* text) const {
    TextParam changed = *this;
    changed.otherwise = text;
    return changed;
  }
  /// The parameter must be written, but may be empty: `key[]`.
  [[nodiscard]] consteval TextParam may_be_empty() const {
    TextParam changed = *this;
    changed.empty_allowed = true;
    return changed;
  }
  template <typename... Words>
  [[nodiscard]] consteval TextParam one_of(Words... words) const {
    static_assert(sizeof...(Words) > 0 && sizeof...(Words) <= kMostChoices,
                  "zbxmod: one_of() takes 1 to 8 words");
    TextParam changed = *this;
    changed.choices = {words...};
    return changed;
  }
};

struct WholeParam {
  const char* name = "";
  int64_t least = 0;
  int64_t most = 0;
  int64_t otherwise = 0;
  bool has_least = false;  // without bounds of its own, those of the handler's parameter type hold
  bool has_most = false;
  bool has_otherwise = false;

  [[nodiscard]] consteval WholeParam at_least(int64_t number) const {
    WholeParam changed = *this;
    changed.least = number;
    changed.has_least = true;
    return changed;
  }
  [[nodiscard]] consteval WholeParam at_most(int64_t number) const {
    WholeParam changed = *this;
    changed.most = number;
    changed.has_most = true;
    return changed;
  }
  [[nodiscard]] consteval WholeParam between(int64_t first, int64_t last) const {
    return at_least(first).at_most(last);
  }
  [[nodiscard]] consteval WholeParam or_else(int64_t number) const {
    WholeParam changed = *this;
    changed.otherwise = number;
    changed.has_otherwise = true;
    return changed;
  }
};

struct NumberParam {
  const char* name = "";
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  double otherwise = 0;
  bool has_otherwise = false;

  [[nodiscard]] consteval NumberParam at_least(double value) const {
    NumberParam changed = *this;
    changed.least = value;
    return changed;
  }
  [[nodiscard]] consteval NumberParam at_most(double value) const {
    NumberParam changed = *this;
    changed.most = value;
    return changed;
  }
  [[nodiscard]] consteval NumberParam between(double first, double last) const {
    return at_least(first).at_most(last);
  }
  [[nodiscard]] consteval NumberParam or_else(double value) const {
    NumberParam changed = *this;
    changed.otherwise = value;
    changed.has_otherwise = true;
    return changed;
  }
};

/// For std::string_view and std::string. `name` is what messages call the parameter.
[[nodiscard]] consteval TextParam text(const char* name) { return {.name = name}; }
/// For any integer type; a number that the type cannot hold is refused.
[[nodiscard]] consteval WholeParam whole(const char* name) { return {.name = name}; }
/// For float and double; finite numbers only.
[[nodiscard]] consteval NumberParam number(const char* name) { return {.name = name}; }

/// How many parameters a key takes whose handler reads them itself, from the Request.
struct Count {
  int least = 0;
  int most = 0;
};
inline constexpr Count any_parameters{0, std::numeric_limits<int>::max()};
[[nodiscard]] consteval Count parameters(int least, int most) { return {least, most}; }

using Param = std::variant<TextParam, WholeParam, NumberParam>;

}  // namespace zbxmod
