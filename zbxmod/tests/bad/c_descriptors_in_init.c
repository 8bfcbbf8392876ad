/* Leaves descriptors of many kinds open: all but the last are shared by all workers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../c/zabbix_module.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init(void) {
  int ends[2];
  if (pipe(ends) != 0 || eventfd(0, 0) < 0 || epoll_create1(0) < 0 ||
      timerfd_create(CLOCK_MONOTONIC, 0) < 0 || inotify_init1(0) < 0 || memfd_create("mine", 0) < 0)
    return ZBX_MODULE_FAIL;
  char path[] = "/tmp/zbxmod_bad_XXXXXX";
  if (mkstemp(path) < 0) return ZBX_MODULE_FAIL;
  unlink(path);
  return open("/proc/self/exe", O_RDONLY) >= 0 ? ZBX_MODULE_OK : ZBX_MODULE_FAIL;
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  return give_text(result, "1");
}
MODULE_ITEM(item)
