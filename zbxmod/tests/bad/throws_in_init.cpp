// Lets an exception escape while it is loaded.
#include <stdexcept>

#include "bad.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() { throw std::invalid_argument("no configuration"); }
