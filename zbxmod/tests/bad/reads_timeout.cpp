// Reads the member that came with 7.0, in every version.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request* request, bad::Result* result) {
  return bad::give(result, *const_cast<volatile int*>(&request->timeout) > 0 ? "limited" : "unlimited");
}
MODULE_ITEM(item)
