#include "zbxmod/module.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

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

int fail(abi::Result* result, std::string_view message) noexcept {
  result->msg = host_copy(message.empty() ? std::string_view("the module gave no reason") : message);
  if (result->msg != nullptr) result->type |= abi::kTypeMessage;
  return abi::kItemFail;
}

int succeed_with_text(abi::Result* result, std::string_view text) noexcept {
  result->text = host_copy(text);
  if (result->text == nullptr) return fail(result, "not enough memory for the answer");
  result->type |= abi::kTypeText;
  return abi::kItemOk;
}

int give_text(abi::Result* result, const std::string& text) {
  if (is_valid_text(text)) return succeed_with_text(result, text);
  return succeed_with_text(result, valid_text(text));
}

int give(abi::Result* result, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data())) return give_text(result, *text);
  if (const auto* number = std::get_if<uint64_t>(&value.data())) {
    result->ui64 = *number;
    result->type |= abi::kTypeUnsigned;
    return abi::kItemOk;
  }
  const double number = std::get<double>(value.data());
  if (!std::isfinite(number)) {
    return fail(result, std::isnan(number) ? "the value is not a number (NaN)" : "the value is infinite");
  }
  // The host prints a double with six decimals; text keeps them all.
  return succeed_with_text(result, to_text(number));
}

std::string wrong_count(const Item& item, int count) {
  const auto [least, most] = item.params;
  std::string takes = std::to_string(least);
  if (most == 0) {
    takes = "no";
  } else if (most == any_params.most) {
    takes = "at least " + takes;
  } else if (most != least) {
    takes += " to " + std::to_string(most);
  }
  return std::string(item.key) + " takes " + takes + (takes == "1" ? " parameter" : " parameters") +
         ", not " + std::to_string(count);
}

int run(const Item& item, const abi::Request& raw, abi::Result* result) {
  if (raw.nparam < item.params.least || raw.nparam > item.params.most) {
    return fail(result, wrong_count(item, raw.nparam));
  }
  auto timeout = item_timeout();
  if (host().has_request_timeout && raw.timeout > 0) timeout = std::chrono::seconds(raw.timeout);
  const Request request(raw, host().has_request_types ? raw.types : nullptr,
                        Deadline::in(usable_time(timeout)));
  const Result<Value> value = item.handler(request);
  if (!value) return fail(result, valid_text(value.error().message));
  return give(result, *value);
}

}  // namespace

int answer(const Item& item, abi::Request* request, abi::Result* result) noexcept {
  try {
    return run(item, *request, result);
  } catch (const std::bad_alloc&) {
    return fail(result, "not enough memory");
  } catch (const std::exception& exception) {
    try {
      return fail(result, valid_text(exception.what()));
    } catch (...) {
      return fail(result, "not enough memory");
    }
  } catch (...) {
    return fail(result, "the module threw an exception of unknown type");
  }
}

}  // namespace zbxmod::detail
