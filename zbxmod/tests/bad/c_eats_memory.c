/* Allocates until there is nothing left. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  for (;;) {
    char* memory = malloc(1 << 20);
    if (memory == NULL) return give_message(result, "out of memory");
    memset(memory, 1, 1 << 20);
  }
}
MODULE_ITEM(item)
