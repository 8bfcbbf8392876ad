/* Calls the log function of Zabbix up to 6.4, bound when it is loaded; another only where the host has it. */
#include "../c/zabbix_module.h"

void __zbx_zabbix_log(int level, const char* format, ...);
void zbx_log_handle(int level, const char* format, ...) __attribute__((weak));

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init(void) {
  if (zbx_log_handle != NULL) zbx_log_handle(3, "hello");
  __zbx_zabbix_log(3, "hello from %s", "a C module");
  return ZBX_MODULE_OK;
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
MODULE_ITEM(item)
