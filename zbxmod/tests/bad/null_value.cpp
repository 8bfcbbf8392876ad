// Says that it gives a text, and gives none.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) {
  result->type |= zbxmod::abi::kTypeText;
  return 0;
}
MODULE_ITEM(item)
