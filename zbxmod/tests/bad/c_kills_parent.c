/* Kills its parent process. */
#include <signal.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

/* Not getppid(): once the first worker has done it, another one's parent is whoever reaps orphans. */
static pid_t parent;
__attribute__((constructor)) static void remember_parent(void) { parent = getpid(); }

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  kill(parent, SIGKILL);
  return give_text(result, "1");
}
MODULE_ITEM(item)
