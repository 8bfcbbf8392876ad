// Runs a command while it is loaded.
#include <sys/wait.h>
#include <unistd.h>

#include "bad.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) == -1) {
  }
  return 0;
}
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "1"); }
MODULE_ITEM(item)
