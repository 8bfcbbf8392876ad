// Has its items in memory that may not be written.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "1"); }
static const bad::Metric items[] = {{"bad.item", 1, item, "1"}, {nullptr, 0, nullptr, nullptr}};
MODULE_FUNCTION bad::Metric* zbx_module_item_list() { return const_cast<bad::Metric*>(items); }
