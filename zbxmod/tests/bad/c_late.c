/* Answers after a Timeout of one second. */
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  usleep(1300000);
  return give_text(result, "late");
}
MODULE_ITEM(item)
