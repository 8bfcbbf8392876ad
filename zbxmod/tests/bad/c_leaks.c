/* Forgets 100 bytes at every question. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  char* volatile memory = malloc(100);
  if (memory != NULL) memory[0] = 1;
  return give_text(result, "1");
}
MODULE_ITEM(item)
