// Reads the member that came with 4.0.21 and 5.0.1, in every version.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static int item(bad::Request* request, bad::Result* result) {
  return bad::give(result, request->types[0] == zbxmod::abi::kParamArray ? "array" : "string");
}
MODULE_ITEM(item)
