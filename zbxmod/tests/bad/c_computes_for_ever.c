/* Never comes to an end, without waiting for anything. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static volatile int done = 0;
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  while (!done) {
  }
  return give_text(result, "1");
}
MODULE_ITEM(item)
