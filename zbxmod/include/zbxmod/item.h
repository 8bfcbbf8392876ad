// A row of a module's table. A handler is an ordinary function: its C++ parameters are the parameters of the
// item's key, what it returns is the item's value. The row gives the key, and says of each parameter what it
// is called and what it may be; the SDK reads, checks and converts them, and words the refusals.
//
//   Result<uint64_t> random(int64_t low, int64_t high);
//   item<random>("dummy.random", whole("low"), whole("high").at_least(0)).test("1,1000")
//
// A handler may take `const Request&` first, for the deadline, the key, or parameters of any number. It
// returns text (std::string, std::string_view, const char*, Text), any integer or floating point type,
// Discovery or Value, or a Result of one of these. A std::string_view that it returns is copied at once; it
// may refer to a parameter or to something that lasts, not to a variable of the function.
//
// What is wrong with a row stops the compiler, with a sentence that begins with "zbxmod:" or the name of a
// function in zbxmod::compile_error.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "zbxmod/abi.h"
#include "zbxmod/built_in_keys.h"
#include "zbxmod/discovery.h"
#include "zbxmod/param.h"
#include "zbxmod/request.h"
#include "zbxmod/result.h"

namespace zbxmod {

inline constexpr size_t kMostParameters = 8;

// Called where a row is wrong, which no constant expression may do: the compiler names the function.
namespace compile_error {
void the_key_is_empty();
void the_key_has_a_character_other_than_letters_digits_dot_dash_and_underscore();
void the_key_is_built_into_Zabbix_which_would_not_start_choose_another();
void a_parameter_has_no_name();
void a_required_parameter_follows_an_optional_one_give_it_a_default_with_or_else();
void the_lower_bound_is_above_the_upper_one();
void the_default_is_outside_the_bounds();
void the_default_is_none_of_the_words_of_one_of();
void a_bound_or_default_does_not_fit_the_type_of_the_handlers_parameter();
void a_bound_or_default_is_not_a_number();
void the_least_count_of_parameters_is_above_the_most_or_below_zero();
}  // namespace compile_error

struct Item {
  using Answer = int (*)(const Item& item, const abi::Request* request, abi::Result* result) noexcept;

  const char* key = "";
  Answer answer = nullptr;
  Count count{};
  const char* test_param = "";
  std::array<Param, kMostParameters> params{};

