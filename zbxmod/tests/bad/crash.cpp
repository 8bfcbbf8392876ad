// Writes to an address that is not there.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static char* volatile nowhere = nullptr;
static int item(bad::Request*, bad::Result*) {
  *nowhere = 1;
  return 0;
}
MODULE_ITEM(item)
