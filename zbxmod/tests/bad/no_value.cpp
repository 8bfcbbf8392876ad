// Succeeds without a value.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) { return 0; }
MODULE_ITEM(item)
