// Returns what is neither success nor failure.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) { return 7; }
MODULE_ITEM(item)
