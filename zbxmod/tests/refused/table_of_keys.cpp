// expects: ZBXMOD_MODULE takes the table
#include "zbxmod/module.h"

static int one() { return 1; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<one>("my.one")};
#else
constexpr const char* items[] = {"my.one"};
#endif
ZBXMOD_MODULE(items)
