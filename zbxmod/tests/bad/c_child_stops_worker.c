/* Forks a child that keeps stopping the worker. */
#include <signal.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_INIT
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  const pid_t worker = getpid();
  if (fork() == 0) {
    while (kill(worker, SIGSTOP) == 0) usleep(1000);
    _exit(0);
  }
  return give_text(result, "1");
}
MODULE_ITEM(item)
