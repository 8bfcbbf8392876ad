/* Calls a function that no Zabbix has: a library was forgotten when it was linked. */
#include "../c/zabbix_module.h"

int function_of_a_forgotten_library(void);

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return function_of_a_forgotten_library() == 0 ? give_text(result, "1") : SYSINFO_RET_FAIL;
}
MODULE_ITEM(item)
