// expects: the_key_is_built_into_Zabbix_which_would_not_start_choose_another
#include "zbxmod/module.h"

static int one() { return 1; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<one>("my.ping")};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<one>("agent.ping")};
#endif
ZBXMOD_MODULE(items)