  /// What `zabbix_agentd -p` and zbxmod-host put between the brackets, such as "lo,rx".
  [[nodiscard]] consteval Item test(const char* parameters) const {
    Item changed = *this;
    changed.test_param = parameters;
    return changed;
  }
};

namespace detail {

// ---- what a handler is

template <typename Function>
struct Signature {
  static constexpr bool is_function = false;
};
template <typename Return_, typename... Parameters>
struct Signature<Return_ (*)(Parameters...)> {
  static constexpr bool is_function = true;
  static constexpr bool takes_request = false;
  using Return = Return_;
  using Arguments = std::tuple<std::remove_cvref_t<Parameters>...>;
};
template <typename Return_, typename... Parameters>
struct Signature<Return_ (*)(const Request&, Parameters...)> {
  static constexpr bool is_function = true;
  static constexpr bool takes_request = true;
  using Return = Return_;
  using Arguments = std::tuple<std::remove_cvref_t<Parameters>...>;
};
template <typename Return, typename... Parameters>
struct Signature<Return (*)(Parameters...) noexcept> : Signature<Return (*)(Parameters...)> {};

template <typename T>
inline constexpr bool is_result = false;
template <typename T>
inline constexpr bool is_result<Result<T>> = true;

template <typename T>
concept Character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
    std::same_as<T, char16_t> || std::same_as<T, char32_t>;
template <typename T>
concept Integer = std::integral<T> && !Character<T> && !std::same_as<T, bool>;
template <typename T>
concept Plain =
    std::same_as<T, std::string> || std::same_as<T, std::string_view> || std::same_as<T, const char*> ||
    std::same_as<T, Text> || std::same_as<T, Discovery> || std::same_as<T, Value> || std::same_as<T, bool> ||
    Integer<T> || std::same_as<T, float> || std::same_as<T, double>;

template <typename T>
inline constexpr bool is_answer = Plain<T>;
template <typename T>
inline constexpr bool is_answer<Result<T>> = Plain<T>;

template <typename T, typename Described>
inline constexpr bool fits = false;
template <typename T>
inline constexpr bool fits<T, TextParam> = std::same_as<T, std::string_view> || std::same_as<T, std::string>;
template <typename T>
inline constexpr bool fits<T, WholeParam> = Integer<T>;
template <typename T>
inline constexpr bool fits<T, NumberParam> = std::same_as<T, double> || std::same_as<T, float>;

template <typename Arguments, typename... Params>
inline constexpr bool all_fit = false;
template <typename... Arguments, typename... Params>
inline constexpr bool all_fit<std::tuple<Arguments...>, Params...> = (fits<Arguments, Params> && ...);

// ---- what is wrong with a row

constexpr void check_key(std::string_view key) {
  if (key.empty()) compile_error::the_key_is_empty();
  for (const char c : key) {
    const bool allowed = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         c == '.' || c == '-' || c == '_';
    if (!allowed) compile_error::the_key_has_a_character_other_than_letters_digits_dot_dash_and_underscore();
  }
  if (is_built_in(key)) compile_error::the_key_is_built_into_Zabbix_which_would_not_start_choose_another();
}

template <typename Argument>
constexpr void check_param(const TextParam& param) {
  if (param.otherwise == nullptr || param.choices[0] == nullptr) return;
  for (const char* each : param.choices) {
    if (each != nullptr && std::string_view(each) == param.otherwise) return;
  }
  compile_error::the_default_is_none_of_the_words_of_one_of();
}

template <typename Argument>
constexpr void check_param(const WholeParam& param) {
  const auto fits_type = [](int64_t number) { return std::in_range<Argument>(number); };
  if ((param.has_least && !fits_type(param.least)) || (param.has_most && !fits_type(param.most)) ||
      (param.has_otherwise && !fits_type(param.otherwise))) {
    compile_error::a_bound_or_default_does_not_fit_the_type_of_the_handlers_parameter();
  }
  if (param.has_least && param.has_most && param.least > param.most) {
    compile_error::the_lower_bound_is_above_the_upper_one();
  }
  if (param.has_otherwise && ((param.has_least && param.otherwise < param.least) ||
                              (param.has_most && param.otherwise > param.most))) {
    compile_error::the_default_is_outside_the_bounds();
  }
}

template <typename Argument>
constexpr void check_param(const NumberParam& param) {
  const auto is_nan = [](double number) { return !(number >= number); };
  if (is_nan(param.least) || is_nan(param.most) || is_nan(param.otherwise)) {
    compile_error::a_bound_or_default_is_not_a_number();
  }
  if (param.least > param.most) compile_error::the_lower_bound_is_above_the_upper_one();
  if (param.has_otherwise && (param.otherwise < param.least || param.otherwise > param.most)) {
    compile_error::the_default_is_outside_the_bounds();
  }
}

constexpr bool is_optional(const TextParam& param) { return param.otherwise != nullptr; }
constexpr bool is_optional(const WholeParam& param) { return param.has_otherwise; }
constexpr bool is_optional(const NumberParam& param) { return param.has_otherwise; }

/// `optional`: whether the parameter before this one may be left out.
template <typename Argument>
constexpr bool check_next(const auto& param, bool& optional) {
  if (std::string_view(param.name).empty()) compile_error::a_parameter_has_no_name();
  check_param<Argument>(param);
  if (optional && !is_optional(param)) {
    compile_error::a_required_parameter_follows_an_optional_one_give_it_a_default_with_or_else();
  }
  optional = is_optional(param);
  return true;
}

template <typename... Arguments, typename... Params>
constexpr bool check_all(std::type_identity<std::tuple<Arguments...>>, const Params&... params) {
  [[maybe_unused]] bool optional = false;
  return (check_next<Arguments>(params, optional) && ...);
}

// ---- reading parameters and giving answers; the rest of it is in src/

/// The item's `index`-th parameter, empty when there is none.
[[nodiscard]] std::string_view param_of(const abi::Request& request, size_t index) noexcept;

/// False, and why in `error`.
bool read_text(std::string_view given, bool written, size_t index, const TextParam& param,
               std::string_view& value, Error& error);
bool read_signed(std::string_view given, size_t index, const WholeParam& param, int64_t least, int64_t most,
                 int64_t& value, Error& error);
bool read_unsigned(std::string_view given, size_t index, const WholeParam& param, uint64_t least,
                   uint64_t most, uint64_t& value, Error& error);
bool read_number(std::string_view given, size_t index, const NumberParam& param, double& value, Error& error);

template <typename T>
bool read(const abi::Request& request, const Param& described, size_t index, T& value, Error& error) {
  const std::string_view given = param_of(request, index);
  if constexpr (fits<T, TextParam>) {
    std::string_view text;
    const bool written = index < static_cast<size_t>(request.nparam);
    if (!read_text(given, written, index, *std::get_if<TextParam>(&described), text, error)) return false;
    value = text;
    return true;
  } else if constexpr (std::floating_point<T>) {
    double number = 0;
    if (!read_number(given, index, *std::get_if<NumberParam>(&described), number, error)) return false;
    value = static_cast<T>(number);
    return true;
  } else {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    const WholeParam& param = *std::get_if<WholeParam>(&described);
    const Wide least = param.has_least ? static_cast<Wide>(param.least) : std::numeric_limits<T>::min();
    const Wide most = param.has_most ? static_cast<Wide>(param.most) : std::numeric_limits<T>::max();
    Wide number = 0;
    if constexpr (std::is_signed_v<T>) {
      if (!read_signed(given, index, param, least, most, number, error)) return false;
    } else {
      if (!read_unsigned(given, index, param, least, most, number, error)) return false;
    }
    value = static_cast<T>(number);
    return true;
  }
}

int fail(abi::Result* result, std::string_view message) noexcept;
int fail_with_current_exception(abi::Result* result) noexcept;
int fail_with_count(const Item& item, int given, abi::Result* result);

int give_text(abi::Result* result, std::string_view text);
int give_text(abi::Result* result, Text&& text);
int give_null_text(abi::Result* result) noexcept;
int give_signed(abi::Result* result, int64_t number);
int give_unsigned(abi::Result* result, uint64_t number) noexcept;
int give_double(abi::Result* result, double number);
int give_discovery(abi::Result* result, Discovery&& discovery);
int give_value(abi::Result* result, Value&& value);

template <typename T>
int give(abi::Result* result, T&& answer) {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (is_result<Plain>) {
    if (!answer) return fail(result, answer.error().message);
    return give(result, *std::forward<T>(answer));
  } else if constexpr (std::is_same_v<Plain, Text>) {
    return give_text(result, std::forward<T>(answer));
  } else if constexpr (std::is_same_v<Plain, Discovery>) {
    return give_discovery(result, std::forward<T>(answer));
  } else if constexpr (std::is_same_v<Plain, Value>) {
    return give_value(result, std::forward<T>(answer));
  } else if constexpr (std::is_same_v<Plain, const char*>) {
    return answer == nullptr ? give_null_text(result) : give_text(result, std::string_view(answer));
  } else if constexpr (std::is_convertible_v<Plain, std::string_view>) {
    return give_text(result, std::string_view(answer));
  } else if constexpr (std::is_floating_point_v<Plain>) {
    return give_double(result, answer);
  } else if constexpr (std::is_signed_v<Plain>) {
    return give_signed(result, answer);
  } else {
    return give_unsigned(result, answer);
  }
}

/// The request with its deadline, which runs from now.
[[nodiscard]] Request request_of(const abi::Request& request) noexcept;

template <auto Handler, size_t... Index>
int call([[maybe_unused]] const Item& item, const abi::Request& request, abi::Result* result,
         std::index_sequence<Index...>) {
  using Shape = Signature<decltype(Handler)>;
  typename Shape::Arguments arguments;
  [[maybe_unused]] Error error;
  const auto answer = [&](const auto&... first) {
    if (!(read(request, item.params[Index], Index, std::get<Index>(arguments), error) && ...)) {
      return fail(result, error.message);
    }
    return give(result, Handler(first..., std::move(std::get<Index>(arguments))...));
  };
  if constexpr (Shape::takes_request) {
    return answer(request_of(request));
  } else {
    return answer();
  }
}

template <auto Handler>
int answer(const Item& item, const abi::Request* request, abi::Result* result) noexcept {
  using Arguments = typename Signature<decltype(Handler)>::Arguments;
  try {
    // A parameter that is described and missing is refused by its name, not by the count.
    const int least = std::tuple_size_v<Arguments> > 0 ? 0 : item.count.least;
    if (request->nparam < least || request->nparam > item.count.most) {
      return fail_with_count(item, request->nparam, result);
    }
    return call<Handler>(item, *request, result, std::make_index_sequence<std::tuple_size_v<Arguments>>());
  } catch (...) {
    return fail_with_current_exception(result);
  }
}

/// Says what is wrong with the type of a handler; true when nothing is.
template <auto Handler>
consteval bool handler_is_sound() {
  using Shape = Signature<decltype(Handler)>;
  static_assert(Shape::is_function,
                "zbxmod: item<handler>(...) takes the name of a function, such as Result<uint64_t> "
                "random(int64_t low, int64_t high)");
  if constexpr (Shape::is_function) {
    static_assert(
        is_answer<typename Shape::Return>,
        "zbxmod: a handler returns text (std::string, std::string_view, const char*, zbxmod::Text), "
        "an integer, a double, zbxmod::Discovery or zbxmod::Value, or a zbxmod::Result of one of "
        "these: Zabbix takes no item without a value");
    return is_answer<typename Shape::Return>;
  }
  return false;
}

}  // namespace detail

/// A row: the key, and how each of the handler's parameters is called and bounded, in order.
template <auto Handler, typename... Params>
[[nodiscard]] consteval Item item(const char* key, Params... params) {
  Item made;
  if constexpr (detail::handler_is_sound<Handler>()) {
    using Arguments = typename detail::Signature<decltype(Handler)>::Arguments;
    constexpr bool same_count = std::tuple_size_v<Arguments> == sizeof...(Params);
    static_assert(
        same_count,
        "zbxmod: the row describes more or fewer parameters than the handler takes: name each one, in "
        "order, as in item<handler>(\"my.key\", text(\"path\"), whole(\"limit\"))");
    static_assert(sizeof...(Params) <= kMostParameters,
                  "zbxmod: at most 8 parameters can be described: take const Request& instead, and "
                  "parameters(least, most) in the row");
    if constexpr (same_count && sizeof...(Params) <= kMostParameters) {
      constexpr bool same_types = detail::all_fit<Arguments, Params...>;
      static_assert(
          same_types,
          "zbxmod: the row describes a parameter as another type than the handler takes: text() goes "
          "with std::string_view or std::string, whole() with an integer type, number() with double");
      if constexpr (same_types) {
        detail::check_key(key);
        detail::check_all(std::type_identity<Arguments>(), params...);
        made.key = key;
        made.answer = &detail::answer<Handler>;
        made.count = {(0 + ... + (detail::is_optional(params) ? 0 : 1)), static_cast<int>(sizeof...(Params))};
        made.params = {Param(params)...};
      }
    }
  }
  return made;
}

/// A row whose handler takes `const Request&` alone and reads that many parameters itself.
template <auto Handler>
[[nodiscard]] consteval Item item(const char* key, Count count) {
  Item made;
  if constexpr (detail::handler_is_sound<Handler>()) {
    using Shape = detail::Signature<decltype(Handler)>;
    constexpr bool reads_itself = Shape::takes_request && std::tuple_size_v<typename Shape::Arguments> == 0;
    static_assert(reads_itself,
                  "zbxmod: with parameters(least, most) or any_parameters in its row the handler takes const "
                  "zbxmod::Request& and nothing else");
    if constexpr (reads_itself) {
      detail::check_key(key);
      if (count.least < 0 || count.least > count.most) {
        compile_error::the_least_count_of_parameters_is_above_the_most_or_below_zero();
      }
      made.key = key;
      made.answer = &detail::answer<Handler>;
      made.count = count;
    }
  }
  return made;
}

}  // namespace zbxmod
