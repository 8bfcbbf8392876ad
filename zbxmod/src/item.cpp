#include "zbxmod/item.h"

#include <locale.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "zbxmod/host.h"

namespace zbxmod::detail {
namespace {

/// A copy that the host may free(), or null.
char* host_copy(std::string_view text) noexcept {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) return nullptr;
  if (!text.empty()) std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

int fail_with(abi::Result* result, char* message) noexcept {
  result->msg = message;
  if (message != nullptr) result->type |= abi::kTypeMessage;
  return abi::kItemFail;
}

int succeed_with(abi::Result* result, char* text) noexcept {
  if (text == nullptr) return fail(result, "not enough memory for the answer");
  result->text = text;
  result->type |= abi::kTypeText;
  return abi::kItemOk;
}

// "parameter 2 (high)": people count from one, as Zabbix's documentation does.
std::string named(size_t index, const char* name) {
  return "parameter " + std::to_string(index + 1) + " (" + name + ")";
}

bool refuse(Error& error, std::string message) {
  error.message = std::move(message);
  return false;
}

bool refuse_missing(Error& error, size_t index, const char* name) {
  return refuse(error, named(index, name) + " is missing");
}

// What was given goes into the message, but a message of two thousand bytes helps nobody.
std::string shown(std::string_view given) {
  constexpr size_t kMost = 100;
  if (given.size() <= kMost) return "'" + std::string(given) + "'";
  return "'" + std::string(given.substr(0, kMost)) + "...' (" + std::to_string(given.size()) + " bytes)";
}

template <typename Number>
bool read_whole(std::string_view given, size_t index, const WholeParam& param, Number least, Number most,
                Number& value, Error& error) {
  if (given.empty()) {
    if (!param.has_otherwise) return refuse_missing(error, index, param.name);
    value = static_cast<Number>(param.otherwise);
    return true;
  }
  const char* end = given.data() + given.size();
  const auto [read_to, code] = std::from_chars(given.data(), end, value);
  if (code == std::errc() && read_to == end && value >= least && value <= most) return true;
  // A number that is merely too small or too large is told the bounds; unsigned reading stops at a sign.
  const std::string_view digits = given.front() == '-' ? given.substr(1) : given;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return refuse(error, named(index, param.name) + " must be a whole number, not " + shown(given));
  }
  return refuse(error, named(index, param.name) + " must be from " + std::to_string(least) + " to " +
                           std::to_string(most) + ", not " + shown(given));
}

/// -12, 0.5, .5, 5., 1e-3: what Zabbix calls a floating point number, and no other spelling of strtod's.
bool is_decimal(std::string_view text) {
  const auto take_digits = [&text] {
    const size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  size_t digits = take_digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += take_digits();
  }
  if (digits == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (take_digits() == 0) return false;
  }
  return text.empty();
}

// Not std::from_chars: libstdc++'s brings the memory resources along, whose destructors it registers to run
// at exit, in whichever of Zabbix's processes that is. Not strtod: it obeys the locale that Zabbix has set.
double decimal(std::string_view text) {
  static const locale_t locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
  return ::strtod_l(std::string(text).c_str(), nullptr, locale);
}

std::string wrong_count(const Item& item, int given) {
  const auto [least, most] = item.count;
  std::string takes = std::to_string(least);
  if (most == 0) {
    takes = "no";
  } else if (most == any_parameters.most) {
    takes = "at least " + takes;
  } else if (most != least) {
    takes = (least == 0 ? std::string("at most ") : takes + " to ") + std::to_string(most);
  }
  const bool one = most == 1 || (most == any_parameters.most && least == 1);
  return std::string(item.key) + " takes " + takes + (one ? " parameter" : " parameters") + ", not " +
         std::to_string(given);
}

}  // namespace

std::string_view param_of(const abi::Request& request, size_t index) noexcept {
  if (request.nparam <= 0 || index >= static_cast<size_t>(request.nparam) || request.params == nullptr ||
      request.params[index] == nullptr) {
    return {};
  }
  return request.params[index];
}

bool read_text(std::string_view given, bool written, size_t index, const TextParam& param,
               std::string_view& value, Error& error) {
  if (given.empty() && param.otherwise != nullptr) {
    value = param.otherwise;
    return true;
  }
  if (given.empty() && !(written && param.empty_allowed)) return refuse_missing(error, index, param.name);
  value = given;
  if (param.choices[0] == nullptr) return true;
  std::string words;
  for (const char* each : param.choices) {
    if (each == nullptr) break;
    if (given == each) return true;
    if (!words.empty()) words += ", ";
    words += each;
  }
  return refuse(error, named(index, param.name) + " must be one of " + words + "; not " + shown(given));
}

