/* Answers a second after a Timeout of one second. */
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  sleep(2);
  return give_text(result, "late");
}
MODULE_ITEM(item)
