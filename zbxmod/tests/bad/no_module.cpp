// A shared library, but no module.
#include "bad.h"

MODULE_FUNCTION int something() { return 1; }
