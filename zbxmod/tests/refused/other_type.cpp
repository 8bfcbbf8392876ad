// expects: the row describes a parameter as another type than the handler takes
#include "zbxmod/module.h"

static int twice(int number) { return 2 * number; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<twice>("my.twice", zbxmod::whole("number"))};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<twice>("my.twice", zbxmod::text("number"))};
#endif
ZBXMOD_MODULE(items)
