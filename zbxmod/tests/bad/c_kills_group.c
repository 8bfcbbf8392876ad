/* Kills its process group. */
#include <signal.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  kill(0, SIGKILL);
  return give_text(result, "1");
}
MODULE_ITEM(item)
