// Never answers.
#include <unistd.h>

#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) {
  for (;;) ::pause();
}
MODULE_ITEM(item)
