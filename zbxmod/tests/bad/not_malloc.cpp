// Gives memory that Zabbix cannot free.
#include "bad.h"

MODULE_VERSION
MODULE_INIT
static char text[] = "a static text, not from malloc";
static int item(bad::Request*, bad::Result* result) {
  result->text = text;
  result->type |= zbxmod::abi::kTypeText;
  return 0;
}
MODULE_ITEM(item)
