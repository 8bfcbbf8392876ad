// expects: two rows of the table have the same key, with which Zabbix does not start
#include "zbxmod/module.h"

static int one() { return 1; }
static int two() { return 2; }

constexpr zbxmod::Item items[] = {
    zbxmod::item<one>("my.one"),
#ifdef RIGHT
    zbxmod::item<two>("my.two"),
#else
    zbxmod::item<two>("my.one"),
#endif
};
ZBXMOD_MODULE(items)
