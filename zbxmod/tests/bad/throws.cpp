// Lets an exception escape into Zabbix.
#include <stdexcept>

#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result*) { throw std::runtime_error("oops"); }
MODULE_ITEM(item)
