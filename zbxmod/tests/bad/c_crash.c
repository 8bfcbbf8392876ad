/* Writes to an address that is not there. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static char* volatile nowhere = NULL;
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  *nowhere = 1;
  return give_text(result, "1");
}
MODULE_ITEM(item)
