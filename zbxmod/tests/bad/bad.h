// What the modules here share: each is a whole module of one item, written against the bare interface, with
// one thing wrong.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "zbxmod/abi.h"

#define MODULE_FUNCTION extern "C" __attribute__((visibility("default")))

namespace bad {

using zbxmod::abi::Metric;
using zbxmod::abi::Request;
using zbxmod::abi::Result;

inline int give(Result* result, const char* text) {
  result->text = ::strdup(text);
  result->type |= zbxmod::abi::kTypeText;
  return zbxmod::abi::kItemOk;
}

}  // namespace bad

#define MODULE_VERSION                                                   \
  MODULE_FUNCTION int zbx_module_api_version() {                         \
    return ::dlsym(RTLD_DEFAULT, "zbx_load_modules") != nullptr ? 2 : 1; \
  }
#define MODULE_INIT \
  MODULE_FUNCTION int zbx_module_init() { return 0; }
#define MODULE_ITEM(function)                                                                    \
  static bad::Metric items[] = {{"bad.item", 1, function, "1"}, {nullptr, 0, nullptr, nullptr}}; \
  MODULE_FUNCTION bad::Metric* zbx_module_item_list() { return items; }
