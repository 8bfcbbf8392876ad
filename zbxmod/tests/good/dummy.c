/* Zabbix's classic dummy module, written anew from the documentation of its items: dummy.ping answers 1,
   dummy.echo[text] its parameter, dummy.random[low,high] a whole number of that range. */
#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

static int item_timeout = 0;

static int ping(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  result->ui64 = 1;
  result->type |= AR_UINT64;
  return SYSINFO_RET_OK;
}

static int echo(AGENT_REQUEST* request, AGENT_RESULT* result) {
  if (request->nparam != 1) return give_message(result, "Invalid number of parameters.");
  result->str = strdup(request->params[0]);
  result->type |= AR_STRING;
  return SYSINFO_RET_OK;
}

static int whole(const char* text, int* number) {
  char* end = NULL;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < 0 || value > INT_MAX) return 0;
  *number = (int)value;
  return 1;
}

static int random_number(AGENT_REQUEST* request, AGENT_RESULT* result) {
  static unsigned seed = 0;
  int low = 0, high = 0;
  if (request->nparam != 2) return give_message(result, "Invalid number of parameters.");
  if (!whole(request->params[0], &low) || !whole(request->params[1], &high) || low > high)
    return give_message(result, "Invalid range specified.");
  /* Each worker has numbers of its own. */
  if (seed == 0) seed = (unsigned)time(NULL) ^ (unsigned)getpid();
  result->ui64 = (unsigned long long)low + (unsigned)rand_r(&seed) % ((unsigned)high - (unsigned)low + 1);
  result->type |= AR_UINT64;
  return SYSINFO_RET_OK;
}

static ZBX_METRIC items[] = {
    {"dummy.ping", 0, ping, NULL},
    {"dummy.echo", CF_HAVEPARAMS, echo, "a message"},
    {"dummy.random", CF_HAVEPARAMS, random_number, "1,1000"},
    {NULL, 0, NULL, NULL},
};

MODULE_VERSION
MODULE_FUNCTION void zbx_module_item_timeout(int timeout) { item_timeout = timeout; }
MODULE_FUNCTION ZBX_METRIC* zbx_module_item_list(void) { return items; }
MODULE_FUNCTION int zbx_module_init(void) { return ZBX_MODULE_OK; }
MODULE_FUNCTION int zbx_module_uninit(void) { return ZBX_MODULE_OK; }
