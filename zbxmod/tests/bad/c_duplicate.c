/* Brings a key twice, and two that zabbix_agentd has. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
static ZBX_METRIC items[] = {{"bad.item", 0, item, NULL},   {"bad.item", 0, item, NULL},
                             {"agent.ping", 0, item, NULL}, {"system.sw.os.get", 0, item, NULL},
                             {"icmpping", 0, item, NULL},   {NULL, 0, NULL, NULL}};
MODULE_FUNCTION ZBX_METRIC* zbx_module_item_list(void) { return items; }
