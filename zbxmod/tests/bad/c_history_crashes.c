/* Reads one row of history too many, and keeps texts beyond the call. */
#include "../c/zabbix_module.h"

struct row {
  unsigned long long itemid;
  int clock;
  int ns;
  const char* value;
};
struct callbacks {
  void (*write[5])(const void*, int);
};
static volatile unsigned long long sum = 0;
static const char* kept = NULL;

static void one_too_many(const void* rows, int count) {
  const struct row* row = rows;
  for (int i = 0; i <= count; ++i) sum += row[i].itemid;
}
static void keep(const void* rows, int count) {
  const struct row* row = rows;
  if (count > 1) kept = row[1].value;
}
static void use_kept(const void* rows, int count) {
  (void)rows;
  (void)count;
  if (kept != NULL) sum += (unsigned long long)kept[0];
}

MODULE_VERSION
MODULE_INIT
MODULE_FUNCTION ZBX_METRIC* zbx_module_item_list(void) { return NULL; }
MODULE_FUNCTION struct callbacks zbx_module_history_write_cbs(void) {
  const struct callbacks all = {{one_too_many, NULL, keep, use_kept, NULL}};
  return all;
}
