// A loadable Zabbix module in C++: one table of items with their handlers, and ZBXMOD_MODULE(table) at the
// end of the file. Everything Zabbix calls runs in Zabbix's own processes, one call at a time: loading in the
// main process, handlers in its forked workers. So loading does nothing by itself here, and whatever a
// handler needs it makes at first use, through PerWorker. No exception leaves the module: in a handler it
// becomes the message of a not supported item, elsewhere a line of Zabbix's log.
//
//   std::string_view echo(std::string_view text) { return text; }
//
//   constexpr zbxmod::Item items[] = {
//       zbxmod::item<echo>("my.echo", zbxmod::text("text")).test("hello"),
//   };
//   ZBXMOD_MODULE(items)
#pragma once

#include <array>
#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

#include "zbxmod/abi.h"
#include "zbxmod/deadline.h"
#include "zbxmod/discovery.h"
#include "zbxmod/history.h"
#include "zbxmod/item.h"
#include "zbxmod/log.h"
#include "zbxmod/param.h"
#include "zbxmod/per_worker.h"
#include "zbxmod/request.h"
#include "zbxmod/result.h"

namespace zbxmod {

/// What else Zabbix's main process runs: ZBXMOD_MODULE(items, .init = start, .uninit = stop). Both run there
/// and not in the workers; init before they are forked, so it must start no thread and leave no connection
/// open.
struct Hooks {
  /// An error becomes a line of Zabbix's log, and the items are served all the same: a daemon that monitors
  /// everything else should not stay down for one module's configuration.
  Result<void> (*init)() = nullptr;
  /// At the end of the main process, if it ends in good order; never in a worker.
  void (*uninit)() = nullptr;
  /// Zabbix does not start when init fails.
  bool init_must_succeed = false;
};

/// The table of a module that only exports history.
inline constexpr std::array<Item, 0> no_items{};

namespace detail {

int api_version() noexcept;
int init(const Hooks& hooks) noexcept;
int uninit(const Hooks& hooks) noexcept;
void set_item_timeout(int seconds) noexcept;
/// The list given to the host: `metrics` itself, or an empty one when this host cannot be served.
abi::Metric* served(abi::Metric* metrics) noexcept;

template <typename Table>
inline constexpr bool is_table =
    std::is_same_v<std::remove_cvref_t<decltype(*std::data(std::declval<Table&>()))>, Item>;

consteval bool readable(const auto& table) {
  for (const Item& each : table) {
    if (each.key == nullptr) return false;
  }
  return true;
}
template <const auto& Items>
concept ConstexprTable = requires {
  typename std::bool_constant<readable(Items)>;
};

template <const auto& Items>
consteval bool keys_differ() {
  if constexpr (ConstexprTable<Items>) {
    for (auto one = std::begin(Items); one != std::end(Items); ++one) {
      for (auto other = std::begin(Items); other != one; ++other) {
        if (std::string_view(one->key) == other->key && *one->key != '\0') return false;
      }
    }
  }
  return true;
}

// Zabbix hands a handler no user data, so each row of the table gets a function of its own.
template <const auto& Items, std::size_t Index>
int entry(abi::Request* request, abi::Result* result) noexcept {
  return Items[Index].answer(Items[Index], request, result);
}

// Writable, as the host sets flags in it.
// An empty test parameter is a null one: `zabbix_agentd -p` would ask for "key[]" otherwise.
template <const auto& Items, std::size_t... Index>
abi::Metric* metrics(std::index_sequence<Index...>) noexcept {
  static abi::Metric list[] = {
      {Items[Index].key, Items[Index].count.most > 0 ? abi::kHaveParams : 0U, &entry<Items, Index>,
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
#define ZBXMOD_MODULE(...) ZBXMOD_MODULE_WITH(__VA_ARGS__, )
#define ZBXMOD_MODULE_WITH(items, ...)                                                                     \
  static_assert(::zbxmod::detail::is_table<decltype(items)>,                                               \
                "zbxmod: ZBXMOD_MODULE takes the table, as in: constexpr zbxmod::Item items[] = {...};");  \
  static_assert(::zbxmod::detail::ConstexprTable<items>,                                                   \
                "zbxmod: declare the table constexpr, as in: constexpr zbxmod::Item items[] = {...};");    \
  static_assert(::zbxmod::detail::keys_differ<items>(),                                                    \
                "zbxmod: two rows of the table have the same key, with which Zabbix does not start");      \
  namespace {                                                                                              \
  constexpr ::zbxmod::Hooks zbxmod_hooks{__VA_ARGS__};                                                     \
  }                                                                                                        \
  ZBXMOD_EXPORT int zbx_module_api_version(void) { return ::zbxmod::detail::api_version(); }               \
  ZBXMOD_EXPORT int zbx_module_init(void) { return ::zbxmod::detail::init(zbxmod_hooks); }                 \
  ZBXMOD_EXPORT int zbx_module_uninit(void) { return ::zbxmod::detail::uninit(zbxmod_hooks); }             \
  ZBXMOD_EXPORT void zbx_module_item_timeout(int seconds) { ::zbxmod::detail::set_item_timeout(seconds); } \
  ZBXMOD_EXPORT ::zbxmod::abi::Metric* zbx_module_item_list(void) {                                        \
    return ::zbxmod::detail::metrics<items>();                                                             \
  }
