// Answers after a Timeout of one second.
#include <unistd.h>

#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) {
  ::usleep(1'300'000);
  return bad::give(result, "late");
}
MODULE_ITEM(item)
