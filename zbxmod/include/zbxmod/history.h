// History export: Zabbix shows a module every value before it is written to the database. Server and proxy do
// so in their history syncers, Zabbix 3.2 and later.
//
//   void numbers(std::span<const zbxmod::HistoryFloat> values) { for (const auto& each : values) ...; }
//   ZBXMOD_HISTORY(.on_float = numbers)
//
// The rows are Zabbix's memory, looked at and not copied, and gone when the function returns. The functions
// run in each of the history syncers, one call at a time, and Zabbix waits for them: write to something local
// that cannot block. An exception becomes a line of Zabbix's log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "zbxmod/abi.h"

namespace zbxmod {

using HistoryFloat = abi::HistoryFloat;
using HistoryInteger = abi::HistoryInteger;
using HistoryString = abi::HistoryString;  // an item of the type "character"
using HistoryText = abi::HistoryText;
using HistoryLog = abi::HistoryLog;

/// What is null is not asked for.
struct HistoryHandlers {
  void (*on_float)(std::span<const HistoryFloat> values) = nullptr;
  void (*on_integer)(std::span<const HistoryInteger> values) = nullptr;
  void (*on_string)(std::span<const HistoryString> values) = nullptr;
  void (*on_text)(std::span<const HistoryText> values) = nullptr;
  void (*on_log)(std::span<const HistoryLog> values) = nullptr;
};

namespace detail {

/// Writes the exception being handled to the log, behind the words "where".
void log_current_exception(const char* where) noexcept;

template <typename Row, void (*Handler)(std::span<const Row>)>
void export_rows(const Row* rows, int count) noexcept {
  if (rows == nullptr || count <= 0) return;
  try {
    Handler(std::span<const Row>(rows, static_cast<size_t>(count)));
  } catch (...) {
    log_current_exception("a history function failed: ");
  }
}

template <typename Row, void (*Handler)(std::span<const Row>)>
constexpr auto exporter() noexcept -> void (*)(const Row*, int) {
  if constexpr (Handler == nullptr) {
    return nullptr;
  } else {
    return &export_rows<Row, Handler>;
  }
}

template <const HistoryHandlers& Handlers>
abi::HistoryWriteCallbacks history_callbacks() noexcept {
  return {exporter<HistoryFloat, Handlers.on_float>(), exporter<HistoryInteger, Handlers.on_integer>(),
          exporter<HistoryString, Handlers.on_string>(), exporter<HistoryText, Handlers.on_text>(),
          exporter<HistoryLog, Handlers.on_log>()};
}

}  // namespace detail
}  // namespace zbxmod

// The function that Zabbix looks for exists only in modules that have this line.
#define ZBXMOD_HISTORY(...)                                                              \
  namespace {                                                                            \
  constexpr ::zbxmod::HistoryHandlers zbxmod_history_handlers{__VA_ARGS__};              \
  }                                                                                      \
  extern "C" __attribute__((visibility("default"))) ::zbxmod::abi::HistoryWriteCallbacks \
  zbx_module_history_write_cbs(void) {                                                   \
    return ::zbxmod::detail::history_callbacks<zbxmod_history_handlers>();               \
  }
