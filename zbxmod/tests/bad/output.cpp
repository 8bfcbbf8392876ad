// Prints.
#include <cstdio>

#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) {
  std::printf("debugging\n");
  return bad::give(result, "1");
}
MODULE_ITEM(item)
