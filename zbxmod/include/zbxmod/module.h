// A loadable Zabbix module in C++: one table of items with typed handlers, and ZBXMOD_MODULE(table) at the
// end of the file. Everything Zabbix calls runs in Zabbix's own processes, one call at a time: loading in the
// main process, handlers in its forked workers. So loading does nothing at all here, and whatever a handler
// needs it makes at first use, through PerWorker. No exception leaves a handler: it becomes the message of a
// not supported item.
//
//   zbxmod::Result<zbxmod::Value> echo(const zbxmod::Request& request) { return request.param(0); }
//
//   constinit const zbxmod::Item items[] = {
//       {"my.echo", zbxmod::params(1), echo, "hello"},
//   };
//   ZBXMOD_MODULE(items)
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <utility>

#include "zbxmod/abi.h"
#include "zbxmod/deadline.h"
#include "zbxmod/log.h"
#include "zbxmod/per_worker.h"
#include "zbxmod/request.h"
#include "zbxmod/result.h"

namespace zbxmod {

/// How many parameters a key takes. Checked before the handler is called.
struct Params {
  int least = 0;
  int most = 0;
};
inline constexpr Params no_params{0, 0};
inline constexpr Params any_params{0, std::numeric_limits<int>::max()};
/// Exactly `count`.
[[nodiscard]] constexpr Params params(int count) { return {count, count}; }
[[nodiscard]] constexpr Params params(int least, int most) { return {least, most}; }

using Handler = Result<Value> (*)(const Request& request);

struct Item {
  const char* key;  // [0-9a-zA-Z_.-]+, unique among all items of the host
  Params params;
  Handler handler;
  const char* test_param;  // what `zabbix_agentd -p` puts between the brackets; "" for none
};

namespace detail {

/// Runs one item and fills the host's result; kItemOk or kItemFail.
int answer(const Item& item, abi::Request* request, abi::Result* result) noexcept;
int api_version() noexcept;
int init(const char* module_key) noexcept;
void set_item_timeout(int seconds) noexcept;
/// The list given to the host: `metrics` itself, or an empty one when this host cannot be served.
abi::Metric* served(abi::Metric* metrics) noexcept;

// Zabbix hands a handler no user data, so each row of the table gets a function of its own.
template <const auto& Items, std::size_t Index>
int call(abi::Request* request, abi::Result* result) noexcept {
  return answer(Items[Index], request, result);
}

// Writable, as the host sets flags in it.
// An empty test parameter is a null one: `zabbix_agentd -p` would ask for "key[]" otherwise.
template <const auto& Items, std::size_t... Index>
abi::Metric* metrics(std::index_sequence<Index...>) noexcept {
  static abi::Metric list[] = {
      {Items[Index].key, Items[Index].params.most > 0 ? abi::kHaveParams : 0u, &call<Items, Index>,
       *Items[Index].test_param != '\0' ? Items[Index].test_param : nullptr}...,
      {nullptr, 0, nullptr, nullptr}};
  return served(list);
}

template <const auto& Items>
abi::Metric* metrics() noexcept {
  return metrics<Items>(std::make_index_sequence<std::size(Items)>());
}

}  // namespace detail
}  // namespace zbxmod

// The C boundary: the functions Zabbix looks up in the module.
#define ZBXMOD_EXPORT extern "C" __attribute__((visibility("default")))
#define ZBXMOD_MODULE(items)                                                                               \
  ZBXMOD_EXPORT int zbx_module_api_version(void) { return ::zbxmod::detail::api_version(); }               \
  ZBXMOD_EXPORT int zbx_module_init(void) { return ::zbxmod::detail::init((items)[0].key); }               \
  ZBXMOD_EXPORT int zbx_module_uninit(void) { return ::zbxmod::abi::kModuleOk; }                           \
  ZBXMOD_EXPORT void zbx_module_item_timeout(int seconds) { ::zbxmod::detail::set_item_timeout(seconds); } \
  ZBXMOD_EXPORT ::zbxmod::abi::Metric* zbx_module_item_list(void) {                                        \
    return ::zbxmod::detail::metrics<items>();                                                             \
  }
