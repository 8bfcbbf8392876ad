/* Sends its parent process SIGTERM. */
#include <signal.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  kill(getppid(), SIGTERM);
  return give_text(result, "1");
}
MODULE_ITEM(item)
