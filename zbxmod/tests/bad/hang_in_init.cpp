// Never finishes loading.
#include <unistd.h>

#include "bad.h"

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() {
  for (;;) ::pause();
}