bool read_signed(std::string_view given, size_t index, const WholeParam& param, int64_t least, int64_t most,
                 int64_t& value, Error& error) {
  return read_whole(given, index, param, least, most, value, error);
}

bool read_unsigned(std::string_view given, size_t index, const WholeParam& param, uint64_t least,
                   uint64_t most, uint64_t& value, Error& error) {
  return read_whole(given, index, param, least, most, value, error);
}

bool read_number(std::string_view given, size_t index, const NumberParam& param, double& value,
                 Error& error) {
  if (given.empty()) {
    if (!param.has_otherwise) return refuse_missing(error, index, param.name);
    value = param.otherwise;
    return true;
  }
  if (!is_decimal(given)) {
    return refuse(error, named(index, param.name) + " must be a number, not " + shown(given));
  }
  value = decimal(given);
  if (std::isfinite(value) && value >= param.least && value <= param.most) return true;
  std::string bounds;
  if (std::isfinite(param.least)) bounds += " from " + to_text(param.least);
  if (std::isfinite(param.most)) bounds += (bounds.empty() ? " at most " : " to ") + to_text(param.most);
  if (bounds.empty()) bounds = " a number that a double can hold";
  return refuse(error, named(index, param.name) + " must be" + bounds + ", not " + shown(given));
}

int fail(abi::Result* result, std::string_view message) noexcept {
  if (message.empty()) message = "the module gave no reason";
  if (is_valid_text(message)) return fail_with(result, host_copy(message));
  try {
    return fail_with(result, host_copy(valid_text(message)));
  } catch (...) {
    return fail_with(result, host_copy("not enough memory"));
  }
}

int fail_with_current_exception(abi::Result* result) noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return fail(result, "not enough memory");
  } catch (const std::exception& exception) {
    return fail(result, exception.what());
  } catch (...) {
    return fail(result, "the module threw an exception of unknown type");
  }
}

int fail_with_count(const Item& item, int given, abi::Result* result) {
  return fail(result, wrong_count(item, given));
}

int give_text(abi::Result* result, std::string_view text) {
  if (is_valid_text(text)) return succeed_with(result, host_copy(text));
  return succeed_with(result, host_copy(valid_text(text)));
}

int give_text(abi::Result* result, Text&& text) {
  if (is_valid_text(text.view())) return succeed_with(result, text.release());
  return succeed_with(result, host_copy(valid_text(text.view())));
}

int give_null_text(abi::Result* result) noexcept {
  return fail(result, "the module returned no text (null)");
}

int give_signed(abi::Result* result, int64_t number) {
  if (number >= 0) return give_unsigned(result, static_cast<uint64_t>(number));
  // Zabbix's integer is unsigned; text lets the item's value type decide.
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return succeed_with(result, host_copy({digits, static_cast<size_t>(end - digits)}));
}

int give_unsigned(abi::Result* result, uint64_t number) noexcept {
  result->ui64 = number;
  result->type |= abi::kTypeUnsigned;
  return abi::kItemOk;
}

int give_double(abi::Result* result, double number) {
  if (!std::isfinite(number)) {
    return fail(result, std::isnan(number) ? "the value is not a number (NaN)" : "the value is infinite");
  }
  // The host prints a double with six decimals; text keeps them all.
  return succeed_with(result, host_copy(to_text(number)));
}

int give_discovery(abi::Result* result, Discovery&& discovery) {
  if (!discovery.error().empty()) return fail(result, discovery.error());
  return give_text(result, discovery.take());
}

int give_value(abi::Result* result, Value&& value) {
  if (auto* text = std::get_if<Text>(&value.data())) return give_text(result, std::move(*text));
  if (const auto* number = std::get_if<uint64_t>(&value.data())) return give_unsigned(result, *number);
  return give_double(result, *std::get_if<double>(&value.data()));
}

Request request_of(const abi::Request& request) noexcept {
  auto timeout = item_timeout();
  if (host().has_request_timeout && request.timeout > 0) timeout = std::chrono::seconds(request.timeout);
  return {request, host().has_request_types ? request.types : nullptr, Deadline::in(usable_time(timeout))};
}

}  // namespace zbxmod::detail
