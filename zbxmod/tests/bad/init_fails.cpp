// Keeps Zabbix from starting because its own configuration is missing.
#include "bad.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() { return -1; }
