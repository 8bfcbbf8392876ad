/* Forks, and both processes return from the item. */
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return fork() == 0 ? give_text(result, "the child") : give_text(result, "the parent");
}
MODULE_ITEM(item)
