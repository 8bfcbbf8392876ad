// Ends its worker when it is asked.
#include <cstdlib>

#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) { std::exit(3); }
MODULE_ITEM(item)
