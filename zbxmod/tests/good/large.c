/* Answers with 10 MB. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  const size_t length = 10 * 1000 * 1000;
  result->text = malloc(length + 1);
  if (result->text == NULL) return give_message(result, "out of memory");
  memset(result->text, 'x', length);
  result->text[length] = '\0';
  result->type |= AR_TEXT;
  return SYSINFO_RET_OK;
}
MODULE_ITEM(item)
