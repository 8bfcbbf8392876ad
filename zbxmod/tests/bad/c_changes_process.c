/* Changes in init what belongs to the whole process. */
#define _GNU_SOURCE
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

static void on_signal(int number) { (void)number; }

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init(void) {
  const struct itimerval hour = {{0, 0}, {3600, 0}};
  const struct rlimit few = {32, 32};
  sigset_t usr2;
  umask(077);
  if (chdir("/tmp") != 0) return ZBX_MODULE_FAIL;
  signal(SIGTERM, on_signal);
  signal(SIGWINCH, on_signal);
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &usr2, NULL);
  setitimer(ITIMER_VIRTUAL, &hour, NULL);
  setrlimit(RLIMIT_NOFILE, &few);
  setenv("BAD_MODULE", "was here", 1);
  setlocale(LC_ALL, "C.UTF-8");
  return ZBX_MODULE_OK;
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
MODULE_ITEM(item)
