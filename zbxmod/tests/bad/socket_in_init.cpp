// Connects while it is loaded.
#include <sys/socket.h>

#include "bad.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : -1; }
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "1"); }
MODULE_ITEM(item)
