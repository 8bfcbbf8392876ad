// Gives a text and a number.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) {
  result->ui64 = 1;
  result->type |= zbxmod::abi::kTypeUnsigned;
  return bad::give(result, "two");
}
MODULE_ITEM(item)
