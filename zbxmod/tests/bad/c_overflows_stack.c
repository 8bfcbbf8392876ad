/* Calls itself without an end. */
#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static volatile int always = 1;
__attribute__((noinline)) static int deeper(const char* above) {
  volatile char here[4096];
  here[0] = above[0];
  return always ? deeper((const char*)here) + here[0] : here[1];
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  result->ui64 = (unsigned long long)deeper("x");
  result->type |= AR_UINT64;
  return SYSINFO_RET_OK;
}
MODULE_ITEM(item)
