// Brings a key twice, and one that Zabbix has.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "1"); }
static bad::Metric items[] = {{"bad.item", 1, item, ""},
                              {"bad.item", 0, item, ""},
                              {"agent.ping", 0, item, ""},
                              {nullptr, 0, nullptr, nullptr}};
MODULE_FUNCTION bad::Metric* zbx_module_item_list() { return items; }
