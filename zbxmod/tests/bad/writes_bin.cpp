// Writes the member that came with 7.0, in every version.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) {
  result->bin = nullptr;
  return bad::give(result, "1");
}
MODULE_ITEM(item)
