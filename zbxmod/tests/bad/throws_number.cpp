// Throws what is no std::exception.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) { throw 42; }
MODULE_ITEM(item)
