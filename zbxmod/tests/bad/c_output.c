/* Prints on standard output and standard error. */
#include <stdio.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  printf("debugging\n");
  fprintf(stderr, "complaining\n");
  return give_text(result, "1");
}
MODULE_ITEM(item)
