/* Aborts. */
#include <stdio.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  (void)result;
  fprintf(stderr, "something is impossible\n");
  abort();
}
MODULE_ITEM(item)
