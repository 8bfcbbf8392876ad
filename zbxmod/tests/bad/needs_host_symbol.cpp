// Calls a function of one version of Zabbix, bound when the module is loaded.
#include "bad.h"

extern "C" __attribute__((visibility("default"))) void __zbx_zabbix_log(int level, const char* format, ...);

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() {
  __zbx_zabbix_log(3, "hello from %s", "a module");
  return 0;
}
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "1"); }
MODULE_ITEM(item)
