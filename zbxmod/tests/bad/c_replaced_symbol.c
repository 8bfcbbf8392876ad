/* Calls functions of its own whose names Zabbix, the C library and libcurl have too. */
#include "../c/zabbix_module.h"

MODULE_FUNCTION int process(int number);
MODULE_FUNCTION int opterr_of(int number);
MODULE_FUNCTION int error(int number);
MODULE_FUNCTION int curl_easy_reset(int number);
MODULE_FUNCTION int help(int number);

int process(int number) { return number + 1; }
int opterr_of(int number) { return number + 2; }
int error(int number) { return number + 3; }
int curl_easy_reset(int number) { return number + 4; }
int help(int number) { return number + 5; }

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  result->ui64 = (unsigned long long)(process(1) + opterr_of(1) + error(1) + curl_easy_reset(1));
  result->type |= AR_UINT64;
  return SYSINFO_RET_OK;
}
MODULE_ITEM(item)
