// expects: the_key_is_empty
#include "zbxmod/module.h"

static int one() { return 1; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<one>("my.one")};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<one>("")};
#endif
ZBXMOD_MODULE(items)
