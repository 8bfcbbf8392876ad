// Fails and does not say why.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) { return 1; }
MODULE_ITEM(item)
