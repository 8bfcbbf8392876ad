/* Succeeds without a value. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  (void)result;
  return SYSINFO_RET_OK;
}
MODULE_ITEM(item)
