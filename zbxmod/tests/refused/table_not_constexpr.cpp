// expects: declare the table constexpr
#include "zbxmod/module.h"

static int one() { return 1; }

#ifdef RIGHT
constexpr
#endif
    zbxmod::Item items[] = {zbxmod::item<one>("my.one")};
ZBXMOD_MODULE(items)
