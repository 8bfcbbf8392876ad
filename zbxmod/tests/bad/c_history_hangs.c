/* Never takes a value of history. */
#include <unistd.h>

#include "../c/zabbix_module.h"

struct callbacks {
  void (*write[5])(const void*, int);
};
static void hang(const void* rows, int count) {
  (void)rows;
  (void)count;
  for (;;) pause();
}

MODULE_VERSION
MODULE_INIT
MODULE_FUNCTION ZBX_METRIC* zbx_module_item_list(void) { return NULL; }
MODULE_FUNCTION struct callbacks zbx_module_history_write_cbs(void) {
  const struct callbacks all = {{NULL, hang, NULL, NULL, NULL}};
  return all;
}
