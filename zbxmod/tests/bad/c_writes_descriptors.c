/* Writes to every descriptor there is. */
#include <sys/socket.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  for (int i = 3; i < 1024; ++i) {
    if (write(i, "garbage", 7) < 0) continue;
  }
  return give_text(result, "1");
}
MODULE_ITEM(item)
