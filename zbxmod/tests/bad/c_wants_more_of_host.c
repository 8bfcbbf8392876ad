/* Calls a function of Zabbix's that only Zabbix has. */
#include "../c/zabbix_module.h"

int zbx_json_open(const char* buffer, void* json);

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return zbx_json_open("{}", NULL) == 0 ? give_text(result, "1") : give_message(result, "no JSON");
}
MODULE_ITEM(item)
