/* Has its items in memory that may not be written. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
static const ZBX_METRIC items[] = {{"bad.item", CF_HAVEPARAMS, item, "1"}, {NULL, 0, NULL, NULL}};
MODULE_FUNCTION ZBX_METRIC* zbx_module_item_list(void) { return (ZBX_METRIC*)items; }
