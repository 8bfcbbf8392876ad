/* Keeps a file open for reading: no fault, but worth a note. */
#include <fcntl.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init(void) {
  return open("/proc/self/exe", O_RDONLY) >= 0 ? ZBX_MODULE_OK : ZBX_MODULE_FAIL;
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
MODULE_ITEM(item)
