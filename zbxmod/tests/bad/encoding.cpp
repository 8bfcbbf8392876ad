// Gives Latin-1.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "caf\xE9"); }
MODULE_ITEM(item)
