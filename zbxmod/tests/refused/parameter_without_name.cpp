// expects: a_parameter_has_no_name
#include "zbxmod/module.h"

static int same(int number) { return number; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<same>("my.same", zbxmod::whole("number"))};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<same>("my.same", zbxmod::whole(""))};
#endif
ZBXMOD_MODULE(items)
