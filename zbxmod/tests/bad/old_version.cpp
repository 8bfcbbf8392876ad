// Built for the first module interface, whatever the host is.
#include "bad.h"

MODULE_FUNCTION int zbx_module_api_version() { return 1; }
MODULE_INIT
