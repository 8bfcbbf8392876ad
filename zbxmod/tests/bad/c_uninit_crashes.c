/* Fails when it is unloaded. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static char* volatile nowhere = NULL;
MODULE_FUNCTION int zbx_module_uninit(void) {
  *nowhere = 1;
  return ZBX_MODULE_OK;
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
MODULE_ITEM(item)
